//! Fuzzes a check with the bytes of an HTTP/1.1 head. Guards with different settings must decide like the model, and allocate
//! nothing.

#![no_main]

use std::{net::IpAddr, sync::LazyLock};

use http::{HeaderName, HeaderValue, Request, request::Parts};
use libfuzzer_sys::{Corpus, fuzz_target};
use metrics_guard_core::{Guard, Peer, Reason};
use metrics_guard_fuzz::{KEY, SYMBOLS, model::Model};

static GUARDS: LazyLock<Vec<(Guard, Model)>> = LazyLock::new(|| {
    let plain = Model::new(&[KEY]);
    // The shortest and the longest key, and one with an escape that a query would decode.
    let mut number = 0x2fb4_91c7_e05d_83a6_u64;
    let mut random = || {
        number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        char::from(b'!' + ((number >> 32) % 94) as u8)
    };
    let long: String = (0..253).map(|_| random()).chain("%41".chars()).collect();
    let several = Model::new(&[SYMBOLS, "n9-x2.kw_7qz~b4!", KEY, &long]);
    let query = Model { parameter: Some("key"), ..several.clone() };
    let named = Model { field: "x-scrape-key", ..query.clone() };
    let near = Model { network: Some((IpAddr::from([10, 0, 0, 0]), 8)), ..query.clone() };
    let guarded = |model: Model| {
        let guard = model.guard().unwrap();
        // The first rejection because of a missing client address queues a warning, which allocates.
        let _ = guard.check(&Request::new(()));
        (guard, model)
    };
    [plain, several, query, named, near].map(guarded).into()
});

const PEERS: [Option<&str>; 3] = [None, Some("[::ffff:10.1.2.3]:40000"), Some("203.0.113.7:40000")];

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some(mut head) = parse(bytes) else { return Corpus::Reject };
    for peer in PEERS {
        head.extensions.clear();
        if let Some(address) = peer {
            head.extensions.insert(Peer::new(address.parse().unwrap()));
        }
        for (guard, model) in &*GUARDS {
            let verdict = judge(guard, &head);
            assert_eq!(verdict, model.verdict(&head), "{model:?} at {peer:?}");
        }
    }
    Corpus::Keep
});

fn parse(bytes: &[u8]) -> Option<Parts> {
    let mut lines = [httparse::EMPTY_HEADER; 128];
    let mut head = httparse::Request::new(&mut lines);
    if !head.parse(bytes).ok()?.is_complete() {
        return None;
    }
    let (mut parts, ()) = Request::builder().method(head.method?).uri(head.path?).body(()).ok()?.into_parts();
    for line in head.headers {
        parts.headers.append(line.name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(line.value).ok()?);
    }
    Some(parts)
}

fn judge(guard: &Guard, head: &Parts) -> Result<&'static str, Reason> {
    let mut verdict = Err(Reason::Missing);
    let mut check =
        || verdict = guard.check(head).map(|authorized| authorized.key().unwrap()).map_err(|denied| denied.reason());
    let allocations = allocation_counter::measure(&mut check);
    assert_eq!(allocations.count_total, 0);
    verdict
}
