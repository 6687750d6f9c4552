//! What the tests of files for others have in common: the tools that check them, and the commands in their comments.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use libtest_mimic::{Completion, Failed};
use metrics_guard_core::Guard;
use metrics_guard_tests::prometheus::fetch_or_say_so;
use serde_json::Value;

/// Runs `test` with this program of a slot of get-prometheus.sh. Where that cannot be had, the test is ignored, and says so;
/// where the variable `CI` is set, it fails.
pub(crate) fn with(
    slot: &str,
    program: &str,
    test: impl Fn(&Path) -> Result<(), Failed>,
) -> Result<Completion, Failed> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    match fetch_or_say_so(&cache, slot, program)? {
        Some(path) => test(&path).map(|()| Completion::Completed),
        None => Ok(Completion::ignored_with(format!("no {program} of {slot}"))),
    }
}

/// The folder of this name in deploy/.
pub(crate) fn deploy(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(folder).canonicalize().unwrap()
}

/// The documents in this YAML. Octal numbers are those of YAML 1.1, which Kubernetes reads.
pub(crate) fn documents(yaml: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_multiple_with_options(yaml, options).map_err(|error| error.to_string())
}

/// What is at this JSON pointer, or null.
pub(crate) fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The text at this JSON pointer, or none.
pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    at(value, pointer).as_str().unwrap_or_default()
}

/// The elements at this JSON pointer, if it is a list.
pub(crate) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    at(value, pointer).as_array().map_or(&[], Vec::as_slice)
}

/// The blocks of commands in the comments of a file: what is indented by three blanks.
pub(crate) fn commands(file: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in file.lines() {
        match line.strip_prefix("#   ") {
            Some(command) => blocks.last_mut().unwrap().extend([command, "\n"]),
            None if blocks.last().is_some_and(String::is_empty) => {}
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Runs commands in this folder, as a shell that stops at the first error, with these programs before all others.
pub(crate) fn run(commands: &str, folder: &Path, programs: &Path) -> Result<(), Failed> {
    let path = format!("{}:{}", programs.display(), env::var("PATH")?);
    let output = Command::new("sh").args(["-euc", commands]).current_dir(folder).env("PATH", path).output()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{commands}{}: {said}", output.status).into()) }
}

/// Puts a program that is this shell script into `folder`.
pub(crate) fn script(folder: &Path, name: &str, body: &str) -> Result<(), Failed> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
}

/// Whether this guard lets a scrape with this key pass.
pub(crate) fn accepts(guard: &Guard, key: &str) -> bool {
    let request = http::Request::get("/metrics").header("authorization", format!("Bearer {key}")).body(());
    guard.check(&request.unwrap()).is_ok()
}
