//! Defines an accepted key.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    error::{ConfigError, Origin, Problem},
    keys::form::{Flaw, flaw},
    limits::{MAX_LEN, MIN_LEN},
    problem,
    shown::shown_name,
};

/// An accepted key, with the label that identifies it in logs and counters.
///
/// A key has 16 to 256 visible ASCII characters, so that every scraper can send it in a header. `Debug` shows only the label.
/// The bytes are overwritten when the key is dropped. The caller must clear the copy that it made the key from.
pub struct Key {
    pub(crate) label: Option<&'static str>,
    pub(crate) bytes: Zeroizing<Box<[u8]>>,
    pub(crate) origin: Origin,
}

impl Key {
    /// Makes a key of `bytes`. Generate them with `openssl rand -hex 32`.
    ///
    /// An attacker can guess a key that a person invented, whatever its length. A passphrase is accepted if it has four or more
    /// words. Between two words, it must have one digit, one of `-_.,!@*/+`, or only a capital letter. Fewer words, and the
    /// default form of xkpasswd with padding at its ends, are rejected: use `openssl rand -hex 32` instead.
    ///
    /// # Errors
    ///
    /// - [`WeakKey`](crate::ConfigErrorKind::WeakKey) if it has fewer than 16 characters, or is a published example, words such
    ///   as `change-me`, or a simple pattern
    /// - [`InvalidKey`](crate::ConfigErrorKind::InvalidKey) if it is blank, has more than 256 characters, or has a byte that is
    ///   not visible ASCII
    /// - [`InvalidKey`](crate::ConfigErrorKind::InvalidKey) if it is a path, a reference or a template (`${METRICS_KEY}`), or if
    ///   quotes, a name or other text surround it
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Key, ConfigError> {
        Key::found_at("Key::new", bytes.as_ref())
    }

    pub(crate) fn found_at(origin: impl Into<Origin>, bytes: &[u8]) -> Result<Key, ConfigError> {
        match unacceptable(bytes) {
            Some(problem) => Err(problem.at(origin)),
            None => Ok(Key { label: None, bytes: Zeroizing::new(bytes.into()), origin: origin.into() }),
        }
    }

    /// Sets the label of the key. Without a label, the position in the ring names the key: `current`, `previous`, `third`,
    /// `fourth`.
    ///
    /// A label is public: it is in logs, in the series of the feature `metrics`, and in [`Authorized::key`]. So write 1 to 15
    /// characters of `A-Z a-z 0-9 - _`. Any other label could be a key by mistake, and becomes `…`.
    ///
    /// The label is `'static`, so that a check can return it without allocating or counting references.
    ///
    /// [`Authorized::key`]: crate::Authorized::key
    #[must_use]
    pub fn with_label(self, label: &'static str) -> Key {
        Key { label: Some(shown_name(label)), ..self }
    }
}

/// Returns why `bytes` cannot be a key. Returns `None` if they can.
fn unacceptable(bytes: &[u8]) -> Option<Problem> {
    if bytes.trim_ascii().is_empty() {
        Some(problem::blank())
    } else if let Some(flaw) = flaw(bytes) {
        Some(match flaw {
            Flaw::Guessable => problem::sample(),
            Flaw::Template => problem::placeholder(),
            Flaw::Path => problem::path_as_key(),
            Flaw::Wrapped(what) => problem::wrapped(what),
            Flaw::NoKey(what) => problem::not_a_key(what),
        })
    } else if !bytes.iter().all(u8::is_ascii_graphic) {
        Some(problem::unsendable())
    } else if bytes.len() < MIN_LEN {
        Some(problem::too_short())
    } else if bytes.len() > MAX_LEN {
        Some(problem::too_long())
    } else {
        None
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("label", &self.label).finish_non_exhaustive()
    }
}
