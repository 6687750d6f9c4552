//! What holds for any request, any key, any network: the properties of a guard, on random ones, against the plain model.
//!
//! A case that fails is printed as small as it can be made. It becomes a test of its own where the mistake was.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::net::{IpAddr, Ipv4Addr};

use base64ct::{Base64, Encoding};
use http::{HeaderValue, Request, request::Parts};
use metrics_guard_core::{Guard, Key, KeyRing, Peer, Reason};
use metrics_guard_tests::{
    KEY, SYMBOLS, WRONG,
    model::{Model, is_in},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// A key that is another one in a query, unless it is escaped there.
const PLUS: &str = "one+that+needs+but+this+escaped";

/// Whom the guard of [`model`] lets ask, and others.
const PEERS: [&str; 3] = ["10.1.2.3:40000", "[::ffff:10.1.2.3]:40000", "203.0.113.7:40000"];

fn config() -> ProptestConfig {
    ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() }
}

/// A guard that looks everywhere, for three keys and one network.
fn model() -> Model {
    let network = Some((IpAddr::from([10, 0, 0, 0]), 8));
    Model { parameter: Some("key"), network, ..Model::new(&[KEY, SYMBOLS, PLUS]) }
}

/// What a request says, as far as a guard listens.
#[derive(Debug, Clone)]
struct Said {
    lines: Vec<(&'static str, Vec<u8>)>,
    pairs: Vec<String>,
    peer: Option<&'static str>,
}

impl Said {
    fn head(&self) -> Parts {
        let mut request = Request::get(format!("/metrics?{}", self.pairs.join("&"))).body(()).unwrap();
        for (name, value) in &self.lines {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        if let Some(address) = self.peer {
            request.extensions_mut().insert(Peer::new(address.parse().unwrap()));
        }
        request.into_parts().0
    }
}

/// Any request, though one that is about keys.
fn said() -> impl Strategy<Value = Said> {
    let field = (ows(), presented(), ows())
        .prop_map(|(before, key, after)| ("X-Metrics-Key", [before.as_bytes(), &key, after.as_bytes()].concat()));
    let line = prop_oneof![field, authorization().prop_map(|value| ("Authorization", value))];
    let peer = prop_oneof![9 => select(&PEERS[..2]).prop_map(Some), 1 => Just(Some(PEERS[2])), 1 => Just(None)];
    (vec(line, 0..4), vec(pair(), 0..4), peer).prop_map(|(lines, pairs, peer)| Said { lines, pairs, peer })
}

fn ows() -> impl Strategy<Value = &'static str> {
    select(&["", "", " ", "\t", " \t "][..])
}

/// What stands where a key may.
fn presented() -> impl Strategy<Value = Vec<u8>> {
    let near = (select(&[KEY, SYMBOLS][..]), 0..=16_usize, select(&["", " ", "x", ":", "\u{e9}"][..]));
    let near = near.prop_map(|(key, cut, more)| [&key.as_bytes()[cut..], more.as_bytes()].concat());
    let any = vec(prop_oneof![b' '..=b'~', 0x80..=0xff_u8, Just(b'\t')], 0..40);
    prop_oneof![4 => select(&[KEY, SYMBOLS, WRONG, ""][..]).prop_map(|key| key.as_bytes().to_vec()), 1 => near, 1 => any]
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
    let value =
        (before, presented(), after).prop_map(|(before, key, after)| format!("={before}{}{after}", escaped(&key)));
    let value = prop_oneof![8 => value, 1 => Just(format!("={PLUS}")), 1 => Just(String::new())];
    (name, value).prop_map(|(name, value)| format!("{name}{value}"))
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Any key that can be one.
fn key() -> impl Strategy<Value = String> {
    let letters = |len| vec(b'!'..=b'~', len);
    let text =
        prop_oneof![letters(16..=64_usize), letters(256..=256)].prop_map(|letters| String::from_utf8(letters).unwrap());
    text.prop_filter("a sample", |key| Key::new(key).is_ok())
}

/// The label of the key that a request presents, or why it is refused.
fn verdict(guard: &Guard, head: &Parts) -> Result<&'static str, Reason> {
    guard.check(head).map(|authorized| authorized.key().unwrap()).map_err(|denied| denied.reason())
}

fn get(name: &str, value: impl AsRef<[u8]>) -> Parts {
    let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
    Request::get("/metrics").header(name, value).body(()).unwrap().into_parts().0
}

proptest! {
    #![proptest_config(config())]

    /// P2.
    #[test]
    fn who_passes_has_presented_an_accepted_key_first(said in said()) {
        let head = said.head();
        prop_assert_eq!(verdict(&model().guard().unwrap(), &head), model().verdict(&head));
    }

    /// P3.
    #[test]
    fn every_key_opens_in_every_form(
        keys in vec(key(), 1..=4),
        user in "[^:]{0,63}",
        scheme in "(?i-u:bearer)",
        spaces in " {1,3}",
        (before, after) in (ows(), ows()),
        is_escaped in vec(any::<bool>(), 256),
    ) {
        let ring = KeyRing::new(keys.iter().map(|key| Key::new(key).unwrap())).unwrap();
        let guard = Guard::builder(ring).query("key").unwrap().build();
        for key in &keys {
            let basic = Base64::encode_string(format!("{user}:{key}").as_bytes());
            for (name, value) in [
                ("X-Metrics-Key", format!("{before}{key}{after}")),
                ("Authorization", format!("{before}{scheme}{spaces}{key}{after}")),
                ("Authorization", format!("Basic{spaces}{basic}{after}")),
            ] {
                prop_assert!(guard.check(&get(name, &value)).is_ok(), "{}: {}", name, value);
            }
            let value = key.bytes().zip(&is_escaped).map(|(byte, is_escaped)| {
                if *is_escaped || !byte.is_ascii_alphanumeric() { escaped(&[byte]) } else { char::from(byte).into() }
            });
            let target = format!("/metrics?key={}", value.collect::<String>());
            prop_assert!(guard.check(&Request::get(&target).body(()).unwrap()).is_ok(), "{}", target);
        }
    }

    /// P7.
    #[test]
    fn a_network_allows_its_own_addresses_mapped_or_not_and_no_others(
        network in prop_oneof![
            (1..=223_u8, any::<[u8; 3]>()).prop_map(|(first, [a, b, c])| IpAddr::from([first, a, b, c])),
            any::<u128>().prop_map(|bits| IpAddr::from((bits >> 3 | 1 << 125).to_be_bytes())),
        ],
        prefix in 0..=128_u8,
        flipped in (any::<u128>(), 0..=128_u32).prop_map(|(bits, kept)| bits.checked_shr(kept).unwrap_or_default()),
    ) {
        // The bits of an IPv4 address are the last of 128 here.
        let (bits, width) = match network {
            IpAddr::V4(address) => (u32::from(address).into(), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let make = |bits: u128| match network {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(bits & u128::from(u32::MAX)).unwrap())),
            IpAddr::V6(_) => IpAddr::V6(bits.into()),
        };
        let mapped = |address| match address {
            IpAddr::V4(address) => IpAddr::V6(address.to_ipv6_mapped()),
            IpAddr::V6(_) => address,
        };
        let prefix = prefix % (width + 1);
        let host_bits = u128::MAX.checked_shr((128 - width + prefix).into()).unwrap_or_default();
        let (whole, address) = (make(bits & !host_bits), make(bits ^ flipped));
        let is_allowed = is_in(address, (whole, prefix));
        for address in [address, mapped(address)] {
            for (network, prefix) in [(whole, prefix), (mapped(whole), 128 - width + prefix)] {
                prop_assert_eq!(allows(&format!("{network}/{prefix}"), address), Some(is_allowed));
            }
            if bits & host_bits != 0 {
                prop_assert_eq!(allows(&format!("{network}/{prefix}"), address), None);
            }
        }
    }
}

/// Returns whether a guard for this network allows `address`. None if there is no such guard. The core's networks.rs tests
/// networks that have no addresses of clients.
fn allows(network: &str, address: IpAddr) -> Option<bool> {
    let guard = Guard::builder(Key::new(KEY).unwrap()).allow_networks([network]).ok()?.build();
    let mut head = get("X-Metrics-Key", KEY);
    head.extensions.insert(Peer::new((address, 40000).into()));
    Some(guard.check(&head).is_ok())
}
