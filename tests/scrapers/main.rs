//! The files in deploy/, run by real scrapers and checked by real tools.
//!
//! `.ci/run scrapers` (six minutes)
//!
//! A trial is ignored if its program is not available. Where the variable `CI` is set, it fails if the program is pinned: see
//! get-programs.sh and requirements.txt.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use libtest_mimic::{Arguments, Trial};

mod collectors;
mod compose;
mod datadog;
mod job;
mod kubernetes;
mod methods;
mod rotation;
mod tools;

/// More than there are processors, because a trial waits for the next scrape most of the time.
const AT_ONCE: usize = 4;

fn main() {
    let trials = [
        rotation::trials(), // first, since it takes longest
        methods::trials(),
        collectors::trials(),
        datadog::trials(),
        compose::trials(),
        kubernetes::trials(),
        vec![Trial::test(
            "the_readme_and_the_guide_have_what_deploy_has",
            methods::the_readme_and_the_guide_have_what_deploy_has,
        )],
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let trials = trials.into_iter().flatten();
    let trials = trials.map(|trial| match trial.name() {
        "kubernetes_names" | "kubernetes_names_after_a_change" | "the_readme_and_the_guide_have_what_deploy_has" => {
            trial
        }
        _ => trial.with_ignored_flag(true).with_kind("fetches scrapers: .ci/run scrapers"),
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
