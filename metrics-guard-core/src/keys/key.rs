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
    error::{ConfigError, Origin, Problem},
    keys::form::{Form, form},
    keys::labels::Labels,
    keys::slots::{MAX_KEYS, MAX_LEN, MIN_LEN, Slots},
    problem,
    setting::PREFIX,
    shown::shown_name,
    warning::{self, Warning},
};

/// Below this length a key is accepted with a warning.
const ADVISED_LEN: usize = 32;

/// An accepted key, with the label that logs and counters know it by.
///
/// 16 to 256 bytes of visible ASCII, so that every scraper can send it in a header. `Debug` shows the label alone.
/// The bytes are overwritten when the key is dropped; the copy that the caller made it from is the caller's to clear.
pub struct Key {
    label: Option<&'static str>,
    bytes: Zeroizing<Box<[u8]>>,
    origin: Origin,
}

impl Key {
    /// Accepts `bytes` as a key. Make one with `openssl rand -hex 32`.
    ///
    /// Length is no measure of chance: a key that somebody made up can be guessed, whatever its length.
    ///
    /// # Errors
    ///
    /// - [`WeakKey`](crate::ConfigErrorKind::WeakKey) if it has fewer than 16 bytes, or is a published example, words such as
    ///   `change-me`, or a simple pattern
    /// - [`InvalidKey`](crate::ConfigErrorKind::InvalidKey) if it is blank, has more than 256 bytes or one that is not visible
    ///   ASCII, is a path, a template or a reference such as `${METRICS_KEY}`, or has quotes, a name or another wrapping around
    ///   it
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Key, ConfigError> {
        Key::found_at(Origin::new("Key::new"), bytes.as_ref())
    }

