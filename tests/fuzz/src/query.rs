//! Fuzzes the query with any bytes. The parser must find the same pairs as a simple implementation of Go's rules, and a
//! redaction must remove all pairs of the parameter and no others.

#![no_main]

#[path = "../../../metrics-guard-core/src/credentials/query.rs"]
mod query;

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use metrics_guard_fuzz::model::parse_query;

use crate::query::Value;

const NAME: &[u8] = b"key";

fuzz_target!(|query: &[u8]| {
    let pairs = parse_query(query);
    // A guard's parameter has only unreserved characters.
    let is_unreserved = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let names = pairs.iter().map(|(name, _)| name.as_slice());
    for name in names.filter(|name| !name.is_empty() && name.iter().all(is_unreserved)).chain([NAME]) {
        let found = query::first(query, name).map(|value| match value {
            Value::Plain(bytes) => bytes.to_vec(),
            Value::Encoded(bytes) => query::decoded(bytes).collect(),
        });
        let expected = pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        assert_eq!(found, expected, "{}", name.escape_ascii());
    }

    let Ok(query) = str::from_utf8(query) else { return };
    let rest = query::without(query, NAME);
    let others: Vec<_> = pairs.into_iter().filter(|(name, _)| name != NAME).collect();
    assert_eq!(parse_query(rest.as_bytes()), others);
    assert!(!rest.split(['&', ';']).any(is_named), "{rest}");
    assert_eq!(matches!(rest, Cow::Borrowed(_)), rest == query);
});

/// Returns whether `part` has the name, even if the rest of its pair is malformed.
fn is_named(part: &str) -> bool {
    let name = part.split('=').next().unwrap_or_default();
    parse_query(name.as_bytes()).first().is_some_and(|(name, _)| name == NAME)
}
