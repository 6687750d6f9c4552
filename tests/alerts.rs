//! Runs the tests of the alert rules in deploy/, with `promtool test rules` of each version.
//!
//! `.ci/run alerts`

#![allow(missing_docs)] // a program

use std::{path::Path, process::Command};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use metrics_guard_tests::{fetch::fetch_or_say_so, process::said, prometheus::Version};

fn main() {
    let trials = Version::ALL.map(|version| {
        let name = format!("alert_rules_pass_their_tests_with_promtool_of_{}", version.slot());
        let trial = Trial::ignorable_test(name, move || run(version));
        trial.with_ignored_flag(true).with_kind("fetches promtool: .ci/run alerts")
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

fn run(version: Version) -> Result<Completion, Failed> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    let Some(program) = fetch_or_say_so(&cache, version.slot(), "promtool")? else {
        return Ok(Completion::ignored_with(format!("no promtool of {}", version.slot())));
    };
    promtool(&program, &["check", "rules", "../deploy/alerts.yml"])?;
    promtool(&program, &["test", "rules", "alerts_of_minutes.yml", "alerts_of_days.yml"])?;
    Ok(Completion::Completed)
}

fn promtool(program: &Path, arguments: &[&str]) -> Result<(), Failed> {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
    let said = said(&output);
    let is_right = output.status.success() && said.contains("SUCCESS");
    if is_right { Ok(()) } else { Err(format!("promtool {arguments:?}:\n{said}").into()) }
}
