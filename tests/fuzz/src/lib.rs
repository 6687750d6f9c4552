//! Code that the fuzz targets share: the tests' keys and the model of a guard.
//!
//! `tests/fuzz/run` runs all targets. `cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none check` runs one target until it
//! fails. No sanitizer is needed, because our code has no `unsafe`.

#![allow(clippy::missing_errors_doc, clippy::must_use_candidate)] // as in tests/src/lib.rs

#[path = "../../src/keys.rs"]
mod keys;
#[path = "../../src/model.rs"]
pub mod model;

pub use keys::{KEY, SYMBOLS, WRONG};
