//! The accepted keys: what a key may be, where keys come from, which are active, and their comparison with a presented one.

pub(crate) mod chance;
pub(crate) mod file;
pub(crate) mod form;
pub(crate) mod guess;
pub(crate) mod key;
#[cfg(unix)]
pub(crate) mod permissions;
pub(crate) mod reserve;
pub(crate) mod ring;
pub(crate) mod slots;
pub(crate) mod watch;
pub(crate) mod words;
