//! Who may ask, beside the key that is presented, and who is told of it.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::sync::{Arc, Mutex};

use common::{assert_says, from};
use http::Request;
use metrics_guard_core::{
    Authorized, Check, ClientName, ConfigError, ConfigErrorKind, Denied, Guard, GuardBuilder, Key, Peer, Reason,
    adapter::Settings,
};

mod common;

const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
const WRONG: &str = "1f83b6d05ae94c27801d7e6a3c5f9b42";
const NAME: &str = "prometheus.example";

fn builder() -> GuardBuilder {
    Guard::builder(Key::new(KEY).unwrap())
}

fn peer(address: &str) -> Peer {
    Peer::new(format!("{address}:40000").parse().unwrap())
}

fn named(address: &str) -> Peer {
    peer(address).with_names([ClientName::dns(NAME)])
}

fn ask(guard: &Guard, key: Option<&str>, peer: Option<Peer>) -> Result<Option<&'static str>, Reason> {
    let mut request = Request::get("/metrics");
    if let Some(key) = key {
        request = request.header("X-Metrics-Key", key);
    }
    let mut request = request.body(()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    guard.check(&request).map(|authorized| authorized.key()).map_err(|denied| denied.reason())
}

#[test]
fn an_address_is_asked_for_in_addition_to_the_key() {
    let guard = builder().allow_networks(["10.0.0.0/8"]).unwrap().build();
    let near = || Some(peer("10.1.2.3"));
    assert_eq!(ask(&guard, Some(KEY), near()), Ok(Some("current")));
    assert_eq!(ask(&guard, Some(WRONG), near()), Err(Reason::Wrong));
    assert_eq!(ask(&guard, None, near()), Err(Reason::Missing));
    for far in [Some(peer("11.1.2.3")), Some(peer("[fd00::1]")), None] {
        for key in [Some(KEY), Some(WRONG), None] {
            assert_eq!(ask(&guard, key, far.clone()), Err(Reason::Address), "{far:?}");
        }
    }
    assert_eq!(ask(&guard, Some(KEY), Some(peer("[::ffff:10.1.2.3]"))), Ok(Some("current")));
}

#[test]
fn case_55_a_denied_peer_gets_the_same_answer_for_every_key() {
    let far = builder().allow_networks(["10.0.0.0/8"]).unwrap().build();
    let nameless = builder().require_client_name([NAME]).unwrap().build();
    let answer = |guard: &Guard, key: &str| {
        let mut request = Request::get("/metrics").header("X-Metrics-Key", key).body(()).unwrap();
        request.extensions_mut().insert(peer("192.0.2.1"));
        let denied: Denied = guard.check(&request).unwrap_err();
        format!("{:?} {}", denied.into_response::<()>(), denied.body())
    };
    let answers =
        [(&far, KEY), (&far, WRONG), (&nameless, KEY), (&nameless, WRONG)].map(|(guard, key)| answer(guard, key));
    assert!(answers.iter().all(|other| *other == answers[0]), "{answers:?}");
    assert!(answers[0].contains("403"));
}

#[test]
fn a_client_name_is_asked_for_beside_the_key_unless_instead_of_it() {
    let beside = builder().require_client_name(["other.example", NAME]).unwrap().build();
    assert!(beside.requires_client_name());
    assert_eq!(ask(&beside, Some(KEY), Some(named("10.1.2.3"))), Ok(Some("current")));
    assert_eq!(ask(&beside, Some(WRONG), Some(named("10.1.2.3"))), Err(Reason::Wrong));
    assert_eq!(ask(&beside, None, Some(named("10.1.2.3"))), Err(Reason::Missing));
    assert_eq!(ask(&beside, Some(KEY), Some(peer("10.1.2.3"))), Err(Reason::Certificate));
    assert_eq!(ask(&beside, Some(KEY), None), Err(Reason::Certificate));

    let instead = Guard::builder_with_client_names([NAME]).unwrap().build();
    assert!(instead.requires_client_name());
    for key in [Some(KEY), Some(WRONG), None] {
        assert_eq!(ask(&instead, key, Some(named("10.1.2.3"))), Ok(None));
        assert_eq!(ask(&instead, key, Some(peer("10.1.2.3"))), Err(Reason::Certificate));
        assert_eq!(ask(&instead, key, None), Err(Reason::Certificate));
    }
    for (names, expected) in [(&[][..], "no client name is listed"), (&[NAME, "*.example"], "entry 2 is an invalid")] {
        let error = Guard::builder_with_client_names(names).unwrap_err();
        assert!(error.to_string().starts_with(&format!("Guard::builder_with_client_names: {expected}")), "{error}");
    }
    let by_key = Guard::new(Key::new(KEY).unwrap());
    assert!(!by_key.requires_client_name() && !by_key.is_disabled());
}

