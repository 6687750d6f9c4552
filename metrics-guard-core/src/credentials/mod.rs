//! Finds the key that a request presents.
//!
//! The guard reads the sources in this order, and only the first one present is checked. An accepted key in a later source
//! does not count.
//!
//! 1. The header `X-Metrics-Key`, or one with a configured name: its first line, unless that line is empty.
//! 2. `Authorization` (RFC 9110, section 11.6.2) with the scheme `Bearer` (RFC 6750) or `Basic` (RFC 7617). With `Basic`, the
//!    key is the password of any user. The decoded credentials have at most 512 bytes. Another scheme counts as absent, and a
//!    repeated header is malformed.
//! 3. The first query parameter of a configured name, if one is configured.

pub(crate) mod query;

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, header::AUTHORIZATION};
use zeroize::Zeroize;

use self::query::Value;
use crate::{denied::Denied, limits::MAX_LEN, request::RequestHead};

/// The sources of one guard.
pub(crate) struct Sources {
    pub(crate) field: HeaderName,
    pub(crate) parameter: Option<Box<str>>,
}

const DEFAULT_FIELD: &str = "x-metrics-key";

impl Default for Sources {
    fn default() -> Sources {
        Sources { field: HeaderName::from_static(DEFAULT_FIELD), parameter: None }
    }
}

/// Hides configured names, because an operator can put a key in the place of one by mistake.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field == DEFAULT_FIELD { DEFAULT_FIELD } else { "…" };
        let parameter = self.parameter.as_ref().map(|_| "…");
        f.debug_struct("Sources").field("field", &field).field("parameter", &parameter).finish()
    }
}

/// The credentials in `Authorization`.
enum Credentials<'r> {
    Bearer(&'r [u8]),
    /// Base64 of `user-id:password`.
    Basic(&'r [u8]),
}

impl Sources {
    /// Passes the presented key to `judge`, decoded if it was encoded. Does not call `judge` if the request presents no key, or
    /// if the credentials are malformed.
    #[inline]
    pub(crate) fn judged<T>(&self, head: &impl RequestHead, judge: impl FnOnce(&[u8]) -> T) -> Result<T, Denied> {
        match head.field_values(&self.field).next().map(trim_white_space) {
            None | Some([]) => self.judged_elsewhere(head, judge),
            Some(key) => Ok(judge(key)),
        }
    }

    /// Reads the other sources. It is not inlined, so that the code for most scrapers stays short.
    #[inline(never)]
    fn judged_elsewhere<T>(&self, head: &impl RequestHead, judge: impl FnOnce(&[u8]) -> T) -> Result<T, Denied> {
        match authorization(head)? {
            Some(Credentials::Bearer(key)) => return Ok(judge(key)),
            Some(Credentials::Basic(encoded)) => return password(encoded, &mut Scratch::default()).map(judge),
            None => {}
        }
        let parameter = self.parameter.as_deref().ok_or(Denied::MISSING)?;
        match head.query().and_then(|query| query::first(query, parameter.as_bytes())) {
            None | Some(Value::Plain([]) | Value::Encoded([])) => Err(Denied::MISSING),
            Some(Value::Plain(key)) => Ok(judge(key)),
            Some(Value::Encoded(value)) => Ok(judge(Scratch::default().collect(query::decoded(value)))),
        }
    }
}

/// Returns the credentials in `Authorization`. Returns `None` if the header is absent or empty, or has another scheme.
fn authorization(head: &impl RequestHead) -> Result<Option<Credentials<'_>>, Denied> {
    let mut lines = head.field_values(&AUTHORIZATION);
    let Some(value) = lines.next().map(trim_white_space) else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Denied::MALFORMED);
    }
    if value.is_empty() {
        return Ok(None);
    }
    if let Some(rest) = after_scheme(value, b"bearer") {
        // The token may have any bytes, not only those of RFC 6750's b64token, because a key may have every visible character.
        after_spaces(rest).map(Credentials::Bearer).map(Some)
    } else if let Some(rest) = after_scheme(value, b"basic") {
        after_spaces(rest).map(Credentials::Basic).map(Some)
    } else if has_scheme(value) {
        Ok(None)
    } else {
        Err(Denied::MALFORMED)
    }
}

/// Returns the rest of `value` after `scheme`, if `value` has that scheme in any case. `scheme` is in lower case.
fn after_scheme<'v, const N: usize>(value: &'v [u8], scheme: &[u8; N]) -> Option<&'v [u8]> {
    let (start, rest) = value.split_first_chunk::<N>()?;
    // This bit is the difference between lower and upper case.
    let has_scheme = start.map(|byte| byte | 0x20) == *scheme;
    let is_longer = rest.first().is_some_and(|byte| *byte != b' ' && is_token_byte(*byte));
    (has_scheme && !is_longer).then_some(rest)
}

/// Returns the credentials after a scheme and at least one space (`1*SP`). A tab or no space is malformed.
fn after_spaces(rest: &[u8]) -> Result<&[u8], Denied> {
    let mut credentials = rest.strip_prefix(b" ").ok_or(Denied::MALFORMED)?;
    while let [b' ', rest @ ..] = credentials {
        credentials = rest;
    }
    if credentials.is_empty() { Err(Denied::MALFORMED) } else { Ok(credentials) }
}

/// Returns whether `value` begins with a scheme, alone or before a space. `value` does not begin with white space.
fn has_scheme(value: &[u8]) -> bool {
    let end = value.iter().position(|byte| !is_token_byte(*byte));
    end.is_none_or(|end| value[end] == b' ')
}

