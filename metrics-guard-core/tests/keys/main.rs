//! Which values [`Key::new`] accepts as keys: those of `vectors/keys.txt`, and random ones. The test in `follow` mostly waits, so
//! it shares the time of these tests, which have no guard.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

mod follow;

use metrics_guard_core::Key;

const HEX: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";
const BASE64: &str = "q9Zk/7yH2mVx0Lr4TtBw8sEc+Nd1JfUavK3oPiGh5bM=";
const URL_SAFE_KEY: &str = "q9Zk-7yH2mVx0Lr4TtBw8sEc_Nd1JfUavK3oPiGh5bM";
const ALPHANUMERIC_KEY: &str = "x7Kp2VqJ9LmZr4TtBw8sEcNd1Jf3avK6";
const UUID: &str = "0e8a6c4f-2d1b-4957-9c0f-8a7d6b5c4e3f";

#[test]
fn judges_each_value_of_the_list() {
    let placeholders = [
        ("HEX", vec![HEX, UUID, "5F0C1D9E7B3A4268A1C8E6D2074FB935"]),
        ("ENCODED", vec![BASE64, ALPHANUMERIC_KEY, URL_SAFE_KEY, &ALPHANUMERIC_KEY[..24]]),
        ("KEY", vec![HEX, BASE64, UUID, ALPHANUMERIC_KEY, &BASE64[..32]]),
    ];
    let (_, list) = include_str!("../vectors/keys.txt").split_once("\n== ").unwrap();
    let mut wrong = Vec::new();
    for section in list.split("\n\n== ") {
        let mut lines = section.lines();
        let heading = lines.next().unwrap();
        let expected = match heading {
            "accepted" => &[][..],
            "rejected" => &["published example", "a template or a reference", "the value is "],
            text => &[text],
        };
        for line in lines.map(|line| line.replace('⏎', "\n")) {
            let placeholder = placeholders.iter().find(|(name, _)| line.contains(name));
            let values = match placeholder.filter(|_| heading.starts_with("the value is a key")) {
                Some((name, keys)) => keys.iter().map(|key| line.replace(name, key)).collect(),
                None => vec![line],
            };
            for value in values {
                let error = Key::new(&value).err().map(|error| error.to_string());
                let is_right = error.as_ref().map_or(expected.is_empty(), |error| {
                    !error.contains(&value) && expected.iter().any(|text| error.contains(text))
                });
                wrong.extend((!is_right).then(|| format!("{heading}: {value}: {error:?}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Chance makes some passwords with signs contain so many letters and digits in a row, and some keys look like words.
#[test]
fn rejects_a_wrapping_of_few_signs_around_random_letters_and_digits() {
    let wrappings = "user:KEY admin:KEY {noop}KEY base64:KEY x=KEY&y=1 ?key=KEY KEY@host prometheus:KEY@ token=KEY >KEY< }KEY{ \
                     <KEY>";
    let (mut numbers, mut key, mut accepted) = (Numbers(7), Vec::new(), Vec::new());
    for _ in 0..1_000 {
        numbers.of(ALPHANUMERIC, 24, &mut key);
        let key = std::str::from_utf8(&key).unwrap();
        let values = wrappings.split(' ').map(|wrapping| wrapping.replace("KEY", key));
        accepted.extend(values.filter(|value| Key::new(value).is_ok()));
    }
    assert!(accepted.len() <= 12, "{accepted:#?}");
}

#[test]
fn ends_on_any_value() {
    for len in [16, 255, 1024, 100_000] {
        for pattern in ["a:", "# ", "{{", "\"", "${", "k=\"", "a", "key", "//", "b'", "e\u{301}", "“"] {
            let value: String = pattern.chars().cycle().take(len).collect();
            assert!(Key::new(value).is_err(), "{pattern} {len}");
        }
    }
    assert!(Key::new([0xff; 32]).unwrap_err().to_string().contains("not visible ASCII"));
}

/// The numbers of `SplitMix64`, the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn of(&mut self, alphabet: &[u8], len: usize, key: &mut Vec<u8>) {
        key.clear();
        while key.len() < len {
            let parts = self.next().to_le_bytes();
            let places = parts.chunks_exact(2).map(|part| usize::from(u16::from_le_bytes([part[0], part[1]])));
            key.extend(places.map(|place| alphabet[place % alphabet.len()]));
        }
        key.truncate(len);
    }
}

const HEX_DIGITS: &[u8] = b"0123456789abcdef";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const STANDARD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The key with this number, of the kind that the number chooses.
fn random_key(number: u64, numbers: &mut Numbers, key: &mut Vec<u8>) {
    match number % 12 {
        0 => numbers.of(HEX_DIGITS, 64, key), // openssl rand -hex 32
        1 => numbers.of(HEX_DIGITS, 32, key), // openssl rand -hex 16, and a UUID without dashes
        2 | 3 => {
            // openssl rand -base64 32
            numbers.of(STANDARD, 43, key);
            key.push(b'=');
        }
        4 => numbers.of(STANDARD, 32, key), // openssl rand -base64 24
        5 => numbers.of(STANDARD, 64, key), // openssl rand -base64 48
        6 => numbers.of(URL_SAFE, 43, key), // Python's secrets.token_urlsafe()
        7 | 8 => {
            // a UUID of version 4
            numbers.of(HEX_DIGITS, 36, key);
            key[14] = b'4';
            key[19] = HEX_DIGITS[8 + usize::from(key[19] % 4)];
            for dash in [8, 13, 18, 23] {
                key[dash] = b'-';
            }
        }
        _ => numbers.of(ALPHANUMERIC, 24 + usize::try_from(number / 12 % 41).unwrap(), key),
    }
}

fn accept_random_keys(count: u64) {
    let (mut numbers, mut key) = (Numbers(0), Vec::new());
    for number in 0..count {
        random_key(number, &mut numbers, &mut key);
        assert!(Key::new(&key).is_ok(), "{}", key.escape_ascii());
    }
}

/// Random bytes of any length in any encoding: with padding and without, and in the form of `BitConverter.ToString`.
fn accept_random_bytes(count: usize) {
    const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut numbers, mut key, mut rejected) = (Numbers(6), Vec::new(), Vec::new());
    for number in 0..count {
        let len = 16 + number % 51;
        let mut judge = |key: &[u8]| rejected.extend(Key::new(key).is_err().then(|| key.escape_ascii().to_string()));
        for alphabet in [STANDARD, URL_SAFE] {
            numbers.of(alphabet, (len * 4).div_ceil(3), &mut key);
            judge(&key);
            key.resize(len.div_ceil(3) * 4, b'=');
            judge(&key);
        }
        if number < 1_000 {
            numbers.of(BASE32, (len * 8).div_ceil(5), &mut key);
            key.resize(len.div_ceil(5) * 8, b'=');
            judge(&key);
            numbers.of(b"0123456789ABCDEF", len * 2, &mut key);
            judge(&key.chunks(2).collect::<Vec<_>>().join(&b'-'));
        }
    }
    // By chance, one has the form of a path.
    assert!(rejected.len() < 2, "{rejected:#?}");
}

/// Some random passwords with signs look like another thing by chance.
fn accept_random_passwords(count: usize, most_rejected: usize) {
    let visible: Vec<u8> = (b'!'..=b'~').collect(); // KeePass, and `pwgen -sy`
    let terraform = [ALPHANUMERIC, b"!@#$%&*()-_=+[]{}<>:?"].concat(); // `random_password`
    for (alphabet, len) in [&terraform, &visible].into_iter().flat_map(|it| [24, 32, 64].map(|len| (it, len))) {
        let (mut numbers, mut key) = (Numbers(4), Vec::new());
        let is_rejected = |_: &usize| {
            numbers.of(alphabet, len, &mut key);
            Key::new(&key).is_err()
        };
        let rejected = (0..count).filter(is_rejected).count();
        assert!(rejected <= most_rejected, "{rejected} of {len} characters");
    }
}

#[test]
fn accepts_random_keys_bytes_and_passwords() {
    accept_random_keys(100_000);
    accept_random_bytes(5_000);
    accept_random_passwords(10_000, 10); // a small sample varies
}

#[test]
#[ignore = "takes minutes: `.ci/run flood` runs it"]
fn accepts_a_million_random_keys_and_as_many_bytes_and_passwords() {
    accept_random_keys(1_000_000);
    accept_random_bytes(50_000);
    accept_random_passwords(100_000, 50);
}
