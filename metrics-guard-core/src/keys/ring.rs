//! Defines a ring of accepted keys.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use crate::{
    error::{ConfigError, Origin},
    keys::key::Key,
    keys::slots::{Matches, Slots},
    limits::MAX_KEYS,
    problem,
    warning::{self, Warning},
};

/// A key shorter than this is accepted with a warning.
const ADVISED_LEN: usize = 32;

/// One to four accepted keys. A client may present any of them.
///
/// ```
/// use http::Request;
/// use metrics_guard_core::{Guard, Key, KeyRing};
/// # let random = || Ok::<_, getrandom::Error>(&*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak());
/// # let (old, new) = (random()?, random()?);
///
/// let guard = Guard::new(KeyRing::new([Key::new(new)?.with_label("autumn"), Key::new(old)?.with_label("summer")])?);
///
/// let scrape = Request::get("/metrics").header("X-Metrics-Key", old).body(())?;
/// assert_eq!(guard.check(&scrape)?.key(), Some("summer"));
///
/// let stranger = Request::get("/metrics").header("X-Metrics-Key", &old[1..]).body(())?;
/// assert!(guard.check(&stranger).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What the comparison does and does not hide
///
/// The time depends on the length of the presented key, which the client knows. It does not depend on the accepted keys: on
/// how much of one matched, which one matched, how long they are, or how many there are.
///
/// This is best effort, because compilers do not guarantee it. The guide's page
/// [Timing](https://docs.rs/metrics-guard-core/latest/metrics_guard_core/guide/constant_time/index.html) has the limits and the
/// tests.
///
/// # How long keys stay in memory
///
/// The bytes of a ring are overwritten when it is dropped. A guard drops a replaced ring when the last check that compares
/// with it ends, microseconds later. It keeps the keys of a key file until that file changes.
pub struct KeyRing {
    // Boxed, so that moving a ring leaves no copy of the keys on the stack.
    slots: Box<Slots>,
    labels: Labels,
    pub(crate) warnings: Vec<Warning>,
}

/// The labels of a ring's slots.
pub(crate) type Labels = &'static [&'static str; MAX_KEYS];

/// The labels of keys without a configured label.
const POSITIONS: Labels = &["current", "previous", "third", "fourth"];

impl KeyRing {
    /// Makes a ring of `keys`. Keys with the same bytes count as one, the first, and cause a warning.
    ///
    /// # Errors
    ///
    /// - [`MissingKey`](crate::ConfigErrorKind::MissingKey) if there are none
    /// - [`InvalidKey`](crate::ConfigErrorKind::InvalidKey) if there are more than four, or if two have the same label
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<KeyRing, ConfigError> {
        KeyRing::found_at(&"KeyRing::new".into(), keys)
    }

    pub(crate) fn found_at(origin: &Origin, keys: impl IntoIterator<Item = Key>) -> Result<KeyRing, ConfigError> {
        let (mut unique, mut repeated) = (Vec::<Key>::with_capacity(MAX_KEYS), Vec::new());
        for key in keys {
            if unique.iter().any(|other| other.bytes == key.bytes) {
                repeated.push(warning::same_key(key.origin));
            } else if unique.len() == MAX_KEYS {
                return Err(problem::too_many_keys().at(origin.clone()));
            } else {
                unique.push(key);
            }
        }
        if unique.is_empty() {
            return Err(problem::empty_ring().at(origin.clone()));
        }
        let mut ring = KeyRing::of(&unique);
        ring.warnings.extend(repeated);
        let labels = &ring.labels[..unique.len()];
        match labels.iter().enumerate().find(|(index, label)| labels[..*index].contains(label)) {
            Some((_, label)) => Err(problem::same_label(label).at(origin.clone())),
            None => Ok(ring),
        }
    }

    /// Makes a ring of one to four keys.
    fn of(keys: &[Key]) -> KeyRing {
        let (mut slots, mut labels) = (Box::new(Slots::empty()), *POSITIONS);
        for (slot, key) in keys.iter().enumerate() {
            slots.fill(slot, &key.bytes);
            labels[slot] = key.label.unwrap_or(labels[slot]);
        }
        let short = keys.iter().filter(|key| key.bytes.len() < ADVISED_LEN);
        let warnings = short.map(|key| warning::short_key(&key.origin, ADVISED_LEN)).collect();
        KeyRing { slots, labels: interned(labels), warnings }
    }

    /// Compares `presented` with the keys: see [`Slots::compare`].
    #[inline]
    pub(crate) fn compare(&self, presented: &[u8]) -> (Matches, Labels) {
        (self.slots.compare(presented), self.labels)
    }

    /// Returns whether `other` has the same keys in the same places, with the same labels.
    pub(crate) fn is_same(&self, other: &KeyRing) -> bool {
        self.slots.is_same(&other.slots) && self.labels == other.labels
    }

