//! Runs the files in deploy/ with real scrapers. `.ci/run scrapers` (six minutes) also checks them with other programs.
//!
//! A trial is ignored if its program is not available. If the variable `CI` is set and the program is pinned, the trial
//! fails: see get-programs.sh.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::path::Path;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use metrics_guard_tests::scraper::{Program, Scraper};

mod commands;
mod job;
mod methods;
mod names;
mod rotation;

/// More trials than processors, because a trial mostly waits for the next scrape.
const AT_ONCE: usize = 4;

fn main() {
    let needs_programs = [rotation::trials(), methods::trials(), commands::trials()]; // the first takes longest
    let needs_programs = needs_programs.into_iter().flatten();
    let trials =
        needs_programs.map(|trial| trial.with_ignored_flag(true).with_kind("fetches scrapers: .ci/run scrapers"));
    let of_texts: [(_, fn()); 3] = [
        ("compose_names", names::compose_names),
        ("kubernetes_names", names::kubernetes_names),
        ("other_files_have_the_jobs_that_are_run", methods::other_files_have_the_jobs_that_are_run),
    ];
    let of_texts = of_texts.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    libtest_mimic::run(&arguments, trials.chain(of_texts).collect()).exit();
}

/// Runs `test` with these scrapers. The test is ignored if one is not available.
fn with_scrapers<const N: usize>(
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

/// Returns the program of this scraper, if it is available.
fn fetched(scraper: Scraper) -> Result<Option<Program>, Failed> {
    Ok(scraper.fetch_or_say_so(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers"))?)
}