#[test]
fn address_and_certificate_are_both_asked_for() {
    let guard = builder().allow_networks(["10.0.0.0/8"]).unwrap().require_client_name([NAME]).unwrap().build();
    assert!(guard.requires_client_name() && !guard.is_disabled());
    assert_eq!(ask(&guard, Some(KEY), Some(named("10.1.2.3"))), Ok(Some("current")));
    assert_eq!(ask(&guard, Some(KEY), Some(named("11.1.2.3"))), Err(Reason::Address));
    assert_eq!(ask(&guard, Some(KEY), Some(peer("10.1.2.3"))), Err(Reason::Certificate));
    let without_key = Guard::builder_with_client_names([NAME]).unwrap();
    let without_key = without_key.allow_networks(["10.0.0.0/8"]).unwrap().build();
    assert_eq!(ask(&without_key, None, Some(named("10.1.2.3"))), Ok(None));
    assert_eq!(ask(&without_key, None, Some(named("11.1.2.3"))), Err(Reason::Address));
}

const NETWORKS: &str = "METRICS_VERIFICATION_NETWORKS";
const NAMES: &str = "METRICS_VERIFICATION_CLIENT_NAMES";

#[test]
fn the_environment_says_who_may_ask() {
    let with = |variable: &str, value: &str| from(&[("METRICS_VERIFICATION_KEY", KEY), (variable, value)]);
    let guard = with(NETWORKS, "10.0.0.0/8,fd00::/8 , 192.0.2.1").unwrap();
    for (address, passes) in [("10.1.2.3", true), ("[fd00::1]", true), ("192.0.2.1", true), ("192.0.2.2", false)] {
        assert_eq!(ask(&guard, Some(KEY), Some(peer(address))).is_ok(), passes, "{address}");
    }
    let guard = with(NAMES, &format!("spiffe://example.org/prometheus, {NAME}")).unwrap();
    assert!(ask(&guard, Some(KEY), Some(named("192.0.2.2"))).is_ok());
    assert_eq!(ask(&guard, Some(KEY), Some(peer("192.0.2.2"))), Err(Reason::Certificate));

    for (variable, value, expected) in [
        (NETWORKS, "", "is empty"),
        (NETWORKS, " ", "is empty"),
        (NETWORKS, "10.0.0.0/8,", "entry 2 is an invalid network"),
        (NETWORKS, "10.0.0.0/8 fd00::/8", "entry 1 is an invalid network"),
        (NETWORKS, "10.0.0.0/8;fd00::/8", "entry 1 is an invalid network"),
        (NETWORKS, "fd00::/8, 10.0.0.1/8", "entry 2 is an address in a network; write 10.0.0.0/8 for"),
        (NETWORKS, "::ffff:10.0.0.0/8", "entry 1 reaches beyond"),
        (NAMES, "", "is empty"),
        (NAMES, "a.example, *.example", "entry 2 is an invalid client name"),
    ] {
        let error = with(variable, value).unwrap_err();
        assert_says(&error, expected);
        assert_eq!(error.origin(), variable, "{value}");
    }
    // Neither error shows what was set: it may be the key.
    for variable in [NETWORKS, NAMES] {
        let error = with(variable, &format!("{WRONG}_*")).unwrap_err();
        assert!(!error.to_string().contains(WRONG), "{error}");
    }
    let all = with(NETWORKS, "10.0.0.0/8, 0.0.0.0/0").unwrap();
    let warnings: Vec<_> = all.warnings().iter().map(ToString::to_string).collect();
    assert!(matches!(&warnings[..], [text] if text.starts_with(&format!("{NETWORKS}: the networks together allow"))));
    // Never instead of a key.
    assert_says(&from(&[(NETWORKS, "10.0.0.0/8")]).unwrap_err(), "no key is configured");
    assert_says(&from(&[(NAMES, NAME)]).unwrap_err(), "no key is configured");
}

