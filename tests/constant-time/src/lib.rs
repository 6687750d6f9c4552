//! What the programs in `src/bin` share: requests to valgrind, and comparisons to put under it.

use metrics_guard_core::{Guard, Key, KeyRing};

pub mod comparisons;
pub mod sources;
pub mod valgrind;

/// A key of visible characters, other ones for each `number`.
#[must_use]
pub fn key(number: usize, len: usize) -> Vec<u8> {
    (b'!'..=b'~').cycle().skip(31 * number).step_by(7).take(len).collect()
}

/// A guard that takes `keys` from every source.
pub fn guard(keys: impl IntoIterator<Item = Key>) -> Guard {
    let ring = KeyRing::new(keys).expect("keys");
    Guard::builder(ring).query("key").expect("a name").build()
}
