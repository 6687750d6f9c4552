//! Stores the bytes of the accepted keys, and compares them with a presented key.

use std::hint::black_box;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::limits::{MAX_KEYS, MAX_LEN, MIN_LEN};

/// One word of each key.
type Row = [u64; MAX_KEYS];

/// Up to four keys side by side, overwritten when they are dropped.
///
/// Row 0 holds their lengths. Row `i + 1` holds the bytes `8 * i..8 * i + 8` of each, zero-padded.
/// An unused slot has the length 0, which no presented key matches because `MIN_LEN` is greater.
pub(crate) struct Slots(Zeroizing<[Row; 1 + MAX_LEN / 8]>);

/// The slots that hold a presented key: bit `i` is set for slot `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Matches(u8);

impl Matches {
    pub(crate) const NONE: Matches = Matches(0);

    #[inline]
    pub(crate) fn any(self) -> Choice {
        Choice::from((self.0 | self.0.wrapping_neg()) >> 7)
    }

    /// Returns the slot, if there is one.
    pub(crate) fn slot(self) -> Option<usize> {
        (0..MAX_KEYS).find(|slot| self.0 >> slot & 1 == 1)
    }
}

impl Slots {
    pub(crate) fn empty() -> Slots {
        Slots(Zeroizing::new([[0; MAX_KEYS]; 1 + MAX_LEN / 8]))
    }

    /// Puts `key`, of at most `MAX_LEN` bytes, into an empty slot.
    pub(crate) fn fill(&mut self, slot: usize, key: &[u8]) {
        let [lengths, rows @ ..] = &mut *self.0;
        lengths[slot] = key.len() as u64;
        for (row, bytes) in rows.iter_mut().zip(key.chunks(8)) {
            row[slot] = padded_word(bytes);
        }
    }

    /// Returns whether `other` holds the same keys in the same slots.
    pub(crate) fn is_same(&self, other: &Slots) -> bool {
        self.0.as_flattened().ct_eq(other.0.as_flattened()).into()
    }

    /// Returns the bytes of each key. The time depends on the keys, so this is not for comparing presented keys.
    pub(crate) fn keys(&self) -> impl Iterator<Item = impl Iterator<Item = u8> + Clone> {
        let [lengths, rows @ ..] = &*self.0;
        (0..MAX_KEYS).filter(|slot| lengths[*slot] > 0).map(move |slot| {
            let bytes = rows.iter().flat_map(move |row| row[slot].to_le_bytes());
            bytes.take(usize::try_from(lengths[slot]).unwrap_or(MAX_LEN))
        })
    }

    /// Compares `presented` with every key, in one pass.
    ///
    /// It is never inlined. If a caller branches on the verdict, the compiler would split the sum over the keys into a branch
    /// for each key. The time would then show which key matched.
    #[inline(never)]
    pub(crate) fn compare(&self, presented: &[u8]) -> Matches {
        if !(MIN_LEN..=MAX_LEN).contains(&presented.len()) {
            return Matches::NONE;
        }
        // This is the barrier. Behind it, the compiler cannot see that these numbers are verdicts.
        let [first, second, third, fourth] = black_box(self.differences(presented)).map(is_zero);
        Matches(first | second << 1 | third << 2 | fourth << 3)
    }

    /// Returns zero for each slot that holds `presented`, and another number for each other slot. `presented` has at most
    /// `MAX_LEN` bytes.
    fn differences(&self, presented: &[u8]) -> Row {
        let [lengths, rows @ ..] = &*self.0;
        let mut differences = lengths.map(|len| len ^ presented.len() as u64);
        let mut add = |row: &Row, word: u64| {
            for (difference, accepted) in differences.iter_mut().zip(row) {
                *difference |= accepted ^ word;
            }
        };
        let words = presented.chunks_exact(8);
        let (count, tail) = (words.len(), words.remainder());
        for (row, word) in rows.iter().zip(words) {
            add(row, padded_word(word));
        }
        if let (1.., Some(row)) = (tail.len(), rows.get(count)) {
            add(row, padded_word(tail));
        }
        differences
    }
}

/// Returns at most eight bytes as one number, with zeros for the missing ones.
#[inline]
fn padded_word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// Returns 1 for 0, and 0 for any other number, without a branch.
fn is_zero(word: u64) -> u8 {
    let has_bit = (word | word.wrapping_neg()) >> 63;
    (has_bit ^ 1).to_le_bytes()[0]
}

#[cfg(test)]
pub(crate) mod tests {
    use zeroize::{Zeroize, ZeroizeOnDrop};

    use super::Slots;
    use crate::limits::{MAX_LEN, MIN_LEN};

    /// Returns a key of visible characters, in which no eight bytes occur twice.
    pub(crate) fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|index| b'!' + u8::try_from((index * 7 + index / 94) % 94).unwrap()).collect()
    }

    fn slots(keys: &[&[u8]]) -> Slots {
        let mut slots = Slots::empty();
        for (slot, key) in keys.iter().enumerate() {
            slots.fill(slot, key);
        }
        slots
    }

    fn verdict(slots: &Slots, presented: &[u8]) -> Option<usize> {
        let matches = slots.compare(presented);
        assert_eq!(bool::from(matches.any()), matches.slot().is_some());
        matches.slot()
    }

    #[test]
    fn a_key_of_every_length_matches_itself_and_nothing_near_it() {
        for len in MIN_LEN..=MAX_LEN {
            let key = sample(len);
            let slots = slots(&[&key]);
            assert_eq!(verdict(&slots, &key), Some(0), "{len}");
            assert_eq!(verdict(&slots, &key[..len - 1]), None, "{len}: shorter");
            assert_eq!(verdict(&slots, &[&key[..], b"!"].concat()), None, "{len}: longer");
            assert_eq!(verdict(&slots, &[&key[..], b"\0"].concat()), None, "{len}: padded as the slot is");
            for (position, bit) in (0..len).flat_map(|position| [(position, 1), (position, 0x80)]) {
                let mut near = key.clone();
                near[position] ^= bit;
                assert_eq!(verdict(&slots, &near), None, "{len}: byte {position}, bit {bit}");
            }
        }
    }

    #[test]
    fn finds_each_of_four_keys_in_its_slot() {
        let keys = [16, 17, 64, 256].map(|len| sample(len + 1).split_off(1));
        let slots = slots(&keys.each_ref().map(Vec::as_slice));
        for (slot, key) in keys.iter().enumerate() {
            assert_eq!(verdict(&slots, key), Some(slot));
        }
    }

    #[test]
    fn unused_slots_match_nothing() {
        let slots = slots(&[&sample(16)]);
        for len in 0..=MAX_LEN + 1 {
            assert_eq!(verdict(&slots, &vec![0; len]), None, "{len}");
        }
    }

    #[test]
    fn overwrites_keys_when_they_are_dropped() {
        fn are_overwritten<T: ZeroizeOnDrop>(_: &T) {}
        let mut slots = slots(&[&sample(16), &sample(256)]);
        are_overwritten(&slots.0);
        slots.0.zeroize();
        assert!(slots.is_same(&Slots::empty()));
    }
}
