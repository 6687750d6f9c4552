//! The feature `metrics`: outcomes and the key file as metrics, by the `metrics` facade and whatever exports it.
//!
//! | metric | |
//! |---|---|
//! | `metrics_guard_checks_total{outcome, key}` | checks; `outcome` is `allowed` or a [`Reason`](crate::Reason), `key` the label of the key that was used |
//! | `metrics_guard_key_file_stale{file}` | 1 while something is wrong with the key file and earlier keys are in force, else 0 |
//! | `metrics_guard_key_file_modified_timestamp_seconds{file}` | when the key file was written that the keys are from, in seconds since 1970: `time()` minus this is their age |
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
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

use std::{sync::OnceLock, time::UNIX_EPOCH};

use metrics::{Key, Label, Level, Metadata, SharedString, Unit, with_recorder};

use crate::{denied::Denied, guard::Authorized, reload::KeyFile};

const CHECKS: &str = "metrics_guard_checks_total";
const STALE: &str = "metrics_guard_key_file_stale";
const MODIFIED: &str = "metrics_guard_key_file_modified_timestamp_seconds";

static METADATA: Metadata<'_> = Metadata::new("metrics_guard", Level::INFO, None);

/// Says what the metrics mean, to the recorder that is there now.
pub(crate) fn describe() {
    with_recorder(|recorder| {
        let text = SharedString::const_str;
        recorder.describe_counter(CHECKS.into(), None, text("Checks by the metrics guard."));
        recorder.describe_gauge(
            STALE.into(),
            None,
            text("Whether the key file is unusable and earlier keys are in force."),
        );
        recorder.describe_gauge(
            MODIFIED.into(),
            Some(Unit::Seconds),
            text("When the file of the keys in force was written."),
        );
    });
}

/// The series seen so far, so that counting allocates once a series and not once a check. More than these are made anew
/// each time.
static SERIES: [OnceLock<(&'static str, &'static str, Key)>; 16] = [const { OnceLock::new() }; 16];

pub(crate) fn count(outcome: Result<&Authorized, Denied>) {
    let (outcome, label) = match outcome {
        Ok(authorized) => ("allowed", authorized.key().unwrap_or_default()),
        Err(denied) => (denied.reason().as_str(), ""),
    };
    for slot in &SERIES {
        let (known_outcome, known_label, key) = slot.get_or_init(|| (outcome, label, series(outcome, label)));
        if (*known_outcome, *known_label) == (outcome, label) {
            return increment(key);
        }
    }
    increment(&series(outcome, label));
}

fn series(outcome: &'static str, label: &'static str) -> Key {
    Key::from_parts(CHECKS, vec![Label::from_static_parts("outcome", outcome), Label::from_static_parts("key", label)])
}

fn increment(key: &Key) {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(1));
}

pub(crate) fn key_file(file: &KeyFile) {
    let set = |name: &'static str, value: f64| {
        let key = Key::from_parts(name, vec![Label::new("file", file.path().display().to_string())]);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).set(value));
    };
    set(STALE, if file.problem().is_some() { 1.0 } else { 0.0 });
    if let Some(age) = file.modified().and_then(|modified| modified.duration_since(UNIX_EPOCH).ok()) {
        set(MODIFIED, age.as_secs_f64());
    }
}
