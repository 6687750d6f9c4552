//! Models the limit of log events: concurrent rejections, some of them in the next minute.

use shuttle::{sync::Arc, thread};

use super::{Denials, EVENTS_A_MINUTE, Ordering, unpacked};
use crate::{Schedules, check};

const FAULT: &str = "the number is read and written in two steps";

#[test]
fn a_minute_has_at_most_its_limit_of_events() {
    check(Schedules::All, || denials([[0, 0]; 2]), &[(FAULT, "rejections without one")]);
}

#[test]
fn counts_rejections_without_an_event_across_minutes() {
    check(Schedules::All, || denials([[0, 1], [1, 0]]), &[(FAULT, "rejections without one")]);
}

/// Counts rejections in these minutes, on a thread for each array.
fn denials(minutes: [[u64; 2]; 2]) {
    let denials = Arc::new(Denials::default());
    let threads = minutes.map(|minutes| {
        let denials = Arc::clone(&denials);
        thread::spawn(move || minutes.map(|minute| denials.admit(minute)))
    });
    let admitted: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let events = admitted.iter().flatten().count() as u64;
    let (last, _) = unpacked(denials.0.load(Ordering::Relaxed));
    // The first event of a later minute reports the rest.
    let suppressed: u64 = admitted.iter().flatten().chain(&denials.admit(2)).sum();
    let is_right = events <= EVENTS_A_MINUTE * (last + 1) && events + suppressed == 4;
    assert!(is_right, "{events} events report {suppressed} rejections without one");
}
