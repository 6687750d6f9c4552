//! Handles the accepted keys: their form, where they come from, which are active, and how a presented key is compared.

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
