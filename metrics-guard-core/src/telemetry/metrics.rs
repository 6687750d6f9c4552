//! The feature `metrics`: outcomes and the key file as metrics, by the `metrics` facade and whatever exports it.
//!
//! | metric | |
//! |---|---|
//! | `metrics_guard_checks_total{outcome, key}` | checks; `outcome` is `allowed` or a [`Reason`](crate::Reason), `key` the label of the key that was used |
//! | `metrics_guard_key_file_stale{file}` | 1 while the key file cannot be used as it is, and the keys in force are not its, else 0 |
//! | `metrics_guard_key_file_checked_timestamp_seconds{file}` | when the key file was last looked at, in seconds since 1970 |
//! | `metrics_guard_key_file_modified_timestamp_seconds{file}` | when the file was written that the keys were last read from: `time()` minus this is its age |
//!
//! Two guards with one file share the last three, and these stay as they are when the guard is gone.
//!
//! A check is counted on its request's thread. The rest comes from the guard's telemetry thread, and so goes to the global
//! recorder. If a recorder blocks that thread, the time of the last look stands still, which `deploy/alerts.yml` alerts on.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let guard = Guard::new(Key::new(secret)?);
//!
//! // metrics_guard_checks_total{outcome="allowed",key="current"} 1
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//! assert!(guard.check(&scrape).is_ok());
//!
//! // metrics_guard_checks_total{outcome="missing",key=""} 1
//! let stranger = Request::get("/metrics").body(())?;
//! assert!(guard.check(&stranger).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use metrics::{Counter, Key, Label, Level, Metadata, SharedString, Unit, with_recorder};

use super::event::{Check, Event};
use crate::{denied::Reason, keys::watch::KeyFileStatus};

const CHECKS: &str = "metrics_guard_checks_total";
const STALE: &str = "metrics_guard_key_file_stale";
const CHECKED: &str = "metrics_guard_key_file_checked_timestamp_seconds";
const MODIFIED: &str = "metrics_guard_key_file_modified_timestamp_seconds";

static METADATA: Metadata<'_> = Metadata::new("metrics_guard", Level::INFO, None);

/// Counts a check, and exports the state of the key file.
pub(super) fn observe(event: &Event<'_>) {
    match event {
        Event::Built => describe(),
        Event::Checked(check) => count(check),
        Event::KeyFileSeen(file) => key_file(file),
        Event::Warning(_) | Event::KeyFileUsable(_) | Event::NewKeys(_) => {}
    }
}

/// Says what the metrics mean, to the recorder that is there now, and has it begin with a series for each reason: of a series
/// that begins with a flood, Prometheus would not see it rise.
fn describe() {
    for (series, reason) in REFUSALS.iter().zip(Reason::ALL) {
        let _ = counter(series.get_or_init(|| refusals(*reason)));
    }
    with_recorder(|recorder| {
        let text = SharedString::const_str;
        recorder.describe_counter(CHECKS.into(), None, text("Checks by the metrics guard."));
        recorder.describe_gauge(STALE.into(), None, text("Whether the key file cannot be used as it is."));
        recorder.describe_gauge(CHECKED.into(), Some(Unit::Seconds), text("When the key file was last looked at."));
        recorder.describe_gauge(MODIFIED.into(), Some(Unit::Seconds), text("When the key file was written."));
    });
}

// Made once, so that counting allocates once a series and not once a check.
static REFUSALS: [OnceLock<Key>; Reason::COUNT] = [const { OnceLock::new() }; Reason::COUNT];

/// The first labels of keys. A program that goes on to use others makes their series anew for each check.
static LABELS: [OnceLock<(&'static str, Key)>; 16] = [const { OnceLock::new() }; 16];

fn count(check: &Check<'_>) {
    if let Err(denied) = check.result() {
        let reason = denied.reason();
        // Each reason has its place. Whatever becomes of that, a check must not panic.
        return match REFUSALS.get(reason as usize) {
            Some(series) => counter(series.get_or_init(|| refusals(reason))).increment(1),
            None => counter(&refusals(reason)).increment(1),
        };
    }
    let label = check.key();
    for slot in &LABELS {
        let (known, key) = slot.get_or_init(|| (label, series(check.outcome(), label)));
        if *known == label {
            return counter(key).increment(1);
        }
    }
    counter(&series(check.outcome(), label)).increment(1);
}

fn refusals(reason: Reason) -> Key {
    series(reason.as_str(), "")
}

fn series(outcome: &'static str, label: &'static str) -> Key {
    Key::from_parts(CHECKS, vec![Label::from_static_parts("outcome", outcome), Label::from_static_parts("key", label)])
}

fn counter(key: &Key) -> Counter {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA))
}

fn key_file(file: &KeyFileStatus) {
    let path = SharedString::from(file.label().to_owned());
    let set = |name: &'static str, value: f64| {
        let key = Key::from_parts(name, vec![Label::new("file", path.clone())]);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).set(value));
    };
    let set_time = |name, time: SystemTime| {
        if let Ok(since) = time.duration_since(UNIX_EPOCH) {
            set(name, since.as_secs_f64());
        }
    };
    set(STALE, if file.problem().is_some() { 1.0 } else { 0.0 });
    set_time(CHECKED, file.checked());
    if let Some(modified) = file.modified() {
        set_time(MODIFIED, modified);
    }
}
