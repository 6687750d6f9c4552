//! Reads a request head, whose client's address can also come from axum.

use std::{any::type_name, cell::OnceCell, net::SocketAddr};

use http::{Extensions, HeaderName};
use metrics_guard_core::{Peer, RequestHead};

const AXUM: &str = if cfg!(feature = "axum") {
    "on axum 0.8, serve with `app.into_make_service_with_connect_info::<SocketAddr>()`; elsewhere, put a `Peer` into the \
     request's extensions: `request.extensions_mut().insert(Peer::new(address))`"
} else {
    "on axum 0.8, use the feature `axum` of metrics-guard-tower, and serve with \
     `app.into_make_service_with_connect_info::<SocketAddr>()`; elsewhere, put a `Peer` into the request's extensions: \
     `request.extensions_mut().insert(Peer::new(address))`"
};
const TONIC: &str = "on tonic, put a `Peer` with the address of `TcpConnectInfo` into the request's extensions: \
                     `request.extensions_mut().insert(Peer::new(address))`";

const WITH_NAMES: &str = "put a `Peer` with the names in the client's verified certificate into the request's extensions: \
                          `request.extensions_mut().insert(Peer::new(address).with_names(names))`";

/// Returns the instruction for the server of requests `R`. Only the type of the body shows which server it is.
fn advice<R>(with_names: bool) -> &'static str {
    if with_names {
        WITH_NAMES
    } else if type_name::<R>().contains("tonic::") {
        TONIC
    } else {
        AXUM
    }
}

/// A request head. Its client comes from the core or, if the core has none, from axum.
pub(crate) struct Head<'r, R> {
    request: &'r R,
    extensions: &'r Extensions,
    connected: OnceCell<Peer>,
}

impl<'r, R> Head<'r, R> {
    pub(crate) const fn new(request: &'r R, extensions: &'r Extensions) -> Head<'r, R> {
        Head { request, extensions, connected: OnceCell::new() }
    }
}

/// Returns the address like axum's own extractor: a mock counts only without the address of a connection.
#[cfg(feature = "axum")]
fn address(extensions: &Extensions) -> Option<SocketAddr> {
    use axum::extract::{ConnectInfo, connect_info::MockConnectInfo};

    let connected = extensions.get().map(|ConnectInfo::<SocketAddr>(address)| *address);
    connected.or_else(|| extensions.get().map(|MockConnectInfo::<SocketAddr>(address)| *address))
}

#[cfg(not(feature = "axum"))]
const fn address(_: &Extensions) -> Option<SocketAddr> {
    None
}

impl<R: RequestHead> RequestHead for Head<'_, R> {
    #[inline]
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        self.request.field_values(name)
    }

    fn query(&self) -> Option<&[u8]> {
        self.request.query()
    }

    fn peer(&self) -> Option<&Peer> {
        // A `Peer` has precedence, because it can also have names.
        let connected = || Peer::from_framework(address(self.extensions), advice::<R>);
        self.request.peer().or_else(|| Some(self.connected.get_or_init(connected)))
    }
}
