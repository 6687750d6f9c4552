//! Accepted keys, and the comparison with a presented one.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key, KeyRing};
//! # let (old, new) = ("7d1f0c5b9a3e48f2b6a0d4c8e1f75392", "e5b8a17c64d0f2395e8c1b7a0d63f498");
//!
//! let guard = Guard::new(KeyRing::new([Key::new(new)?.labelled("autumn"), Key::new(old)?.labelled("summer")])?);
//!
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", old).body(())?;
//! assert_eq!(guard.check(&scrape)?.key(), Some("summer"));
//!
//! let stranger = Request::get("/metrics").header("X-Metrics-Key", &old[1..]).body(())?;
//! assert!(guard.check(&stranger).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{fmt, hint::black_box};

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{ConfigError, Place, Problem, Warning};

/// The keys that a [`KeyRing`] holds at most.
pub(crate) const MAX_KEYS: usize = 4;
const MIN_LEN: usize = 16;
/// Below this length a key is accepted with a warning.
const ADVISED_LEN: usize = 32;
pub(crate) const MAX_LEN: usize = 256;

/// An accepted key, with the label that logs and counters know it by.
///
/// 16 to 256 bytes of visible ASCII, so that every scraper can send it in a header. `Debug` shows the label alone.
/// The bytes are overwritten when the key is dropped; the copy that the caller made it from is the caller's to clear.
pub struct Key {
    label: Option<&'static str>,
    bytes: Zeroizing<Box<[u8]>>,
    place: Place,
}

impl Key {
    /// Accepts `bytes` as a key. Make one with `openssl rand -hex 32`.
    ///
    /// Length is no measure of chance: a key that somebody made up can be guessed, whatever its length.
    ///
    /// # Errors
    ///
    /// - [`Problem::Blank`] if there is nothing but white space
    /// - [`Problem::Unsendable`] if a byte is not visible ASCII
    /// - [`Problem::Sample`] if it is a key that documents show, `${A_PLACEHOLDER}`, or one character over and over
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
    /// `'static`, so that a check can hand the label on without allocating or counting references.
    #[must_use]
    pub fn labelled(self, label: &'static str) -> Key {
        Key { label: Some(label), ..self }
    }
}

/// Why `bytes` cannot be a key.
fn unacceptable(bytes: &[u8]) -> Option<Problem> {
    if bytes.trim_ascii().is_empty() {
        Some(Problem::Blank)
    } else if !bytes.iter().all(u8::is_ascii_graphic) {
        Some(Problem::Unsendable)
    } else if is_sample(bytes) {
        Some(Problem::Sample)
    } else if bytes.len() < MIN_LEN {
        Some(Problem::TooShort)
    } else if bytes.len() > MAX_LEN {
        Some(Problem::TooLong)
    } else {
        None
    }
}

/// Whether `key` is one that documents and defaults show, and that is therefore tried first by whoever guesses.
fn is_sample(key: &[u8]) -> bool {
    let letter = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    let is_known = SAMPLES.iter().any(|sample| key.iter().map(letter).eq(sample.bytes()));
    // What is left of a `${VARIABLE}` that nobody expanded: the scraper may have been left the same.
    let is_placeholder = match key {
        [b'$', b'{', name @ .., b'}'] | [b'$', name @ ..] => {
            name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
        }
        _ => false,
    };
    let is_one_character = key.iter().all(|byte| Some(byte) == key.first());
    is_known || is_placeholder || is_one_character
}

/// In lower case, and with `-` for `_`.
const SAMPLES: &[&str] = &[
    "some-super-secret-key", // the document that describes the reference middleware
    "0123456789abcdef",
    "0123456789abcdef0123456789abcdef",
    "1234567890123456",
    "change-me",
    "change-me-please",
    "change-me-to-a-complex-random-secret",
    "changeme",
    "changemechangeme",
    "metrics-verification-key",
    "my-super-secret-key",
    "password",
    "passwordpassword",
    "replace-me",
    "replace-me-with-a-key",
    "secret",
    "super-secret-key",
    "test-metrics-key",
    "thisisasecretkey",
    "your-metrics-key-here",
    "your-secret-key-here",
    "your-super-secret-key",
];

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
/// That is a property of the compiled code, and the compiler promises none. The two barriers ([`black_box`] and
/// [`subtle`]) are best effort by their own documentation. Not covered are the memory that a stolen core dump shows
/// (keys are in it until they are dropped), power, and speculation.
pub struct KeyRing {
    // Boxed, so that moving a ring leaves no copy of the keys on the stack.
    slots: Box<Slots>,
    labels: [&'static str; MAX_KEYS],
    warnings: Vec<Warning>,
}

/// The keys side by side: row `i` holds the bytes `8 * i..8 * i + 8` of each, zero-padded.
struct Slots {
    rows: [[u64; MAX_KEYS]; MAX_LEN / 8],
    // 0 for an unused slot, which no presented key can match: the shortest that is compared has `MIN_LEN` bytes.
    lengths: [u64; MAX_KEYS],
}

/// The verdict of a comparison: whether a key matched, and which (0 if none did).
pub(crate) struct Match {
    pub(crate) found: Choice,
    pub(crate) index: u8,
}

const POSITIONS: [&str; MAX_KEYS] = ["current", "previous", "third", "fourth"];

impl KeyRing {
    /// Puts `keys` in a ring. Keys with the same bytes count as one, the first, with a warning.
    ///
    /// # Errors
    ///
    /// - [`Problem::NoKey`] if there are none
    /// - [`Problem::TooManyKeys`] if there are more than four
    /// - [`Problem::SameLabel`] if two have one label
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<KeyRing, ConfigError> {
        KeyRing::found_at(&Place::Argument("KeyRing::new"), keys)
    }

