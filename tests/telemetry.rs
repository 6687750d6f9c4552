//! The core's features `metrics` and `tracing`, by a real exporter and a real subscriber.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    fs, io,
    sync::{Arc, LazyLock, Mutex, mpsc},
    time::Duration,
};

use http::Request;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_guard_core::{ClientName, Guard, GuardBuilder, Key, Peer, Reason, adapter::shown};
use metrics_guard_tests::{KEY, WRONG, wait::until};

/// No correct run takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The global recorder, which gets what the telemetry threads of all guards report.
static EXPORTER: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    exporter
});

/// What the global subscriber, `tracing_subscriber`'s own, has written of all guards.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits until a line has all of `parts`, and returns all lines that have the first.
    fn wait_for(&self, parts: [&str; 2]) -> String {
        let is_there =
            || Ok::<_, Infallible>(self.text().lines().any(|line| parts.iter().all(|part| line.contains(part))));
        assert!(until(PATIENCE, is_there).unwrap(), "no line with {parts:?} in {}", self.text());
        self.text().split_inclusive('\n').filter(|line| line.contains(parts[0])).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ask(guard: &Guard, key: &str, peer: Option<Peer>) -> bool {
    let mut request = Request::get(format!("/metrics?key={key}")).header("X-Metrics-Key", key).body(()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    guard.check(&request).is_ok()
}

fn series(exporter: &PrometheusHandle, name: &str) -> Option<f64> {
    exporter.render().lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn the_metrics_facade_exports_the_state_of_the_key_file() {
    let exporter = &*EXPORTER;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key_of_gauges");
    fs::write(&path, format!("{KEY}\n")).unwrap();
    let guard = Guard::builder_from_key_file(&path).unwrap().build();
    let of_file = |name: &str| {
        let text = exporter.render();
        let start = format!("metrics_guard_key_file_{name}{{guard=\"metrics\",file=\"");
        let value = text.lines().find_map(|line| line.strip_prefix(&start)?.split_once("key_of_gauges\"} "));
        value.map_or(f64::NAN, |(_, value)| value.parse().unwrap())
    };
    let wait_until_stale = |is_stale: f64| {
        let is_so = || Ok::<_, Infallible>((of_file("stale") - is_stale).abs() < 0.1);
        assert!(until(PATIENCE, is_so).unwrap(), "stale is not {is_stale}");
    };
    // All of it is there when `build` returns.
    assert!(of_file("stale").abs() < 0.1);
    let modified = of_file("modified_timestamp_seconds");
    let checked = of_file("checked_timestamp_seconds");
    assert!(modified > 1.7e9 && checked >= modified, "{modified} {checked}");
    for reason in Reason::ALL {
        let name = format!(r#"metrics_guard_checks_total{{guard="metrics",outcome="{reason}",key=""}}"#);
        assert!(series(exporter, &name).is_some(), "{name}");
    }
    assert!(exporter.render().contains("# HELP metrics_guard_checks_total "));

    fs::remove_file(&path).unwrap();
    guard.reload().unwrap_err();
    wait_until_stale(1.0);
    assert!(of_file("checked_timestamp_seconds") > checked);
    assert!(of_file("modified_timestamp_seconds") >= modified);
    fs::write(&path, format!("{KEY}\n")).unwrap();
    guard.reload().unwrap();
    wait_until_stale(0.0);
    let text = exporter.render();
    assert!(!text.contains(KEY) && !text.contains(WRONG), "{text}");
}

#[test]
fn the_metrics_facade_counts_checks() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let guard = Guard::new(Key::new(KEY).unwrap());
        let checks = |outcome: &str, key: &str| {
            let name = format!(r#"metrics_guard_checks_total{{guard="metrics",outcome="{outcome}",key="{key}"}}"#);
            series(&exporter, &name).unwrap_or_default()
        };
        for _ in 0..3 {
            assert!(ask(&guard, KEY, None));
            assert!(!ask(&guard, WRONG, None));
        }
        assert_eq!((checks("allowed", "current"), checks("wrong", "")), (3.0, 3.0));
        let keys = [WRONG, KEY].map(|key| Key::new(key).unwrap());
        guard.replace(metrics_guard_core::KeyRing::new(keys).unwrap()).unwrap();
        assert!(ask(&guard, KEY, None) && ask(&guard, WRONG, None));
        assert_eq!((checks("allowed", "current"), checks("allowed", "previous")), (4.0, 1.0));

        // More labels than have room among those that are kept.
        for label in
            ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9", "l10", "l11", "l12", "l13", "l14", "l15"]
        {
            guard.replace(Key::new(KEY).unwrap().with_label(label)).unwrap();
            assert!(ask(&guard, KEY, None) && ask(&guard, KEY, None));
            assert_eq!(Some(checks("allowed", label)), Some(2.0), "{label}");
        }
        let text = exporter.render();
        assert!(!text.contains(KEY) && !text.contains(WRONG), "{text}");
    });
}

#[test]
fn each_guard_has_its_own_series_and_an_open_guard_shows() {
    let exporter = &*EXPORTER;
    let named = |name| Guard::builder(Key::new(KEY).unwrap()).name(name).unwrap().build();
    let (one, other) = (named("series-1"), named("series-2"));
    let open = GuardBuilder::disabled().name("series_open").unwrap().build();
    assert!(ask(&one, KEY, None) && ask(&one, KEY, None) && ask(&other, KEY, None) && !ask(&other, WRONG, None));
    assert!(ask(&open, WRONG, None));
    for (series_of, expected) in [
        (r#"checks_total{guard="series-1",outcome="allowed",key="current"}"#, Some(2.0)),
        (r#"checks_total{guard="series-1",outcome="wrong",key=""}"#, Some(0.0)),
        (r#"checks_total{guard="series-2",outcome="allowed",key="current"}"#, Some(1.0)),
        (r#"checks_total{guard="series-2",outcome="wrong",key=""}"#, Some(1.0)),
        (r#"checks_total{guard="series_open",outcome="allowed",key=""}"#, Some(1.0)),
        (r#"open{guard="series-1"}"#, Some(0.0)),
        (r#"open{guard="series-2"}"#, Some(0.0)),
        (r#"open{guard="series_open"}"#, Some(1.0)),
    ] {
        assert_eq!(series(exporter, &format!("metrics_guard_{series_of}")), expected, "{series_of}");
    }
    assert!(exporter.render().contains("# HELP metrics_guard_open "));
}

/// Returns what a subscriber of this thread writes while `run` runs.
fn logged(run: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, run);
    log.text()
}

#[test]
fn a_denial_is_an_event_and_a_flood_of_them_is_ten() {
    let peer = Peer::new(([203, 0, 113, 7], 40000).into());
    let log = logged(|| {
        let guard = Guard::new(Key::new(KEY).unwrap());
        for _ in 0..100_000 {
            assert!(!ask(&guard, WRONG, Some(peer.clone())));
        }
        assert!(ask(&guard, KEY, None));
    });
    assert_eq!(log.lines().count(), 10, "{log}");
    for line in log.lines() {
        assert!(line.contains("WARN") && line.contains("metrics_guard"), "{line}");
        assert!(
            line.contains(r#"guard="metrics" reason="wrong""#) && line.contains("address=203.0.113.7:40000"),
            "{line}"
        );
    }
    assert!(!log.contains(&WRONG[..12]) && !log.contains(&KEY[..12]), "{log}");
}

#[test]
fn a_flood_for_one_reason_hides_no_other() {
    let log = logged(|| {
        let guard = Guard::builder(Key::new(KEY).unwrap()).allow_networks(["10.0.0.0/8"]).unwrap().build();
        let near = || Some(Peer::new(([10, 0, 0, 1], 40000).into()));
        for _ in 0..1000 {
            assert!(!ask(&guard, KEY, None));
        }
        assert!(!ask(&guard, WRONG, near()));
    });
    assert_eq!(log.matches(r#"reason="address""#).count(), 10, "{log}");
    assert_eq!(log.matches(r#"reason="wrong""#).count(), 1, "{log}");
}

#[test]
fn an_event_has_no_control_characters_of_a_peer() {
    let names =
        [ClientName::dns("other.example"), ClientName::uri("x://\u{1b}[2J\r\n2026 INFO all is well\u{9b}\u{202e}")];
    let peer = Peer::new(([203, 0, 113, 7], 40000).into()).with_names(names);
    let log = logged(|| {
        let guard = Guard::builder(Key::new(KEY).unwrap()).require_client_name(["prometheus.example"]).unwrap().build();
        assert!(!ask(&guard, KEY, Some(peer.clone())));
        assert!(!ask(&guard, KEY, None));
    });
    assert_eq!((log.lines().count(), log.matches("metrics denied: ").count()), (2, 2), "{log}");
    assert!(log.contains(r#"reason="certificate""#) && log.contains("names=other.example, x://"), "{log}");
    assert!(log.trim_end_matches('\n').chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' '), "{log:?}");
}

/// Panics at each event.
struct Panicking;

impl tracing::Subscriber for Panicking {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        panic!("a full disk");
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

impl metrics::Recorder for Panicking {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        panic!("no memory")
    }
    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        panic!("no memory")
    }
    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        panic!("no memory")
    }
}

#[test]
fn a_panicking_subscriber_or_recorder_changes_no_outcome() {
    let (sender, outcomes) = mpsc::channel();
    let builder = Guard::builder(Key::new(KEY).unwrap());
    let guard = builder.observe(move |check| sender.send(check.outcome()).unwrap()).build();
    tracing::subscriber::with_default(Panicking, || {
        metrics::with_local_recorder(&Panicking, || {
            assert!(ask(&guard, KEY, None) && !ask(&guard, WRONG, None));
        });
    });
    assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), ["allowed", "wrong"]);
}

#[test]
fn what_becomes_of_the_key_file_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key_of_events");
    fs::write(&path, KEY).unwrap();
    let log = &*LOG;
    let guard = Guard::builder_from_key_file(&path).unwrap().name("of_events").unwrap().build();
    fs::write(&path, WRONG).unwrap();
    guard.reload().unwrap();
    fs::remove_file(&path).unwrap();
    guard.reload().unwrap_err();
    guard.reload().unwrap_err();
    fs::write(&path, WRONG).unwrap();
    guard.reload().unwrap();
    // It comes last.
    let log = log.wait_for(["key_of_events", "the key file can be used again"]);
    assert_eq!(log.matches("the guard activated its keys").count(), 1, "{log}");
    assert_eq!(log.matches("the key file can be used again").count(), 1, "{log}");
    assert_eq!(log.matches("the key file is unusable").count(), 1, "{log}");
    assert!(log.contains(&shown(path.to_str().unwrap()).unwrap()), "{log}");
    assert!(log.lines().all(|line| line.contains(r#"guard="of_events""#)), "{log}");
}

#[test]
fn a_missing_peer_is_an_event() {
    let log = &*LOG;
    let guard = Guard::builder(Key::new(KEY).unwrap()).require_client_name(["prometheus.example"]).unwrap().build();
    for _ in 0..2 {
        assert!(!ask(&guard, KEY, None));
    }
    let log = log.wait_for(["GuardBuilder::require_client_name: ", "WARN metrics_guard: "]);
    assert_eq!(log.lines().count(), 1, "{log}");
}
