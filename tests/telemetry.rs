//! The core's features `metrics` and `tracing`, by a real exporter and a real subscriber.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs, io,
    sync::{Arc, Mutex},
};

use http::Request;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_guard_core::{ClientName, Guard, Key, Peer, Reason, Warning};
use metrics_guard_tests::{KEY, WRONG};

fn ask(guard: &Guard, key: &str, peer: Option<Peer>) -> bool {
    let mut request = Request::get(format!("/metrics?key={key}")).header("X-Metrics-Key", key).body(()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    guard.check(&request).is_ok()
}

#[test]
fn the_metrics_facade_counts_checks_and_knows_the_key_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, format!("{KEY}\n")).unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let guard = Guard::builder_from_file(&path).unwrap().build();
        let series = |name: &str| {
            let text = exporter.render();
            text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
        };
        let checks = |outcome: &str, key: &str| {
            series(&format!(r#"metrics_guard_checks_total{{outcome="{outcome}",key="{key}"}}"#)).unwrap_or_default()
        };
        let of_file = |name: &str| series(&format!(r#"{name}{{file="{}"}}"#, path.display()));
        assert_eq!(of_file("metrics_guard_key_file_stale"), Some(0.0));
        let modified = of_file("metrics_guard_key_file_modified_timestamp_seconds").unwrap();
        let checked = of_file("metrics_guard_key_file_checked_timestamp_seconds").unwrap();
        assert!(modified > 1.7e9 && checked >= modified, "{modified} {checked}");

        for reason in Reason::ALL {
            let name = format!(r#"metrics_guard_checks_total{{outcome="{reason}",key=""}}"#);
            assert_eq!(series(&name), Some(0.0), "{name}");
        }
        for _ in 0..3 {
            assert!(ask(&guard, KEY, None));
            assert!(!ask(&guard, WRONG, None));
        }
        assert_eq!((checks("allowed", "current"), checks("wrong", "")), (3.0, 3.0));
        fs::write(&path, format!("{WRONG}\n{KEY}\n")).unwrap();
        guard.reload().unwrap();
        assert!(ask(&guard, KEY, None) && ask(&guard, WRONG, None));
        assert_eq!((checks("allowed", "current"), checks("allowed", "previous")), (4.0, 1.0));

        fs::remove_file(&path).unwrap();
        guard.reload().unwrap_err();
        assert_eq!(of_file("metrics_guard_key_file_stale"), Some(1.0));
        assert!(of_file("metrics_guard_key_file_checked_timestamp_seconds").unwrap() > checked);
        assert_eq!(of_file("metrics_guard_key_file_modified_timestamp_seconds").map(|now| now >= modified), Some(true));
        fs::write(&path, format!("{KEY}\n")).unwrap();
        guard.reload().unwrap();
        assert_eq!(of_file("metrics_guard_key_file_stale"), Some(0.0));

        // More labels than have room among those that are kept.
        for label in
            ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9", "l10", "l11", "l12", "l13", "l14", "l15"]
        {
            guard.replace(Key::new(KEY).unwrap().labelled(label)).unwrap();
            assert!(ask(&guard, KEY, None) && ask(&guard, KEY, None));
            assert_eq!(Some(checks("allowed", label)), Some(2.0), "{label}");
        }
        let text = exporter.render();
        assert!(text.contains("# HELP metrics_guard_checks_total "), "{text}");
        assert!(!text.contains(KEY) && !text.contains(WRONG), "{text}");
    });
}

/// What a subscriber with `tracing_subscriber`'s own format writes while `run` runs.
fn logged(run: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, run);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_denial_is_an_event_and_a_flood_of_them_is_ten() {
    let peer = Peer::at(([203, 0, 113, 7], 40000).into());
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
        assert!(line.contains(r#"reason="wrong""#) && line.contains("address=203.0.113.7:40000"), "{line}");
    }
    assert!(!log.contains(&WRONG[..12]) && !log.contains(&KEY[..12]), "{log}");
}

#[test]
fn a_flood_for_one_reason_hides_no_other() {
    let log = logged(|| {
        let guard = Guard::builder(Key::new(KEY).unwrap()).allow_networks(["10.0.0.0/8"]).unwrap().build();
        let near = || Some(Peer::at(([10, 0, 0, 1], 40000).into()));
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
    let peer = Peer::at(([203, 0, 113, 7], 40000).into()).with_names(names);
    let log = logged(|| {
        let guard = Guard::builder(Key::new(KEY).unwrap()).require_client_name(["prometheus.example"]).unwrap().build();
        assert!(!ask(&guard, KEY, Some(peer.clone())));
        assert!(!ask(&guard, KEY, None));
    });
    // Two denials, and that the second had no peer.
    assert_eq!((log.lines().count(), log.matches("metrics denied: ").count()), (3, 2), "{log}");
    assert_eq!(log.matches("the server did not provide the client's address").count(), 1, "{log}");
    assert!(log.contains(r#"reason="certificate""#) && log.contains("names=other.example, x://"), "{log}");
    assert!(log.trim_end_matches('\n').chars().all(|c| c == '\n' || c.is_ascii_graphic() || c == ' '), "{log:?}");
}

/// Tells nobody, and does with each event what it is made to do.
struct Unruly<F>(F);

impl<F: Fn() + Send + Sync + 'static> tracing::Subscriber for Unruly<F> {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        (self.0)();
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Asks, though the subscriber panics: that is then a panic of the check.
fn ask_anyway(guard: &Guard, key: &str) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ask(guard, key, None))).unwrap_or(false)
}

#[test]
fn a_subscriber_that_panics_does_not_lose_new_keys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, KEY).unwrap();
    let told = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&told);
    let builder = Guard::builder_from_file(&path).unwrap();
    let guard = builder.on_warning(move |warning| {
        if matches!(warning, Warning::Stale(_)) {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let guard = guard.build();
    fs::write(&path, WRONG).unwrap();
    tracing::subscriber::with_default(Unruly(|| panic!("a full disk")), || {
        guard.reload().unwrap();
        assert!(!ask_anyway(&guard, KEY) && ask(&guard, WRONG, None));
        fs::remove_file(&path).unwrap();
        guard.reload().unwrap_err();
    });
    assert!(ask(&guard, WRONG, None) && guard.key_file().unwrap().problem().is_some());
    // And who listens besides is told.
    assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_subscriber_may_ask_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, KEY).unwrap();
    let guard = Guard::builder_from_file(&path).unwrap().build();
    let (sender, receiver) = std::sync::mpsc::channel();
    let asked = guard.clone();
    fs::write(&path, WRONG).unwrap();
    // In a thread: were they to wait for each other, the test should not.
    std::thread::spawn(move || {
        let subscriber = Unruly(move || drop(sender.send(asked.key_file().unwrap())));
        tracing::subscriber::with_default(subscriber, || guard.reload().unwrap());
    });
    let file = receiver.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert!(file.problem().is_none());
}

#[test]
fn what_becomes_of_the_key_file_is_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, KEY).unwrap();
    let log = logged(|| {
        let guard = Guard::builder_from_file(&path).unwrap().build();
        fs::write(&path, WRONG).unwrap();
        guard.reload().unwrap();
        fs::remove_file(&path).unwrap();
        guard.reload().unwrap_err();
        guard.reload().unwrap_err();
        fs::write(&path, WRONG).unwrap();
        guard.reload().unwrap();
    });
    assert_eq!(log.matches("its keys are in force").count(), 1, "{log}");
    assert_eq!(log.matches("the key file can be used again").count(), 1, "{log}");
    assert_eq!(log.matches("the key file is unusable").count(), 1, "{log}");
    assert!(log.contains(&path.display().to_string()), "{log}");
}
