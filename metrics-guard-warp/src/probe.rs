//! What the guard needs of a request, taken from Warp without the heap.
//!
//! Warp shows a filter no request, but lends single parts of it: a field value to `FromStr`, the pairs of a query to
//! `Deserialize`. The probes here copy what they are lent to the stack, as much as a key can be, and for the length of
//! one check.
//!
//! That has limits, all of which refuse rather than pass:
//!
//! - Of several lines of a field Warp shows the first. A second `Authorization` line is not seen, and not malformed.
//! - Values that are not visible ASCII are not shown. They count as present, and as no key.
//! - A query is shown in decoded pairs, of which the first kibibyte is read. A pair that has both a good escape and a
//!   bad one, or a `;` beside an escape, is decoded as if it were well-formed.
//!
//! ```
//! use metrics_guard_warp::{Guard, Key, MetricsGuard, guard_metrics};
//! use warp::{Filter, http::StatusCode};
//!
//! #[guard_metrics]
//! fn metrics() -> &'static str {
//!     "up 1\n"
//! }
//!
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let guard = MetricsGuard::with(Guard::builder(Key::new(secret)?).query("key")?.build());
//! let routes = guard.protect(warp::path!("metrics"), warp::get().map(metrics));
//!
//! let scrape = warp::test::request().path(&format!("/metrics?a=1&key={secret}")).reply(&routes).await;
//! assert_eq!(scrape.body(), "up 1\n");
//!
//! let stranger = warp::test::request().path("/metrics?key=guess").reply(&routes).await;
//! assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
//! # Ok::<(), metrics_guard_warp::ConfigError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{convert::Infallible, fmt, future::ready, net::SocketAddr, str::FromStr};

use http::{HeaderName, Method, header::AUTHORIZATION};
use metrics_guard_core::{Guard, Peer, RequestHead};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use warp::{Filter, Rejection};
use zeroize::Zeroize;

/// The head of a request, as far as the probes tell it.
pub(crate) struct Head {
    /// Not for the check, but for its answer.
    pub(crate) method: Method,
    name: HeaderName,
    field: Option<Text<FIELD_LEN>>,
    authorization: Option<Text<AUTHORIZATION_LEN>>,
    query: Option<Text<QUERY_LEN>>,
    peer: Option<Peer>,
}

/// Longer than any key, and than any Basic credentials that the core reads; what is cut is still too long.
const FIELD_LEN: usize = 320;
const AUTHORIZATION_LEN: usize = 768;
const QUERY_LEN: usize = 1024;

impl RequestHead for Head {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        let value = if *name == self.name {
            self.field.as_ref().map(Text::as_bytes)
        } else if *name == AUTHORIZATION {
            self.authorization.as_ref().map(Text::as_bytes)
        } else {
            None
        };
        value.into_iter()
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_ref().map(Text::as_bytes)
    }

    fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }
}

/// A filter that extracts the head for `guard`, and rejects nothing.
pub(crate) fn head(
    guard: &Guard,
) -> impl Filter<Extract = (Head,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    let name = guard.header_name().clone();
    // Warp wants a static name: the usual one is, and another is leaked, once for each route that is built.
    let static_name = if name == "x-metrics-key" { "x-metrics-key" } else { String::leak(name.to_string()) };
    let wants_query = guard.query_parameter().is_some();

    let query = warp::any()
        .and_then(move || ready(if wants_query { Ok(()) } else { Err(warp::reject::not_found()) }))
        .untuple_one()
        .and(warp::query::<QueryText>())
        .map(|QueryText(text)| Some(text))
        .or_else(|_| ready(Ok::<_, Rejection>((None,))));

    warp::method()
        .and(value(static_name))
        .and(value(AUTHORIZATION_NAME))
        .and(query)
        .and(warp::ext::optional::<Peer>())
        .and(warp::addr::remote())
        .map(move |method, field, authorization, query, peer: Option<Peer>, address: Option<SocketAddr>| Head {
            method,
            name: name.clone(),
            field,
            authorization,
            query,
            peer: peer.or(address.map(Peer::at)),
        })
}

const AUTHORIZATION_NAME: &str = "authorization";

/// The first value of a field; one that Warp does not show as a byte that is in no key and no credentials.
fn value<const N: usize>(
    name: &'static str,
) -> impl Filter<Extract = (Option<Text<N>>,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::header::optional(name).or_else(|_| ready(Ok::<_, Rejection>((Some(Text::unreadable()),))))
}

/// At most `N` bytes, overwritten when they are not needed any more.
struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    const fn empty() -> Text<N> {
        Text { bytes: [0; N], len: 0 }
    }

    fn unreadable() -> Text<N> {
        let mut text = Text::empty();
        text.push(0xff);
        text
    }

    fn push(&mut self, byte: u8) {
        if let Some(next) = self.bytes.get_mut(self.len) {
            *next = byte;
            self.len += 1;
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let taken = bytes.len().min(N - self.len);
        self.bytes[self.len..][..taken].copy_from_slice(&bytes[..taken]);
        self.len += taken;
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<const N: usize> Drop for Text<N> {
    fn drop(&mut self) {
        self.bytes[..self.len].zeroize();
    }
}

impl<const N: usize> FromStr for Text<N> {
    type Err = Infallible;

    fn from_str(value: &str) -> Result<Text<N>, Infallible> {
        let mut text = Text::empty();
        text.extend(value.as_bytes());
        Ok(text)
    }
}

/// A query put together again of the pairs that Warp took it apart to.
struct QueryText(Text<QUERY_LEN>);

impl<'de> Deserialize<'de> for QueryText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<QueryText, D::Error> {
        let mut text = Text::empty();
        deserializer.deserialize_map(Pairs(&mut text))?;
        Ok(QueryText(text))
    }
}

struct Pairs<'t>(&'t mut Text<QUERY_LEN>);

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a query")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        while pairs.next_key_seed(Part(self.0))?.is_some() {
            self.0.push(b'=');
            pairs.next_value_seed(Part(self.0))?;
            self.0.push(b'&');
        }
        Ok(())
    }
}

/// A name or a value.
struct Part<'t>(&'t mut Text<QUERY_LEN>);

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or a value")
    }

    /// Borrowed: there was nothing to decode, and this is what was received.
    fn visit_str<E>(self, received: &str) -> Result<(), E> {
        self.0.extend(received.as_bytes());
        Ok(())
    }

    /// Owned: it was decoded, and is encoded again.
    fn visit_string<E>(self, mut decoded: String) -> Result<(), E> {
        for byte in decoded.bytes() {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value & 0xf)];
            self.0.extend(&[b'%', digit(byte >> 4), digit(byte)]);
        }
        decoded.zeroize();
        Ok(())
    }
}
