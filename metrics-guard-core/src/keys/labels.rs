//! The names of the keys in a ring, by a number.
//!
//! A proof carries that number, and so do the keys in force: neither has to hold four strings that could change under way.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let guard = Guard::new(Key::new(secret)?.with_label("autumn"));
//!
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//! assert_eq!(guard.check(&scrape)?.key(), Some("autumn"));
//!
//! let stranger = Request::get("/metrics").header("X-Metrics-Key", "autumn").body(())?;
//! assert!(guard.check(&stranger).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{iter, sync::OnceLock};

use crate::limits::MAX_KEYS;

/// The labels of one ring.
///
/// They are kept for as long as the program runs, once for all rings that have the same: as the strings in them are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Labels(u32);

struct Known {
    labels: [&'static str; MAX_KEYS],
    next: OnceLock<Box<Known>>,
}

/// A list to which one can add without a lock, and from which nothing is taken.
static FIRST: Known = Known { labels: Labels::POSITIONS, next: OnceLock::new() };

impl Labels {
    /// The labels of keys that were given none.
    pub(crate) const POSITIONS: [&'static str; MAX_KEYS] = ["current", "previous", "third", "fourth"];

    pub(crate) fn of(labels: [&'static str; MAX_KEYS]) -> Labels {
        let (mut known, mut number) = (&FIRST, 0);
        while known.labels != labels {
            known = known.next.get_or_init(|| Box::new(Known { labels, next: OnceLock::new() }));
            number += 1;
        }
        Labels(number)
    }

    pub(crate) fn get(self) -> [&'static str; MAX_KEYS] {
        let mut all = iter::successors(Some(&FIRST), |known| known.next.get().map(Box::as_ref));
        all.nth(self.0 as usize).map_or(Labels::POSITIONS, |known| known.labels)
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// The labels whose number that is.
    pub(crate) const fn numbered(number: u32) -> Labels {
        Labels(number)
    }
}

#[cfg(test)]
mod tests {
    use super::Labels;

    #[test]
    fn equal_labels_have_one_number() {
        assert_eq!(Labels::of(Labels::POSITIONS).number(), 0);
        let (one, other) = (["a", "previous", "third", "fourth"], ["b", "previous", "third", "fourth"]);
        let (first, second) = (Labels::of(one), Labels::of(other));
        assert_ne!(first, second);
        assert_eq!((Labels::of(one), Labels::of(other)), (first, second));
        assert_eq!((first.get(), second.get()), (one, other));
    }
}