    pub(crate) fn found_at(place: &Place, keys: impl IntoIterator<Item = Key>) -> Result<KeyRing, ConfigError> {
        let mut ring = KeyRing::empty();
        let mut kept: Vec<Key> = Vec::with_capacity(MAX_KEYS);
        for key in keys {
            if kept.iter().any(|other| other.bytes == key.bytes) {
                ring.warnings.push(Warning::SameKey(key.place));
            } else if kept.len() == MAX_KEYS {
                return Err(ConfigError::new(place.clone(), Problem::TooManyKeys));
            } else {
                ring.put(kept.len(), &key);
                kept.push(key);
            }
        }
        let labels = &ring.labels[..kept.len()];
        if labels.is_empty() {
            return Err(ConfigError::new(place.clone(), Problem::NoKey));
        }
        match labels.iter().enumerate().find(|(index, label)| labels[..*index].contains(label)) {
            Some((_, label)) => Err(ConfigError::new(place.clone(), Problem::SameLabel(label))),
            None => Ok(ring),
        }
    }

    fn empty() -> KeyRing {
        let slots = Box::new(Slots { rows: [[0; MAX_KEYS]; MAX_LEN / 8], lengths: [0; MAX_KEYS] });
        KeyRing { slots, labels: POSITIONS, warnings: Vec::new() }
    }

    fn put(&mut self, index: usize, key: &Key) {
        self.slots.fill(index, &key.bytes);
        self.labels[index] = key.label.unwrap_or(POSITIONS[index]);
        if key.bytes.len() < ADVISED_LEN {
            self.warnings.push(Warning::ShortKey(key.place.clone()));
        }
    }

    pub(crate) fn labels(&self) -> [&'static str; MAX_KEYS] {
        self.labels
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// Whether `other` has the same keys in the same places, with the same labels.
    pub(crate) fn is_same(&self, other: &KeyRing) -> bool {
        let (ours, theirs) = (&self.slots, &other.slots);
        let is_same = ours.rows.as_flattened().ct_eq(theirs.rows.as_flattened()) & ours.lengths.ct_eq(&theirs.lengths);
        bool::from(is_same) && self.labels == other.labels
    }

    /// Whether a key that is not in `whole` is the beginning of a longer one that is: what is left of it in a file that was
    /// cut off.
    ///
    /// Not in constant time: both rings are ours, and nobody presents anything here.
    pub(crate) fn is_cut_from(&self, whole: &KeyRing) -> bool {
        let shared = |slot, other| self.slots.shared(slot, &whole.slots, other);
        (0..MAX_KEYS).filter(|slot| self.slots.lengths[*slot] > 0).any(|slot| {
            let len = self.slots.lengths[slot];
            let mut begun =
                (0..MAX_KEYS).filter(|other| shared(slot, *other) >= len).map(|other| whole.slots.lengths[other]);
            let is_known = begun.clone().any(|whole_len| whole_len == len);
            !is_known && begun.any(|whole_len| whole_len > len)
        })
    }

    /// Compares `presented` with every key, in one pass.
    ///
    /// Never inlined: merged into a caller that branches on the verdict, the sum over the keys is split by the
    /// compiler into a branch for each, and the time tells which key matched.
    #[inline(never)]
    pub(crate) fn compare(&self, presented: &[u8]) -> Match {
        let mut matches = [0; MAX_KEYS];
        if (MIN_LEN..=MAX_LEN).contains(&presented.len()) {
            // The barrier: behind it, the compiler cannot see that these are verdicts.
            matches = self.slots.differences(presented).map(|difference| is_zero(black_box(difference)));
        }
        let [first, second, third, fourth] = matches;
        Match {
            found: Choice::from(first | second | third | fourth),
            index: second | third << 1 | fourth << 1 | fourth,
        }
    }
}

impl Slots {
    fn fill(&mut self, index: usize, key: &[u8]) {
        for (row, bytes) in self.rows.iter_mut().zip(key.chunks(8)) {
            row[index] = padded_word(bytes);
        }
        self.lengths[index] = key.len() as u64;
    }

