//! Tests the core's features `metrics` and `tracing` with a real exporter and a real subscriber. rotation.rs tests recorders
//! and subscribers that block or panic.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Request;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_guard_core::{ClientName, Guard, GuardBuilder, Key, KeyRing, Peer, Reason, adapter::shown};
use metrics_guard_tests::{KEY, WRONG, wait::until};
use tempfile::NamedTempFile;

/// Lets one test run at a time. While a subscriber is installed, tracing can cache that nobody wants an event that another
/// thread reports for the first time.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails unless `condition` becomes true within 20 seconds, which a correct run never needs.
#[track_caller]
fn assert_soon(condition: impl Fn() -> bool) {
    assert!(until(Duration::from_secs(20), || Ok::<_, Infallible>(condition())).unwrap());
}

/// Returns `tracing_subscriber`'s own subscriber, which writes to this file.
fn subscriber(log: &NamedTempFile) -> impl tracing::Subscriber + use<> {
    tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(log.reopen().unwrap())).finish()
}

/// Returns the log of this thread's subscriber during `run`.
fn logged(run: impl FnOnce()) -> String {
    let log = NamedTempFile::new().unwrap();
    tracing::subscriber::with_default(subscriber(&log), run);
    fs::read_to_string(log).unwrap()
}

fn guard() -> GuardBuilder {
    Guard::builder(Key::new(KEY).unwrap())
}

