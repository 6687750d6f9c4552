//! Defines the part of a request that a check reads.

use std::fmt::Debug;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, request::Parts};

use crate::peer::Peer;

/// The part of a request that a check reads: header values, the query, and the client.
///
/// [`http::Request`] and [`http::request::Parts`] implement it, with the client as a [`Peer`] in their extensions.
/// [`request_head`] makes one from separate headers and a URI. For a server with its own request type, implement it for a type
/// that borrows the request. Do not allocate there, because a check allocates nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the head of a request",
    note = "pass a request of the crate `http` by one reference, as in `guard.check(request)`, or implement `RequestHead`"
)]
pub trait RequestHead {
    /// Returns the value of each header line named `name`, in the order received (RFC 9110, section 5.3).
    ///
    /// Compare names without case: `name` is in lower case, and a received name can have capitals. Return one item for each
    /// line, with every byte that was received, and do not split values at commas. The guard rejects a repeated
    /// `Authorization` only if it sees both lines.
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]>;

    /// Returns the query of the request target without `?`, as received and not percent-decoded.
    fn query(&self) -> Option<&[u8]>;

    /// Returns the client, if the server knows it.
    ///
    /// A check can call this twice, so return the same client each time.
    fn peer(&self) -> Option<&Peer>;
}

/// Returns the head of a request whose headers and URI are of the crate `http` and are stored separately. `peer` is the client,
/// if the server knows it. The returned type has no name, so store the parts and not the head.
///
/// ```
/// use http::{HeaderMap, HeaderValue, Uri};
/// use metrics_guard_core::{Guard, Key, Peer, request_head};
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
///
/// let guard = Guard::builder(Key::new(secret)?).allow_networks(["10.0.0.0/8"])?.build();
/// let uri = Uri::from_static("/metrics");
/// let mut headers = HeaderMap::new();
/// headers.insert("X-Metrics-Key", HeaderValue::from_str(secret)?);
///
/// let scraper = Peer::new(([10, 1, 2, 3], 40000).into());
/// assert!(guard.check(&request_head(&headers, &uri, Some(&scraper))).is_ok());
///
/// let stranger = Peer::new(([203, 0, 113, 7], 40000).into());
/// assert!(guard.check(&request_head(&headers, &uri, Some(&stranger))).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn request_head<'r>(
    headers: &'r HeaderMap,
    uri: &'r Uri,
    peer: Option<&'r Peer>,
) -> impl RequestHead + Copy + Debug + use<'r> {
    Separate { headers, uri, peer }
}

#[derive(Debug, Clone, Copy)]
struct Separate<'r> {
    headers: &'r HeaderMap,
    uri: &'r Uri,
    peer: Option<&'r Peer>,
}

macro_rules! implement {
    ($([$($generic:ident)?] $type:ty: |$head:ident| $headers:expr, $uri:expr, $peer:expr;)+) => {$(
        impl$(<$generic>)? RequestHead for $type {
            #[inline]
            fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
                let $head = self;
                $headers.get_all(name).into_iter().map(HeaderValue::as_bytes)
            }

            fn query(&self) -> Option<&[u8]> {
                let $head = self;
                $uri.query().map(str::as_bytes)
            }

            fn peer(&self) -> Option<&Peer> {
                let $head = self;
                $peer
            }
        }
    )+};
}

implement! {
    [] Separate<'_>: |head| head.headers, head.uri, head.peer;
    [] Parts: |parts| parts.headers, parts.uri, parts.extensions.get();
    [B] Request<B>: |request| request.headers(), request.uri(), request.extensions().get();
}
