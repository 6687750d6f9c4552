//! The examples, built as a user builds them.

use std::env;

use escargot::CargoBuild;

/// The build of an example.
///
/// Without what cargo says to the tests that it runs: a build script that looks at these variables (ring's does) would
/// have its crate and all that need it built anew for the examples, and then again for the tests.
#[must_use]
pub fn example(package: &str, name: &str) -> CargoBuild {
    let said = env::vars_os().map(|(name, _)| name).filter(|name| {
        name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    });
    said.fold(CargoBuild::new().package(package).example(name), CargoBuild::env_remove)
}