    pub(crate) fn found_at(origin: Origin, bytes: &[u8]) -> Result<Key, ConfigError> {
        match unacceptable(bytes) {
            Some(problem) => Err(problem.at(origin)),
            None => Ok(Key { label: None, bytes: Zeroizing::new(bytes.into()), origin }),
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
        Some(problem::blank())
    } else if let Some(form) = form(bytes) {
        Some(match form {
            Form::Guessable => problem::sample(),
            Form::Template => problem::placeholder(),
            Form::Path => problem::path_as_key(),
            Form::Wrapped(what) => problem::wrapped(what),
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

/// One to four accepted keys, any of which opens the endpoint.
///
/// # What the comparison does and does not hide
///
/// The time that a comparison takes follows the *presented* key's length, which who presents it knows, and nothing of
/// the accepted keys: not how much of one matched, not which matched, not how long they are, not how many there are.
///
/// That is a property of the compiled code, and the compiler promises none. The two barriers
/// ([`black_box`](std::hint::black_box) and [`subtle`]) are best effort by their own documentation. Not covered are the
/// memory that a stolen core dump shows (keys are in it until they are dropped), power, and speculation.
pub struct KeyRing {
    // Boxed, so that moving a ring leaves no copy of the keys on the stack.
    slots: Box<Slots>,
    labels: [&'static str; MAX_KEYS],
    warnings: Vec<Warning>,
}

impl KeyRing {
    /// Puts `keys` in a ring. Keys with the same bytes count as one, the first, with a warning.
    ///
    /// # Errors
    ///
    /// - [`MissingKey`](crate::ConfigErrorKind::MissingKey) if there are none
    /// - [`InvalidKey`](crate::ConfigErrorKind::InvalidKey) if there are more than four, or if two have the same label
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<KeyRing, ConfigError> {
        KeyRing::found_at(&Origin::new("KeyRing::new"), keys)
    }

    pub(crate) fn found_at(origin: &Origin, keys: impl IntoIterator<Item = Key>) -> Result<KeyRing, ConfigError> {
        let mut ring = KeyRing::empty();
        let mut kept: Vec<Key> = Vec::with_capacity(MAX_KEYS);
        for key in keys {
            if kept.iter().any(|other| other.bytes == key.bytes) {
                ring.warnings.push(warning::same_key(key.origin));
            } else if kept.len() == MAX_KEYS {
                return Err(problem::too_many_keys().at(origin.clone()));
            } else {
                ring.put(kept.len(), &key);
                kept.push(key);
            }
        }
        let labels = &ring.labels[..kept.len()];
        if labels.is_empty() {
            return Err(problem::no_key(PREFIX).at(origin.clone()));
        }
        match labels.iter().enumerate().find(|(index, label)| labels[..*index].contains(label)) {
            Some((_, label)) => Err(problem::same_label(label).at(origin.clone())),
            None => Ok(ring),
        }
    }

    fn empty() -> KeyRing {
        KeyRing { slots: Box::new(Slots::empty()), labels: Labels::POSITIONS, warnings: Vec::new() }
    }

    fn put(&mut self, index: usize, key: &Key) {
        self.slots.fill(index, &key.bytes);
        self.labels[index] = key.label.unwrap_or(Labels::POSITIONS[index]);
        if key.bytes.len() < ADVISED_LEN {
            self.warnings.push(warning::short_key(&key.origin));
        }
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    pub(crate) fn labels(&self) -> Labels {
        Labels::of(self.labels)
    }

    /// A ring with the keys in `slots`, for tests.
    #[cfg(test)]
    pub(crate) fn copied(slots: &Slots, labels: Labels) -> KeyRing {
        let ring = KeyRing { labels: labels.get(), ..KeyRing::empty() };
        ring.slots.copy_from(slots);
        ring
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    pub(crate) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether `other` has the same keys in the same places, with the same labels.
    pub(crate) fn is_same(&self, other: &KeyRing) -> bool {
        bool::from(self.slots.is_same(&other.slots)) && self.labels == other.labels
    }

    /// Whether a key that is not in `whole` is the beginning of a longer one that is: what is left of it in a file that was
    /// cut off.
    ///
    /// Not in constant time: both rings are ours, and nobody presents anything here.
    pub(crate) fn is_cut_from(&self, whole: &KeyRing) -> bool {
        let shared = |slot, other| self.slots.shared(slot, &whole.slots, other);
        (0..MAX_KEYS).filter(|slot| self.slots.len_of(*slot) > 0).any(|slot| {
            let len = self.slots.len_of(slot);
            let mut begun =
                (0..MAX_KEYS).filter(|other| shared(slot, *other) >= len).map(|other| whole.slots.len_of(other));
            let is_known = begun.clone().any(|whole_len| whole_len == len);
            !is_known && begun.any(|whole_len| whole_len > len)
        })
    }
}

impl From<Key> for KeyRing {
    fn from(key: Key) -> KeyRing {
        let mut ring = KeyRing::empty();
        ring.put(0, &key);
        ring
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyRing};
    use crate::{
        error::ConfigErrorKind,
        keys::slots::{MIN_LEN, tests::sample},
    };

    #[test]
    fn labels_tell_keys_apart() {
        let key = |n| Key::new(sample(n)).unwrap();
        let ring = KeyRing::new([key(16), key(17), key(18).with_label("c"), key(19)]).unwrap();
        assert_eq!(ring.labels().get(), ["current", "previous", "c", "fourth"]);
        let error = KeyRing::new([key(16).with_label("a"), key(17).with_label("a")]).unwrap_err();
        assert!(error.to_string().contains("two keys have the label `a`"), "{error}");
        assert_eq!(KeyRing::new([]).unwrap_err().kind(), ConfigErrorKind::MissingKey);
        // What could be a key is no label.
        let misplaced = || key(16).with_label("0e8a6c4f2d1b3957ec0f8a7d6b5c4e3f");
        assert_eq!(KeyRing::from(misplaced()).labels().get()[0], "…");
        assert_eq!(format!("{:?}", misplaced()), r#"Key { label: Some("…"), .. }"#);
    }

    #[test]
    fn rings_are_compared_by_keys_places_and_labels() {
        let ring = |lens: &[usize]| KeyRing::new(lens.iter().map(|len| Key::new(sample(*len)).unwrap())).unwrap();
        assert!(ring(&[16, 256]).is_same(&ring(&[16, 256])));
        for other in [&[16][..], &[256, 16], &[16, 255], &[16, 256, 17]] {
            assert!(!ring(&[16, 256]).is_same(&ring(other)), "{other:?}");
        }
        let key = || Key::new(sample(16)).unwrap();
        assert!(!KeyRing::from(key()).is_same(&KeyRing::from(key().with_label("a"))));
    }

    #[test]
    fn a_key_that_was_cut_off_is_known() {
        let ring = |keys: &[Vec<u8>]| KeyRing::new(keys.iter().map(|key| Key::new(key).unwrap())).unwrap();
        let other = sample(70).split_off(20);
        let whole = ring(&[other.clone(), sample(64)]);
        for len in MIN_LEN..64 {
            assert!(ring(&[sample(len)]).is_cut_from(&whole), "{len}");
            assert!(ring(&[other.clone(), sample(len)]).is_cut_from(&whole), "{len}");
        }
        assert!(!ring(&[sample(64)]).is_cut_from(&whole));
        // Two keys of which one begins the other, and that were there together, can both stay and both go.
        let both = ring(&[sample(64), sample(40)]);
        for kept in [&[64, 40][..], &[40, 64], &[64], &[40]] {
            assert!(!ring(&kept.iter().map(|len| sample(*len)).collect::<Vec<_>>()).is_cut_from(&both), "{kept:?}");
        }
        assert!(ring(&[sample(39)]).is_cut_from(&both));
        assert!(!ring(&[sample(65)]).is_cut_from(&whole));
        assert!(!ring(&[other]).is_cut_from(&whole));
        let mut near = sample(63);
        near[62] ^= 1;
        assert!(!ring(&[near]).is_cut_from(&whole));
    }

    #[test]
    fn debug_shows_neither_bytes_nor_length() {
        let shown = |len| {
            let key = Key::new(sample(len)).unwrap();
            let shown = format!("{key:?}");
            shown + &format!("{:?}", KeyRing::from(key))
        };
        assert_eq!(shown(16), shown(256));
    }
}
