//! What deploy/ promises of scrapers, tried on real ones.
//!
//! `cargo test -p metrics-guard-tests --test scrapers`
//!
//! A scraper or a tool that cannot be had is counted as ignored, and said so; where the variable `CI` is set, it fails.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use libtest_mimic::Arguments;

mod collectors;
mod compose;
mod kubernetes;
mod passing;
mod scrape_config;

fn main() {
    let trials =
        [collectors::trials(), compose::trials(), kubernetes::trials(), passing::trials(), scrape_config::trials()];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit();
}
