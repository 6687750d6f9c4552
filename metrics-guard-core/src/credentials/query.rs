//! Finds and decodes the first value of a query parameter, without allocating.
//!
//! The rules are those of Go's `url.ParseQuery`, applied to any bytes. Only `&` separates pairs. A pair with a `;` or with a
//! malformed percent escape is ignored. `+` is a space, and names are decoded like values.

use std::borrow::Cow;

/// A parameter's value, as the query encodes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'q> {
    /// Each byte represents itself.
    Plain(&'q [u8]),
    Encoded(&'q [u8]),
}

/// Returns the first well-formed value of the parameter `name`. `name` contains only unreserved characters.
pub(crate) fn first<'q>(query: &'q [u8], name: &[u8]) -> Option<Value<'q>> {
    if is_plain(query) {
        pairs(query).find_map(|pair| match pair.strip_prefix(name)? {
            [] => Some(Value::Plain(&[])),
            [b'=', value @ ..] => Some(Value::Plain(value)),
            _ => None,
        })
    } else {
        pairs(query).find_map(|pair| {
            let equals = pair.iter().position(|&byte| byte == b'=');
            let (raw_name, raw_value) = equals.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
            let is_named = decoded(raw_name).eq(name.iter().copied());
            (is_named && is_well_formed(pair)).then_some(Value::Encoded(raw_value))
        })
    }
}

/// Returns the bytes that `encoded` represents, up to an escape that is malformed.
pub(crate) fn decoded(encoded: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let (byte, after) = match *rest {
            [] => return None,
            [b'%', high, low, ref after @ ..] => (unhex(high)? << 4 | unhex(low)?, after),
            [b'+', ref after @ ..] => (b' ', after),
            [byte, ref after @ ..] => (byte, after),
        };
        rest = after;
        Some(byte)
    })
}

/// Returns `query` without the pairs named `name`. A malformed pair, which [`first`] ignores, can hold the key too. It is
/// removed if its name is `name` up to a `;` or a malformed escape.
pub(crate) fn without<'q>(query: &'q str, name: &[u8]) -> Cow<'q, str> {
    let is_named = |pair: &str| {
        pair.split(';').any(|part| {
            let raw_name = part.split('=').next().unwrap_or(part);
            decoded(raw_name.as_bytes()).eq(name.iter().copied())
        })
    };
    if query.split('&').any(is_named) {
        Cow::Owned(query.split('&').filter(|pair| !is_named(pair)).collect::<Vec<_>>().join("&"))
    } else {
        Cow::Borrowed(query)
    }
}

/// Returns the pairs of `query`, which are separated by `&`.
fn pairs(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(query);
    std::iter::from_fn(move || {
        let query = rest?;
        let end = ampersand(query);
        rest = end.map(|end| &query[end + 1..]);
        Some(&query[..end.unwrap_or(query.len())])
    })
}

/// Returns the position of the first `&`. Tests eight bytes at a time, because most bytes of a query are no `&`.
fn ampersand(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const AMPERSANDS: u64 = u64::from_le_bytes([b'&'; 8]);
    const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    let words = bytes.chunks_exact(8);
    let (tail, tail_start) = (words.remainder(), bytes.len() / 8 * 8);
    for (index, word) in words.filter_map(<[u8]>::first_chunk).enumerate() {
        // A byte of `difference` is zero if it was `&`. The subtraction sets the high bit of the first zero byte, and of no
        // byte before it.
        let difference = u64::from_le_bytes(*word) ^ AMPERSANDS;
        let found = difference.wrapping_sub(ONES) & !difference & HIGH_BITS;
        if found != 0 {
            return Some(8 * index + found.trailing_zeros() as usize / 8);
        }
    }
    tail.iter().position(|&byte| byte == b'&').map(|at| tail_start + at)
}

/// Returns whether each byte of `encoded` represents itself.
fn is_plain(encoded: &[u8]) -> bool {
    // A chunk is tested without branches, so that the compiler tests sixteen bytes at a time.
    let special = |byte: &u8| u8::from(*byte == b'%') | u8::from(*byte == b'+') | u8::from(*byte == b';');
    let has_none = |chunk: &[u8; 16]| chunk.iter().fold(0, |found, byte| found | special(byte)) == 0;
    match encoded.last_chunk() {
        Some(last) => encoded.chunks_exact(16).filter_map(<[u8]>::first_chunk).all(has_none) && has_none(last),
        None => encoded.iter().all(|byte| special(byte) == 0),
    }
}

/// Returns whether there is no `;` in `pair`, and two hexadecimal digits follow each `%`.
fn is_well_formed(pair: &[u8]) -> bool {
    let mut after_percent = pair.split(|&byte| byte == b'%').skip(1);
    !pair.contains(&b';')
        && after_percent
            .all(|part| matches!(part, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

fn unhex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Value, ampersand, decoded, first, is_plain, without};

    fn value_of(query: &[u8]) -> Option<Vec<u8>> {
        first(query, b"key").map(|value| match value {
            Value::Plain(bytes) => bytes.to_vec(),
            Value::Encoded(bytes) => decoded(bytes).collect(),
        })
    }

    /// Returns the bytes of `text` in the vectors: `\xff` means one byte, and every other character means itself.
    fn unescaped(text: &str) -> Vec<u8> {
        let mut parts = text.split(r"\x");
        let mut bytes = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        bytes
    }

    #[test]
    fn parses_queries_as_go_does() {
        let vectors = include_str!("../../tests/vectors/query.tsv").lines().filter(|line| !line.starts_with("# "));
        let mut values = 0;
        for vector in vectors {
            let (query, value) = vector.split_once('\t').unwrap();
            let found = value_of(&unescaped(query));
            assert_eq!(found, value.strip_prefix('=').map(unescaped), "{query}");
            values += usize::from(found.is_some());
        }
        assert!(values > 100, "{values}");
    }

    #[test]
    fn finds_an_ampersand_or_a_special_byte_at_each_position() {
        for len in 0..=40 {
            // These bytes differ from `&` in the lowest bit, the highest bit, or both.
            for other in [b'\'', b'&' | 0x80, b'\'' | 0x80] {
                let bytes = vec![other; len];
                assert_eq!((ampersand(&bytes), is_plain(&bytes)), (None, true), "{len}");
                for position in 0..len {
                    let mut bytes = bytes.clone();
                    bytes[position..].fill(b'&');
                    assert_eq!(ampersand(&bytes), Some(position), "{len}");
                    for special in [b'%', b'+', b';'] {
                        bytes[position] = special;
                        assert!(!is_plain(&bytes), "{len}: {position}");
                    }
                }
            }
        }
    }

    #[test]
    fn redacts_every_parameter_that_could_hold_the_key() {
        for (query, rest) in [
            ("key=K", ""),
            ("a=1&key=K&b=2&key=L", "a=1&b=2"),
            ("%6bey=K&a", "a"),
            ("key=K%&a", "a"),
            ("key%zz=K&a", "a"),
            ("a=1;key=K&b", "b"),
            ("key=K;a=1", ""),
        ] {
            assert_eq!(without(query, b"key"), rest, "{query}");
        }
        for query in ["", "a=1&b=key", "KEY=v", "keys=v", "&"] {
            assert!(matches!(without(query, b"key"), Cow::Borrowed(same) if same == query), "{query}");
        }
    }
}