fn ask(guard: &Guard, key: &str, peer: Option<Peer>) -> bool {
    let mut request = Request::get(format!("/metrics?key={key}")).header("X-Metrics-Key", key).body(()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    guard.check(&request).is_ok()
}

/// Returns the value of this series, whose name lacks `metrics_guard_` here.
fn series(exporter: &PrometheusHandle, series: &str) -> Option<f64> {
    let is_it = |line: &str| line.strip_prefix("metrics_guard_")?.strip_prefix(series)?.trim().parse().ok();
    exporter.render().lines().find_map(is_it)
}

// A guard's thread reports to the global recorder and the global subscriber.
#[test]
fn key_file_is_in_series_and_log() {
    let _alone = alone();
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    let log = NamedTempFile::new().unwrap();
    tracing::subscriber::set_global_default(subscriber(&log)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, KEY).unwrap();
    let shown = shown(path.to_str().unwrap()).unwrap();
    let guard = Guard::builder_from_key_file(&path).unwrap().name("of_file").unwrap().build();
    let of_file = |name: &str| {
        series(&exporter, &format!("key_file_{name}{{guard=\"of_file\",file=\"{shown}\"}}")).unwrap_or(f64::NAN)
    };
    // All series exist when `build` returns.
    assert!(of_file("stale").abs() < 0.1);
    let modified = of_file("modified_timestamp_seconds");
    let checked = of_file("checked_timestamp_seconds");
    assert!(modified > 1.7e9 && checked >= modified, "{modified} {checked}");
    for reason in Reason::ALL {
        let name = format!(r#"checks_total{{guard="of_file",outcome="{reason}",key=""}}"#);
        assert_eq!(series(&exporter, &name), Some(0.0), "{name}");
    }
    let open = GuardBuilder::disabled().name("series_open").unwrap().build();
    assert!(ask(&open, WRONG, None));
    assert_eq!(series(&exporter, r#"open{guard="of_file"}"#), Some(0.0));
    assert_eq!(series(&exporter, r#"open{guard="series_open"}"#), Some(1.0));
    for name in ["open", "checks_total", "key_file_stale"] {
        assert!(exporter.render().contains(&format!("# HELP metrics_guard_{name} ")), "{name}");
    }

    fs::write(&path, WRONG).unwrap();
    guard.reload().unwrap();
    fs::remove_file(&path).unwrap();
    guard.reload().unwrap_err();
    guard.reload().unwrap_err();
    assert_soon(|| of_file("stale") > 0.9);
    assert!(of_file("checked_timestamp_seconds") > checked);
    assert!(of_file("modified_timestamp_seconds") >= modified);
    fs::write(&path, WRONG).unwrap();
    guard.reload().unwrap();
    assert_soon(|| of_file("stale") < 0.1);

    let restricted =
        self::guard().require_client_name(["prometheus.example"]).unwrap().name("of_names").unwrap().build();
    for _ in 0..2 {
        assert!(!ask(&restricted, KEY, None));
    }
    let missing = "WARN metrics_guard: GuardBuilder::require_client_name: ";
    let text = || fs::read_to_string(&log).unwrap();
    assert_soon(|| text().contains(missing));
    let text = text();
    for (event, guard) in [
        ("the guard activated its keys", "of_file"),
        ("The active keys do not change", "of_file"),
        ("the key file is usable again", "of_file"),
        (missing, "of_names"),
    ] {
        // The guards of other tests write to this log too.
        let is_it = |line: &&str| line.contains(event) && line.contains(&format!("guard=\"{guard}\""));
        let lines: Vec<_> = text.lines().filter(is_it).collect();
        assert_eq!(lines.len(), 1, "{event}: {text}");
        assert!(guard == "of_names" || lines[0].contains(&shown), "{text}");
    }
    let text = exporter.render() + &text;
    assert!(!text.contains(&KEY[..12]) && !text.contains(&WRONG[..12]), "{text}");
}

#[test]
fn counts_checks_by_guard_outcome_and_key_label() {
    let _alone = alone();
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let guards = ["series-1", "series-2"].map(|name| guard().name(name).unwrap().build());
        let checks = |number: u32, outcome: &str, key: &str| {
            let name = format!(r#"checks_total{{guard="series-{number}",outcome="{outcome}",key="{key}"}}"#);
            series(&exporter, &name).unwrap_or_default()
        };
        for _ in 0..3 {
            assert!(ask(&guards[0], KEY, None) && !ask(&guards[0], WRONG, None));
        }
        assert!(ask(&guards[1], KEY, None));
        assert_eq!((checks(1, "allowed", "current"), checks(1, "wrong", "")), (3.0, 3.0));
        assert_eq!((checks(2, "allowed", "current"), checks(2, "wrong", "")), (1.0, 0.0));
        guards[0].replace(KeyRing::new([WRONG, KEY].map(|key| Key::new(key).unwrap())).unwrap()).unwrap();
        assert!(ask(&guards[0], KEY, None) && ask(&guards[0], WRONG, None));
        assert_eq!((checks(1, "allowed", "current"), checks(1, "allowed", "previous")), (4.0, 1.0));

        // More labels than the guard keeps series for.
        for label in "a b c d e f g h i j k l m n o p".split(' ') {
            guards[0].replace(Key::new(KEY).unwrap().with_label(label)).unwrap();
            assert!(ask(&guards[0], KEY, None) && ask(&guards[0], KEY, None));
            assert!((checks(1, "allowed", label) - 2.0).abs() < 0.1, "{label}");
        }
        assert!(!exporter.render().contains(KEY) && !exporter.render().contains(WRONG));
    });
}

#[test]
fn limits_events_to_ten_for_each_reason() {
    let _alone = alone();
    let far = Peer::new(([203, 0, 113, 7], 40000).into());
    let log = logged(|| {
        let guard = guard().allow_networks(["10.0.0.0/8"]).unwrap().build();
        for _ in 0..100_000 {
            assert!(!ask(&guard, KEY, Some(far.clone())));
        }
        let near = || Some(Peer::new(([10, 0, 0, 1], 40000).into()));
        assert!(ask(&guard, KEY, near()) && !ask(&guard, WRONG, near()));
    });
    let start = "WARN metrics_guard: request rejected: ";
    assert_eq!(log.matches(start).count(), 11, "{log}");
    let fields = r#"guard="metrics" reason="address" address=203.0.113.7:40000"#;
    assert_eq!(log.matches(fields).count(), 10, "{log}");
    assert_eq!(log.matches(r#"guard="metrics" reason="wrong" address=10.0.0.1:40000"#).count(), 1, "{log}");
    assert!(!log.contains(&WRONG[..12]) && !log.contains(&KEY[..12]), "{log}");
}

#[test]
fn event_has_no_control_characters_from_a_certificate() {
    let _alone = alone();
    let names =
        [ClientName::dns("other.example"), ClientName::uri("x://\u{1b}[2J\r\n2026 INFO all is well\u{9b}\u{202e}")];
    let peer = Peer::new(([203, 0, 113, 7], 40000).into()).with_names(names);
    let log = logged(|| {
        let guard = guard().require_client_name(["prometheus.example"]).unwrap().name("of_peers").unwrap().build();
        assert!(!ask(&guard, KEY, Some(peer.clone())));
        assert!(!ask(&guard, KEY, None));
    });
    assert_eq!((log.lines().count(), log.matches("request rejected: ").count()), (2, 2), "{log}");
    assert!(log.contains(r#"reason="certificate""#) && log.contains("names=other.example, x://"), "{log}");
    assert!(log.trim_end_matches('\n').chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' '), "{log:?}");
}
