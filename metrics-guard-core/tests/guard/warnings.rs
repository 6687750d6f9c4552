//! A guard reports each warning once to each hook, on a thread of its own.

use std::{
    fs, panic,
    sync::{Arc, Mutex, OnceLock, mpsc},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use http::Request;
use metrics_guard_core::{Check, ClientName, Guard, GuardBuilder, Peer, Reason, Warning, adapter::Settings};

use crate::common::{KEY, NAME, OTHER, PATIENCE, ask, blocked, builder, file, hook, key, peer, texts, write};

const SHORT: &str = "9c2f1e7ab5d84036f1c0";
const SHORT_KEY: &str = "Key::new: the key has fewer than 32 characters";
const ALL_ADDRESSES: &str = "GuardBuilder::allow_networks: the networks together allow every public IPv4";
const NO_ADDRESS: &str = "GuardBuilder::allow_networks: the server did not provide the client's address or the names in \
                          its certificate, so every request may be rejected; put a `Peer` into";

/// Fails unless these are the warnings, by the beginning of each.
#[track_caller]
fn assert_warnings(warnings: &[String], beginnings: &[&str]) {
    let begins = |(warning, beginning): (&String, &&str)| warning.starts_with(*beginning);
    let is_it = warnings.len() == beginnings.len() && warnings.iter().zip(beginnings).all(begins);
    assert!(is_it, "{warnings:#?}, not {beginnings:#?}");
}

fn restricted() -> GuardBuilder {
    builder(KEY).allow_networks(["10.0.0.0/8"]).unwrap()
}

fn check(guard: &Guard, peer: impl Into<Option<Peer>>) -> Result<(), Reason> {
    ask(guard, Some(KEY), peer).map(drop)
}

#[test]
fn build_reports_what_is_accepted_but_should_be_reviewed() {
    let ((first, first_told), (second, second_told)) = (hook(), hook());
    let builder = builder(SHORT).on_warning(first).allow_networks(["0.0.0.0/0"]).unwrap().on_warning(second);
    assert_warnings(&first_told.take(), &[]); // before it is built
    let guard = builder.build();
    let warnings = texts(guard.warnings());
    assert_warnings(&warnings, &[SHORT_KEY, ALL_ADDRESSES]);
    assert_eq!((first_told.take(), second_told.take()), (warnings.clone(), warnings));

    let clone = guard.clone();
    check(&clone, peer("10.1.2.3")).unwrap_err();
    drop(clone);
    assert_eq!(guard.warnings().len(), 2);
    drop(guard);
    assert_eq!((first_told.rest(), second_told.rest()), (Vec::<String>::new(), Vec::new()), "only then");
}

#[test]
fn a_disabled_guard_warns_of_that_alone() {
    let mut settings = Settings::default();
    settings.set("disabled", "disabled", "true").unwrap();
    settings.set("networks", "networks", "10.0.0.0/8").unwrap();
    for (builder, origin) in
        [(GuardBuilder::disabled(), "GuardBuilder::disabled"), (settings.builder().unwrap(), "disabled")]
    {
        let (tell, told) = hook();
        let guard = builder.on_warning(tell).build();
        assert_warnings(
            &told.take(),
            &[&format!("{origin}: the guard is disabled, so EVERYONE can read what it should protect")],
        );
        // It needs no client address, and misses none.
        assert_eq!(check(&guard, None), Ok(()));
        drop(guard);
        assert_warnings(&told.rest(), &[]);
    }
}

#[test]
fn warns_once_if_the_server_does_not_provide_what_the_guard_reads() {
    let named = |name| peer("10.1.2.3").with_names([ClientName::dns(name)]);
    let by_name = || builder(KEY).require_client_name([NAME]).unwrap();
    let without_key = || Guard::builder_with_client_names([NAME]).unwrap();
    let with_network = |builder: GuardBuilder| builder.allow_networks(["10.0.0.0/8"]).unwrap();
    let (address, certificate) = (Err(Reason::Address), Err(Reason::Certificate));
    for (builder, client, outcome, origin) in [
        (builder(KEY), None, Ok(()), None),
        (restricted(), Some(peer("11.1.2.3")), address, None),
        (by_name(), None, certificate, Some("GuardBuilder::require_client_name")),
        (by_name(), Some(peer("10.1.2.3")), certificate, Some("GuardBuilder::require_client_name")),
        (by_name(), Some(peer("10.1.2.3").with_names([])), certificate, None),
        (by_name(), Some(named("other.example")), certificate, None),
        (without_key(), Some(peer("10.1.2.3")), certificate, Some("Guard::builder_with_client_names")),
        // An address alone would not do.
        (with_network(without_key()), None, address, Some("GuardBuilder::allow_networks")),
        (with_network(by_name()), Some(peer("11.1.2.3")), address, None),
    ] {
        let (tell, told) = hook();
        let guard = builder.on_warning(tell).build();
        for _ in 0..2 {
            assert_eq!(check(&guard, client.clone()), outcome);
        }
        drop(guard);
        let told = told.rest();
        let beginning = format!("{}: the server did not provide ", origin.unwrap_or_default());
        let is_it = |text: &String| text.starts_with(&beginning) && text.contains("put a `Peer` with the names in ");
        assert!(told.len() == usize::from(origin.is_some()) && told.iter().all(is_it), "{origin:?}: {told:?}");
    }
}

/// A payload that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload");
    }
}

