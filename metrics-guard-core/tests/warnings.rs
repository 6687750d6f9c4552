//! A guard reports each warning once to each hook, on a thread of its own.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    panic,
    sync::{
        Arc, Barrier, Mutex, OnceLock,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use http::Request;
use metrics_guard_core::{
    Check, ClientName, Guard, GuardBuilder, Key, KeyRing, Peer, Reason, Warning, adapter::Settings,
};

const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
const NAME: &str = "prometheus.example";

const NETWORKS: &str = "GuardBuilder::allow_networks";
const NAMES: &str = "GuardBuilder::require_client_name";

fn no_address(origin: &str) -> String {
    no_peer(
        origin,
        "put a `Peer` into the request's extensions: `request.extensions_mut().insert(Peer::new(address))`; or return it \
         from your `RequestHead::peer`",
    )
}

fn no_names(origin: &str) -> String {
    no_peer(
        origin,
        "put a `Peer` with the names in the client's verified certificate into the request's extensions: \
         `request.extensions_mut().insert(Peer::new(address).with_names(names))`; or return it from your \
         `RequestHead::peer`",
    )
}

fn no_peer(origin: &str, advice: &str) -> String {
    format!(
        "{origin}: the server did not provide the client's address or the names in its certificate, so every request may be rejected; {advice}"
    )
}

/// Fails unless these are the warnings, by the beginning of each.
#[track_caller]
fn assert_warnings(warnings: &[String], beginnings: &[&str]) {
    let begins = |(warning, beginning): (&String, &&str)| warning.starts_with(*beginning);
    let is_it = warnings.len() == beginnings.len() && warnings.iter().zip(beginnings).all(begins);
    assert!(is_it, "{warnings:#?}, not {beginnings:#?}");
}

fn texts(guard: &Guard) -> Vec<String> {
    guard.warnings().iter().map(ToString::to_string).collect()
}

const DISABLED: &str = "GuardBuilder::disabled: the guard is disabled, so EVERYONE can read the metrics";
const ALL_ADDRESSES: &str = "GuardBuilder::allow_networks: the networks together allow every public IPv4";
const SHORT_KEY: &str = "Key::new: the key has fewer than 32 characters";

/// No correct run takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Receives the warnings of a hook. It is disconnected once the guard is gone and its last warning is reported.
struct Told(Receiver<String>);

impl Told {
    /// Returns what was reported so far.
    fn take(&self) -> Vec<String> {
        self.0.try_iter().collect()
    }

    /// Waits for the next warning.
    fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).unwrap()
    }

    /// Returns all that was not taken yet, when the guard is dropped.
    fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(warning) => rest.push(warning),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("the telemetry thread does not end after {rest:?}"),
            }
        }
    }
}

fn hook() -> (impl Fn(&Warning) + Send + Sync + 'static, Told) {
    let (sender, receiver) = mpsc::channel();
    (move |warning: &Warning| drop(sender.send(warning.to_string())), Told(receiver))
}

/// A hook that waits until the sender is dropped.
fn blocked() -> (impl Fn(&Warning) + Send + Sync + 'static, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let wait = move |_: &Warning| {
        let _ = released.lock().unwrap().recv_timeout(PATIENCE);
    };
    (wait, release)
}

fn short_key() -> Key {
    Key::new(&KEY[..20]).unwrap()
}

fn builder(key: &str) -> GuardBuilder {
    Guard::builder(Key::new(key).unwrap())
}

fn restricted() -> GuardBuilder {
    builder(KEY).allow_networks(["10.0.0.0/8"]).unwrap()
}

fn peer(address: &str) -> Peer {
    Peer::new(format!("{address}:40000").parse().unwrap())
}