#[test]
fn a_second_list_or_name_is_not_taken_for_the_first() {
    let given_twice = |error: ConfigError| error.kind() == ConfigErrorKind::DuplicateSetting;
    let error = builder().allow_networks(["10.0.0.0/8"]).unwrap().allow_networks(["0.0.0.0/0"]).unwrap_err();
    assert!(given_twice(error));
    assert!(given_twice(builder().header("X-A").unwrap().header("X-B").unwrap_err()));
    assert!(given_twice(builder().query("a").unwrap().query("b").unwrap_err()));
    let named = || builder().require_client_name([NAME]).unwrap();
    assert!(given_twice(named().require_client_name(["other.example"]).unwrap_err()));
    let without_key = Guard::builder_with_client_names([NAME]).unwrap();
    assert!(given_twice(without_key.require_client_name(["other.example"]).unwrap_err()));
    let mut settings = Settings::default();
    for (setting, value) in [("key", KEY), ("networks", "10.0.0.0/8")] {
        settings.set(setting, format!("METRICS_VERIFICATION_{}", setting.to_uppercase()), value).unwrap();
    }
    let error = settings.builder().unwrap().allow_networks(["203.0.113.0/24"]).unwrap_err();
    assert_says(&error, &format!("set here and in {NETWORKS};"));
}

#[test]
fn a_disabled_guard_lets_everyone_pass_and_looks_at_the_lists_all_the_same() {
    let disabled = ("METRICS_VERIFICATION_DISABLED", "true");
    let lists = [("METRICS_VERIFICATION_NETWORKS", "10.0.0.0/8"), ("METRICS_VERIFICATION_CLIENT_NAMES", NAME)];
    let guard = from(&[disabled, lists[0], lists[1]]).unwrap();
    assert_eq!(ask(&guard, None, None), Ok(None));
    assert!(guard.is_disabled() && !guard.requires_client_name());
    let error = from(&[disabled, ("METRICS_VERIFICATION_NETWORKS", "")]).unwrap_err();
    assert_says(&error, "is empty");
    let error = from(&[disabled, ("METRICS_VERIFICATION_CLIENT_NAMES", "*")]).unwrap_err();
    assert_says(&error, "entry 1 is an invalid client name");
}

#[test]
fn every_check_is_observed_once_by_each_observer() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = |name: &'static str| {
        let seen = Arc::clone(&seen);
        move |check: &Check<'_>| {
            let outcome = check.result().map(Authorized::key).map_err(|denied| denied.reason());
            let expected = match outcome {
                Ok(key) => ("allowed", key.unwrap_or_default()),
                Err(reason) => (reason.as_str(), ""),
            };
            assert_eq!((check.outcome(), check.key()), expected);
            seen.lock().unwrap().push((name, outcome, check.peer().cloned()));
        }
    };
    let guard = builder()
        .allow_networks(["10.0.0.0/8"])
        .unwrap()
        .require_client_name([NAME])
        .unwrap()
        .observe(observer("first"))
        .observe(observer("second"))
        .build();
    let asked = [
        (Some(KEY), Some(named("10.1.2.3"))),
        (Some(WRONG), Some(named("10.1.2.3"))),
        (None, Some(named("10.1.2.3"))),
        (Some(KEY), Some(peer("10.1.2.3"))),
        (Some(KEY), None),
    ];
    for (key, peer) in asked {
        let outcome = ask(&guard, key, peer.clone());
        let expected = [("first", outcome, peer.clone()), ("second", outcome, peer)];
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
    }
    let mut malformed = Request::get("/").header("Authorization", "Basic !").body(()).unwrap();
    malformed.extensions_mut().insert(named("10.1.2.3"));
    assert!(guard.check(&malformed).is_err());
    assert_eq!(seen.lock().unwrap()[0].1, Err(Reason::Malformed));

    let mut settings = Settings::default();
    settings.set("disabled", "disabled", "true").unwrap();
    let disabled = settings.builder().unwrap().observe(observer("disabled")).build();
    ask(&disabled, None, None).unwrap();
    assert_eq!(seen.lock().unwrap().last(), Some(&("disabled", Ok(None), None)));
}

#[test]
fn a_guard_says_whether_it_reads_the_client() {
    let key = || Key::new("9c2f1e7ab5d84036f1c0a7e3b6925d48").unwrap();
    let traced = cfg!(feature = "tracing");
    assert_eq!(Guard::new(key()).reads_peer(), traced);
    assert_eq!(Guard::disabled().reads_peer(), traced);
    assert!(Guard::builder(key()).allow_networks(["10.0.0.0/8"]).unwrap().build().reads_peer());
    assert!(Guard::builder(key()).require_client_name(["a.example"]).unwrap().build().reads_peer());
    assert!(Guard::builder_with_client_names(["a.example"]).unwrap().build().reads_peer());
    assert!(Guard::builder(key()).observe(|_| ()).build().reads_peer());
}