#[test]
fn a_panicking_hook_or_observer_changes_no_outcome_and_stops_no_other() {
    let (tell, told) = hook();
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&outcomes);
    let builder = builder(SHORT).allow_networks(["10.0.0.0/8"]).unwrap();
    let builder = builder.on_warning(|_| panic!("a hook")).on_warning(|_| panic::panic_any(Bomb)).on_warning(tell);
    let builder = builder.observe(|_| panic!("an observer")).observe(|_| panic::panic_any(Bomb));
    let guard = builder.observe(move |check| seen.lock().unwrap().push(check.outcome())).build();
    assert_warnings(&told.take(), &[SHORT_KEY]);
    assert_eq!(ask(&guard, Some(SHORT), peer("10.1.2.3")), Ok(Some("current")));
    for _ in 0..2 {
        assert_eq!(check(&guard, None), Err(Reason::Address));
    }
    assert_eq!(*outcomes.lock().unwrap(), ["allowed", "address", "address"]);
    drop(guard);
    assert_warnings(&told.rest(), &[NO_ADDRESS]);
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
                assert_eq!(check(guard, None), Ok(()));
            }
            panic!("after the checks");
        };
        builder(KEY).observe(observer).build()
    };
    for guard in GUARDS.get_or_init(|| ["first", "second"].map(guard)) {
        assert_eq!(check(guard, None), Ok(()));
    }
    assert_eq!(*CALLS.lock().unwrap(), ["first", "second"]);
}

#[test]
fn an_observer_runs_on_the_thread_of_its_request_and_delays_no_other() {
    let (sender, threads) = mpsc::channel::<ThreadId>();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let observer = move |check: &Check<'_>| {
        sender.send(thread::current().id()).unwrap();
        if check.result().is_err() {
            let _ = released.lock().unwrap().recv_timeout(PATIENCE);
        }
    };
    let guard = builder(KEY).observe(observer).build();
    thread::scope(|scope| {
        let rejected = scope.spawn(|| guard.check(&Request::new(())).is_err());
        assert_eq!(threads.recv_timeout(PATIENCE).unwrap(), rejected.thread().id());
        assert_eq!(check(&guard, None), Ok(()));
        assert_eq!(threads.recv_timeout(PATIENCE).unwrap(), thread::current().id());
        assert!(!rejected.is_finished());
        drop(release);
        assert!(rejected.join().unwrap());
    });
}

#[test]
fn a_blocked_hook_delays_neither_build_nor_new_keys_nor_check_nor_drop() {
    let start = Instant::now();
    let ((block, release), (tell, told)) = (blocked(), hook());
    let (_folder, path) = file(SHORT);
    let builder = Guard::builder_from_key_file(&path).unwrap().allow_networks(["10.0.0.0/8"]).unwrap();
    let guard = builder.on_warning(block).on_warning(tell).build();
    guard.replace(key(SHORT)).unwrap();
    assert_eq!(check(&guard, None), Err(Reason::Address));
    fs::remove_file(&path).unwrap();
    guard.reload().unwrap_err();
    assert!(guard.key_file().unwrap().problem().is_some());
    write(&path, OTHER);
    guard.reload().unwrap();
    assert!(guard.key_file().unwrap().problem().is_none());
    assert_eq!(ask(&guard, Some(OTHER), peer("10.1.2.3")), Ok(Some("current")));
    guard.replace(key(KEY)).unwrap();
    assert_eq!(check(&guard, peer("10.1.2.3")), Ok(()));
    assert_warnings(&told.take(), &[]); // the first hook has not returned
    drop(guard);
    // Three times as long as `build` waits.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    drop(release);
    let told = told.rest();
    assert_warnings(&told[1..3], &[SHORT_KEY, NO_ADDRESS]);
    assert!(matches!(&told[3..], [stale] if stale.contains("The active keys do not change")), "{told:?}");
    assert!(told[0].contains(", line 1: the key has fewer than 32 characters"), "{told:?}");
}

#[test]
fn a_hook_of_one_guard_holds_back_no_warning_of_another() {
    let ((block, _release), (tell, told)) = (blocked(), hook());
    let first = builder(SHORT).on_warning(block).build();
    drop(builder(SHORT).on_warning(tell).build());
    assert_warnings(&told.rest(), &[SHORT_KEY]);
    drop(first);
}

#[test]
fn a_hook_may_drop_the_last_guard() {
    let held = Arc::new(Mutex::new(None::<Guard>));
    let ((block, release), (tell, told)) = (blocked(), hook());
    let taken = Arc::clone(&held);
    let drop_it = move |_: &Warning| drop(taken.lock().unwrap().take());
    let guard = restricted().on_warning(block).on_warning(drop_it).on_warning(tell).build();
    assert_eq!(check(&guard, None), Err(Reason::Address));
    held.lock().unwrap().replace(guard);
    drop(release);
    assert_warnings(&told.rest(), &[NO_ADDRESS]);
    assert!(held.lock().unwrap().is_none());
}
