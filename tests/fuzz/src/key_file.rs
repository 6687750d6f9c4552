//! Fuzzes the key file with any bytes. The result must be an error without their text, or keys that a header can present and
//! that the guard accepts.

#![no_main]

use std::{fs, path::Path};

use http::{HeaderValue, Request};
use libfuzzer_sys::fuzz_target;
use metrics_guard_core::{ConfigError, ConfigErrorKind, Guard, Key};
use tempfile::NamedTempFile;

/// The limit of a key file: twice four keys of 256 bytes.
const MAX_LEN: usize = 2048;

/// The source with the names of all wrappings.
const WRAPPINGS: &str = include_str!("../../../metrics-guard-core/src/keys/form.rs");
const GUIDE: &str = include_str!("../../../metrics-guard-core/docs/guide/troubleshooting.md");

fuzz_target!(|content: &[u8]| {
    let file = NamedTempFile::new().unwrap();
    fs::write(&file, content).unwrap();
    let keys = keys(content);
    let is_key_file = (1..=4).contains(&keys.len()) && keys.iter().all(|key| Key::new(key).is_ok());
    match Guard::builder_from_key_file(&file) {
        Ok(builder) => {
            assert!(is_key_file);
            accepts(&builder.build(), &keys);
        }
        Err(error) => {
            assert!(!is_key_file || content.len() > MAX_LEN, "{error}");
            has_no_text_of(content, &error, file.path());
        }
    }
});

/// Returns the lines that are not blank, without line breaks and duplicates.
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

fn accepts(guard: &Guard, keys: &[&[u8]]) {
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

fn has_no_text_of(content: &[u8], error: &ConfigError, path: &Path) {
    let is_about_content = match error.kind() {
        ConfigErrorKind::InvalidKey | ConfigErrorKind::WeakKey => true,
        ConfigErrorKind::UnusableFile => error.to_string().contains(": the key file is too large; "),
        _ => false,
    };
    assert!(is_about_content, "{error}");
    // The shown path is the same for each content.
    let file = Guard::builder_from_key_file(path.join("x")).unwrap_err().origin().to_string();
    let origin = error.origin().to_string();
    let line = origin.strip_prefix(file.trim_end_matches("/x")).unwrap();
    let is_line = |number: &str| number.parse::<usize>().unwrap() <= content.split(|&byte| byte == b'\n').count();
    assert!(line.is_empty() || line.strip_prefix(", line ").is_some_and(is_line), "{error}");

    let text = error.to_string();
    assert_eq!(text, format!("{error:?}"));
    let text = text.strip_prefix(&origin).unwrap().strip_prefix(": ").unwrap();
    // The guide has only one of the wrappings.
    let wrapping = text.strip_prefix("the value is ");
    let wrapping = wrapping.and_then(|text| WRAPPING_ENDS.iter().find_map(|end| text.strip_suffix(end)));
    let is_fixed = match wrapping {
        Some(wrapping) => WRAPPINGS.contains(&format!("\"{wrapping}\"")),
        None => GUIDE.contains(&format!("| ``{text}")),
    };
    assert!(is_fixed, "{error}");
}

const WRAPPING_ENDS: [&str; 2] = [
    "; write the key alone, as `openssl rand -hex 32` prints it",
    ", not a secret key; make one with `openssl rand -hex 32`",
];
