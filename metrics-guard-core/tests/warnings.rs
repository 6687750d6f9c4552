//! What a guard warns of is told by the guard: to each hook, once.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    mem,
    sync::{Arc, Barrier, Mutex, OnceLock},
    thread,
};

use http::Request;
use metrics_guard_core::{
    ClientName, Guard, GuardBuilder, Key, KeyRing, Peer, Place, Reason, RequestHead, Setting, Settings, Warning,
};

const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
const NAME: &str = "prometheus.example";

const NETWORKS: Place = Place::Argument("GuardBuilder::allow_networks");
const NAMES: Place = Place::Argument("GuardBuilder::require_client_name");

fn no_address(place: Place) -> Warning {
    Warning::NoPeer(place, Request::new(()).peer_advice(false))
}

fn no_names(place: Place) -> Warning {
    Warning::NoPeer(place, Request::new(()).peer_advice(true))
}

/// What a hook was told.
#[derive(Default, Clone)]
struct Told(Arc<Mutex<Vec<Warning>>>);

impl Told {
    fn hook(&self) -> impl Fn(&Warning) + Send + Sync + 'static {
        let told = self.clone();
        move |warning| told.0.lock().unwrap().push(warning.clone())
    }

    fn take(&self) -> Vec<Warning> {
        mem::take(&mut self.0.lock().unwrap())
    }
}

fn builder(key: &str) -> GuardBuilder {
    Guard::builder(Key::new(key).unwrap())
}

fn restricted() -> GuardBuilder {
    builder(KEY).allow_networks(["10.0.0.0/8"]).unwrap()
}

fn peer(address: &str) -> Peer {
    Peer::at(format!("{address}:40000").parse().unwrap())
}

fn ask(guard: &Guard, peer: Option<Peer>) -> Result<(), Reason> {
    let mut request = Request::get("/metrics").header("X-Metrics-Key", KEY).body(()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    guard.check(&request).map(|_| ()).map_err(|denied| denied.reason())
}

#[test]
fn what_a_guard_puts_up_with_is_told_when_it_is_built() {
    let [first, second] = [Told::default(), Told::default()];
    let builder = builder(&KEY[..20]).on_warning(first.hook()).allow_networks(["0.0.0.0/0"]).unwrap();
    let builder = builder.on_warning(second.hook());
    assert_eq!(first.take(), [], "before it is built");
    let guard = builder.build();
    assert_eq!(guard.warnings().len(), 2);
    assert_eq!(guard.warnings()[1], Warning::AllAddresses(NETWORKS));
    assert_eq!((first.take().as_slice(), second.take().as_slice()), (guard.warnings(), guard.warnings()));

    let clone = guard.clone();
    ask(&clone, Some(peer("10.1.2.3"))).unwrap_err();
    assert_eq!((guard.warnings().len(), first.take(), second.take()), (2, vec![], vec![]), "only then");
}

#[test]
fn who_is_told_of_a_disabled_guard() {
    let told = Told::default();
    let guard = GuardBuilder::disabled().on_warning(told.hook()).build();
    assert_eq!(told.take(), [Warning::Disabled]);
    assert_eq!(ask(&guard, None), Ok(()));

    let mut settings = Settings::default();
    settings.set(Setting::Disabled, Place::Field("disabled".into()), "true".into()).unwrap();
    settings.set(Setting::Networks, Place::Field("networks".into()), "10.0.0.0/8".into()).unwrap();
    let guard = settings.builder().unwrap().on_warning(told.hook()).build();
    assert_eq!(told.take(), [Warning::Disabled]);
    // It asks for no peer, and misses none.
    assert_eq!(ask(&guard, None), Ok(()));
    assert_eq!(told.take(), []);
}

#[test]
fn a_guard_without_keys_tells_nothing_of_them() {
    let told = Told::default();
    let guard = builder(&KEY[..20]).on_warning(told.hook()).allow_networks(["0.0.0.0/0"]).unwrap();
    let guard = guard.require_client_name([NAME]).unwrap().instead_of_key().unwrap().build();
    assert_eq!(told.take(), [Warning::AllAddresses(NETWORKS)]);
    // The keys are gone, and the hooks are not.
    assert_eq!(ask(&guard, None), Err(Reason::Address));
    assert_eq!(told.take(), [no_names(NETWORKS)], "an address alone would not do");
}

#[test]
fn a_missing_peer_is_told_once_by_eight_threads() {
    for _ in 0..200 {
        let told = Told::default();
        let guard = restricted().on_warning(told.hook()).build();
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
        assert_eq!(told.take(), [no_address(NETWORKS)]);
        assert_eq!(guard.warnings(), [], "those are of when it was built");
    }
}

#[test]
fn a_peer_that_is_known_is_not_missed() {
    let told = Told::default();
    let guard = restricted().require_client_name([NAME]).unwrap().on_warning(told.hook()).build();
    assert_eq!(ask(&guard, Some(peer("11.1.2.3"))), Err(Reason::Address));
    assert_eq!(ask(&guard, Some(peer("10.1.2.3"))), Err(Reason::Certificate));
    let other = peer("10.1.2.3").with_names([ClientName::dns("other.example")]);
    assert_eq!(ask(&guard, Some(other)), Err(Reason::Certificate));
    assert_eq!(told.take(), []);
}

#[test]
fn a_peer_is_missed_for_its_names_too() {
    for instead in [false, true] {
        let told = Told::default();
        let builder = builder(KEY).require_client_name([NAME]).unwrap().on_warning(told.hook());
        let guard = if instead { builder.instead_of_key().unwrap() } else { builder }.build();
        for _ in 0..2 {
            assert_eq!(ask(&guard, None), Err(Reason::Certificate));
        }
        assert_eq!(told.take(), [no_names(NAMES)]);
    }
    // A guard that asks for neither misses nothing.
    let told = Told::default();
    assert_eq!(ask(&builder(KEY).on_warning(told.hook()).build(), None), Ok(()));
    assert_eq!(told.take(), []);
}

#[test]
fn a_hook_that_panics_is_the_end_of_nothing() {
    let told = Told::default();
    let builder = builder(&KEY[..20]).allow_networks(["10.0.0.0/8"]).unwrap();
    let guard = builder.on_warning(|_| panic!("a hook")).on_warning(told.hook()).build();
    assert_eq!(told.take(), guard.warnings());
    for _ in 0..2 {
        assert_eq!(ask(&guard, None), Err(Reason::Address));
    }
    assert_eq!(told.take(), [no_address(NETWORKS)]);
}

#[test]
fn a_hook_may_ask_the_guard() {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    let answers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&answers);
    // With new keys it hears of another warning, while it is at the first.
    let hook = move |warning: &Warning| {
        if let Warning::NoPeer(..) = warning {
            let guard = GUARD.get().unwrap();
            let keys = [KEY, &KEY[..20]].map(|key| Key::new(key).unwrap());
            guard.replace(KeyRing::new(keys).unwrap()).unwrap();
            let answers = (ask(guard, None), ask(guard, Some(peer("10.1.2.3"))));
            seen.lock().unwrap().push(Some(answers));
        } else {
            seen.lock().unwrap().push(None);
        }
    };
    let guard = GUARD.get_or_init(|| restricted().on_warning(hook).build());
    assert_eq!(ask(guard, None), Err(Reason::Address));
    assert_eq!(*answers.lock().unwrap(), [None, Some((Err(Reason::Address), Ok(())))]);
}