fn ask(guard: &Guard, peer: Option<Peer>) -> Result<(), Reason> {
    let mut request = Request::get("/metrics").header("X-Metrics-Key", KEY).body(()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    guard.check(&request).map(|_| ()).map_err(|denied| denied.reason())
}

#[test]
fn build_reports_what_is_accepted_but_should_be_reviewed() {
    let ((first, first_told), (second, second_told)) = (hook(), hook());
    let builder = builder(&KEY[..20]).on_warning(first).allow_networks(["0.0.0.0/0"]).unwrap();
    let builder = builder.on_warning(second);
    assert_warnings(&first_told.take(), &[]); // before it is built
    let guard = builder.build();
    assert_warnings(&texts(&guard), &[SHORT_KEY, ALL_ADDRESSES]);
    assert_eq!((first_told.take(), second_told.take()), (texts(&guard), texts(&guard)));

    let clone = guard.clone();
    ask(&clone, Some(peer("10.1.2.3"))).unwrap_err();
    drop(clone);
    assert_eq!(guard.warnings().len(), 2);
    drop(guard);
    assert_eq!((first_told.rest(), second_told.rest()), (Vec::<String>::new(), Vec::new()), "only then");
}

#[test]
fn a_disabled_guard_warns() {
    let (tell, told) = hook();
    let guard = GuardBuilder::disabled().on_warning(tell).build();
    assert_warnings(&told.take(), &[DISABLED]);
    assert_eq!(ask(&guard, None), Ok(()));

    let mut settings = Settings::default();
    settings.set("disabled", "disabled", "true").unwrap();
    settings.set("networks", "networks", "10.0.0.0/8").unwrap();
    let (tell, told) = hook();
    let guard = settings.builder().unwrap().on_warning(tell).build();
    assert_warnings(&told.take(), &["disabled: the guard is disabled, so EVERYONE can read the metrics"]);
    // It needs no client address, and misses none.
    assert_eq!(ask(&guard, None), Ok(()));
    drop(guard);
    assert_warnings(&told.rest(), &[]);
}

#[test]
fn a_guard_without_keys_warns_of_none() {
    let (tell, told) = hook();
    let guard = Guard::builder_with_client_names([NAME]).unwrap().on_warning(tell);
    let guard = guard.allow_networks(["0.0.0.0/0"]).unwrap().build();
    assert_warnings(&told.take(), &[ALL_ADDRESSES]);
    assert_eq!(ask(&guard, None), Err(Reason::Address));
    drop(guard);
    assert_eq!(told.rest(), [no_names(NETWORKS)], "an address alone would not do");
}

#[test]
fn eight_threads_report_a_missing_peer_once() {
    for _ in 0..200 {
        let (tell, told) = hook();
        let guard = restricted().on_warning(tell).build();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let guard = guard.clone();
                    barrier.wait();
                    for _ in 0..10 {
                        assert_eq!(ask(&guard, None), Err(Reason::Address));
                    }
                });
            }
        });
        assert!(guard.warnings().is_empty(), "those are of when it was built");
        drop(guard);
        assert_eq!(told.rest(), [no_address(NETWORKS)]);
    }
}

#[test]
fn a_known_client_brings_no_warning() {
    let (tell, told) = hook();
    let guard = restricted().require_client_name([NAME]).unwrap().on_warning(tell).build();
    assert_eq!(ask(&guard, Some(peer("11.1.2.3"))), Err(Reason::Address));
    assert_eq!(ask(&guard, Some(peer("10.1.2.3").with_names([]))), Err(Reason::Certificate));
    let other = peer("10.1.2.3").with_names([ClientName::dns("other.example")]);
    assert_eq!(ask(&guard, Some(other)), Err(Reason::Certificate));
    drop(guard);
    assert_warnings(&told.rest(), &[]);
}

#[test]
fn warns_if_the_server_provides_no_names_that_are_required() {
    let without_key = "Guard::builder_with_client_names";
    for client in [None, Some(peer("10.1.2.3"))] {
        for (builder, place) in
            [(builder(KEY).require_client_name([NAME]), NAMES), (Guard::builder_with_client_names([NAME]), without_key)]
        {
            let (tell, told) = hook();
            let guard = builder.unwrap().on_warning(tell).build();
            for _ in 0..2 {
                assert_eq!(ask(&guard, client.clone()), Err(Reason::Certificate));
            }
            drop(guard);
            assert_eq!(told.rest(), [no_names(place)]);
        }
    }
    // A guard that needs neither misses nothing.
    let (tell, told) = hook();
    let guard = builder(KEY).on_warning(tell).build();
    assert_eq!(ask(&guard, None), Ok(()));
    drop(guard);
    assert_warnings(&told.rest(), &[]);
}

