//! Which clients a guard allows, beside the key that they present, and which observers see that.

use std::sync::{Arc, Mutex};

use http::Request;
use metrics_guard_core::{
    Authorized, Check, ClientName, ConfigError, ConfigErrorKind, Guard, Peer, Reason, adapter::Settings,
};

use crate::common::{KEY, NAME, OTHER, ask, assert_says, builder, from, peer, request, texts};

fn named(address: &str) -> Peer {
    peer(address).with_names([ClientName::dns(NAME)])
}

/// Whether a peer fits to networks and to names.
#[derive(Clone, Copy)]
struct Fits(bool, bool);

#[test]
fn checks_the_address_then_the_certificate_then_the_key() {
    let keys = [(Some(KEY), Ok(Some("current"))), (Some(OTHER), Err(Reason::Wrong)), (None, Err(Reason::Missing))];
    let peers = [
        (None, Fits(false, false)),
        (Some(peer("10.1.2.3")), Fits(true, false)),
        (Some(peer("[::ffff:10.1.2.3]")), Fits(true, false)),
        (Some(peer("11.1.2.3")), Fits(false, false)),
        (Some(peer("[fd00::1]")), Fits(false, false)),
        (Some(named("10.1.2.3")), Fits(true, true)),
        (Some(named("11.1.2.3")), Fits(false, true)),
    ];
    for (networks, names, has_key) in [
        (false, false, true),
        (true, false, true),
        (false, true, true),
        (true, true, true),
        (false, true, false),
        (true, true, false),
    ] {
        let listed = ["other.example", NAME];
        let builder = match (has_key, names) {
            (false, _) => Guard::builder_with_client_names(listed).unwrap(),
            (true, true) => builder(KEY).require_client_name(listed).unwrap(),
            (true, false) => builder(KEY),
        };
        let guard = if networks { builder.allow_networks(["10.0.0.0/8"]).unwrap() } else { builder }.build();
        assert_eq!((guard.requires_client_name(), guard.is_disabled()), (names, false));
        assert_eq!(guard.reads_peer(), networks || names || cfg!(feature = "tracing"));
        for (peer, fits) in &peers {
            for (key, outcome) in keys {
                let expected = match fits {
                    Fits(false, _) if networks => Err(Reason::Address),
                    Fits(_, false) if names => Err(Reason::Certificate),
                    _ if has_key => outcome,
                    _ => Ok(None),
                };
                assert_eq!(ask(&guard, key, peer.clone()), expected, "{networks} {names} {has_key} {peer:?} {key:?}");
            }
        }
    }
    assert_eq!(Guard::disabled().reads_peer(), cfg!(feature = "tracing"));
    assert!(builder(KEY).observe(|_| ()).build().reads_peer());
}

#[test]
fn networks_and_client_names_of_the_environment_need_a_key_and_one_entry() {
    let with = |variable, value: &str| from(&[("KEY", KEY), (variable, value)]);
    let warnings = texts(with("NETWORKS", "10.0.0.0/8, 0.0.0.0/0").unwrap().warnings());
    let expected = "METRICS_VERIFICATION_NETWORKS: the networks together allow";
    assert!(matches!(&warnings[..], [text] if text.starts_with(expected)), "{warnings:?}");
    for (variable, value) in [("NETWORKS", "10.0.0.0/8"), ("CLIENT_NAMES", NAME)] {
        assert_says(&from(&[(variable, value)]).unwrap_err(), "no key is configured");
    }
    for (names, expected) in [(&[][..], "no client name is listed"), (&[NAME, "*.example"], "entry 2 is an invalid")] {
        let error = Guard::builder_with_client_names(names).unwrap_err().to_string();
        assert!(error.starts_with(&format!("Guard::builder_with_client_names: {expected}")), "{error}");
    }
}

#[test]
fn rejects_a_second_value_of_a_setting() {
    let is_given_twice = |error: ConfigError| error.kind() == ConfigErrorKind::DuplicateSetting;
    assert!(is_given_twice(builder(KEY).header("X-A").unwrap().header("X-B").unwrap_err()));
    assert!(is_given_twice(builder(KEY).query("a").unwrap().query("b").unwrap_err()));
    for named in [builder(KEY).require_client_name([NAME]), Guard::builder_with_client_names([NAME])] {
        assert!(is_given_twice(named.unwrap().require_client_name(["other.example"]).unwrap_err()));
    }
    let mut settings = Settings::default();
    settings.set("key", "key", KEY).unwrap();
    settings.set("networks", "METRICS_VERIFICATION_NETWORKS", "10.0.0.0/8").unwrap();
    let error = settings.builder().unwrap().allow_networks(["203.0.113.0/24"]).unwrap_err();
    assert_says(&error, "set here and in METRICS_VERIFICATION_NETWORKS;");
    assert!(is_given_twice(error));
}

#[test]
fn each_observer_sees_each_check_once() {
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
    let guard = builder(KEY).allow_networks(["10.0.0.0/8"]).unwrap().require_client_name([NAME]).unwrap();
    let guard = guard.observe(observer("first")).observe(observer("second")).build();
    for (key, peer) in [
        (Some(KEY), Some(named("10.1.2.3"))),
        (Some(OTHER), Some(named("10.1.2.3"))),
        (Some(KEY), Some(peer("10.1.2.3"))),
        (None, None),
    ] {
        let outcome = ask(&guard, key, peer.clone());
        let expected = [("first", outcome, peer.clone()), ("second", outcome, peer)];
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
    }
    let mut malformed = request(None, named("10.1.2.3"));
    malformed.headers_mut().insert("Authorization", "Basic !".parse().unwrap());
    assert!(guard.check(&malformed).is_err());
    assert_eq!(seen.lock().unwrap()[0].1, Err(Reason::Malformed));

    let disabled = metrics_guard_core::GuardBuilder::disabled().observe(observer("disabled")).build();
    assert!(disabled.check(&Request::new(())).is_ok());
    assert_eq!(seen.lock().unwrap().last(), Some(&("disabled", Ok(None), None)));
}
