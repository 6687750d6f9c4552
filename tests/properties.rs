//! What holds for any request, any key, any network: the properties of a guard, on random ones, against the plain model.
//!
//! A case that fails is printed as small as it can be made. It becomes a test of its own where the mistake was.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fmt, fs, iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, mpsc},
    time::Duration,
};

use base64ct::{Base64, Encoding};
use http::{HeaderValue, Request, request::Parts};
use metrics_guard_core::{
    Guard, Key, KeyRing, Peer, Reason,
    adapter::{SETTINGS, Settings},
};
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

    /// P6.
    #[test]
    fn of_basic_credentials_the_one_canonical_form_is_read(user in "[^:]{0,63}", key in key()) {
        let guard = Guard::new(Key::new(&key).unwrap());
        let ask = |encoded: &str| verdict(&guard, &get("Authorization", format!("Basic {encoded}")));
        let encoded = Base64::encode_string(format!("{user}:{key}").as_bytes());
        prop_assert_eq!(ask(&encoded), Ok("current"));
        let unpadded = encoded.trim_end_matches('=');
        let padding = &encoded[unpadded.len()..];
        let mut others = vec![format!("{encoded}="), format!("{encoded}===="), encoded.replacen('=', "%3D", 1)];
        if !padding.is_empty() {
            // The last character has bits that stand for nothing.
            const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let (rest, last) = unpadded.split_at(unpadded.len() - 1);
            let next = DIGITS.split_once(last).unwrap().1.chars().next().unwrap();
            others.extend([unpadded.to_owned(), format!("{rest}{next}{padding}")]);
        }
        let middle = encoded.len() / 2;
        others.push(format!("{} {}", &encoded[..middle], &encoded[middle..]));
        others.push(encoded.replace(['+', '/'], "-"));
        for other in others.iter().filter(|other| **other != encoded) {
            prop_assert_eq!(ask(other), Err(Reason::Malformed), "{}", other);
        }
    }

    /// P7.
    #[test]
    fn a_network_lets_its_own_addresses_ask_mapped_or_not_and_no_others(
        network in prop_oneof![9 => any::<u32>(), 1 => select(vec![0, 0xe000_0001, u32::MAX])],
        prefix in prop_oneof![0..=32_u8, Just(32)],
        flipped in (any::<u32>(), 0..=32_u32).prop_map(|(bits, kept)| bits.checked_shr(kept).unwrap_or_default()),
    ) {
        let host_bits = u32::MAX.checked_shr(prefix.into()).unwrap_or_default();
        let address = Ipv4Addr::from(network ^ flipped);
        let expected = expected(address.into(), (Ipv4Addr::from(network & !host_bits).into(), prefix));
        let ask = |network: u32, address: IpAddr| {
            let network = Ipv4Addr::from(network);
            let mapped = format!("{}/{}", network.to_ipv6_mapped(), 96 + prefix);
            [may_ask(&format!("{network}/{prefix}"), address), may_ask(&mapped, address)]
        };
        for address in [address.into(), address.to_ipv6_mapped().into()] {
            prop_assert_eq!(ask(network & !host_bits, address), [expected; 2]);
            if network & host_bits != 0 {
                prop_assert_eq!(ask(network, address), [None; 2]);
            }
        }
    }

    /// P7.
    #[test]
    fn an_ipv6_network_lets_its_own_addresses_ask_and_no_others(
        network in prop_oneof![
            any::<u128>(),
            select(vec![0, 1, 0xff02 << 112 | 1, u128::MAX]),
            prop_oneof![any::<u32>(), Just(0)].prop_map(|of_ipv4| Ipv4Addr::from(of_ipv4).to_ipv6_mapped().into()),
        ],
        prefix in prop_oneof![0..=128_u8, Just(128)],
        flipped in (any::<u128>(), 0..=128_u32).prop_map(|(bits, kept)| bits.checked_shr(kept).unwrap_or_default()),
    ) {
        let host_bits = u128::MAX.checked_shr(prefix.into()).unwrap_or_default();
        let address = IpAddr::from(Ipv6Addr::from(network ^ flipped));
        let ask = |network: u128| may_ask(&format!("{}/{prefix}", Ipv6Addr::from(network)), address);
        let whole = Ipv6Addr::from(network & !host_bits);
        let expected = match whole.to_ipv4_mapped() {
            Some(of_ipv4) => expected(address, (of_ipv4.into(), prefix - 96)),
            None => expected(address, (whole.into(), prefix)),
        };
        prop_assert_eq!(ask(whole.into()), expected);
        if network & host_bits != 0 {
            prop_assert_eq!(ask(network), None);
        }
    }

    /// P10.
    #[test]
    fn no_text_has_a_key_or_what_was_presented(secrets in ["[0-9A-Za-z]{32,64}", "[0-9A-Za-z]{32,64}"]) {
        let log = tempfile::NamedTempFile::new().unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(log.reopen().unwrap())).finish();
        let mut texts = tracing::subscriber::with_default(subscriber, || texts(&secrets));
        texts.push(fs::read_to_string(&log).unwrap());
        for text in &texts {
            for secret in &secrets {
                // All that the shortest of them has in it.
                let middle = &secret[4..14];
                let bytes = format!("{:?}", middle.as_bytes());
                let forms = [middle, &escaped(middle.as_bytes()), &basic(secret)[12..32], bytes.trim_matches(['[', ']'])];
                prop_assert!(!forms.iter().any(|form| text.contains(*form)), "{:?} shows in {}", forms, text);
            }
        }
    }
}

