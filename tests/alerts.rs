//! The alert rules in deploy/ fire when they should, and else do not: `promtool test rules`, of each version.
//!
//! `cargo test -p metrics-guard-tests --test alerts`
//!
//! A version that cannot be had is said; where the variable `CI` is set, it fails.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{path::Path, process::Command};

use metrics_guard_tests::{fetch::fetch_or_say_so, process::said, prometheus::Version};

fn promtool(program: &Path, arguments: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(program).args(arguments).current_dir(here).output().unwrap();
    let said = said(&output);
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
    assert!(said.contains("SUCCESS"), "promtool {arguments:?}:\n{said}");
}

#[test]
fn the_alert_rules_fire_when_they_should() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    for version in Version::ALL {
        let Some(program) = fetch_or_say_so(&cache, version.slot(), "promtool").unwrap() else { continue };
        promtool(&program, &["check", "rules", "../deploy/alerts.yml"]);
        promtool(&program, &["test", "rules", "alerts.yml", "alerts_of_days.yml"]);
    }
}
