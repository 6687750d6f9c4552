//! Code that the tests share: servers as child processes, a client that sends any bytes, and real scrapers. Never published.

#![forbid(unsafe_code)]
#![allow(missing_docs, clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::must_use_candidate)] // for callers of a library
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // as in tests

pub mod certificates;
pub mod crates;
pub mod fetch;
pub mod hostile;
pub mod key_changes;
mod keys;
pub mod model;
pub mod process;
pub mod prometheus;
pub mod scraper;
pub mod servers;
pub mod wait;
pub mod wire;

pub use keys::{KEY, SYMBOLS, WRONG};

/// Returns a key of the right form, a different one for each number.
pub fn numbered_key(number: u32) -> String {
    format!("{:032x}", 0x9c2f_1e7a_b5d8_4036_f1c0_a7e3_b692_5d49_u128.wrapping_mul(u128::from(number) * 2 + 1))
}

/// Compiles and runs the README's Rust.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Returns the environment variable of a setting.
pub fn variable_of(setting: &str) -> String {
    format!("METRICS_VERIFICATION_{}", setting.to_uppercase())
}
