//! The published crates, from `cargo metadata`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// A published crate.
pub struct Crate {
    pub name: String,
    /// The folder of its `Cargo.toml`.
    pub folder: PathBuf,
    /// The names and files of its examples that are one file.
    pub examples: Vec<(String, PathBuf)>,
    /// Whether it is the crate of macros, which programs use only through the other crates.
    pub has_macros: bool,
    /// `[package.metadata.metrics-guard]` in its `Cargo.toml`, which has what is particular to the crate.
    pub particular: Value,
}

impl Crate {
    fn of(package: &Value) -> Crate {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut folder = PathBuf::from(text(&package["manifest_path"]));
        folder.pop();
        let targets = package["targets"].as_array().unwrap();
        let examples = targets.iter().filter(|target| target["kind"][0] == "example");
        let examples = examples.map(|target| (text(&target["name"]), PathBuf::from(text(&target["src_path"]))));
        Crate {
            name: text(&package["name"]),
            examples: examples.filter(|(_, file)| *file.parent().unwrap() == folder.join("examples")).collect(),
            folder,
            has_macros: targets[0]["kind"][0] == "proc-macro",
            particular: package["metadata"]["metrics-guard"].clone(),
        }
    }

    /// Returns the texts of a list in `particular`, or none if the list is missing.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.particular[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

pub fn published() -> io::Result<Vec<Crate>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version=1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let metadata: Value = serde_json::from_slice(&cargo.stderr(Stdio::inherit()).output()?.stdout)?;
    let packages = metadata["packages"].as_array().unwrap();
    Ok(packages.iter().filter(|package| package["publish"].is_null()).map(Crate::of).collect())
}

/// Returns the folders of the programs on the guide's page about frameworks, which are in a workspace of their own.
pub fn recipes() -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes"))?;
    let folders: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
    Ok(folders?.into_iter().filter(|folder| folder.join("Cargo.toml").is_file()).collect())
}