    /// How many bytes slot `index` and slot `other` of `whole` begin with alike, their padding included.
    fn shared(&self, index: usize, whole: &Slots, other: usize) -> u64 {
        self.bytes(index).zip(whole.bytes(other)).take_while(|(ours, theirs)| ours == theirs).count() as u64
    }

    fn bytes(&self, index: usize) -> impl Iterator<Item = u8> {
        self.rows.iter().flat_map(move |row| row[index].to_le_bytes())
    }

    /// For each slot, zero if and only if it holds `presented`, which has at most `MAX_LEN` bytes.
    fn differences(&self, presented: &[u8]) -> [u64; MAX_KEYS] {
        let mut differences = self.lengths.map(|length| length ^ presented.len() as u64);
        let mut add = |row: &[u64; MAX_KEYS], word: u64| {
            for (difference, accepted) in differences.iter_mut().zip(row) {
                *difference |= accepted ^ word;
            }
        };
        let (words, tail) = presented.as_chunks();
        for (row, word) in self.rows.iter().zip(words) {
            add(row, u64::from_le_bytes(*word));
        }
        if let (Some(row), false) = (self.rows.get(words.len()), tail.is_empty()) {
            add(row, padded_word(tail));
        }
        differences
    }
}

/// At most eight bytes as one number, the missing ones as zeros.
fn padded_word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// 1 for 0, else 0, without a branch.
fn is_zero(word: u64) -> u8 {
    let has_bit = (word | word.wrapping_neg()) >> 63;
    (has_bit ^ 1).to_le_bytes()[0]
}

impl From<Key> for KeyRing {
    fn from(key: Key) -> KeyRing {
        let mut ring = KeyRing::empty();
        ring.put(0, &key);
        ring
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.rows.zeroize();
        self.lengths.zeroize();
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyRing, MAX_LEN, MIN_LEN};
    use crate::error::Problem;

    /// A key of visible characters, in which no eight bytes occur twice.
    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|index| b'!' + u8::try_from((index * 7 + index / 94) % 94).unwrap()).collect()
    }

    fn verdict(ring: &KeyRing, presented: &[u8]) -> Option<u8> {
        let verdict = ring.compare(presented);
        bool::from(verdict.found).then_some(verdict.index)
    }

    #[test]
    fn every_length_matches_itself_and_nothing_near_it() {
        for len in MIN_LEN..=MAX_LEN {
            let key = sample(len);
            let ring = KeyRing::from(Key::new(&key).unwrap());
            assert_eq!(verdict(&ring, &key), Some(0), "{len}");
            assert_eq!(verdict(&ring, &key[..len - 1]), None, "{len}: shorter");
            assert_eq!(verdict(&ring, &[&key[..], b"!"].concat()), None, "{len}: longer");
            assert_eq!(verdict(&ring, &[&key[..], b"\0"].concat()), None, "{len}: padded as the slot is");
            for position in 0..len {
                let mut near = key.clone();
                near[position] ^= 1;
                assert_eq!(verdict(&ring, &near), None, "{len}: byte {position}");
            }
        }
    }

    #[test]
    fn each_of_four_keys_is_found_at_its_place() {
        let keys: Vec<Vec<u8>> = [16, 17, 64, 256].map(|len| sample(len + 1).split_off(1)).to_vec();
        let ring = KeyRing::new(keys.iter().map(|key| Key::new(key).unwrap())).unwrap();
        for (index, key) in (0u8..).zip(&keys) {
            assert_eq!(verdict(&ring, key), Some(index));
        }
    }

    #[test]
    fn unused_slots_match_nothing() {
        let ring = KeyRing::from(Key::new(sample(16)).unwrap());
        for len in 0..=MAX_LEN + 1 {
            assert_eq!(verdict(&ring, &vec![0; len]), None, "{len}");
        }
    }

    #[test]
    fn labels_tell_keys_apart() {
        let key = |n| Key::new(sample(n)).unwrap();
        let ring = KeyRing::new([key(16), key(17), key(18).labelled("c"), key(19)]).unwrap();
        assert_eq!(ring.labels(), ["current", "previous", "c", "fourth"]);
        let error = KeyRing::new([key(16).labelled("a"), key(17).labelled("a")]).unwrap_err();
        assert_eq!(error.problem(), &Problem::SameLabel("a"));
        assert_eq!(KeyRing::new([]).unwrap_err().problem(), &Problem::NoKey);
    }

    #[test]
    fn rings_are_compared_by_keys_places_and_labels() {
        let ring = |lens: &[usize]| KeyRing::new(lens.iter().map(|len| Key::new(sample(*len)).unwrap())).unwrap();
        assert!(ring(&[16, 256]).is_same(&ring(&[16, 256])));
        for other in [&[16][..], &[256, 16], &[16, 255], &[16, 256, 17]] {
            assert!(!ring(&[16, 256]).is_same(&ring(other)), "{other:?}");
        }
        let key = || Key::new(sample(16)).unwrap();
        assert!(!KeyRing::from(key()).is_same(&KeyRing::from(key().labelled("a"))));
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