/// A payload that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload");
    }
}

#[test]
fn a_panicking_hook_stops_no_warning_and_no_check() {
    let (tell, told) = hook();
    let builder = builder(&KEY[..20]).allow_networks(["10.0.0.0/8"]).unwrap();
    let builder = builder.on_warning(|_| panic!("a hook")).on_warning(|_| panic::panic_any(Bomb));
    let guard = builder.on_warning(tell).build();
    assert_eq!(told.take(), texts(&guard));
    for _ in 0..2 {
        assert_eq!(ask(&guard, None), Err(Reason::Address));
    }
    drop(guard);
    assert_eq!(told.rest(), [no_address(NETWORKS)]);
}

#[test]
fn a_panicking_observer_changes_no_outcome_and_stops_no_other() {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&outcomes);
    let guard = builder(KEY)
        .observe(|_| panic!("an observer"))
        .observe(|_| panic::panic_any(Bomb))
        .observe(move |check| seen.lock().unwrap().push(check.outcome()))
        .build();
    assert_eq!(ask(&guard, None), Ok(()));
    assert!(guard.check(&Request::get("/metrics").body(()).unwrap()).is_err());
    assert_eq!(*outcomes.lock().unwrap(), ["allowed", "missing"]);
}

#[test]
fn an_observer_may_check_and_is_not_called_for_that() {
    static GUARDS: OnceLock<[Guard; 2]> = OnceLock::new();
    static CALLS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    // Each checks with itself and with the other.
    let guard = |name: &'static str| {
        let observer = move |_: &Check<'_>| {
            CALLS.lock().unwrap().push(name);
            for guard in GUARDS.get().unwrap() {
                assert_eq!(ask(guard, None), Ok(()));
            }
            panic!("after the checks");
        };
        builder(KEY).observe(observer).build()
    };
    for guard in GUARDS.get_or_init(|| ["first", "second"].map(guard)) {
        assert_eq!(ask(guard, None), Ok(()));
    }
    assert_eq!(*CALLS.lock().unwrap(), ["first", "second"]);
}

#[test]
fn an_observer_runs_on_the_thread_of_its_request_and_delays_no_other() {
    let (sender, threads) = mpsc::channel::<ThreadId>();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let guard = builder(KEY)
        .observe(move |check| {
            sender.send(thread::current().id()).unwrap();
            if check.result().is_err() {
                let _ = released.lock().unwrap().recv_timeout(PATIENCE);
            }
        })
        .build();
    thread::scope(|scope| {
        let denied = scope.spawn(|| guard.check(&Request::get("/metrics").body(()).unwrap()).is_err());
        assert_eq!(threads.recv_timeout(PATIENCE).unwrap(), denied.thread().id());
        assert_eq!(ask(&guard, None), Ok(()));
        assert_eq!(threads.recv_timeout(PATIENCE).unwrap(), thread::current().id());
        assert!(!denied.is_finished());
        drop(release);
        assert!(denied.join().unwrap());
    });
}

#[test]
fn a_blocked_hook_delays_neither_build_nor_replace_nor_check_nor_drop() {
    let start = Instant::now();
    let (block, release) = blocked();
    let (tell, told) = hook();
    let builder = builder(&KEY[..20]).allow_networks(["10.0.0.0/8"]).unwrap();
    let guard = builder.on_warning(block).on_warning(tell).build();
    guard.replace(short_key()).unwrap();
    assert_eq!(ask(&guard, None), Err(Reason::Address));
    guard.replace(Key::new(KEY).unwrap()).unwrap();
    assert_eq!(ask(&guard, Some(peer("10.1.2.3"))), Ok(()));
    assert_warnings(&told.take(), &[]); // the first hook has not returned
    drop(guard);
    // Three times as long as `build` waits.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    drop(release);
    assert_warnings(&told.rest(), &[SHORT_KEY, SHORT_KEY, &no_address(NETWORKS)]);
}

