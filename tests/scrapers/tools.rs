//! What the trials have in common: scrapers and other tools, the folders in deploy/, what their YAML says, and the commands in
//! its comments.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use libtest_mimic::{Completion, Failed};
use metrics_guard_core::Guard;
use metrics_guard_tests::{
    fetch::fetch_or_say_so,
    process::{said, succeed},
    scraper::{Program, Scraper},
};
use serde_json::Value;

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers")
}

/// Runs `test` with this program of a slot of get-programs.sh. Where that cannot be had, the test is ignored, and says so;
/// where the variable `CI` is set, it fails.
pub(crate) fn with<E: Into<Failed>>(
    slot: &str,
    program: &str,
    test: impl Fn(&Path) -> Result<(), E>,
) -> Result<Completion, Failed> {
    match fetch_or_say_so(&cache(), slot, program)? {
        Some(path) => test(&path).map(|()| Completion::Completed).map_err(E::into),
        None => Ok(Completion::ignored_with(format!("no {program} of {slot}"))),
    }
}

/// The same with these scrapers.
pub(crate) fn with_scrapers<const N: usize>(
    scrapers: [Scraper; N],
    test: impl Fn(&[Program; N]) -> Result<(), Failed>,
) -> Result<Completion, Failed> {
    let mut programs = Vec::new();
    for scraper in scrapers {
        match fetched(scraper)? {
            Some(program) => programs.push(program),
            None => return Ok(Completion::ignored_with(format!("no {} of {}", scraper.name(), scraper.slot()))),
        }
    }
    test(&programs.try_into().unwrap()).map(|()| Completion::Completed)
}

/// The program of this scraper. None if it cannot be had.
pub(crate) fn fetched(scraper: Scraper) -> io::Result<Option<Program>> {
    scraper.fetch_or_say_so(&cache())
}

/// Whether `check` takes `text` in a file whose path comes last, and what it says.
pub(crate) fn takes(check: &mut Command, last: &str, text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    fs::write(&file, text).unwrap();
    let output = check.arg(format!("{last}{}", file.display())).output().unwrap();
    (output.status.success(), said(&output))
}

/// Whether this promtool takes a configuration, and what it says; not of the files that it names, which are not here.
pub(crate) fn promtool_takes(promtool: &Path, text: &str) -> (bool, String) {
    takes(Command::new(promtool).args(["check", "config", "--syntax-only"]), "", text)
}

/// `text` with other words in the place of some that must be in it.
pub(crate) fn replaced(text: &str, words: &[(&str, &str)]) -> io::Result<String> {
    if let Some((word, _)) = words.iter().find(|(word, _)| !text.contains(word)) {
        return Err(io::Error::other(format!("`{word}` is not in the file any more")));
    }
    Ok(words.iter().fold(text.to_owned(), |text, (word, other)| text.replace(word, other)))
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
pub(crate) fn run(commands: &str, folder: &Path, programs: &Path) -> io::Result<()> {
    let path = format!("{}:{}", programs.display(), env::var("PATH").map_err(io::Error::other)?);
    succeed(Command::new("sh").args(["-euc", commands]).current_dir(folder).env("PATH", path))
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
