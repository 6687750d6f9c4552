//! Describes the client as the server that holds the connection knows it: its address, and the names in its certificate.

use std::{fmt, net::SocketAddr, sync::Arc};

/// The client of a connection, as the server that accepted the connection knows it.
///
/// A server puts one into each request's extensions, or returns it from [`RequestHead::peer`](crate::RequestHead::peer).
/// Headers such as `X-Forwarded-For` and `Client-Cert` have no place here, because any client can write them.
///
/// ```
/// use metrics_guard_core::{ClientName, Peer, RequestHead};
/// # let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9090));
///
/// // With TLS and a verified client certificate, also the names in the certificate.
/// let peer = Peer::new(address).with_names([ClientName::dns("prometheus.example")]);
///
/// let mut request = http::Request::get("/metrics").body(())?;
/// request.extensions_mut().insert(peer);
/// assert_eq!(request.peer().and_then(Peer::address), Some(address));
/// # Ok::<(), http::Error>(())
/// ```
///
/// A clone is cheap: make one `Peer` for a connection, and give each of its requests a clone.
///
/// Two peers are equal if they have the same address and the same names.
#[derive(Clone)]
pub struct Peer {
    address: Option<SocketAddr>,
    // `None` if the server has not provided any names. An empty list means a client without a certificate.
    names: Option<Arc<[ClientName]>>,
    advice: Advice,
}

/// Returns the instruction for the server's developer: how to provide the address, or with `true`, the names too.
type Advice = fn(bool) -> &'static str;

fn general_advice(with_names: bool) -> &'static str {
    if with_names {
        "put a `Peer` with the names in the client's verified certificate into the request's extensions: \
         `request.extensions_mut().insert(Peer::new(address).with_names(names))`; or return it from your `RequestHead::peer`"
    } else {
        "put a `Peer` into the request's extensions: `request.extensions_mut().insert(Peer::new(address))`; or return it \
         from your `RequestHead::peer`"
    }
}

impl Peer {
    /// Returns the client at `address`, which the server got from `accept`.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Peer {
        Peer::from_framework(Some(address), general_advice)
    }

    /// Returns a client as the adapter of a framework knows it. No allowed network contains a client without an address.
    ///
    /// If the framework did not provide what the guard needs, the [warning](crate::GuardBuilder::on_warning) at the first
    /// rejection shows the instruction of `advice`: how the framework provides the address, or with `true`, the address and
    /// the names in the client's certificate.
    #[doc(hidden)]
    #[must_use]
    pub const fn from_framework(address: Option<SocketAddr>, advice: fn(bool) -> &'static str) -> Peer {
        Peer { address, names: None, advice }
    }

    /// Adds the names in the client certificate.
    ///
    /// Pass only names from a certificate that the TLS layer has verified. Its chain must end in a CA that is trusted for
    /// clients, and the client must have proved that it holds the private key. If a client presented no certificate, pass an
    /// empty list. Otherwise a guard that requires a name warns that the server provides none.
    #[must_use]
    pub fn with_names(self, names: impl IntoIterator<Item = ClientName>) -> Peer {
        Peer { names: Some(names.into_iter().collect()), ..self }
    }

    /// Returns the socket address. Returns `None` if the client has no address, for example at a Unix socket, or if the
    /// server does not know it.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the names in the client certificate. Empty without a certificate.
    #[must_use]
    pub fn names(&self) -> &[ClientName] {
        self.names.as_deref().unwrap_or_default()
    }

    /// Returns whether the server has provided both the address and the names, which can be an empty list. Names alone do not
    /// count, because an adapter can add an empty list without knowing the client.
    pub(crate) const fn is_complete(&self) -> bool {
        self.address.is_some() && self.names.is_some()
    }

    /// Returns the instruction for the server's developer: how to provide the address, or the address and the names.
    pub(crate) fn advice(peer: Option<&Peer>, with_names: bool) -> &'static str {
        peer.map_or(general_advice as Advice, |peer| peer.advice)(with_names)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("address", &self.address).field("names", &self.names).finish_non_exhaustive()
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Peer) -> bool {
        self.address() == other.address() && self.names() == other.names()
    }
}

impl Eq for Peer {}

/// A name that a certificate gives to its holder (subject alternative name, RFC 5280, section 4.2.1.6).
///
/// The common name in a certificate's subject is not one of these names, because it can contain anything.
///
/// Two names are equal if they have the same kind and the same text. DNS names are compared case-insensitively (RFC 4343).
/// A `*` is an ordinary character and matches only itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientName(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Dns(Box<str>),
    Uri(Box<str>),
}

impl ClientName {
    /// Returns the DNS name `name`.
    #[must_use]
    pub fn dns(name: &str) -> ClientName {
        ClientName(Kind::Dns(name.to_ascii_lowercase().into()))
    }

    /// Returns the URI `uri`, such as a SPIFFE ID: `spiffe://example.org/ns/monitoring/sa/prometheus`.
    #[must_use]
    pub fn uri(uri: &str) -> ClientName {
        ClientName(Kind::Uri(uri.into()))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kind::Dns(name) | Kind::Uri(name) => name,
        }
    }
}

/// Escapes control characters, because the client chose the name when it requested the certificate.
impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_str().escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientName, Peer};

    #[test]
    fn compares_peers_by_address_and_names() {
        let peer = Peer::new(([10, 1, 2, 3], 40000).into());
        assert_eq!(peer, peer.clone().with_names([]));
        assert_ne!(peer, peer.clone().with_names([ClientName::dns("a")]));
        assert_ne!(peer, Peer::new(([10, 1, 2, 3], 40001).into()));
        assert_eq!(Peer::from_framework(None, |_| "one"), Peer::from_framework(None, |_| "other"));
    }

    #[test]
    fn escapes_control_characters_in_a_client_name() {
        assert_eq!(ClientName::uri("a\r\n\u{1b}[31mb").to_string(), "a\\r\\n\\u{1b}[31mb");
    }
}
