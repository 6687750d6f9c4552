//! What deploy/ promises of scrapers, tried on real ones.
//!
//! `.ci/run scrapers` (six minutes)
//!
//! A scraper or a tool that cannot be had is counted as ignored, and said so; where the variable `CI` is set, it fails.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::process::ExitCode;

use libtest_mimic::Arguments;

mod collectors;
mod compose;
mod job;
mod kubernetes;
mod methods;
mod passing;
mod readme;
mod rotation;
mod scrape_config;
mod table;
mod tools;

/// What waits for the next scrape most of the time can be more than there are processors.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let trials = [
        rotation::trials(), // first, since it takes longest
        readme::trials(),
        methods::trials(),
        collectors::trials(),
        compose::trials(),
        kubernetes::trials(),
        passing::trials(),
        scrape_config::trials(),
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let trials = trials.into_iter().flatten();
    let trials = trials.map(|trial| trial.with_ignored_flag(true).with_kind("fetches scrapers: .ci/run scrapers"));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if conclusion.has_failed() {
        return ExitCode::FAILURE;
    }
    match table::check() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
