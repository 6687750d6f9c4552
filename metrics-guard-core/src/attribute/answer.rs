//! The response types of a function under `#[guard_metrics(guard = ..)]`.
//!
//! ```
//! use std::sync::LazyLock;
//! use http::{Request, Response, StatusCode};
//! use metrics_guard_core::{Guard, Key, guard_metrics};
//!
//! # static SECRET: LazyLock<String> =
//! #     LazyLock::new(|| format!("{:016x}{:016x}", getrandom::u64().unwrap(), getrandom::u64().unwrap()));
//! // In production: `Guard::from_env`.
//! static GUARD: LazyLock<Guard> = LazyLock::new(|| Guard::new(Key::new(&*SECRET).unwrap()));
//!
//! #[guard_metrics(guard = GUARD)]
//! fn metrics(request: &Request<()>) -> Result<Response<String>, std::fmt::Error> {
//!     Ok(Response::new("up 1\n".to_owned()))
//! }
//!
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", &*SECRET).body(())?;
//! assert_eq!(metrics(&scrape)?.headers()["Cache-Control"], "no-store");
//!
//! let stranger = Request::get("/metrics").body(())?;
//! assert_eq!(metrics(&stranger)?.status(), StatusCode::UNAUTHORIZED);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use http::Response;

use crate::{authorized::Authorized, denied::Denied};

/// A response type: the macro can build the refusal as this type and add `no-store` to it.
///
/// Implemented for `Response<B>` with a body that has a default, for a `Result` of it, and for a boxed future or a `Ready` of
/// either, as `#[async_trait]` and hyper's services return. Implement it for a custom response type, or name a function:
/// `#[guard_metrics(guard = .., denied = function)]`.
#[diagnostic::on_unimplemented(
    message = "`#[guard_metrics]` cannot make a refusal of `{Self}`",
    label = "not a response that can be made here",
    note = "return `Response<B>` where `B: Default`, a `Result` of it, or a `Pin<Box<dyn Future>>` or `Ready` of either",
    note = "or say how: `#[guard_metrics(guard = .., denied = function)]`, with a function from `Denied` to this type"
)]
pub trait Answer {
    /// Returns the response to a rejected request.
    fn refusal(denied: Denied) -> Self;

    /// Returns this response to an authorized request, with `no-store`: see [`Authorized::set_no_store`]. An `Err` stays
    /// as it is, because the guard does not know the response that the server makes of it.
    #[must_use]
    fn unstored(self, authorized: &Authorized) -> Self;
}

impl<B: Default> Answer for Response<B> {
    fn refusal(denied: Denied) -> Response<B> {
        denied.into_response()
    }

    fn unstored(mut self, authorized: &Authorized) -> Response<B> {
        authorized.set_no_store(self.headers_mut());
        self
    }
}

impl<A: Answer, E> Answer for Result<A, E> {
    fn refusal(denied: Denied) -> Result<A, E> {
        Ok(A::refusal(denied))
    }

    fn unstored(self, authorized: &Authorized) -> Result<A, E> {
        self.map(|answer| answer.unstored(authorized))
    }
}

macro_rules! implement_for_boxed_futures {
    ($($future:ty),+) => {$(
        impl<'f, A: Answer + 'f> Answer for Pin<Box<$future>> {
            fn refusal(denied: Denied) -> Self {
                Box::pin(async move { A::refusal(denied) })
            }

            fn unstored(self, authorized: &Authorized) -> Self {
                let authorized = authorized.copy();
                Box::pin(async move { self.await.unstored(&authorized) })
            }
        }
    )+};
}

implement_for_boxed_futures!(dyn Future<Output = A> + Send + 'f, dyn Future<Output = A> + 'f);

impl<A: Answer> Answer for Ready<A> {
    fn refusal(denied: Denied) -> Ready<A> {
        ready(A::refusal(denied))
    }

    fn unstored(self, authorized: &Authorized) -> Ready<A> {
        ready(self.into_inner().unstored(authorized))
    }
}