/// Returns the password of Basic credentials: everything after the first colon (RFC 7617, section 2).
fn password<'s>(encoded: &[u8], scratch: &'s mut Scratch) -> Result<&'s [u8], Denied> {
    let buffer = scratch.buffer();
    let len = STANDARD.decode_slice(encoded, buffer).map_err(|_| Denied::MALFORMED)?;
    let decoded = &buffer[..len];
    let colon = decoded.iter().position(|&byte| byte == b':').ok_or(Denied::MALFORMED)?;
    Ok(&decoded[colon + 1..])
}

/// Returns `value` without the white space that may surround a header value (`OWS`, RFC 9110, section 5.6.3).
///
/// Servers remove this white space from HTTP/1.1 requests, but it can arrive over HTTP/2.
fn trim_white_space(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Returns whether a token, such as the name of a scheme, may contain `byte` (`tchar`, RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A buffer on the stack for the decoded key of one check, overwritten at the end of the check.
#[derive(Default)]
struct Scratch(Option<[u8; SCRATCH_LEN]>);

/// The length of the longest key, and the same again for the user of Basic credentials and the colon.
const SCRATCH_LEN: usize = 2 * MAX_LEN;

impl Scratch {
    fn buffer(&mut self) -> &mut [u8] {
        self.0.insert([0; SCRATCH_LEN])
    }

    /// Keeps as many of `bytes` as fit. If some do not fit, the kept bytes are still longer than any key.
    fn collect(&mut self, bytes: impl Iterator<Item = u8>) -> &[u8] {
        let buffer = self.buffer();
        let mut len = 0;
        for (slot, byte) in buffer.iter_mut().zip(bytes) {
            *slot = byte;
            len += 1;
        }
        &buffer[..len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(buffer) = &mut self.0 {
            buffer.as_mut_slice().zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::Sources;
    use crate::Denied;

    /// Returns the key that a request with these header lines presents. The lines keep their white space, as over HTTP/2.
    fn presented(lines: &[(&'static str, &[u8])], query: &str) -> Result<Vec<u8>, Denied> {
        let sources = Sources { field: "x-metrics-key".parse().unwrap(), parameter: Some("key".into()) };
        let mut request = Request::get(format!("/metrics{query}")).body(()).unwrap();
        for (name, value) in lines {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        sources.judged(&request, <[u8]>::to_vec)
    }

    #[test]
    fn debug_hides_configured_names() {
        let configured = Sources { field: "x-secret".parse().unwrap(), parameter: Some("secret".into()) };
        assert_eq!(format!("{configured:?}"), r#"Sources { field: "…", parameter: Some("…") }"#);
        assert_eq!(format!("{:?}", Sources::default()), r#"Sources { field: "x-metrics-key", parameter: None }"#);
    }

    #[test]
    fn trims_spaces_and_tabs_around_a_key() {
        for value in [&b"k"[..], b" k", b"k\t", b"\t \tk \t"] {
            assert_eq!(presented(&[("x-metrics-key", value)], ""), Ok(b"k".to_vec()), "{value:?}");
        }
        assert_eq!(presented(&[("x-metrics-key", b"\xa0k")], ""), Ok(b"\xa0k".to_vec()));
        assert_eq!(presented(&[("authorization", b" Bearer k ")], ""), Ok(b"k".to_vec()));
        assert_eq!(presented(&[("x-metrics-key", b"\t")], ""), Err(Denied::MISSING));
    }

    #[test]
    fn distinguishes_missing_from_malformed_credentials() {
        assert_eq!(presented(&[], ""), Err(Denied::MISSING));
        assert_eq!(presented(&[], "?key="), Err(Denied::MISSING));
        for foreign in [&b"Digest k"[..], b"Digest", b"Bearers k", b"Basic1 k", b"Bear k"] {
            assert_eq!(presented(&[("authorization", foreign)], ""), Err(Denied::MISSING), "{foreign:?}");
        }
        assert_eq!(presented(&[("authorization", b"")], ""), Err(Denied::MISSING));
        for malformed in [
            &b"Bearer"[..],
            b"Bearer  ",
            b"Basic ",
            b"Basic !",
            b"Basic dQ==",
            b"Bearer\tk",
            b"Digest\tk",
            b"\"k\"",
            b"\xff",
        ] {
            assert_eq!(presented(&[("authorization", malformed)], "?key=k"), Err(Denied::MALFORMED), "{malformed:?}");
        }
        let twice = [("authorization", &b"Bearer k"[..]), ("authorization", b"Bearer k")];
        assert_eq!(presented(&twice, ""), Err(Denied::MALFORMED));
        assert_eq!(presented(&[("authorization", b"Basic dTo=")], "?key=k"), Ok(Vec::new()));
    }

    #[test]
    fn decodes_a_query_parameter_with_escapes() {
        for (query, key) in [("?key=a-b", "a-b"), ("?key=a+b", "a b"), ("?key=a%2Bb", "a+b"), ("?key=a%2fb", "a/b")] {
            assert_eq!(presented(&[], query), Ok(key.as_bytes().to_vec()), "{query}");
        }
    }

    #[test]
    fn cuts_a_query_parameter_that_is_longer_than_any_key() {
        assert_eq!(presented(&[], &format!("?key={}", "%6b".repeat(1000))).map(|key| key.len()), Ok(512));
    }
}