    /// Returns whether a key that is not in `whole` is a prefix of a longer key there, as the last key of a truncated file is.
    ///
    /// The time depends on the keys, because no key of a request is compared here.
    pub(crate) fn is_cut_from(&self, whole: &KeyRing) -> bool {
        self.slots.keys().any(|key| {
            let is_known = whole.slots.keys().any(|other| other.eq(key.clone()));
            !is_known && whole.slots.keys().any(|mut other| key.clone().all(|byte| other.next() == Some(byte)))
        })
    }
}

/// Keeps `labels` for the rest of the process, so that a check can return them without copying or counting. Rings with the same
/// labels share them. Labels are `'static`, so a program that leaks none has a limited number of them.
fn interned(labels: [&'static str; MAX_KEYS]) -> Labels {
    static INTERNED: Mutex<Vec<Labels>> = Mutex::new(Vec::new());
    if labels == *POSITIONS {
        return POSITIONS;
    }
    let mut all = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all.iter().copied().find(|known| **known == labels);
    known.unwrap_or_else(|| {
        all.push(Box::leak(Box::new(labels)));
        all[all.len() - 1]
    })
}

impl From<Key> for KeyRing {
    fn from(key: Key) -> KeyRing {
        KeyRing::of(&[key])
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::KeyRing;
    use crate::{
        error::ConfigErrorKind,
        keys::{key::Key, slots::tests::sample},
        limits::MIN_LEN,
    };

    #[test]
    fn names_keys_by_their_label_or_their_position() {
        let key = |n| Key::new(sample(n)).unwrap();
        let ring = KeyRing::new([key(16), key(17), key(18).with_label("c"), key(19)]).unwrap();
        assert_eq!(ring.labels, &["current", "previous", "c", "fourth"]);
        let error = KeyRing::new([key(16).with_label("a"), key(17).with_label("a")]).unwrap_err();
        assert!(error.to_string().contains("two keys have the label `a`"), "{error}");
        let error = KeyRing::new([]).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::MissingKey);
        assert!(!error.to_string().contains("variable"), "{error}");
        // A label that could be a key is hidden.
        let misplaced = || key(16).with_label("0e8a6c4f2d1b3957ec0f8a7d6b5c4e3f");
        assert_eq!(KeyRing::from(misplaced()).labels[0], "…");
        assert_eq!(format!("{:?}", misplaced()), r#"Key { label: Some("…"), .. }"#);
    }

    #[test]
    fn rings_with_the_same_labels_share_them() {
        let labels = |label| KeyRing::from(Key::new(sample(16)).unwrap().with_label(label)).labels;
        assert!(std::ptr::eq(labels("a"), labels("a")));
        assert_ne!(labels("a"), labels("b"));
    }

    #[test]
    fn compares_rings_by_keys_positions_and_labels() {
        let ring = |lens: &[usize]| KeyRing::new(lens.iter().map(|len| Key::new(sample(*len)).unwrap())).unwrap();
        assert!(ring(&[16, 256]).is_same(&ring(&[16, 256])));
        for other in [&[16][..], &[256, 16], &[16, 255], &[16, 256, 17]] {
            assert!(!ring(&[16, 256]).is_same(&ring(other)), "{other:?}");
        }
        let key = || Key::new(sample(16)).unwrap();
        assert!(!KeyRing::from(key()).is_same(&KeyRing::from(key().with_label("a"))));
    }

    #[test]
    fn recognises_a_truncated_key() {
        let ring = |keys: &[Vec<u8>]| KeyRing::new(keys.iter().map(|key| Key::new(key).unwrap())).unwrap();
        let other = sample(70).split_off(20);
        let whole = ring(&[other.clone(), sample(64)]);
        for len in MIN_LEN..64 {
            assert!(ring(&[sample(len)]).is_cut_from(&whole), "{len}");
            assert!(ring(&[other.clone(), sample(len)]).is_cut_from(&whole), "{len}");
        }
        assert!(!ring(&[sample(64)]).is_cut_from(&whole));
        // If both keys were there from the start, and one is a prefix of the other, either can stay and either can go.
        let both = ring(&[sample(64), sample(40)]);
        for kept in [&[64, 40][..], &[40, 64], &[64], &[40]] {
            assert!(!ring(&kept.iter().map(|len| sample(*len)).collect::<Vec<_>>()).is_cut_from(&both), "{kept:?}");
        }
        assert!(ring(&[sample(39)]).is_cut_from(&both));
        assert!(!ring(&[sample(65)]).is_cut_from(&whole));
        assert!(!ring(&[other]).is_cut_from(&whole));
        // An unused slot does not count as a prefix of the other keys.
        let four = ring(&[0, 1, 2, 3].map(|skipped| sample(64 + skipped).split_off(skipped)));
        assert!(!ring(&[sample(64)]).is_cut_from(&four));
        let mut near = sample(63);
        near[62] ^= 1;
        assert!(!ring(&[near]).is_cut_from(&whole));
    }

    #[test]
    fn debug_hides_the_bytes_and_the_length_of_a_key() {
        let shown = |len| {
            let key = Key::new(sample(len)).unwrap();
            let shown = format!("{key:?}");
            shown + &format!("{:?}", KeyRing::from(key))
        };
        assert_eq!(shown(16), shown(256));
    }
}
