//! The keys in force: compared with by many threads while another replaces them.
//!
//! There are two sets of slots, of which one counts. New keys are written to the other one, which from then on counts, and
//! the old ones are overwritten at once. Who was comparing with these sees afterwards that the version has changed, and
//! compares again. So nobody waits for anybody, and nothing that was revoked stays in memory until its last reader is done.
//!
//! This is a sequence lock, whose memory order is that of Hans-J. Boehm, "Can seqlocks get along with programming language
//! memory models?" (MSPC 2012), figure 6.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let random = || Ok::<_, getrandom::Error>(&*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak());
//! # let (old, new) = (random()?, random()?);
//!
//! let guard = Guard::new(Key::new(old)?);
//! guard.replace(Key::new(new)?)?;
//!
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", new).body(())?;
//! assert!(guard.check(&scrape).is_ok());
//!
//! let revoked = Request::get("/metrics").header("X-Metrics-Key", old).body(())?;
//! assert!(guard.check(&revoked).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::{
    Mutex, PoisonError,
    atomic::{
        AtomicU32, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
        fence,
    },
};

use crate::{
    keys::labels::Labels,
    keys::ring::KeyRing,
    keys::slots::{Matches, Slots},
};

pub(crate) struct InForce {
    // How often the keys were replaced. The last bit says which of the two sets counts.
    version: AtomicUsize,
    // Boxed, so that moving it leaves no copy of the keys on the stack.
    sets: Box<[Set; 2]>,
    writer: Mutex<()>,
}

struct Set {
    slots: Slots,
    labels: AtomicU32,
}

impl InForce {
    pub(crate) fn new(ring: &KeyRing) -> InForce {
        let set = || Set { slots: Slots::empty(), labels: AtomicU32::new(0) };
        let keys = InForce { version: AtomicUsize::new(0), sets: Box::new([set(), set()]), writer: Mutex::new(()) };
        keys.replace(ring);
        keys
    }

    pub(crate) fn replace(&self, ring: &KeyRing) {
        let _alone = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let version = self.version.load(Relaxed);
        let next = version.wrapping_add(1);
        let new = self.set(next);
        new.slots.copy_from(ring.slots());
        new.labels.store(ring.labels().number(), Relaxed);
        self.version.store(next, Release);
        // Who reads what is written from here on, reads the new version after it.
        fence(Release);
        self.set(version).slots.wipe();
    }

    /// Compares `presented` with the keys in force, and says what they are called.
    #[inline]
    pub(crate) fn compare(&self, presented: &[u8]) -> (Matches, Labels) {
        self.read(|set| (set.slots.compare(presented), Labels::numbered(set.labels.load(Relaxed))))
    }

    #[inline]
    fn read<T>(&self, look: impl Fn(&Set) -> T) -> T {
        loop {
            let version = self.version.load(Acquire);
            let seen = look(self.set(version));
            fence(Acquire);
            if self.version.load(Relaxed) == version {
                return seen;
            }
        }
    }

    fn set(&self, version: usize) -> &Set {
        &self.sets[version % 2]
    }

    /// A copy of the keys in force.
    #[cfg(test)]
    pub(crate) fn ring(&self) -> KeyRing {
        self.read(|set| KeyRing::copied(&set.slots, Labels::numbered(set.labels.load(Relaxed))))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering::Relaxed},
        thread,
    };

    use super::InForce;
    use crate::{keys::key::Key, keys::ring::KeyRing, keys::slots::Slots};

    const PERMANENT: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
    const OTHERS: [&str; 2] = ["5f0c1d9e7b3a4268a1c8e6d2074fb935", "3b6d90e2f7a1485c8e4d2b07c9a6f153"];

    fn ring(keys: &[&str]) -> KeyRing {
        KeyRing::new(keys.iter().map(|key| Key::new(key).unwrap())).unwrap()
    }

    #[test]
    fn a_comparison_sees_one_ring_whole_while_rings_are_replaced() {
        let rings = [ring(&[PERMANENT, OTHERS[0]]), ring(&[OTHERS[1], PERMANENT])];
        let keys = InForce::new(&rings[0]);
        // What is neither, but would be found in half of one ring and half of the other.
        let mixed = format!("{}{}", &OTHERS[0][..16], &PERMANENT[16..]);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut comparisons = 0;
                while !is_over.load(Relaxed) {
                    assert!(bool::from(keys.compare(PERMANENT.as_bytes()).0.any()), "a key that is in each ring");
                    assert!(!bool::from(keys.compare(mixed.as_bytes()).0.any()), "a key that is in none");
                    comparisons += 2;
                }
                comparisons
            });
            for replacement in 1..=20_000 {
                keys.replace(&rings[replacement % 2]);
            }
            is_over.store(true, Relaxed);
            assert!(reader.join().unwrap() > 100);
        });
    }

    #[test]
    fn revoked_keys_are_overwritten_at_once() {
        let keys = InForce::new(&ring(&[PERMANENT]));
        for other in OTHERS {
            keys.replace(&ring(&[other]));
            let version = keys.version.load(Relaxed);
            assert!(bool::from(keys.set(version + 1).slots.is_same(&Slots::empty())));
            assert!(!bool::from(keys.compare(PERMANENT.as_bytes()).0.any()));
            assert!(bool::from(keys.compare(other.as_bytes()).0.any()));
        }
    }
}
