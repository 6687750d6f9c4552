//! Tests the core's features `metrics` and `tracing` with a real exporter and a real subscriber. rotation.rs tests recorders
//! and subscribers that block or panic.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    fs,
    sync::{Arc, LazyLock},
    time::Duration,
};

use http::Request;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_guard_core::{ClientName, Guard, GuardBuilder, Key, KeyRing, Peer, Reason, adapter::shown};
use metrics_guard_tests::{KEY, WRONG, wait::until};
use tempfile::NamedTempFile;

const NAME: &str = "prometheus.example";

/// The global recorder, and the log of the global subscriber. A guard's thread reports to these.
static TELEMETRY: LazyLock<(PrometheusHandle, NamedTempFile)> = LazyLock::new(|| {
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    let log = NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(log.reopen().unwrap()));
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    (exporter, log)
});

fn builder() -> GuardBuilder {
    Guard::builder(Key::new(KEY).unwrap())
}

/// Builds a guard with its own name, because all tests share the recorder and the log. They are installed before,
/// because tracing caches that no subscriber wants an event.
fn build(builder: GuardBuilder, name: &str) -> Guard {
    LazyLock::force(&TELEMETRY);
    builder.name(name).unwrap().build()
}

fn ask(guard: &Guard, key: &str, peer: Option<Peer>) -> bool {
    let mut request = Request::get(format!("/metrics?key={key}")).header("X-Metrics-Key", key).body(()).unwrap();
    peer.map(|peer| request.extensions_mut().insert(peer));
    guard.check(&request).is_ok()
}

/// Returns the value of this series, whose name lacks `metrics_guard_` here.
fn series(series: &str) -> Option<f64> {
    let is_it = |line: &str| line.strip_prefix("metrics_guard_")?.strip_prefix(series)?.trim().parse().ok();
    TELEMETRY.0.render().lines().find_map(is_it)
}

/// Returns the number of lines about this guard that contain `text`. Fails if a series or the log has a part of a key.
fn logged(guard: &str, text: &str) -> usize {
    let log = fs::read_to_string(&TELEMETRY.1).unwrap();
    let all = TELEMETRY.0.render() + &log;
    assert!(!all.contains(&KEY[..12]) && !all.contains(&WRONG[..12]), "{all}");
    log.lines().filter(|line| line.contains(&format!("guard=\"{guard}\"")) && line.contains(text)).count()
}

/// Fails unless `condition` becomes true within 20 seconds, which a correct run never needs.
#[track_caller]
fn assert_soon(condition: impl Fn() -> bool) {
    assert!(until(Duration::from_secs(20), || Ok::<_, Infallible>(condition())).unwrap());
}

#[test]
fn key_file_is_in_series_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, KEY).unwrap();
    let shown = shown(path.to_str().unwrap()).unwrap();
    let guard = build(Guard::builder_from_key_file(&path).unwrap(), "of_file");
    let of_file =
        |name: &str| series(&format!("key_file_{name}{{guard=\"of_file\",file=\"{shown}\"}}")).unwrap_or(f64::NAN);
    // All series exist when `build` returns.
    assert!(of_file("stale").abs() < 0.1);
    let modified = of_file("modified_timestamp_seconds");
    let checked = of_file("checked_timestamp_seconds");
    assert!(modified > 1.7e9 && checked >= modified, "{modified} {checked}");
    for reason in Reason::ALL {
        let name = format!(r#"checks_total{{guard="of_file",outcome="{reason}",key=""}}"#);
        assert_eq!(series(&name), Some(0.0), "{name}");
    }
    assert_eq!(series(r#"open{guard="of_file"}"#), Some(0.0));
    let _open = build(GuardBuilder::disabled(), "open_to_all");
    assert_eq!(series(r#"open{guard="open_to_all"}"#), Some(1.0));
    assert!(TELEMETRY.0.render().contains("# HELP metrics_guard_key_file_stale "));

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
    for event in ["the guard activated its keys", "The active keys do not change", "the key file is usable again"] {
        assert_eq!((logged("of_file", event), logged("of_file", &shown) >= 3), (1, true), "{event}");
    }
}

#[test]
fn counts_checks_by_guard_outcome_and_key_label() {
    let guards = ["series-1", "series-2"].map(|name| build(builder(), name));
    let checks = |number: u32, outcome: &str, key: &str| {
        let name = format!(r#"checks_total{{guard="series-{number}",outcome="{outcome}",key="{key}"}}"#);
        series(&name).unwrap_or_default()
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
}

#[test]
fn logs_ten_rejections_of_each_reason_and_escapes_client_names() {
    let builder = builder().allow_networks(["10.0.0.0/8"]).unwrap().require_client_name([NAME]).unwrap();
    let guard = build(builder, "of_events");
    let far = Peer::new(([203, 0, 113, 7], 40000).into());
    for _ in 0..1_000 {
        assert!(!ask(&guard, KEY, Some(far.clone())));
    }
    let near = |names: &[ClientName]| Some(Peer::new(([10, 0, 0, 1], 40000).into()).with_names(names.to_vec()));
    let control = ClientName::uri("x://\u{1b}[2J\r\n2026 INFO all is well\u{9b}\u{202e}");
    assert!(!ask(&guard, KEY, near(&[ClientName::dns("other.example"), control])));
    assert!(!ask(&guard, WRONG, near(&[ClientName::dns(NAME)])));
    assert!(!ask(&guard, WRONG, None) && ask(&guard, KEY, near(&[ClientName::dns(NAME)])));
    assert_soon(|| logged("of_events", "WARN metrics_guard: GuardBuilder::allow_networks: the server did not") == 1);
    for (fields, expected) in [
        ("WARN metrics_guard: request rejected: ", 12),
        (r#"reason="address" address=203.0.113.7:40000"#, 10),
        (r#"reason="wrong" address=10.0.0.1:40000"#, 1),
        (
            r#"reason="certificate" address=10.0.0.1:40000 names=other.example, x://\u{1b}[2J\r\n2026 INFO all is well\u{9b}\u{202e}"#,
            1,
        ),
    ] {
        assert_eq!(logged("of_events", fields), expected, "{fields}");
    }
}
