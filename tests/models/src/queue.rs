//! Models the queue of warnings: threads and a hook warn while the guard's thread reports, and the guard ends.

use std::{mem, sync::Weak};

use shuttle::{sync::mpsc, thread};

use super::{Arc, Dispatcher, Event, Listeners, MAX_WAITING, Mutex, Telemetry, warning};
use crate::{Schedules, check};

#[test]
fn each_warning_is_reported_or_counted_once() {
    check(
        Schedules::Random(5_000),
        warnings_of_two_threads,
        &[
            ("the lock is released before the thread is noted", "the hooks differ"),
            ("the thread ends before the queue is empty", "a warning is lost"),
            ("the lock is held while listeners are called", "a warning is lost"),
        ],
    );
}

#[test]
fn build_waits_until_warnings_are_reported() {
    let fault = "nothing shows that an event is being reported";
    check(Schedules::Random(5_000), warnings_at_start, &[(fault, "not reported yet")]);
}

fn warnings_of_two_threads() {
    let (mut listeners, reports) = hooks();
    let dispatcher = Arc::new(Mutex::new(Weak::<Dispatcher>::new()));
    let from_hook = Arc::clone(&dispatcher);
    listeners.add_hook(move |_| {
        let first = mem::take(&mut *from_hook.lock().unwrap()).upgrade();
        if let Some(dispatcher) = first {
            dispatcher.push(Event::Warning(warning::disabled("hook")));
        }
    });
    let telemetry = Arc::new(Telemetry::new("", listeners));
    *dispatcher.lock().unwrap() = Arc::downgrade(&telemetry.0);
    for thread in 0..2 {
        let telemetry = Arc::clone(&telemetry);
        thread::spawn(move || {
            for number in 0..2 {
                telemetry.warn(warning::disabled(format!("{thread}, {number}")));
                assert!(telemetry.0.queue().events.len() <= MAX_WAITING);
            }
        });
    }
    drop(telemetry);

    // The channel ends with the hooks, and the hooks end with the guard's thread.
    let (first, second): (Vec<_>, Vec<_>) = reports.iter().partition(|(hook, _)| *hook == 0);
    let [first, second] = [first, second].map(|reports| reports.into_iter().map(|(_, text)| text).collect::<Vec<_>>());
    assert_eq!(first, second, "the hooks differ");
    let dropped = first.iter().filter_map(|text| text.split_once(" warnings or key file events were dropped"));
    let dropped: usize = dropped.map(|(count, _)| count.parse::<usize>().unwrap()).sum();
    let origins = first.iter().filter_map(|text| Some(text.split_once(": the guard is disabled")?.0));
    let origins: Vec<_> = origins.collect();
    assert!(origins.len() + dropped == 5, "a warning is lost or repeated: {first:?}");
    for thread in ["0", "1"] {
        let numbers = origins.iter().filter(|origin| origin.starts_with(thread));
        assert!(numbers.is_sorted_by(|one, next| one < next), "out of order or repeated: {first:?}");
    }
}

fn warnings_at_start() {
    let (listeners, reports) = hooks();
    Telemetry::new("", listeners).start(false, None, &["first", "second"].map(warning::disabled));
    let reports: Vec<_> =
        reports.try_iter().map(|(hook, text)| (hook, text.split(':').next().unwrap().to_owned())).collect();
    let expected = ["first", "second"].iter().flat_map(|text| [0, 1].map(|hook| (hook, (*text).to_owned())));
    assert!(reports.iter().eq(&expected.collect::<Vec<_>>()), "not reported yet: {reports:?}");
}

/// Returns two hooks that send each warning with their number.
fn hooks() -> (Listeners, mpsc::Receiver<(usize, String)>) {
    let (sender, reports) = mpsc::channel();
    let mut listeners = Listeners::default();
    for hook in 0..2 {
        let sender = sender.clone();
        listeners.add_hook(move |warning| sender.send((hook, warning.to_string())).unwrap());
    }
    (listeners, reports)
}
