//! Defines the limits on the number and the length of keys.

/// The maximum number of active keys of a guard.
pub(crate) const MAX_KEYS: usize = 4;
/// The minimum length of a key in bytes.
pub(crate) const MIN_LEN: usize = 16;
/// The maximum length of a key in bytes.
pub(crate) const MAX_LEN: usize = 256;
