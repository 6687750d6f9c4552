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

/// A response type: the macro can build the response to a rejected request as this type, and add `no-store` to the others.
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
pub trait Answer: Sized {
    /// Returns the response of a handler that ran because the check authorized the request, with `no-store`: see
    /// [`Authorized::set_no_store`]. An `Err` of the handler stays as it is, because the guard does not know the response
    /// that the server makes of it.
    ///
    /// For a rejected request, for which no handler ran, returns the response that says so.
    fn guarded(handled: Result<(Self, Authorized), Denied>) -> Self;
}

impl<B: Default> Answer for Response<B> {
    fn guarded(handled: Result<(Response<B>, Authorized), Denied>) -> Response<B> {
        match handled {
            Ok((mut response, authorized)) => {
                authorized.set_no_store(response.headers_mut());
                response
            }
            Err(denied) => denied.into_response(),
        }
    }
}

impl<A: Answer, E> Answer for Result<A, E> {
    fn guarded(handled: Result<(Result<A, E>, Authorized), Denied>) -> Result<A, E> {
        Ok(A::guarded(match handled {
            Ok((result, authorized)) => Ok((result?, authorized)),
            Err(denied) => Err(denied),
        }))
    }
}

macro_rules! implement_for_boxed_futures {
    ($($future:ty),+) => {$(
        impl<'f, A: Answer + 'f> Answer for Pin<Box<$future>> {
            fn guarded(handled: Result<(Self, Authorized), Denied>) -> Self {
                Box::pin(async move {
                    A::guarded(match handled {
                        Ok((future, authorized)) => Ok((future.await, authorized)),
                        Err(denied) => Err(denied),
                    })
                })
            }
        }
    )+};
}

implement_for_boxed_futures!(dyn Future<Output = A> + Send + 'f, dyn Future<Output = A> + 'f);

impl<A: Answer> Answer for Ready<A> {
    fn guarded(handled: Result<(Ready<A>, Authorized), Denied>) -> Ready<A> {
        ready(A::guarded(handled.map(|(answer, authorized)| (answer.into_inner(), authorized))))
    }
}

#[cfg(test)]
mod tests {
    use http::{Response, StatusCode, header::CACHE_CONTROL};

    use super::Answer;
    use crate::{Authorized, Denied};

    #[test]
    fn a_rejection_is_the_answer_and_an_answer_that_is_allowed_is_not_stored() {
        let rejected = Response::<String>::guarded(Err(Denied::WRONG));
        assert_eq!(rejected.status(), StatusCode::UNAUTHORIZED);
        let allowed = Response::guarded(Ok((Response::new("up 1".to_owned()), Authorized::WITHOUT_A_KEY)));
        assert_eq!((allowed.status(), allowed.body().as_str()), (StatusCode::OK, "up 1"));
        assert_eq!(allowed.headers()[CACHE_CONTROL], "no-store");
    }
}
