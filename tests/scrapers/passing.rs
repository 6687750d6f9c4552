//! What a scraper sends passes through the guard as it is, and so does what it is answered.

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    Vec::new()
}
