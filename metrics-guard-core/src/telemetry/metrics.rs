//! Implements the feature `metrics`: exports outcomes and the state of the key file through the `metrics` facade. The guide's
//! page `docs/guide/monitoring.md` lists the series.
//!
//! A check is counted on its request's thread. The guard's telemetry thread exports everything else, through the global
//! recorder. If a recorder blocks that thread, the time of the last check stops, and `deploy/alerts.yml` alerts on that.

use std::{
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use metrics::{Counter, Key, Label, Level, Metadata, SharedString, Unit, with_recorder};

use super::event::Event;
use crate::{denied::Reason, keys::watch::KeyFileStatus};

const OPEN: &str = "metrics_guard_open";
const CHECKS: &str = "metrics_guard_checks_total";
const STALE: &str = "metrics_guard_key_file_stale";
const CHECKED: &str = "metrics_guard_key_file_checked_timestamp_seconds";
const MODIFIED: &str = "metrics_guard_key_file_modified_timestamp_seconds";

static METADATA: Metadata<'_> = Metadata::new("metrics_guard", Level::INFO, None);

/// The series of one guard. The first 16 pairs of outcome and key label are kept, so that a check does not allocate. A check
/// with another pair makes its series anew.
struct Series {
    guard: Label,
    is_open: AtomicBool,
    kept: [OnceLock<([&'static str; 2], Key)>; 16],
}

/// Returns a listener that counts the checks of the guard with this name, and exports its state.
pub(super) fn listener(guard: &str) -> impl Fn(&Event<'_>) -> bool + Send + Sync + 'static {
    let guard = Label::new("guard", SharedString::from_shared(Arc::from(guard)));
    let series = Series { guard, is_open: AtomicBool::new(false), kept: Default::default() };
    move |event| {
        match event {
            Event::Built { is_open } => series.begin(*is_open),
            Event::Checked(check) => {
                series.checks([check.outcome(), check.key()]).increment(1);
                // It is set again, because a recorder can be installed later, and a closed guard of the same name can be built
                // later.
                if series.is_open.load(Relaxed) {
                    series.set(OPEN, None, 1.0);
                }
            }
            Event::KeyFileSeen(file) => series.key_file(file),
            Event::Warning(_) | Event::KeyFileUsable(_) | Event::NewKeys(_) => {}
        }
        false
    }
}

impl Series {
    /// Describes the metrics to the recorder that is installed now, and begins a series at zero for each reason. Prometheus
    /// sees no increase in a series that begins with a flood.
    fn begin(&self, is_open: bool) {
        for reason in Reason::ALL {
            drop(self.checks([reason.as_str(), ""]));
        }
        self.is_open.store(is_open, Relaxed);
        self.set(OPEN, None, f64::from(is_open));
        with_recorder(|recorder| {
            let text = SharedString::const_str;
            recorder.describe_gauge(OPEN.into(), None, text("Whether the metrics guard allows every request."));
            recorder.describe_counter(CHECKS.into(), None, text("Checks by the metrics guard."));
            recorder.describe_gauge(STALE.into(), None, text("Whether the key file is unusable."));
            recorder.describe_gauge(CHECKED.into(), Some(Unit::Seconds), text("When the key file was last checked."));
            recorder.describe_gauge(MODIFIED.into(), Some(Unit::Seconds), text("When the key file was written."));
        });
    }

    /// Returns the counter of the checks with this outcome and this label of a key.
    fn checks(&self, labels: [&'static str; 2]) -> Counter {
        let series = || {
            let [outcome, key] = labels;
            let labels =
                [("outcome", outcome), ("key", key)].map(|(name, label)| Label::from_static_parts(name, label));
            Key::from_parts(CHECKS, iter::once(self.guard.clone()).chain(labels).collect::<Vec<_>>())
        };
        let register = |key: &Key| with_recorder(|recorder| recorder.register_counter(key, &METADATA));
        let mut kept = self.kept.iter().map(|slot| slot.get_or_init(|| (labels, series())));
        kept.find(|(known, _)| *known == labels).map_or_else(|| register(&series()), |(_, key)| register(key))
    }

    fn key_file(&self, file: &KeyFileStatus) {
        let path = SharedString::from(file.label().to_owned());
        let set = |name, value| self.set(name, Some(Label::new("file", path.clone())), value);
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        set(STALE, f64::from(file.problem().is_some()));
        set(CHECKED, seconds(file.checked()));
        if let Some(modified) = file.modified() {
            set(MODIFIED, seconds(modified));
        }
    }

    fn set(&self, name: &'static str, label: Option<Label>, value: f64) {
        let key = Key::from_parts(name, iter::once(self.guard.clone()).chain(label).collect::<Vec<_>>());
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).set(value));
    }
}
