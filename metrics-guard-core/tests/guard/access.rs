//! Tests which clients a guard allows by their address and certificate, and what observers see of each check.

use std::sync::{Arc, Mutex};

use http::Request;
use metrics_guard_core::{Authorized, Check, ClientName, Guard, GuardBuilder, Peer, Reason};

use crate::common::{KEY, NAME, OTHER, ask, builder, peer, request};

fn named(address: &str) -> Peer {
    peer(address).with_names([ClientName::dns(NAME)])
}

#[test]
fn checks_the_address_then_the_certificate_then_the_key() {
    let keys = [(Some(KEY), Ok(Some("current"))), (Some(OTHER), Err(Reason::Wrong)), (None, Err(Reason::Missing))];
    // Each client, whether its address is allowed, and whether it has a required name.
    let peers = [
        (None, false, false),
        (Some(peer("10.1.2.3")), true, false),
        (Some(peer("[::ffff:10.1.2.3]")), true, false),
        (Some(peer("[fd00::1]")), false, false),
        (Some(named("10.1.2.3")), true, true),
        (Some(named("11.1.2.3")), false, true),
    ];
    let with_key = || builder(KEY);
    let with_both = || builder(KEY).require_client_name(["other.example", NAME]).unwrap();
    let without_key = || Guard::builder_with_client_names(["other.example", NAME]).unwrap();
    let makers: [(&dyn Fn() -> GuardBuilder, bool, bool); 3] =
        [(&with_key, true, false), (&with_both, true, true), (&without_key, false, true)];
    for ((make, has_key, names), networks) in makers.into_iter().flat_map(|of| [(of, false), (of, true)]) {
        let guard = if networks { make().allow_networks(["10.0.0.0/8"]).unwrap() } else { make() }.build();
        assert_eq!((guard.requires_client_name(), guard.is_disabled()), (names, false));
        assert_eq!(guard.reads_peer(), networks || names || cfg!(feature = "tracing"));
        for (peer, has_address, has_name) in &peers {
            for (key, outcome) in keys {
                let expected = match (has_address, has_name) {
                    (false, _) if networks => Err(Reason::Address),
                    (_, false) if names => Err(Reason::Certificate),
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
        (None, Some(peer("10.1.2.3"))),
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

    let disabled = GuardBuilder::disabled().observe(observer("disabled")).build();
    assert!(disabled.check(&Request::new(())).is_ok());
    assert_eq!(seen.lock().unwrap().last(), Some(&("disabled", Ok(None), None)));
}
