//! Locks a handler: the locked value is no reply, and as a future it returns none, so no route without a guard can use it.

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

/// Holds the body of a handler with `#[guard_metrics]`, which has not run. Only a guard can run it.
#[must_use = "a guarded handler does nothing until a guard unlocks it"]
pub struct Locked<F>(F);

impl<F: Future> Locked<F> {
    /// Locks `body`. Only expansions of `#[guard_metrics]` call this.
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

/// The output of a locked handler in a route that uses it as a future, with `then` or `and_then`. It holds nothing, and is no
/// reply.
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
    /// No type implements this. It gives the compiler a message for a route that needs a reply.
    #[diagnostic::on_unimplemented(
        message = "this `#[guard_metrics]` handler is not behind a guard",
        label = "this route has an unguarded metrics handler",
        note = "pass it to a guard: `guard.protect(warp::path!(\"metrics\"), warp::get().map(handler))`"
    )]
    pub trait BehindAGuard {}
}

// No code can use these implementations, because no type meets their bound. If one did by mistake, the reply would have no
// content.

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
