//! Compares a guard with the plain model, for random requests, and counts the allocations of a check, with all features.
//!
//! Proptest shrinks a request that fails, and prints it. Add a test with that request where the mistake was.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{hint::black_box, net::IpAddr, sync::LazyLock, thread};

use allocation_counter::measure;
use base64ct::{Base64, Encoding};
use http::{HeaderValue, Request, request::Parts};
use metrics_guard_core::{Guard, Key, Peer};
use metrics_guard_tests::{KEY, SYMBOLS, WRONG, model::Model};
use proptest::{collection::vec, prelude::*, sample::select};

/// A key that a query must escape, because `+` is a space there.
const PLUS: &str = "one+that+needs+but+this+escaped";

/// Clients that the guard allows, and one that it does not.
const PEERS: [&str; 3] = ["10.1.2.3:40000", "[::ffff:10.1.2.3]:40000", "203.0.113.7:40000"];

/// A guard that reads every source, for three keys and one network.
static GUARD: LazyLock<(Guard, Model)> = LazyLock::new(|| {
    let network = Some((IpAddr::from([10, 0, 0, 0]), 8));
    let model = Model { parameter: Some("key"), network, ..Model::new(&[KEY, SYMBOLS, PLUS]) };
    (model.guard().unwrap(), model)
});

/// Generates requests, most of which present something like a key.
fn request() -> impl Strategy<Value = Parts> {
    let field = (ows(), presented(), ows())
        .prop_map(|(before, key, after)| ("X-Metrics-Key", [before.as_bytes(), &key, after.as_bytes()].concat()));
    let line = prop_oneof![field, authorization().prop_map(|value| ("Authorization", value))];
    let peer = prop_oneof![9 => select(&PEERS[..2]).prop_map(Some), 1 => Just(Some(PEERS[2])), 1 => Just(None)];
    (vec(line, 0..4), vec(pair(), 0..4), peer).prop_map(|(lines, pairs, peer)| {
        let mut request = Request::get(format!("/metrics?{}", pairs.join("&")));
        for (name, value) in lines {
            request = request.header(name, HeaderValue::from_bytes(&value).unwrap());
        }
        if let Some(address) = peer {
            request = request.extension(Peer::new(address.parse().unwrap()));
        }
        request.body(()).unwrap().into_parts().0
    })
}

fn ows() -> impl Strategy<Value = &'static str> {
    select(&["", "", " ", "\t", " \t "][..])
}

/// Generates the bytes that a request presents as its key.
fn presented() -> impl Strategy<Value = Vec<u8>> {
    let near = (select(&[KEY, SYMBOLS][..]), 0..=16_usize, select(&["", " ", "x", ":", "\u{e9}"][..]));
    let near = near.prop_map(|(key, cut, more)| [&key.as_bytes()[cut..], more.as_bytes()].concat());
    let any = vec(prop_oneof![b' '..=b'~', 0x80..=0xff_u8, Just(b'\t')], 0..40);
    let key = select(&[KEY, SYMBOLS, WRONG, ""][..]).prop_map(|key| key.as_bytes().to_vec());
    prop_oneof![8 => key, 2 => near, 2 => any, 1 => (250..5_000_usize).prop_map(|len| vec![b'k'; len])]
}

fn authorization() -> impl Strategy<Value = Vec<u8>> {
    let scheme = select(&["Bearer", "bEARER", "Basic", "basic", "Digest", "Bear", "B(", ""][..]);
    let space = select(&[" ", " ", "  ", " \t", "\t", ":", ""][..]);
    let credentials =
        (presented(), select(&["", "u:", ":", "u::"][..]), any::<bool>()).prop_map(|(key, user, is_basic)| {
            let plain = [user.as_bytes(), &key].concat();
            if is_basic { Base64::encode_string(&plain).into_bytes() } else { key }
        });
    let value = (scheme, space, credentials);
    let value = value.prop_map(|(scheme, space, key)| [scheme.as_bytes(), space.as_bytes(), &key].concat());
    prop_oneof![9 => value, 1 => presented()]
}

fn pair() -> impl Strategy<Value = String> {
    let name = select(&["key", "key", "key", "%6bey", "k%65y", "KEY", "key%", "a", ""][..]);
    let before = select(&["", "", "", "a;", "%zz", "+", "="][..]);
    let after = select(&["", "", "", ";", "%", "%00", "+"][..]);
    let value = (before, presented(), after).prop_map(|(before, key, after)| {
        let escaped = key.iter().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        format!("={before}{escaped}{after}")
    });
    let value = prop_oneof![8 => value, 1 => Just(format!("={PLUS}")), 1 => Just(String::new())];
    (name, value).prop_map(|(name, value)| format!("{name}{value}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_check_decides_like_the_model_and_allocates_nothing(head in request()) {
        let (guard, model) = &*GUARD;
        let verdict = guard.check(&head).map(|authorized| authorized.key().unwrap());
        prop_assert_eq!(verdict.map_err(|denied| denied.reason()), model.verdict(&head));
        // The first check of a thread, of a guard, and without a client address can allocate.
        prop_assert_eq!(measure(|| _ = guard.check(&head)).count_total, 0);
    }
}

#[test]
fn the_first_check_of_a_thread_allocates_at_most_one_slot() {
    let guard = Guard::new(Key::new(KEY).unwrap());
    let request = Request::get("/metrics").header("X-Metrics-Key", KEY).body(()).unwrap();
    let check = || measure(|| assert!(guard.check(&request).is_ok())).count_total;
    check(); // the first check of the guard creates its series
    let [first, next] = thread::scope(|scope| scope.spawn(|| [check(), check()]).join().unwrap());
    assert!(first <= 1 && next == 0, "{first}, {next}");
    assert_ne!(measure(|| drop(black_box(vec![1]))).count_total, 0, "the counter counts nothing");
}
