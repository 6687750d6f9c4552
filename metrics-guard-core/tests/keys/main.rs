//! Tests which values [`Key::new`] accepts as keys: those of `vectors/keys.txt`, and random ones. The test in `follow` mostly
//! waits, so it runs beside these tests, which have no guard.

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

#[test]
fn rejects_a_long_repetitive_value_without_hanging() {
    for pattern in ["a:", "# ", "{{", "\"", "${", "k=\"", "a", "key", "//", "b'", "e\u{301}", "“"] {
        let value: String = pattern.chars().cycle().take(100_000).collect();
        assert!(Key::new(value).is_err(), "{pattern}");
    }
}

/// Generates the numbers of `SplitMix64`, the same ones in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns `len` random characters of `alphabet`.
    fn of(&mut self, alphabet: &[u8], len: usize) -> Vec<u8> {
        (0..len).map(|_| alphabet[usize::try_from(self.next() >> 32).unwrap() % alphabet.len()]).collect()
    }
}

const HEX_DIGITS: &[u8] = b"0123456789abcdef";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const STANDARD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns a key of the kind that `number` chooses.
fn random_key(number: usize, numbers: &mut Numbers) -> Vec<u8> {
    match number % 12 {
        0 => numbers.of(HEX_DIGITS, 64),                         // openssl rand -hex 32
        1 => numbers.of(HEX_DIGITS, 32),                         // openssl rand -hex 16, and a UUID without dashes
        2 | 3 => [&numbers.of(STANDARD, 43)[..], b"="].concat(), // openssl rand -base64 32
        4 => numbers.of(STANDARD, 32),                           // openssl rand -base64 24
        5 => numbers.of(STANDARD, 64),                           // openssl rand -base64 48
        6 => numbers.of(URL_SAFE, 43),                           // Python's secrets.token_urlsafe()
        7 | 8 => {
            // a UUID of version 4
            let mut key = numbers.of(HEX_DIGITS, 36);
            key[14] = b'4';
            key[19] = HEX_DIGITS[8 + usize::from(key[19] % 4)];
            for dash in [8, 13, 18, 23] {
                key[dash] = b'-';
            }
            key
        }
        _ => numbers.of(ALPHANUMERIC, 24 + number / 12 % 41),
    }
}

/// Returns random bytes in an encoding without padding, with padding, or in the form of `BitConverter.ToString`.
fn random_bytes(number: usize, numbers: &mut Numbers) -> Vec<u8> {
    const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let len = 16 + number / 6 % 51;
    let padded = |mut key: Vec<u8>, block: usize| {
        key.resize(key.len().next_multiple_of(block), b'=');
        key
    };
    match number % 6 {
        0 => numbers.of(STANDARD, (len * 4).div_ceil(3)),
        1 => padded(numbers.of(STANDARD, (len * 4).div_ceil(3)), 4),
        2 => numbers.of(URL_SAFE, (len * 4).div_ceil(3)),
        3 => padded(numbers.of(URL_SAFE, (len * 4).div_ceil(3)), 4),
        4 => padded(numbers.of(BASE32, (len * 8).div_ceil(5)), 8),
        _ => numbers.of(b"0123456789ABCDEF", len * 2).chunks(2).collect::<Vec<_>>().join(&b'-'),
    }
}

/// Fails if more than `most` of `count` values are rejected.
fn accept(count: usize, most: usize, value: impl Fn(usize, &mut Numbers) -> Vec<u8>) {
    let mut numbers = Numbers(0);
    let values = (0..count).map(|number| value(number, &mut numbers));
    let rejected = values.filter(|value| Key::new(value).is_err()).map(|value| value.escape_ascii().to_string());
    let rejected: Vec<_> = rejected.collect();
    assert!(rejected.len() <= most, "{rejected:#?}");
}

fn accept_random_values(keys: usize, most_rejected_passwords: usize) {
    accept(keys, 0, random_key);
    // By chance, a few encodings look like a path, and a few passwords with signs do not look like a key.
    accept(keys / 4, 1 + keys / 500_000, random_bytes);
    let visible: Vec<u8> = (b'!'..=b'~').collect(); // KeePass, and `pwgen -sy`
    let terraform = [ALPHANUMERIC, b"!@#$%&*()-_=+[]{}<>:?"].concat(); // `random_password`
    for (alphabet, len) in [&terraform, &visible].into_iter().flat_map(|it| [24, 32, 64].map(|len| (it, len))) {
        accept(keys / 10, most_rejected_passwords, |_, numbers| numbers.of(alphabet, len));
    }
}

#[test]
fn accepts_random_keys_bytes_and_passwords() {
    accept_random_values(100_000, 10); // a small sample varies
}

#[test]
#[ignore = "takes minutes: `.ci/run flood` runs it"]
fn accepts_a_million_random_keys_and_many_bytes_and_passwords() {
    accept_random_values(1_000_000, 50);
}
