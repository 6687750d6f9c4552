//! What the fuzz targets share: the tests' keys and the plain model of a guard.
//!
//! `tests/fuzz/run` runs all targets. `cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none check` runs one until it
//! finds something; no sanitizer, since none of our code is unsafe.

#![allow(clippy::missing_errors_doc, clippy::must_use_candidate)] // as in tests/src/lib.rs

#[path = "../../src/keys.rs"]
mod keys;
#[path = "../../src/model.rs"]
pub mod model;

pub use keys::{KEY, SYMBOLS, WRONG};
