//! Implements the feature `tracing`: logs rejections up to a limit, warnings, and changes of the key file.
//!
//! Each event has the field `guard`, the guard's name. The event of a rejection has the reason, the client's address, and the
//! names in its certificate, escaped. It contains no path, header or query, because any client can write these.
//!
//! A rejection is logged on the thread of its request. The guard's telemetry thread logs everything else, through the global
//! subscriber.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use super::event::Event;
use crate::{
    denied::{Denied, Reason},
    peer::{ClientName, Peer},
};

/// The number of rejections in a minute that get an event each, for one reason. Later rejections are counted, and the next
/// event for that reason has their number. So a flood of wrong keys does not fill a disk, and a flood of missing keys does not
/// hide wrong ones.
const EVENTS_A_MINUTE: u64 = 10;

/// Logs the events of one guard, up to the limit.
struct Events {
    guard: Box<str>,
    start: Instant,
    reasons: [Denials; Reason::ALL.len()],
}

/// Holds the minute since the start, and in the lower half the number of rejections in that minute.
#[derive(Default)]
struct Denials(AtomicU64);

/// Returns a listener that logs the events of the guard with this name.
pub(super) fn listener(guard: &str) -> impl Fn(&Event<'_>) -> bool + Send + Sync + 'static {
    let events = Events { guard: guard.into(), start: Instant::now(), reasons: Default::default() };
    move |event| events.observe(event)
}

impl Events {
    /// Logs an event. Returns whether a subscriber got a warning.
    fn observe(&self, event: &Event<'_>) -> bool {
        let guard = &*self.guard;
        match event {
            Event::Checked(check) => {
                if let Err(denied) = check.result() {
                    self.denied(denied, check.peer());
                }
            }
            Event::Warning(warning) => {
                tracing::warn!(target: "metrics_guard", guard, "{warning}");
                return tracing::enabled!(target: "metrics_guard", tracing::Level::WARN);
            }
            Event::KeyFileUsable(file) => {
                tracing::info!(target: "metrics_guard", guard, file = file.label(), "the key file is usable again");
            }
            Event::NewKeys(file) => {
                let file = file.label();
                tracing::info!(target: "metrics_guard", guard, file, "the key file has changed; the guard activated its keys");
            }
            Event::Built { .. } | Event::KeyFileSeen(_) => {}
        }
        false
    }

    fn denied(&self, denied: Denied, peer: Option<&Peer>) {
        let minute = self.start.elapsed().as_secs() / 60;
        // Each reason has its place. The first place is a fallback, because a check must not panic.
        let reason = self.reasons.get(denied.reason() as usize).unwrap_or(&self.reasons[0]);
        let Some(suppressed) = reason.admit(minute) else { return };
        tracing::warn!(
            target: "metrics_guard",
            guard = &*self.guard,
            reason = denied.reason().as_str(),
            address = peer.and_then(Peer::address).map(tracing::field::display),
            names = peer.filter(|peer| !peer.names().is_empty()).map(|peer| tracing::field::display(List(peer.names()))),
            suppressed = (suppressed > 0).then_some(suppressed),
            "request rejected: {denied}",
        );
    }
}

impl Denials {
    /// Counts a rejection in `minute`. If the rejection gets an event, returns the number of earlier rejections without one.
    fn admit(&self, minute: u64) -> Option<u64> {
        // A thread that read the clock before another thread counts in the minute of the other thread.
        let counted = |packed: u64| {
            let (last, denials) = unpacked(packed);
            if minute > last { minute << 32 | 1 } else { last << 32 | (denials + 1).min(u64::from(u32::MAX)) }
        };
        let (Ok(before) | Err(before)) =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| Some(counted(packed)));
        let (last, denials) = unpacked(before);
        if minute > last {
            Some(denials.saturating_sub(EVENTS_A_MINUTE))
        } else {
            (denials < EVENTS_A_MINUTE).then_some(0)
        }
    }
}

fn unpacked(packed: u64) -> (u64, u64) {
    (packed >> 32, packed & u64::from(u32::MAX))
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

#[cfg(test)]
mod tests {
    use super::Denials;

    #[test]
    fn logs_ten_rejections_a_minute_and_the_number_of_the_others() {
        let denials = Denials::default();
        let events = |minute, times| (0..times).filter_map(|_| denials.admit(minute)).collect::<Vec<_>>();
        assert_eq!(events(0, 1_000_000), [0; 10]);
        assert_eq!(events(1, 3), [999_990, 0, 0]);
        assert_eq!(events(7, 1), [0]);
        assert_eq!(events(7, 100).len(), 9);
        // These threads read the clock before and after the end of a minute.
        assert_eq!((0..200).filter_map(|n| denials.admit(8 - n % 2)).count(), 10);
    }
}