#[test]
fn warnings_that_the_queue_has_no_room_for_are_counted() {
    let (block, release) = blocked();
    let (tell, told) = hook();
    let guard = restricted().on_warning(block).on_warning(tell).build();
    for _ in 0..100 {
        guard.replace(short_key()).unwrap();
    }
    assert_eq!(ask(&guard, Some(peer("11.1.2.3"))), Err(Reason::Address));
    drop(release);
    let (mut reported, mut dropped) = (0, 0);
    while reported + dropped < 100 {
        let text = told.next();
        match text.split_once(" warnings or key file events were dropped, because") {
            Some((count, _)) => dropped += count.parse::<u64>().unwrap(),
            None if text.starts_with(SHORT_KEY) => reported += 1,
            None => panic!("{text}"),
        }
    }
    assert!((64..=65).contains(&reported), "{reported} reported, {dropped} dropped");
    // And then all is reported again.
    guard.replace(short_key()).unwrap();
    drop(guard);
    assert_eq!(told.rest().len(), 1);
}

#[test]
fn a_hook_of_one_guard_holds_back_no_warning_of_another() {
    let (block, _release) = blocked();
    let first = builder(&KEY[..20]).on_warning(block).build();
    let (tell, told) = hook();
    let second = builder(&KEY[..20]).on_warning(tell).build();
    drop(second);
    assert_eq!(told.rest().len(), 1);
    drop(first);
}

#[test]
fn a_hook_may_use_the_guard() {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    let (sender, answers) = mpsc::channel();
    // The new keys cause another warning, while the hook is at the first.
    let hook = move |warning: &Warning| {
        if warning.to_string().contains("did not provide") {
            let guard = GUARD.get().unwrap();
            let keys = [KEY, &KEY[..20]].map(|key| Key::new(key).unwrap());
            guard.replace(KeyRing::new(keys).unwrap()).unwrap();
            assert!(guard.reload().is_err());
            sender.send(Some((ask(guard, None), ask(guard, Some(peer("10.1.2.3")))))).unwrap();
        } else {
            sender.send(None).unwrap();
        }
    };
    let guard = GUARD.get_or_init(|| restricted().on_warning(hook).build());
    assert_eq!(ask(guard, None), Err(Reason::Address));
    let next = || answers.recv_timeout(PATIENCE).unwrap();
    assert_eq!([next(), next()], [Some((Err(Reason::Address), Ok(()))), None]);
}

#[test]
fn a_hook_may_wait_for_the_guard_that_is_being_built() {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    let (sender, answers) = mpsc::channel();
    let hook = move |_: &Warning| {
        // It blocks until the guard is there, which waits for the hook, but not for ever.
        let guard = GUARD.get_or_init(|| unreachable!("the guard is being built"));
        sender.send(ask(guard, None)).unwrap();
    };
    // In a thread: were they to wait for each other, the test should not.
    thread::spawn(|| GUARD.get_or_init(|| builder(&KEY[..20]).on_warning(hook).build()));
    assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), Err(Reason::Wrong));
}

#[test]
fn a_hook_may_drop_the_last_guard() {
    let held = Arc::new(Mutex::new(None::<Guard>));
    let (block, release) = blocked();
    let (tell, told) = hook();
    let taken = Arc::clone(&held);
    let drop_it = move |_: &Warning| drop(taken.lock().unwrap().take());
    let guard = restricted().on_warning(block).on_warning(drop_it).on_warning(tell).build();
    assert_eq!(ask(&guard, None), Err(Reason::Address));
    held.lock().unwrap().replace(guard);
    drop(release);
    assert_eq!(told.rest(), [no_address(NETWORKS)]);
    assert!(held.lock().unwrap().is_none());
}