/// What [`may_ask`] returns for this network. A network without an address that a client can have is rejected.
fn expected(address: IpAddr, (network, prefix): (IpAddr, u8)) -> Option<bool> {
    let has_clients = match network {
        IpAddr::V4(network) => {
            let is_of_this_network = network.octets()[0] == 0 && prefix >= 8; // RFC 1122, section 3.2.1.3
            !(is_of_this_network || network.is_multicast() && prefix >= 4 || network.is_broadcast() && prefix == 32)
        }
        IpAddr::V6(network) => !(network.is_multicast() && prefix >= 8 || network.is_unspecified() && prefix == 128),
    };
    has_clients.then(|| is_in(address, (network, prefix)))
}

/// Whether a guard for this network lets `address` ask. None if there is no such guard.
fn may_ask(network: &str, address: IpAddr) -> Option<bool> {
    let guard = Guard::builder(Key::new(KEY).unwrap()).allow_networks([network]).ok()?.build();
    let mut head = get("X-Metrics-Key", KEY);
    head.extensions.insert(Peer::new((address, 40000).into()));
    Some(guard.check(&head).is_ok())
}

/// The credentials of `u` with this password.
fn basic(password: &str) -> String {
    Base64::encode_string(format!("u:{password}").as_bytes())
}

/// All that can be had in text about two keys, while they are made, misplaced, presented and refused.
fn texts([accepted, wrong]: &[String; 2]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut add = |text: &dyn fmt::Debug| texts.push(format!("{text:?}"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    for bad in
        [format!("{wrong} "), format!("\u{feff}{wrong}"), format!("${{{wrong}}}"), wrong.repeat(9), wrong[..15].into()]
    {
        add(&Key::new(&bad).map_err(|error| (error.to_string(), error)));
        fs::write(&path, format!("{accepted}\n{bad}\n")).unwrap();
        add(&Guard::builder_from_key_file(&path).map_err(|error| (error.to_string(), error)));
    }
    for setting in SETTINGS {
        let mut settings = Settings::default();
        if !setting.starts_with("key") {
            settings.set("key", "KEY", accepted).unwrap();
        }
        // With the slash, it is nothing but a key.
        let mut set = || settings.set(setting, "field", format!("{wrong}/"));
        set().unwrap();
        add(&set().map_err(|error| (error.to_string(), error)));
        add(&settings.builder().map_err(|error| (error.to_string(), error)));
    }

    fs::write(&path, format!("{}\n{accepted}\n{accepted}\n", &accepted[..20])).unwrap();
    let (sender, warnings) = mpsc::channel();
    let builder = Guard::builder_from_key_file(&path).unwrap().query("key").unwrap();
    let builder = builder.on_warning(move |warning| drop(sender.send((warning.to_string(), warning.clone()))));
    add(&builder);
    let guard = builder.build();
    for key in [accepted, wrong] {
        let mut by_query = get("Accept", "*/*");
        by_query.uri = format!("/metrics?key={}", escaped(key.as_bytes())).parse().unwrap();
        add(&guard.redacted_query(by_query.uri.query().unwrap()));
        for head in [
            get("X-Metrics-Key", key),
            get("Authorization", format!("Bearer {key}")),
            get("Authorization", format!("Basic {}", basic(key))),
            by_query,
        ] {
            match guard.check(&head) {
                Ok(authorized) => add(&authorized),
                Err(denied) => add(&(denied.to_string(), denied, denied.into_response::<String>(), denied.body())),
            }
        }
    }
    add(&guard.warnings().iter().map(|warning| (warning.to_string(), warning)).collect::<Vec<_>>());
    fs::write(&path, &accepted[..18]).unwrap();
    add(&guard.reload());
    fs::write(&path, format!("{wrong}\n{wrong}\n")).unwrap();
    add(&guard.reload());
    add(&(&guard, guard.key_file()));
    // All warnings are reported once the guard is gone.
    drop(guard);
    add(&iter::from_fn(|| warnings.recv_timeout(Duration::from_secs(10)).ok()).collect::<Vec<_>>());
    add(&(Key::new(accepted), KeyRing::new([Key::new(accepted).unwrap()])));
    texts
}
