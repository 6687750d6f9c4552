//! A handler under lock: no reply, and as a future one of nothing, so that no route without a guard can use it.
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
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let guard = MetricsGuard::with(Guard::new(Key::new(secret)?));
//! let routes = guard.protect(warp::path!("metrics"), warp::get().map(metrics));
//!
//! let scrape = warp::test::request().path("/metrics").header("X-Metrics-Key", secret).reply(&routes).await;
//! assert_eq!(scrape.body(), "up 1\n");
//!
//! let stranger = warp::test::request().path("/metrics").reply(&routes).await;
//! assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
//! # Ok::<(), metrics_guard_warp::ConfigError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use metrics_guard_core::Authorized;
use warp::{Reply, http::StatusCode, reply::Response};

/// What a handler under `#[guard_metrics]` returns: its body, not yet run, which only a guard can run.
#[must_use = "a guarded handler does nothing until a guard unlocks it"]
pub struct Locked<F>(F);

impl<F: Future> Locked<F> {
    /// Locks `body`. Called by what `#[guard_metrics]` writes.
    #[doc(hidden)]
    pub fn new(body: F) -> Locked<F> {
        Locked(body)
    }

    pub(crate) fn unlock(self, _proof: &Authorized) -> F {
        self.0
    }
}

impl<F> fmt::Debug for Locked<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locked")
    }
}

/// What a locked handler gives to a route that takes it for a future, by `then` or `and_then`: nothing, and nothing to
/// reply with.
pub struct Unguarded<F>(PhantomData<fn() -> F>);

impl<F> Future for Locked<F> {
    type Output = Result<Unguarded<F>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Unguarded(PhantomData)))
    }
}

impl<F> fmt::Debug for Unguarded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unguarded")
    }
}

mod sealed {
    /// No type has it. It is here so that the compiler says what is missing, where a route wants a reply.
    #[diagnostic::on_unimplemented(
        message = "this `#[guard_metrics]` handler is not behind a guard",
        label = "this route has an unguarded metrics handler",
        note = "pass it to a guard: `guard.protect(warp::path!(\"metrics\"), warp::get().map(handler))`"
    )]
    pub trait BehindAGuard {}
}

// Neither of these can be used: their bound is never met. Should it be by mistake, they tell nothing.

impl<F: Send> Reply for Locked<F>
where
    Locked<F>: sealed::BehindAGuard,
{
    fn into_response(self) -> Response {
        StatusCode::UNAUTHORIZED.into_response()
    }
}

impl<F> Reply for Unguarded<F>
where
    Unguarded<F>: sealed::BehindAGuard,
{
    fn into_response(self) -> Response {
        StatusCode::UNAUTHORIZED.into_response()
    }
}
