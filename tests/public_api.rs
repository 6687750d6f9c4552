//! Tests that the public API equals the lists in `tests/api`, so that author and reviewer see each change.
//!
//! The API comes from rustdoc's JSON, an unstable format. The lists include all features, but no blanket implementations and
//! no unstable automatic traits.

use std::{collections::BTreeSet, env, error::Error, fs, path::Path, process::Command};

use metrics_guard_tests::{
    crates,
    process::{said, succeed},
};

/// The maximal size of the core's API: the lines of its list without implemented traits and derived methods.
const MAX_ITEMS: usize = 130;
const DERIVED: [&str; 5] = ["clone", "eq", "fmt", "hash", "default"];

/// The JSON, and so the lists, depends on the compiler.
#[test]
#[ignore = "documents each crate: .ci/run api"]
fn public_api_equals_the_lists() -> Result<(), Box<dyn Error>> {
    let mut changed = String::new();
    for published in crates::published()? {
        let package = &*published.name;
        let api = public_api(package)?;
        // A new exposed crate needs a reason in the crate's Cargo.toml.
        let exposed: BTreeSet<_> = published.list("exposes").into_iter().collect();
        assert_eq!(foreign_crates(&api, package), exposed, "crates whose items {package} exposes");
        if package == "metrics-guard-core" {
            let items = api.lines().filter(|line| is_item(line)).count();
            assert!(items <= MAX_ITEMS, "the core has {items} public items; at most {MAX_ITEMS} are allowed");
        }
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("api").join(package).with_extension("txt");
        if env::var_os("API").is_some_and(|value| value == "overwrite") {
            fs::write(&list, api)?;
        } else {
            let now = Path::new(env!("CARGO_TARGET_TMPDIR")).join(package).with_extension("txt");
            fs::write(&now, api)?;
            // A new crate has no list yet.
            changed += &said(&Command::new("diff").args(["-uN"]).arg(list).arg(now).output()?);
        }
    }
    assert!(
        changed.is_empty(),
        "the public API has changed:\n{changed}If this is intended, run API=overwrite .ci/run api and add a line to CHANGELOG.md."
    );
    Ok(())
}

fn is_item(line: &str) -> bool {
    let is_derived = |name: &&str| line.contains(&format!("::{name}(")) || line.contains(&format!("::{name}<"));
    !line.starts_with("impl") && !DERIVED.iter().any(is_derived)
}

/// Returns the public API, one item a line.
fn public_api(package: &str) -> Result<String, Box<dyn Error>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("api");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["rustdoc", "--quiet", "--package", package, "--lib", "--all-features", "--locked"])
        .args(["--", "-Zunstable-options", "--output-format=json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("CARGO_TARGET_DIR", &target)
        // This script enables unstable options only for rustdoc. For all of cargo, the variable would rebuild every dependency.
        .env("RUSTDOC", concat!(env!("CARGO_MANIFEST_DIR"), "/rustdoc"));
    succeed(&mut cargo)?;
    let json = target.join("doc").join(package.replace('-', "_")).with_extension("json");
    let api = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build()?;
    // A program cannot use these: they are unstable, the compiler's own, or pages of documentation.
    let unseen = [
        "core::marker::Freeze",
        "core::marker::StructuralPartialEq",
        "core::marker::UnsafeUnpin",
        "metrics_guard_core::guide",
    ];
    let lines = api.items().map(ToString::to_string).filter(|line| !unseen.iter().any(|unseen| line.contains(unseen)));
    Ok(lines.flat_map(|line| [line, "\n".to_owned()]).collect())
}

/// Returns the crates whose paths are in the API, except Rust's own and this one.
fn foreign_crates<'a>(api: &'a str, package: &str) -> BTreeSet<&'a str> {
    let own = package.replace('-', "_");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let paths = api.split(|c| !is_word(c) && c != ':').filter(|word| !word.starts_with("::"));
    let roots = paths.filter_map(|path| path.split_once("::")).map(|(root, _)| root);
    let lower = roots.filter(|root| root.starts_with(|c: char| c.is_ascii_lowercase()));
    lower.filter(|root| !["alloc", "core", "std", &own].contains(root)).collect()
}
