//! The published crates, from `cargo metadata`.

use std::{
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

/// A published crate.
pub struct Crate {
    /// The name in its `Cargo.toml`.
    pub name: String,
    /// The folder of its `Cargo.toml`.
    pub folder: PathBuf,
    /// The oldest Rust that the crate supports.
    pub rust_version: String,
    /// The names and files of its examples that are one file.
    pub examples: Vec<(String, PathBuf)>,
    /// Whether it is the crate of macros, which programs use only through the other crates.
    pub has_macros: bool,
    /// `[package.metadata.metrics-guard]` in its `Cargo.toml`, which has what is particular to the crate.
    pub particular: Value,
    needs: Vec<String>,
}

impl Crate {
    fn of(package: &Value) -> Option<Crate> {
        let text = |value: &Value| Some(value.as_str()?.to_owned());
        let needed = |dependency: &Value| {
            let is_dev = dependency["kind"] == "dev";
            text(&dependency["name"]).filter(|_| !is_dev)
        };
        let example = |target: &Value| {
            let file = PathBuf::from(target["src_path"].as_str()?);
            let is_one = target["kind"][0] == "example" && file.parent()?.ends_with("examples");
            text(&target["name"]).filter(|_| is_one).map(|name| (name, file))
        };
        Some(Crate {
            name: text(&package["name"])?,
            folder: PathBuf::from(package["manifest_path"].as_str()?).parent()?.to_owned(),
            rust_version: text(&package["rust_version"])?,
            examples: package["targets"].as_array()?.iter().filter_map(example).collect(),
            has_macros: package["targets"][0]["kind"][0] == "proc-macro",
            particular: package["metadata"]["metrics-guard"].clone(),
            needs: package["dependencies"].as_array()?.iter().filter_map(needed).collect(),
        })
    }

    /// Returns the texts of a list in `particular`, or none if the list is missing.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.particular[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// Returns the crates in the order of publication: each after the crates that it needs.
pub fn published() -> io::Result<Vec<Crate>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit());
    let metadata: Value = serde_json::from_slice(&cargo.output()?.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let published = packages.filter(|package| package["publish"].is_null());
    let unreadable = || io::Error::other("unexpected output of cargo metadata");
    let crates = published.map(|package| Crate::of(package).ok_or_else(unreadable));
    let mut left = crates.collect::<io::Result<Vec<_>>>()?;
    let mut ordered = Vec::new();
    // Cargo rejects crates that need each other, so there is always a next one.
    while let Some(next) = left.iter().position(|next| !left.iter().any(|other| next.needs.contains(&other.name))) {
        ordered.push(left.remove(next));
    }
    Ok(ordered)
}
