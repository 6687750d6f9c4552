//! Keys, client requests to valgrind, and the comparisons under test, for the program in `src/bin`.

use metrics_guard_core::{Guard, Key, KeyRing};

pub mod comparisons;
#[path = "../../../metrics-guard-core/src/limits.rs"]
mod limits;
pub mod sources;
pub mod valgrind;

/// Returns a key of visible characters, a different one for each `number`.
#[must_use]
pub fn key(number: usize, len: usize) -> Vec<u8> {
    (b'!'..=b'~').cycle().skip(31 * number).step_by(7).take(len).collect()
}

/// Returns a different key of each length.
#[must_use]
pub fn keys(lens: &[usize]) -> Vec<Vec<u8>> {
    lens.iter().enumerate().map(|(number, len)| key(number, *len)).collect()
}

/// Returns `key` with another byte at this place.
#[must_use]
pub fn but(mut key: Vec<u8>, place: usize) -> Vec<u8> {
    key[place] = if key[place] == b'a' { b'b' } else { b'a' };
    key
}

/// Builds a guard that accepts `keys` from every source.
pub fn guard(keys: impl IntoIterator<Item = Key>) -> Guard {
    let ring = KeyRing::new(keys).expect("keys");
    Guard::builder(ring).query("key").expect("a name").build()
}
