//! Where a request may present its key: a request head -> the presented key.
//!
//! The sources are asked in a fixed order, and the first that presents something decides; a wrong key in it is not
//! made good by a right one in a later source.
//!
//! 1. The field `X-Metrics-Key`, or another name: its first line, unless that is empty.
//! 2. `Authorization` (RFC 9110, section 11.6.2) with the scheme `Bearer` (RFC 6750) or `Basic` (RFC 7617, the key as
//!    password of any user, whose name and colon have 256 bytes beside the longest key). Other schemes are none of ours
//!    and count as absent; a second line is malformed.
//! 3. The first query parameter of a given name, where that is switched on.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key, Reason};
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
//!
//! let guard = Guard::new(Key::new(secret)?);
//!
//! let scrape = Request::get("/metrics").header("Authorization", format!("bearer {secret}")).body(())?;
//! assert!(guard.check(&scrape).is_ok());
//!
//! let confused = Request::get("/metrics")
//!     .header("X-Metrics-Key", "guess")
//!     .header("Authorization", format!("Bearer {secret}"))
//!     .body(())?;
//! assert_eq!(guard.check(&confused).unwrap_err().reason(), Reason::Wrong);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use base64ct::{Base64, Encoding};
use http::{HeaderName, header::AUTHORIZATION};
use zeroize::Zeroize;

use crate::{denied::Denied, key::MAX_LEN, query, request::RequestHead};

/// The sources of one guard.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) field: HeaderName,
    pub(crate) parameter: Option<Box<str>>,
}

impl Default for Sources {
    fn default() -> Sources {
        Sources { field: HeaderName::from_static("x-metrics-key"), parameter: None }
    }
}

/// A presented key, as it stands in the request.
#[derive(Clone, Copy)]
enum Presented<'r> {
    Plain(&'r [u8]),
    /// Basic credentials: base64 of `user-id:password`.
    Basic(&'r [u8]),
    /// A parameter's value, percent-encoded.
    Parameter(&'r [u8]),
}

impl Sources {
    /// The presented key, decoded into `scratch` if it was encoded.
    pub(crate) fn presented<'r>(
        &'r self,
        head: &'r impl RequestHead,
        scratch: &'r mut Scratch,
    ) -> Result<&'r [u8], Denied> {
        match self.locate(head)? {
            Presented::Plain(key) => Ok(key),
            Presented::Basic(encoded) => password(encoded, scratch),
            Presented::Parameter(value) if query::is_escaped(value) => Ok(scratch.collect(query::decoded(value))),
            Presented::Parameter(value) => Ok(value),
        }
    }

    fn locate<'r>(&'r self, head: &'r impl RequestHead) -> Result<Presented<'r>, Denied> {
        if let Some(key) = head.field_values(&self.field).next().map(trim_white_space)
            && !key.is_empty()
        {
            return Ok(Presented::Plain(key));
        }
        if let Some(presented) = authorization(head)? {
            return Ok(presented);
        }
        let parameter = self.parameter.as_deref().ok_or(Denied::MISSING)?;
        match head.query().and_then(|query| query::first(query, parameter.as_bytes())) {
            Some(value) if !value.is_empty() => Ok(Presented::Parameter(value)),
            _ => Err(Denied::MISSING),
        }
    }
}

/// The credentials in `Authorization`, none if the field is absent, empty, or of a scheme that is not ours.
fn authorization(head: &impl RequestHead) -> Result<Option<Presented<'_>>, Denied> {
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
    let scheme_len = value.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(value.len());
    let (scheme, mut credentials) = value.split_at(scheme_len);
    // `1*SP` between scheme and credentials: no tab, and no credentials without a space.
    if scheme.is_empty() || !matches!(credentials, [] | [b' ', ..]) {
        return Err(Denied::MALFORMED);
    }
    while let [b' ', rest @ ..] = credentials {
        credentials = rest;
    }
    let presented = if scheme.eq_ignore_ascii_case(b"Bearer") {
        // Any bytes, not only RFC 6750's b64token: an accepted key may hold every visible character.
        Presented::Plain(credentials)
    } else if scheme.eq_ignore_ascii_case(b"Basic") {
        Presented::Basic(credentials)
    } else {
        return Ok(None);
    };
    if credentials.is_empty() { Err(Denied::MALFORMED) } else { Ok(Some(presented)) }
}

