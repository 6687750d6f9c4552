//! Any bytes as a key file: an error whose text is none of theirs, or keys that a header can say and that open the guard.

#![no_main]

use std::{fs, path::Path};

use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use metrics_guard_core::{ConfigError, Guard, Key, Place, Problem};
use tempfile::NamedTempFile;

/// Four keys of 256 bytes, and as much again.
const MAX_LEN: usize = 2048;

/// Whether it is what can be wrong with the content of a file. None of these has room for any of it.
fn is_about_content(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Blank
            | Problem::Unsendable
            | Problem::Sample
            | Problem::Placeholder
            | Problem::Wrapped(_)
            | Problem::PathAsKey
            | Problem::TooShort
            | Problem::TooLong
            | Problem::TooManyKeys
            | Problem::FileTooLarge
    )
}

fuzz_target!(|content: &[u8]| {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, content).unwrap();
    let keys = keys(content);
    let is_key_file = (1..=4).contains(&keys.len()) && keys.iter().all(|key| Key::new(key).is_ok());
    match Guard::builder_from_key_file(&file) {
        Ok(builder) => {
            assert!(is_key_file);
            opens(&builder.build(), &keys);
        }
        Err(error) => {
            assert!(!is_key_file || content.len() > MAX_LEN, "{error}");
            says_nothing_of(content, &error, file.path());
        }
    }
});

/// The lines that are not blank, without their ends, each once.
fn keys(content: &[u8]) -> Vec<&[u8]> {
    let lines = content.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut keys = Vec::new();
    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
        if !keys.contains(&line) {
            keys.push(line);
        }
    }
    keys
}

fn opens(guard: &Guard, keys: &[&[u8]]) {
    let present = |key| {
        let value = HeaderValue::from_bytes(key).unwrap();
        assert_eq!(value.to_str().unwrap().trim().as_bytes(), key);
        let request = Request::get("/metrics").header("X-Metrics-Key", value).body(()).unwrap();
        guard.check(&request).ok().map(|authorized| authorized.key().unwrap())
    };
    for (key, label) in keys.iter().zip(["current", "previous", "third", "fourth"]) {
        assert_eq!(present(key), Some(label));
        let shorter = &key[1..];
        assert!(keys.contains(&shorter) || present(shorter).is_none());
    }
}

fn says_nothing_of(content: &[u8], error: &ConfigError, path: &Path) {
    let lines = content.split(|&byte| byte == b'\n').count();
    let place = match error.place() {
        Place::File(shown) if shown.path() == path => shown.to_string(),
        Place::Line(shown, line) if shown.path() == path && *line <= lines => format!("{shown}, line {line}"),
        other => panic!("{other}"),
    };
    assert!(is_about_content(error.problem()), "{error}");
    for text in [error.to_string(), format!("{error:?}")] {
        assert_eq!(text, format!("{place}: {}", error.problem()));
    }
}
