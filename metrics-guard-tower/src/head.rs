//! A request as the guard sees it: with the other end where axum puts that.
//!
//! ```
//! use http::Request;
//! use metrics_guard_tower::{Guard, Key, MetricsGuardLayer, Peer};
//! use tower::{Layer, ServiceExt};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # tokio::runtime::Runtime::new()?.block_on(async {
//!
//! let guard = Guard::builder(Key::new(secret)?).allow_networks(["10.0.0.0/8"])?.build();
//! let service = MetricsGuardLayer::new(guard)
//!     .layer(tower::service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(http::Response::new(())) }));
//!
//! // Peer, which whoever accepts connections puts there; with axum, `ConnectInfo<SocketAddr>` will do, or in a test `MockConnectInfo`.
//! let from = |address: [u8; 4]| {
//!     Request::get("/metrics").header("X-Metrics-Key", secret).extension(Peer::new((address, 9090).into())).body(())
//! };
//! assert_eq!(service.clone().oneshot(from([10, 1, 2, 3])?).await?.status(), 200);
//! assert_eq!(service.oneshot(from([192, 0, 2, 1])?).await?.status(), 403);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{any::type_name, cell::OnceCell};

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

/// A head, and the other end of its connection if that is found elsewhere than the core looks for it.
pub(crate) struct Head<'r, R> {
    request: &'r R,
    extensions: &'r Extensions,
    connected: OnceCell<Peer>,
}

impl<'r, R> Head<'r, R> {
    pub(crate) const fn new(request: &'r R, extensions: &'r Extensions) -> Head<'r, R> {
        Head { request, extensions, connected: OnceCell::new() }
    }

    #[cfg(feature = "axum")]
    fn connected(&self) -> Option<&Peer> {
        use std::net::SocketAddr;

        use axum::extract::{ConnectInfo, connect_info::MockConnectInfo};

        // As axum's own extractor reads them: a mock counts only where there is no address of a connection.
        let connected = self.extensions.get().map(|ConnectInfo::<SocketAddr>(address)| *address);
        let mocked = || self.extensions.get().map(|MockConnectInfo::<SocketAddr>(address)| *address);
        let address = connected.or_else(mocked)?;
        Some(self.connected.get_or_init(|| Peer::new(address)))
    }

    #[cfg(not(feature = "axum"))]
    fn connected(&self) -> Option<&Peer> {
        // Nobody else puts an address where the core does not look: this is none.
        let _ = self.extensions;
        self.connected.get()
    }
}

impl<R: RequestHead> RequestHead for Head<'_, R> {
    #[inline]
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        self.request.field_values(name)
    }

    #[inline]
    fn first_field_value<'h>(&'h self, name: &'h HeaderName) -> Option<&'h [u8]> {
        self.request.first_field_value(name)
    }

    fn query(&self) -> Option<&[u8]> {
        self.request.query()
    }

    fn peer(&self) -> Option<&Peer> {
        // A peer says more than an address: it may have names.
        self.request.peer().or_else(|| self.connected())
    }

    fn peer_advice(&self, with_names: bool) -> &'static str {
        // Who serves shows only in the type of the request's body, and an extractor, which is given none, is axum's.
        let request = type_name::<R>();
        if with_names {
            self.request.peer_advice(true)
        } else if request.contains("tonic::") {
            TONIC
        } else if request.contains("axum_core::") || request == type_name::<http::request::Parts>() {
            AXUM
        } else {
            self.request.peer_advice(false)
        }
    }
}
