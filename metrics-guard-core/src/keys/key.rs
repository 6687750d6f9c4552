//! Accepted keys.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key, KeyRing};
//! # let random = || Ok::<_, getrandom::Error>(&*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak());
//! # let (old, new) = (random()?, random()?);
//!
//! let guard = Guard::new(KeyRing::new([Key::new(new)?.with_label("autumn"), Key::new(old)?.with_label("summer")])?);
//!
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", old).body(())?;
//! assert_eq!(guard.check(&scrape)?.key(), Some("summer"));
//!
//! let stranger = Request::get("/metrics").header("X-Metrics-Key", &old[1..]).body(())?;
//! assert!(guard.check(&stranger).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    error::{ConfigError, Place, Problem},
    keys::form::{Form, form},
    limits::{MAX_LEN, MIN_LEN},
    shown::shown_name,
};

/// An accepted key, with the label that logs and counters know it by.
///
/// 16 to 256 bytes of visible ASCII, so that every scraper can send it in a header. `Debug` shows the label alone.
/// The bytes are overwritten when the key is dropped; the copy that the caller made it from is the caller's to clear.
pub struct Key {
    pub(crate) label: Option<&'static str>,
    pub(crate) bytes: Zeroizing<Box<[u8]>>,
    pub(crate) place: Place,
}

impl Key {
    /// Accepts `bytes` as a key. Make one with `openssl rand -hex 32`.
    ///
    /// Length is no measure of chance: a key that somebody made up can be guessed, whatever its length.
    /// A passphrase is accepted if it has four or more words with one sign between each two. Fewer words, and the default form
    /// of xkpasswd with padding signs at its ends, are rejected: use `openssl rand -hex 32` instead.
    ///
    /// # Errors
    ///
    /// - [`Problem::Blank`] if there is nothing but white space
    /// - [`Problem::Unsendable`] if a byte is not visible ASCII
    /// - [`Problem::Sample`] if it is a published example, words such as `change-me`, or a simple pattern
    /// - [`Problem::Placeholder`] if it is a template or a reference, such as `${METRICS_KEY}`
    /// - [`Problem::PathAsKey`] if it is a path
    /// - [`Problem::Wrapped`] if it is a key with quotes, a name or another wrapping around it
    /// - [`Problem::TooShort`] and [`Problem::TooLong`] for other than 16 to 256 bytes
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Key, ConfigError> {
        Key::found_at(Place::Argument("Key::new"), bytes.as_ref())
    }

    pub(crate) fn found_at(place: Place, bytes: &[u8]) -> Result<Key, ConfigError> {
        match unacceptable(bytes) {
            Some(problem) => Err(ConfigError::new(place, problem)),
            None => Ok(Key { label: None, bytes: Zeroizing::new(bytes.into()), place }),
        }
    }

    /// Names the key. Without a label, a key is named by its position in the ring: `current`, `previous`, `third`,
    /// `fourth`.
    ///
    /// A label is public: it is in logs, in the series of the feature `metrics`, and in [`Authorized::key`]. So write 1 to 15
    /// characters of `A-Z a-z 0-9 - _`. Any other label could be a key by mistake, and becomes `…`.
    ///
    /// `'static`, so that a check can hand the label on without allocating or counting references.
    ///
    /// [`Authorized::key`]: crate::Authorized::key
    #[must_use]
    pub fn with_label(self, label: &'static str) -> Key {
        Key { label: Some(shown_name(label)), ..self }
    }
}

/// Why `bytes` cannot be a key.
fn unacceptable(bytes: &[u8]) -> Option<Problem> {
    if bytes.trim_ascii().is_empty() {
        Some(Problem::Blank)
    } else if let Some(form) = form(bytes) {
        Some(match form {
            Form::Guessable => Problem::Sample,
            Form::Template => Problem::Placeholder,
            Form::Path => Problem::PathAsKey,
            Form::Wrapped(what) => Problem::Wrapped(what),
        })
    } else if !bytes.iter().all(u8::is_ascii_graphic) {
        Some(Problem::Unsendable)
    } else if bytes.len() < MIN_LEN {
        Some(Problem::TooShort)
    } else if bytes.len() > MAX_LEN {
        Some(Problem::TooLong)
    } else {
        None
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("label", &self.label).finish_non_exhaustive()
    }
}