/// The password of Basic credentials, which is all after the first colon (RFC 7617, section 2).
fn password<'s>(encoded: &[u8], scratch: &'s mut Scratch) -> Result<&'s [u8], Denied> {
    let decoded = Base64::decode(encoded, scratch.buffer()).map_err(|_| Denied::MALFORMED)?;
    let colon = decoded.iter().position(|&byte| byte == b':').ok_or(Denied::MALFORMED)?;
    Ok(&decoded[colon + 1..])
}

/// `value` without the white space that may surround a field value (`OWS`, RFC 9110, section 5.6.3).
///
/// Servers cut it off for HTTP/1.1; over HTTP/2 it can arrive.
fn trim_white_space(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether `byte` may stand in a token such as a scheme's name (`tchar`, RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Room for a decoded key on the stack of one check, overwritten at its end.
pub(crate) struct Scratch(Option<[u8; SCRATCH_LEN]>);

/// The longest key, and as much again for the user of Basic credentials and the colon.
const SCRATCH_LEN: usize = 2 * MAX_LEN;

impl Scratch {
    pub(crate) const fn new() -> Scratch {
        Scratch(None)
    }

    fn buffer(&mut self) -> &mut [u8] {
        self.0.insert([0; SCRATCH_LEN])
    }

    /// Keeps as many of `bytes` as fit. What does not fit is longer than any key, and is so still when cut.
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
            buffer.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::{Scratch, Sources};
    use crate::Denied;

    /// What is presented by a request with these field lines, as it comes over HTTP/2: with its white space.
    fn presented(lines: &[(&'static str, &[u8])], query: &str) -> Result<Vec<u8>, Denied> {
        let sources = Sources { field: "x-metrics-key".parse().unwrap(), parameter: Some("key".into()) };
        let mut request = Request::get(format!("/metrics{query}")).body(()).unwrap();
        for (name, value) in lines {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let mut scratch = Scratch::new();
        sources.presented(&request, &mut scratch).map(<[u8]>::to_vec)
    }

    #[test]
    fn white_space_is_space_and_tab() {
        for value in [&b"k"[..], b" k", b"k\t", b"\t \tk \t"] {
            assert_eq!(presented(&[("x-metrics-key", value)], ""), Ok(b"k".to_vec()), "{value:?}");
        }
        assert_eq!(presented(&[("x-metrics-key", b"\xa0k")], ""), Ok(b"\xa0k".to_vec()));
        assert_eq!(presented(&[("authorization", b" Bearer k ")], ""), Ok(b"k".to_vec()));
        assert_eq!(presented(&[("x-metrics-key", b"\t")], ""), Err(Denied::MISSING));
    }

    #[test]
    fn each_refusal_has_its_reason() {
        assert_eq!(presented(&[], ""), Err(Denied::MISSING));
        assert_eq!(presented(&[], "?key="), Err(Denied::MISSING));
        assert_eq!(presented(&[("authorization", b"Digest k")], ""), Err(Denied::MISSING));
        assert_eq!(presented(&[("authorization", b"")], ""), Err(Denied::MISSING));
        for malformed in
            [&b"Bearer"[..], b"Bearer  ", b"Basic ", b"Basic !", b"Basic dQ==", b"Bearer\tk", b"\"k\"", b"\xff"]
        {
            assert_eq!(presented(&[("authorization", malformed)], "?key=k"), Err(Denied::MALFORMED), "{malformed:?}");
        }
        let twice = [("authorization", &b"Bearer k"[..]), ("authorization", b"Bearer k")];
        assert_eq!(presented(&twice, ""), Err(Denied::MALFORMED));
        assert_eq!(presented(&[("authorization", b"Basic dTo=")], "?key=k"), Ok(Vec::new()));
    }

    #[test]
    fn a_parameter_is_decoded_where_it_needs_to_be() {
        for (query, key) in [("?key=a-b", "a-b"), ("?key=a+b", "a b"), ("?key=a%2Bb", "a+b"), ("?key=a%2fb", "a/b")] {
            assert_eq!(presented(&[], query), Ok(key.as_bytes().to_vec()), "{query}");
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_and_stays_longer_than_any_key() {
        assert_eq!(presented(&[], &format!("?key={}", "%6b".repeat(1000))).map(|key| key.len()), Ok(512));
    }
}
