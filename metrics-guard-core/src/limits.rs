//! Lengths and counts of keys.

/// The most keys that a guard accepts at a time.
pub(crate) const MAX_KEYS: usize = 4;
/// The length of the shortest key.
pub(crate) const MIN_LEN: usize = 16;
/// The length of the longest key.
pub(crate) const MAX_LEN: usize = 256;
