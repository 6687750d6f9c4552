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
//! // Peer, which whoever accepts connections puts there; with axum, `ConnectInfo<SocketAddr>` will do.
//! let from = |address: [u8; 4]| {
//!     Request::get("/metrics").header("X-Metrics-Key", secret).extension(Peer::at((address, 9090).into())).body(())
//! };
//! assert_eq!(service.clone().oneshot(from([10, 1, 2, 3])?).await?.status(), 200);
//! assert_eq!(service.oneshot(from([192, 0, 2, 1])?).await?.status(), 403);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cell::OnceCell;

use http::{Extensions, HeaderName};
use metrics_guard_core::{Peer, RequestHead};

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
        let info = self.extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()?;
        Some(self.connected.get_or_init(|| Peer::at(info.0)))
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
}
