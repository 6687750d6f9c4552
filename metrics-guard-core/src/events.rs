//! The feature `tracing`: an event for a denial, up to a limit, and for what becomes of the key file.
//!
//! Of a request, an event has the reason, the peer's address, and the names in its client certificate, escaped. What
//! anyone can write (path, fields, query) is not in it.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
//!
//! let guard = Guard::new(Key::new(secret)?);
//!
//! // No event.
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//! assert!(guard.check(&scrape).is_ok());
//!
//! // WARN metrics_guard: metrics denied: no key was presented reason="missing"
//! let stranger = Request::get("/metrics").body(())?;
//! assert!(guard.check(&stranger).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use crate::{certificate::ClientName, denied::Denied, error::Warning, reload::KeyFile, request::Peer};

/// The denials of a minute that get an event each. Those beyond are counted, and the next event says how many there were:
/// a flood of wrong keys shall not fill a disk.
const EVENTS_A_MINUTE: u32 = 10;

/// The limit of one guard.
pub(crate) struct Limit {
    start: Instant,
    // The minute since the start, and below it the denials in that minute.
    minute_and_denials: AtomicU64,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit { start: Instant::now(), minute_and_denials: AtomicU64::new(0) }
    }
}

impl Limit {
    pub(crate) fn denied(&self, denied: Denied, peer: Option<&Peer>) {
        let Some(suppressed) = self.admit(self.start.elapsed().as_secs() / 60) else { return };
        tracing::warn!(
            target: "metrics_guard",
            reason = denied.reason().as_str(),
            address = peer.map(|peer| tracing::field::display(peer.address())),
            names = peer.filter(|peer| !peer.names().is_empty()).map(|peer| tracing::field::display(List(peer.names()))),
            suppressed = (suppressed > 0).then_some(suppressed),
            "metrics denied: {denied}",
        );
    }

    /// Counts a denial in `minute`, and says whether it gets an event: then with the number of those before it that got
    /// none.
    fn admit(&self, minute: u64) -> Option<u32> {
        let counted = |packed: u64| {
            let is_same_minute = packed >> 32 == minute;
            let denials = if is_same_minute { u32_of(packed).saturating_add(1) } else { 1 };
            minute << 32 | u64::from(denials)
        };
        let before = self
            .minute_and_denials
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| Some(counted(packed)))
            .unwrap_or_default();
        let denials = u32_of(before);
        if before >> 32 == minute {
            (denials < EVENTS_A_MINUTE).then_some(0)
        } else {
            Some(denials.saturating_sub(EVENTS_A_MINUTE))
        }
    }
}

/// The lower half.
fn u32_of(packed: u64) -> u32 {
    (packed & u64::from(u32::MAX)).try_into().unwrap_or(u32::MAX)
}

struct List<'n>(&'n [ClientName]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}

pub(crate) fn warning(warning: &Warning) {
    tracing::warn!(target: "metrics_guard", "{warning}");
}

pub(crate) fn new_keys(file: &KeyFile) {
    tracing::info!(target: "metrics_guard", file = %file.path().display(), "the key file has changed; its keys are in force");
}

#[cfg(test)]
mod tests {
    use super::{EVENTS_A_MINUTE, Limit};

    #[test]
    fn a_flood_gets_a_few_events_a_minute_and_their_number() {
        let limit = Limit::default();
        let events = |minute, denials| (0..denials).filter_map(|_| limit.admit(minute)).collect::<Vec<_>>();
        assert_eq!(events(0, 1_000_000), [0; EVENTS_A_MINUTE as usize]);
        assert_eq!(events(1, 3), [999_990, 0, 0]);
        assert_eq!(events(7, 1), [0]);
        assert_eq!(events(7, 100).len(), EVENTS_A_MINUTE as usize - 1);
    }
}
