//! The comparisons under test, and requests to valgrind, for the program in `main.rs`.
//!
//! They are in another crate than their callers, as the product's comparison is. This decides what the compiler inlines.

pub mod comparisons;
#[path = "../../../metrics-guard-core/src/limits.rs"]
mod limits;
pub mod sources;
pub mod valgrind;
