//! What the guard needs of a request, taken from Warp without the heap.
//!
//! Warp shows a filter no request, but lends single parts of it: a field value to `FromStr`, the pairs of a query to
//! `Deserialize`. The probes here copy what they are lent, as much as a key can be, into values that travel with the
//! request's future, and are overwritten at their last stop.
//!
//! That has limits. None of them lets a request pass that does not hold an accepted key:
//!
//! - Of several lines of a field Warp shows the first. A second `Authorization` line is not seen, and so not malformed.
//! - Values that are not visible ASCII are not shown, and values that are too long are not kept. Both count as present,
//!   and as no key.
//! - A query is shown in decoded pairs, of which those are kept that fit into a kibibyte. What was wrong with a pair does
//!   not show when there was something to decode in it besides: it is then taken for the well-formed pair that it looks
//!   like, where the core would pass over it.
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
    name: &'static str,
    field: Option<Text<FIELD_LEN>>,
    authorization: Option<Text<AUTHORIZATION_LEN>>,
    query: Option<Text<QUERY_LEN>>,
    peer: Option<Peer>,
}

/// More than any key, and any Basic credentials that the core reads, with white space to spare.
const FIELD_LEN: usize = 320;
const AUTHORIZATION_LEN: usize = 768;
const QUERY_LEN: usize = 1024;

impl RequestHead for Head {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        let value = if name == self.name {
            self.field.as_ref().map(Text::whole)
        } else if *name == AUTHORIZATION {
            self.authorization.as_ref().map(Text::whole)
        } else {
            None
        };
        value.into_iter()
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_ref().map(Text::pairs)
    }

    fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }
}

/// A filter that extracts the head for `guard`, and rejects nothing.
pub(crate) fn head(
    guard: &Guard,
) -> impl Filter<Extract = (Head,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    // Warp wants a static name: the usual one is, and another is leaked, once for each route that is built.
    let name = match guard.header_name().as_str() {
        "x-metrics-key" => "x-metrics-key",
        other => String::leak(other.to_owned()),
    };
    let wants_query = guard.query_parameter().is_some();

    let query = warp::any()
        .and_then(move || ready(if wants_query { Ok(()) } else { Err(warp::reject::not_found()) }))
        .untuple_one()
        .and(warp::query::<QueryText>())
        .map(|QueryText(text)| Some(text))
        .or_else(|_| ready(Ok::<_, Rejection>((None,))));

    warp::method()
        .and(value(name))
        .and(value(AUTHORIZATION_NAME))
        .and(query)
        .and(warp::ext::optional::<Peer>())
        .and(warp::addr::remote())
        .map(move |method, field, authorization, query, peer: Option<Peer>, address: Option<SocketAddr>| Head {
            method,
            name,
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

/// A byte that is in no key, no credentials and no scheme.
const UNREADABLE: &[u8] = &[0xff];

/// At most `N` bytes. What does not fit is left out, and all after it.
struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
    is_cut: bool,
}

impl<const N: usize> Text<N> {
    const fn empty() -> Text<N> {
        Text { bytes: [0; N], len: 0, is_cut: false }
    }

    fn unreadable() -> Text<N> {
        let mut text = Text::empty();
        text.extend(UNREADABLE);
        text
    }

    fn extend(&mut self, bytes: &[u8]) {
        match self.bytes[self.len..].get_mut(..bytes.len()) {
            Some(room) if !self.is_cut => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.is_cut = true,
        }
    }

    /// A field value: all of it or nothing, since white space is cut off its ends, and what is left of a value that was
    /// cut might be a key.
    fn whole(&self) -> &[u8] {
        if self.is_cut { UNREADABLE } else { &self.bytes[..self.len] }
    }

    /// A query: the pairs that are there to their end.
    fn pairs(&self) -> &[u8] {
        let text = &self.bytes[..self.len];
        match text.iter().rposition(|byte| *byte == b'&') {
            Some(last) if self.is_cut => &text[..last],
            None if self.is_cut => &[],
            _ => text,
        }
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
            self.0.extend(b"=");
            pairs.next_value_seed(Part(self.0))?;
            self.0.extend(b"&");
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

    /// Owned: it was decoded, and is encoded again, as far as it must be.
    fn visit_string<E>(self, mut decoded: String) -> Result<(), E> {
        for byte in decoded.bytes() {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value & 0xf)];
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => self.0.extend(&[byte]),
                _ => self.0.extend(&[b'%', digit(byte >> 4), digit(byte)]),
            }
        }
        decoded.zeroize();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use metrics_guard_core::{Guard, Key, Peer, RequestHead};
    use warp::test::request;

    use super::head;

    fn guard() -> Guard {
        Guard::builder(Key::new("c2d94b7e10f3a586d7e9b0c4f1a26853").unwrap()).query("key").unwrap().build()
    }

    #[tokio::test]
    async fn the_other_end_is_the_socket_unless_the_server_says_otherwise() {
        let [socket, told] = [9090, 9091].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let filter = head(&guard());
        let nobody = request().filter(&filter).await.unwrap();
        assert_eq!(nobody.peer(), None);
        let by_socket = request().remote_addr(socket).filter(&filter).await.unwrap();
        assert_eq!(by_socket.peer(), Some(&Peer::at(socket)));
        let by_extension = request().extension(Peer::at(told)).filter(&filter).await.unwrap();
        assert_eq!(by_extension.peer(), Some(&Peer::at(told)));
        let by_both = request().remote_addr(socket).extension(Peer::at(told)).filter(&filter).await.unwrap();
        assert_eq!(by_both.peer(), Some(&Peer::at(told)));
    }

    #[tokio::test]
    async fn a_query_is_put_together_as_it_was() {
        let filter = head(&guard());
        for (query, seen) in [
            ("a=1&key=K", "a=1&key=K&"),
            ("key", "key=&"),
            ("key=%zz&a=%4", "key=%zz&a=%4&"),
            ("key=a+b%2Bc%41", "key=a%20b%2BcA&"),
            ("k%65y=%ff", "key=%EF%BF%BD&"),
        ] {
            let seen_by_filter = request().path(&format!("/?{query}")).filter(&filter).await.unwrap();
            assert_eq!(seen_by_filter.query(), Some(seen.as_bytes()), "{query}");
        }
        // Whole pairs, as many as fit.
        for (first, second, len) in [(1000, 10, 1017), (1000, 20, 1001), (2000, 1, 0)] {
            let path = format!("/?{}&key={}", "a".repeat(first), "b".repeat(second));
            let seen = request().path(&path).filter(&filter).await.unwrap();
            assert_eq!(seen.query().map(<[u8]>::len), Some(len), "{first} {second}");
        }
    }
}
