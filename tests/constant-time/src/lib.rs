//! What the program in `src/bin` uses: keys, client requests to valgrind, and the comparisons under test.

use metrics_guard_core::{Guard, Key, KeyRing};

pub mod comparisons;
#[path = "../../../metrics-guard-core/src/limits.rs"]
mod limits;
pub mod sources;
pub mod valgrind;

/// A key of visible characters, other ones for each `number`.
#[must_use]
pub fn key(number: usize, len: usize) -> Vec<u8> {
    (b'!'..=b'~').cycle().skip(31 * number).step_by(7).take(len).collect()
}

/// One key of each of these lengths, no two alike.
#[must_use]
pub fn keys(lens: &[usize]) -> Vec<Vec<u8>> {
    lens.iter().enumerate().map(|(number, len)| key(number, *len)).collect()
}

/// `key` with another byte at this place.
#[must_use]
pub fn but(mut key: Vec<u8>, place: usize) -> Vec<u8> {
    key[place] = if key[place] == b'a' { b'b' } else { b'a' };
    key
}

/// A guard that takes `keys` from every source.
pub fn guard(keys: impl IntoIterator<Item = Key>) -> Guard {
    let ring = KeyRing::new(keys).expect("keys");
    Guard::builder(ring).query("key").expect("a name").build()
}
