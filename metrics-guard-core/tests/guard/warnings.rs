//! Tests what hooks and observers receive, and that they delay and change nothing.

use std::{
    fs, panic,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

use metrics_guard_core::{Check, ClientName, Guard, GuardBuilder, Peer, Reason, Warning};

use crate::common::{KEY, NAME, OTHER, ask, blocked, builder, file, hook, key, peer, texts, write};

const SHORT: &str = "9c2f1e7ab5d84036f1c0";
const SHORT_KEY: &str = "Key::new: the key has fewer than 32 characters";
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
fn warns_once_if_the_server_does_not_provide_the_names_that_the_guard_reads() {
    let client = || peer("10.1.2.3");
    let by_name = || builder(KEY).require_client_name([NAME]).unwrap();
    let without_key = || Guard::builder_with_client_names([NAME]).unwrap();
    let of_names = &["GuardBuilder::require_client_name: the server did not provide "][..];
    for (builder, client, expected) in [
        (by_name(), client(), of_names),
        (without_key(), client(), &["Guard::builder_with_client_names: the server did not provide "]),
        (by_name(), client().with_names([]), &[]),
        (by_name(), client().with_names([ClientName::dns("other.example")]), &[]),
        (restricted().require_client_name([NAME]).unwrap(), peer("11.1.2.3"), &[]),
    ] {
        let (tell, told) = hook();
        let guard = builder.on_warning(tell).build();
        for _ in 0..2 {
            check(&guard, client.clone()).unwrap_err();
        }
        drop(guard);
        let told = told.rest();
        assert_warnings(&told, expected);
        assert!(told.iter().all(|warning| warning.contains("put a `Peer` with the names in ")), "{told:?}");
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
    let ((tell, told), (tell_too, told_too)) = (hook(), hook());
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&outcomes);
    let builder = builder(SHORT).allow_networks(["10.0.0.0/8"]).unwrap();
    let builder = builder.on_warning(|_| panic!("a hook")).on_warning(|_| panic::panic_any(Bomb));
    let builder = builder.observe(|_| panic!("an observer")).observe(|_| panic::panic_any(Bomb));
    let builder = builder.observe(move |check| seen.lock().unwrap().push(check.outcome()));
    let guard = builder.on_warning(tell).on_warning(tell_too).build();
    assert_warnings(&told.take(), &[SHORT_KEY]);
    assert_eq!(texts(guard.warnings()), told_too.take());
    assert_eq!(ask(&guard, Some(SHORT), peer("10.1.2.3")), Ok(Some("current")));
    for _ in 0..2 {
        assert_eq!(check(&guard, None), Err(Reason::Address));
    }
    assert_eq!(*outcomes.lock().unwrap(), ["allowed", "address", "address"]);
    drop(guard);
    assert_warnings(&told.rest(), &[NO_ADDRESS]);
    assert_warnings(&told_too.rest(), &[NO_ADDRESS]);
}

#[test]
fn an_observer_may_check_and_is_not_called_for_that() {
    static GUARDS: OnceLock<[Guard; 2]> = OnceLock::new();
    static CALLS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    // Each observer calls `check` of its own guard and of the other.
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
fn a_blocked_hook_delays_nothing_but_the_warnings_of_its_guard() {
    let start = Instant::now();
    let ((block, release), (tell, told)) = (blocked(), hook());
    let (_folder, path) = file(SHORT);
    let builder = Guard::builder_from_key_file(&path).unwrap().allow_networks(["10.0.0.0/8"]).unwrap();
    let guard = builder.on_warning(block).on_warning(tell).build();
    guard.replace(key(SHORT)).unwrap();
    assert_eq!(check(&guard, None), Err(Reason::Address));
    fs::remove_file(&path).unwrap();
    guard.reload().unwrap_err();
    write(&path, OTHER);
    guard.reload().unwrap();
    assert_eq!(ask(&guard, Some(OTHER), peer("10.1.2.3")), Ok(Some("current")));
    let (tell_of_another, told_of_another) = hook();
    drop(self::builder(SHORT).on_warning(tell_of_another).build());
    assert_warnings(&told_of_another.rest(), &[SHORT_KEY]);
    assert_warnings(&told.take(), &[]); // the first hook has not returned
    drop(guard);
    // This is three times as long as `build` waits.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    drop(release);
    let told = told.rest();
    assert_warnings(&told[1..3], &[SHORT_KEY, NO_ADDRESS]);
    assert!(matches!(&told[3..], [stale] if stale.contains("The active keys do not change")), "{told:?}");
    assert!(told[0].contains(", line 1: the key has fewer than 32 characters"), "{told:?}");
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
