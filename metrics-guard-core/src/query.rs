//! The first value of a query parameter, found and decoded without allocating.
//!
//! The rules are those of Go's `url.ParseQuery`, on any bytes: pairs are separated by `&` alone, a pair with a `;` or
//! with a bad percent escape does not exist, `+` is a space, and names are decoded like values.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
//!
//! let guard = Guard::builder(Key::new(secret)?).query("key")?.build();
//!
//! let scrape = Request::get(format!("/metrics?key={secret}")).body(())?;
//! assert!(guard.check(&scrape).is_ok());
//!
//! let stranger = Request::get(format!("/metrics?key=guess&key={secret}")).body(())?;
//! assert!(guard.check(&stranger).is_err(), "the first value decides");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;

/// The first well-formed value of the parameter `name`, still encoded.
pub(crate) fn first<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    query.split(|&byte| byte == b'&').find_map(|pair| {
        let (raw_name, raw_value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(equals) => (&pair[..equals], &pair[equals + 1..]),
            None => (pair, &[][..]),
        };
        let counts = decoded(raw_name).eq(name.iter().copied())
            && !pair.contains(&b';')
            && is_well_formed(raw_name)
            && is_well_formed(raw_value);
        counts.then_some(raw_value)
    })
}

/// The bytes that `encoded`, a value that [`first`] found, stands for.
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

/// `query` without the pairs named `name`: also without those that [`first`] passes over because they are malformed,
/// since they may hold the key just as well.
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

/// Whether any byte of `encoded` stands for another than itself.
pub(crate) fn is_escaped(encoded: &[u8]) -> bool {
    encoded.iter().any(|byte| matches!(byte, b'%' | b'+'))
}

/// Whether two hexadecimal digits follow each `%`.
fn is_well_formed(encoded: &[u8]) -> bool {
    let mut after_percent = encoded.split(|&byte| byte == b'%').skip(1);
    after_percent.all(|part| matches!(part, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

fn unhex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{decoded, first, without};

    fn value(query: &str) -> Option<Vec<u8>> {
        first(query.as_bytes(), b"key").map(|raw| decoded(raw).collect())
    }

    #[test]
    fn follows_go_on_every_rule() {
        // Each right-hand side is what Go's `url.ParseQuery` keeps as the first "key".
        for (query, expected) in [
            ("key=v", Some("v")),
            ("a=1&key=v&key=w", Some("v")),
            ("key=&key=v", Some("")),
            ("key", Some("")),
            ("key&key=v", Some("")),
            ("&&key=v", Some("v")),
            ("%6bey=v", Some("v")),
            ("k%65y=v", Some("v")),
            ("KEY=v", None),
            ("key[]=v", None),
            ("=key", None),
            ("", None),
            ("key=a=b", Some("a=b")),
            ("key=a+b%2Bc%2bd", Some("a b+c+d")),
            ("key=%2", None),
            ("key=%", None),
            ("key=%zz&key=v", Some("v")),
            ("key=v%&key=w", Some("w")),
            ("k%zy=a&key=w", Some("w")),
            ("key%=v&key=w", Some("w")),
            ("key%zz=v&key=w", Some("w")),
            ("x=1;key=v", None),
            ("key=v;x=1", None),
            ("key=v;&key=w", Some("w")),
            ("key;=v&key=w", Some("w")),
            ("key=%3B", Some(";")),
            ("key=%26%3D%25", Some("&=%")),
            ("key=%2576", Some("%76")),
            ("key=?v", Some("?v")),
            ("?key=v", None),
        ] {
            assert_eq!(value(query).as_deref(), expected.map(str::as_bytes), "{query}");
        }
    }

    #[test]
    fn what_may_hold_a_key_is_removed() {
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

    #[test]
    fn works_on_bytes_that_are_no_text() {
        assert_eq!(first(b"\xff=1&key=\xfe\x00", b"key"), Some(&b"\xfe\x00"[..]));
        assert_eq!(value("key=%ff%00").as_deref(), Some(&[0xff, 0x00][..]));
    }
}
