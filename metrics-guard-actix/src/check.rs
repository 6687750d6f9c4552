//! Checks a request of actix-web.

use actix_web::{
    HttpRequest,
    http::header::{CACHE_CONTROL, HeaderMap, HeaderValue},
};
use http::HeaderName;
use metrics_guard_core::{Authorized, Guard, Peer, RequestHead};

use crate::refusal::Refusal;

/// Checks `request`. Without a guard, it logs an error, and the response is a 500.
pub(crate) fn check(guard: Option<&Guard>, request: &HttpRequest) -> Result<Authorized, Refusal> {
    let guard = guard.ok_or_else(Refusal::no_guard)?;
    Ok(guard.check(&Head::new(request))?)
}

/// Adds `Cache-Control: no-store` to the response to an allowed request, unless it has a `Cache-Control`.
pub(crate) fn set_no_store(headers: &mut HeaderMap) {
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

struct Head<'r> {
    request: &'r HttpRequest,
    connected: Peer,
}

impl<'r> Head<'r> {
    /// Reads the socket's address. actix-web's `realip_remote_addr` trusts a header that any client can send.
    fn new(request: &'r HttpRequest) -> Head<'r> {
        Head { request, connected: Peer::from_framework(request.peer_addr(), advice) }
    }
}

fn advice(with_names: bool) -> &'static str {
    if with_names {
        "put a `Peer` with the names in the client's verified certificate into the connection's data, in `on_connect` before \
         `bind`: `data.insert(Peer::new(address).with_names(names))`"
    } else {
        "bind to a TCP address, because a Unix socket has no addresses; with `TestRequest`, give the request an address: \
         `TestRequest::get().peer_addr(address)`"
    }
}

impl RequestHead for Head<'_> {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        self.request.headers().get_all(name.as_str()).map(HeaderValue::as_bytes)
    }

    fn query(&self) -> Option<&[u8]> {
        self.request.uri().query().map(str::as_bytes)
    }

    fn peer(&self) -> Option<&Peer> {
        // The connection's own `Peer` has precedence, because it can also have names.
        self.request.conn_data().or(Some(&self.connected))
    }
}
