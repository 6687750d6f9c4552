//! What a check may see of a request.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let guard = Guard::new(Key::new(secret)?);
//!
//! let (scrape, _body) = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?.into_parts();
//! assert!(guard.check(&scrape).is_ok());
//!
//! let (stranger, _body) = Request::get("/metrics").body(())?.into_parts();
//! assert!(guard.check(&stranger).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{net::SocketAddr, sync::Arc};

use http::{Extensions, HeaderMap, HeaderName, Request, Uri, request::Parts};

use crate::access::client_names::ClientName;

/// The head of a request, as far as a check may look: field values, the query, and the other end.
///
/// Implemented for [`http::request::Parts`] and [`http::Request`], which tell the other end by a [`Peer`] among their
/// extensions. A server with a request type of its own implements it for a view of that type, borrowing: a check
/// copies nothing to the heap, and its implementation should not either.
pub trait RequestHead {
    /// The value of each field line named `name`, in the order received (RFC 9110, section 5.3).
    ///
    /// One item a line, undivided at commas and with every byte that was received: a line left out here is a line
    /// that the guard's rules on repeated fields cannot see.
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]>;

    /// The value of the first of these lines.
    ///
    /// For a head that finds it faster than all of them.
    #[inline]
    fn first_field_value<'h>(&'h self, name: &'h HeaderName) -> Option<&'h [u8]> {
        self.field_values(name).next()
    }

    /// The query of the request target, without its `?` and as received, that is, not percent-decoded.
    fn query(&self) -> Option<&[u8]>;

    /// The other end of the connection, if the server knows it.
    fn peer(&self) -> Option<&Peer>;

    /// What provides that peer on this kind of server, with the names in its certificate or without: the instruction in
    /// [`WarningKind::NoPeer`](crate::WarningKind::NoPeer).
    #[doc(hidden)]
    fn peer_advice(&self, with_names: bool) -> &'static str {
        if with_names {
            "return a `Peer` with the names in the client's verified certificate from `RequestHead::peer`: \
             `Some(&self.peer)`, where `peer` is `Peer::new(address).with_names(names)`"
        } else {
            "return a `Peer` from `RequestHead::peer`: `Some(&self.peer)`, where `peer` is `Peer::new(address)`"
        }
    }
}

/// The other end of a connection, as the server that holds the socket knows it.
///
/// What a request says of itself (`X-Forwarded-For`, `Client-Cert` and their like) has no place here: anyone can write it.
/// Put one among a request's extensions when the connection is accepted:
///
/// ```
/// use metrics_guard_core::{ClientName, Peer, RequestHead};
/// # let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9090));
///
/// // With TLS, and a client certificate that the handshake has verified: its names too.
/// let peer = Peer::new(address).with_names([ClientName::dns("prometheus.example")]);
///
/// let mut request = http::Request::get("/metrics").body(())?;
/// request.extensions_mut().insert(peer);
/// assert_eq!(request.peer().map(Peer::address), Some(address));
/// # Ok::<(), http::Error>(())
/// ```
///
/// Cheap to clone: make one for a connection, and give each of its requests a copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    address: SocketAddr,
    names: Option<Arc<[ClientName]>>,
}

impl Peer {
    /// The peer at `address`, as `accept` gave it.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Peer {
        Peer { address, names: None }
    }

    /// This peer with the names in its client certificate.
    ///
    /// Only with those of a certificate that the TLS layer has verified: whose chain ends in a CA that is trusted with
    /// naming clients, and whose private key the peer has shown to hold.
    #[must_use]
    pub fn with_names(self, names: impl IntoIterator<Item = ClientName>) -> Peer {
        Peer { names: Some(names.into_iter().collect()), ..self }
    }

    /// The socket address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names in the peer's client certificate; empty without one.
    #[must_use]
    pub fn names(&self) -> &[ClientName] {
        self.names.as_deref().unwrap_or_default()
    }
}

impl<T: RequestHead + ?Sized> RequestHead for &T {
    #[inline]
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        (**self).field_values(name)
    }

    #[inline]
    fn first_field_value<'h>(&'h self, name: &'h HeaderName) -> Option<&'h [u8]> {
        (**self).first_field_value(name)
    }

    fn query(&self) -> Option<&[u8]> {
        (**self).query()
    }

    fn peer(&self) -> Option<&Peer> {
        (**self).peer()
    }

    fn peer_advice(&self, with_names: bool) -> &'static str {
        (**self).peer_advice(with_names)
    }
}

impl<T: RequestHead + ?Sized> RequestHead for &mut T {
    #[inline]
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        (**self).field_values(name)
    }

    #[inline]
    fn first_field_value<'h>(&'h self, name: &'h HeaderName) -> Option<&'h [u8]> {
        (**self).first_field_value(name)
    }

    fn query(&self) -> Option<&[u8]> {
        (**self).query()
    }

    fn peer(&self) -> Option<&Peer> {
        (**self).peer()
    }

    fn peer_advice(&self, with_names: bool) -> &'static str {
        (**self).peer_advice(with_names)
    }
}

impl RequestHead for Parts {
    #[inline]
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        values_in(&self.headers, name)
    }

    #[inline]
    fn first_field_value<'h>(&'h self, name: &'h HeaderName) -> Option<&'h [u8]> {
        first_value_in(&self.headers, name)
    }

    fn query(&self) -> Option<&[u8]> {
        query_of(&self.uri)
    }

    fn peer(&self) -> Option<&Peer> {
        peer_in(&self.extensions)
    }

    fn peer_advice(&self, with_names: bool) -> &'static str {
        in_extensions(with_names)
    }
}

impl<B> RequestHead for Request<B> {
    #[inline]
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        values_in(self.headers(), name)
    }

    #[inline]
    fn first_field_value<'h>(&'h self, name: &'h HeaderName) -> Option<&'h [u8]> {
        first_value_in(self.headers(), name)
    }

    fn query(&self) -> Option<&[u8]> {
        query_of(self.uri())
    }

    fn peer(&self) -> Option<&Peer> {
        peer_in(self.extensions())
    }

    fn peer_advice(&self, with_names: bool) -> &'static str {
        in_extensions(with_names)
    }
}

#[inline]
fn values_in<'h>(fields: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    fields.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
}

#[inline]
fn first_value_in<'h>(fields: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    fields.get(name).map(http::HeaderValue::as_bytes)
}

fn query_of(uri: &Uri) -> Option<&[u8]> {
    uri.query().map(str::as_bytes)
}

fn peer_in(extensions: &Extensions) -> Option<&Peer> {
    extensions.get()
}

const fn in_extensions(with_names: bool) -> &'static str {
    if with_names {
        "put a `Peer` with the names in the client's verified certificate into the request's extensions: \
         `request.extensions_mut().insert(Peer::new(address).with_names(names))`"
    } else {
        "put a `Peer` into the request's extensions: `request.extensions_mut().insert(Peer::new(address))`"
    }
}
