//! The bytes of the accepted keys, and their comparison with a presented one.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

use crate::limits::{MAX_KEYS, MAX_LEN, MIN_LEN};

/// The keys side by side: row `i` holds the bytes `8 * i..8 * i + 8` of each, zero-padded.
///
/// Atomics, since those in force are overwritten while others compare: see [`in_force`](crate::keys::active).
pub(crate) struct Slots {
    rows: [[AtomicU64; MAX_KEYS]; MAX_LEN / 8],
    // 0 for an unused slot, which no presented key can match: the shortest that is compared has `MIN_LEN` bytes.
    lengths: [AtomicU64; MAX_KEYS],
}

/// Which slots hold a presented key: bit `i` is set for slot `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Matches(u8);

impl Matches {
    pub(crate) const NONE: Matches = Matches(0);

    #[inline]
    pub(crate) fn any(self) -> Choice {
        Choice::from((self.0 | self.0.wrapping_neg()) >> 7)
    }

    /// The slot, if there is one.
    pub(crate) fn slot(self) -> Option<usize> {
        (0..MAX_KEYS).find(|slot| self.0 >> slot & 1 == 1)
    }
}

impl Slots {
    pub(crate) const fn empty() -> Slots {
        Slots {
            rows: [const { [const { AtomicU64::new(0) }; MAX_KEYS] }; MAX_LEN / 8],
            lengths: [const { AtomicU64::new(0) }; MAX_KEYS],
        }
    }

    /// Puts `key`, of at most `MAX_LEN` bytes, in an empty slot.
    pub(crate) fn fill(&mut self, slot: usize, key: &[u8]) {
        for (row, bytes) in self.rows.iter_mut().zip(key.chunks(8)) {
            *row[slot].get_mut() = padded_word(bytes);
        }
        *self.lengths[slot].get_mut() = key.len() as u64;
    }

    pub(crate) fn copy_from(&self, other: &Slots) {
        for (ours, theirs) in self.words().zip(other.words()) {
            ours.store(theirs.load(Relaxed), Relaxed);
        }
    }

    pub(crate) fn wipe(&self) {
        for word in self.words() {
            word.store(0, Relaxed);
        }
    }

    /// Whether `other` holds the same keys in the same slots.
    pub(crate) fn is_same(&self, other: &Slots) -> Choice {
        let differences =
            self.words().zip(other.words()).map(|(ours, theirs)| ours.load(Relaxed) ^ theirs.load(Relaxed));
        differences.fold(0, |all, difference| all | difference).ct_eq(&0)
    }

    pub(crate) fn len_of(&self, slot: usize) -> u64 {
        self.lengths[slot].load(Relaxed)
    }

    /// How many bytes slot `slot` and slot `other` of `whole` begin with alike, their padding included. Not in constant
    /// time.
    pub(crate) fn shared(&self, slot: usize, whole: &Slots, other: usize) -> u64 {
        self.bytes(slot).zip(whole.bytes(other)).take_while(|(ours, theirs)| ours == theirs).count() as u64
    }

    fn bytes(&self, slot: usize) -> impl Iterator<Item = u8> {
        self.rows.iter().flat_map(move |row| row[slot].load(Relaxed).to_le_bytes())
    }

    fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        self.rows.as_flattened().iter().chain(&self.lengths)
    }

    /// Compares `presented` with every key, in one pass.
    ///
    /// Never inlined: merged into a caller that branches on the verdict, the sum over the keys is split by the
    /// compiler into a branch for each, and the time tells which key matched.
    #[inline(never)]
    pub(crate) fn compare(&self, presented: &[u8]) -> Matches {
        if !(MIN_LEN..=MAX_LEN).contains(&presented.len()) {
            return Matches::NONE;
        }
        // The barrier: behind it, the compiler cannot see that these are verdicts.
        let [first, second, third, fourth] = black_box(self.differences(presented)).map(is_zero);
        Matches(first | second << 1 | third << 2 | fourth << 3)
    }

    /// For each slot, zero if and only if it holds `presented`, which has at least eight bytes and at most `MAX_LEN`.
    fn differences(&self, presented: &[u8]) -> [u64; MAX_KEYS] {
        let mut differences = [0; MAX_KEYS];
        let mut add = |row: &[AtomicU64; MAX_KEYS], word: u64| {
            for (difference, accepted) in differences.iter_mut().zip(row) {
                *difference |= accepted.load(Relaxed) ^ word;
            }
        };
        add(&self.lengths, presented.len() as u64);
        let words = presented.chunks_exact(8);
        let (count, tail) = (words.len(), words.remainder());
        for (row, word) in self.rows.iter().zip(words) {
            if let Some(word) = word.first_chunk() {
                add(row, u64::from_le_bytes(*word));
            }
        }
        if let (1.., Some(row), Some(last)) = (tail.len(), self.rows.get(count), presented.last_chunk()) {
            // Of the last eight bytes, those that are in `tail`.
            add(row, u64::from_le_bytes(*last) >> (64 - 8 * tail.len()));
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

impl Drop for Slots {
    fn drop(&mut self) {
        for word in self.rows.as_flattened_mut().iter_mut().chain(&mut self.lengths) {
            word.get_mut().zeroize();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Slots;
    use crate::limits::{MAX_LEN, MIN_LEN};

    /// A key of visible characters, in which no eight bytes occur twice.
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
    fn every_length_matches_itself_and_nothing_near_it() {
        for len in MIN_LEN..=MAX_LEN {
            let key = sample(len);
            let slots = slots(&[&key]);
            assert_eq!(verdict(&slots, &key), Some(0), "{len}");
            assert_eq!(verdict(&slots, &key[..len - 1]), None, "{len}: shorter");
            assert_eq!(verdict(&slots, &[&key[..], b"!"].concat()), None, "{len}: longer");
            assert_eq!(verdict(&slots, &[&key[..], b"\0"].concat()), None, "{len}: padded as the slot is");
            for position in 0..len {
                let mut near = key.clone();
                near[position] ^= 1;
                assert_eq!(verdict(&slots, &near), None, "{len}: byte {position}");
            }
        }
    }

    #[test]
    fn each_of_four_keys_is_found_at_its_place() {
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
    fn what_is_wiped_matches_nothing_and_a_copy_does() {
        let (original, copy) = (slots(&[&sample(16), &sample(256)]), Slots::empty());
        copy.copy_from(&original);
        assert!(bool::from(copy.is_same(&original)));
        original.wipe();
        assert_eq!(verdict(&original, &sample(256)), None);
        assert_eq!(verdict(&copy, &sample(256)), Some(1));
        assert!(bool::from(original.is_same(&Slots::empty())));
    }
}
