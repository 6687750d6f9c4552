//! Shared by the trials: the programs that they run, the files in deploy/, and the commands in the comments of these files.

use std::{
    env, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use libtest_mimic::{Completion, Failed};
use metrics_guard_core::Guard;
use metrics_guard_tests::{
    fetch::{fetch_or_say_so, is_ci},
    key_changes::replace_file,
    process::succeed,
    scraper::{Program, Scraper},
};
use serde_json::Value;

fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers")
}

/// Runs `test` with this program of a slot of get-programs.sh. The test is ignored if the program is not available.
pub(crate) fn with(
    slot: &str,
    program: &str,
    test: impl Fn(&Path) -> Result<(), Failed>,
) -> Result<Completion, Failed> {
    match fetch_or_say_so(&cache(), slot, program)? {
        Some(path) => test(&path).map(|()| Completion::Completed),
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

/// The program of this scraper, if it is available.
pub(crate) fn fetched(scraper: Scraper) -> io::Result<Option<Program>> {
    scraper.fetch_or_say_so(&cache())
}

/// Runs `test` with the folder of the programs of a Python that has requirements.txt. The test is ignored if they cannot be
/// installed; where the variable `CI` is set, it fails.
pub(crate) fn with_python(test: impl Fn(&Path) -> Result<(), Failed>) -> Result<Completion, Failed> {
    match python() {
        Ok(programs) => test(&programs).map(|()| Completion::Completed),
        Err(problem) if is_ci() => Err(problem.into()),
        Err(problem) => Ok(Completion::ignored_with(problem.to_string())),
    }
}

fn python() -> io::Result<PathBuf> {
    // The first trial installs them, and the others wait for it.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("scrapers/requirements.txt");
    let folder = cache().join("python");
    let (programs, installed) = (folder.join("bin"), folder.join("installed.txt"));
    let python = programs.join("python");
    let wanted = fs::read_to_string(&requirements)?;
    let is_installed = fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted);
    // The system's Python, which it uses, may be another one by now.
    if !is_installed || succeed(Command::new(&python).args(["-c", "import datadog_checks.base"])).is_err() {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        // Wheels only, so that no package's own code runs.
        let options =
            ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--retries=2", "--timeout=30"];
        succeed(Command::new(&python).args(options).arg("--requirement").arg(&requirements))?;
        fs::write(installed, wanted)?;
    }
    Ok(programs)
}

/// `text` with other words in the place of some that must be in it.
pub(crate) fn replaced(text: &str, words: &[(&str, &str)]) -> io::Result<String> {
    if let Some((word, _)) = words.iter().find(|(word, _)| !text.contains(word)) {
        return Err(io::Error::other(format!("`{word}` is not in the file any more")));
    }
    Ok(words.iter().fold(text.to_owned(), |text, (word, other)| text.replace(word, other)))
}

/// The path of this file or folder in deploy/.
pub(crate) fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").canonicalize().unwrap().join(path)
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

/// The text at this JSON pointer, or an empty one.
pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    at(value, pointer).as_str().unwrap_or_default()
}

/// The elements at this JSON pointer, if it is a list.
pub(crate) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    at(value, pointer).as_array().map_or(&[], Vec::as_slice)
}

/// The blocks of commands in the comments of a file: the lines that are indented by three spaces.
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

/// Runs commands in this folder, by a shell that stops at the first error and prefers the programs in `programs`. New files
/// are open to all unless the commands close them.
pub(crate) fn run(commands: &str, folder: &Path, programs: &Path) -> io::Result<()> {
    let path = format!("{}:{}", programs.display(), env::var("PATH").map_err(io::Error::other)?);
    let commands = format!("umask 022\n{commands}");
    succeed(Command::new("sh").args(["-euc", &commands]).current_dir(folder).env("PATH", path))
}

/// Puts a program that is this shell script into `folder`.
pub(crate) fn script(folder: &Path, name: &str, body: &str) -> io::Result<()> {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
}

/// Asserts that these texts of the service's file and of the scraper's file are the steps of a rotation: the old key, both
/// keys twice, the new key. A guard with the service's file accepts the scraper's key at each step, so that no scrape fails.
pub(crate) fn assert_rotates(steps: &[(String, String)]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accepted_keys");
    for (accepted, sent) in steps {
        replace_file(&file, accepted).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let guard = Guard::builder_from_key_file(&file).unwrap().build();
        assert!(guard.warnings().is_empty(), "{:?}", guard.warnings());
        let request = http::Request::get("/metrics").header("authorization", format!("Bearer {}", sent.trim_end()));
        assert!(guard.check(&request.body(()).unwrap()).is_ok(), "a scrape would fail");
    }
    let keys = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let [old, new] = [steps.first(), steps.last()].map(|step| keys(&step.unwrap().1));
    assert!(old != new && old[0].len() == 64);
    let both = [&new[..], &old[..]].concat();
    let expected = [(old.clone(), old.clone()), (both.clone(), old), (both, new.clone()), (new.clone(), new)];
    assert_eq!(steps.iter().map(|(accepted, sent)| (keys(accepted), keys(sent))).collect::<Vec<_>>(), expected);
}
