//! The examples, built as a user builds them.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use escargot::CargoBuild;

/// The build of an example.
///
/// Without what cargo says to the tests that it runs: a build script that looks at these variables (ring's does) would
/// have its crate and all that need it built anew for the examples, and then again for the tests.
pub fn example(package: &str, name: &str) -> CargoBuild {
    let said = env::vars_os().map(|(name, _)| name).filter(|name| {
        name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    });
    said.fold(CargoBuild::new().package(package).example(name), CargoBuild::env_remove)
}

/// What `cargo` builds, which is called `name` here: built by the first test of a program that asks for it.
pub fn once(name: String, cargo: CargoBuild) -> io::Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(&name) {
        return Ok(path.clone());
    }
    let program = cargo.run().map_err(io::Error::other)?.path().to_owned();
    // A build with other features replaces what cargo calls it.
    let path = program.with_file_name(format!("tested-{}", name.replace(' ', "-")));
    let _ = fs::remove_file(&path);
    fs::hard_link(program, &path)?;
    built.insert(name, path.clone());
    Ok(path)
}
