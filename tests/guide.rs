//! What the guide quotes is what is there. (Its messages of the core are held against the core, in src/guide.rs there.)

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{fs, process::Command};

use metrics_guard_core::{Key, Problem};

const PAGE: &str = include_str!("../metrics-guard-core/docs/guide/troubleshooting.md");
const ALERTS: &str = include_str!("../deploy/alerts.yml");

/// The first cells in the tables of a section.
fn rows<'p>(heading: &str) -> impl Iterator<Item = &'p str> {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
}

/// What stands between double backticks in a cell, without the `..` that stand for what differs from case to case.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split("``").step_by(2).flat_map(|text| text.split("..")).map(str::trim).collect()
}

#[test]
fn the_compiler_says_what_the_guide_quotes() {
    let cases = fs::read_dir("ui/fail").unwrap().map(|entry| entry.unwrap().path());
    let said: Vec<_> = cases.filter(|path| path.extension().is_some_and(|extension| extension == "stderr")).collect();
    let said: Vec<_> = said.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut count = 0;
    // A row begins with two backticks, of which `rows` takes one.
    for row in rows("The compiler").map(|row| row.strip_prefix('`').unwrap()) {
        let parts = quoted(row);
        assert!(
            said.iter().any(|text| parts.iter().all(|part| text.contains(part))),
            "no case in ui/fail says: {parts:?}"
        );
        count += 1;
    }
    assert!(count > 10, "{count} rows");
}

#[test]
fn each_alert_is_in_the_guide() {
    let in_guide: Vec<_> = rows("What the service shows").map(|row| row.trim_end_matches('`')).collect();
    let alerts: Vec<_> = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(in_guide.contains(&alert), "{alert} is not in the guide");
    }
}

/// What documents show is tried first by whoever guesses, and copied by whoever is in a hurry.
#[test]
fn no_key_that_a_page_shows_is_accepted() {
    let git = Command::new("git").args(["ls-files", "--full-name", ":/*.md"]).output().unwrap();
    let pages = String::from_utf8(git.stdout).unwrap();
    let mut count = 0;
    for page in pages.lines() {
        let text = fs::read_to_string(format!("../{page}")).unwrap();
        let words = text.split(|c: char| !c.is_ascii_hexdigit());
        for shown in words.filter(|word| word.len() >= 32) {
            let error = Key::new(shown).unwrap_err();
            assert_eq!(*error.problem(), Problem::Sample, "{page} shows {shown}, which is accepted");
            count += 1;
        }
    }
    assert!(count > 3, "{count} keys");
}
