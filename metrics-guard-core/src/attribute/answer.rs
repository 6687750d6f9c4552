//! Defines the response types of a function under `#[guard_metrics(guard = ..)]`.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use http::Response;

use crate::{authorized::Authorized, denied::Denied};

/// Describes a response type: the macro builds the response to a rejected request as this type, and adds `no-store` to others.
///
/// It is implemented for `Response<B>` if `B` has a default, and for a `Result` of it. It is also implemented for a boxed
/// future or a `Ready` of either, because `#[async_trait]` and hyper's services return these. For a custom response type,
/// implement it, or name a function: `#[guard_metrics(guard = .., denied = function)]`.
///
/// ```
/// use std::sync::LazyLock;
/// use http::{Request, Response, StatusCode};
/// use metrics_guard_core::{Guard, Key, guard_metrics};
///
/// # static SECRET: LazyLock<String> =
/// #     LazyLock::new(|| format!("{:016x}{:016x}", getrandom::u64().unwrap(), getrandom::u64().unwrap()));
/// // In production: `Guard::from_env`.
/// static GUARD: LazyLock<Guard> = LazyLock::new(|| Guard::new(Key::new(&*SECRET).unwrap()));
///
/// #[guard_metrics(guard = GUARD)]
/// fn metrics(request: &Request<()>) -> Result<Response<String>, std::fmt::Error> {
///     Ok(Response::new("up 1\n".to_owned()))
/// }
///
/// let scrape = Request::get("/metrics").header("X-Metrics-Key", &*SECRET).body(())?;
/// assert_eq!(metrics(&scrape)?.headers()["Cache-Control"], "no-store");
///
/// let stranger = Request::get("/metrics").body(())?;
/// assert_eq!(metrics(&stranger)?.status(), StatusCode::UNAUTHORIZED);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`#[guard_metrics]` cannot build a rejection of type `{Self}`",
    label = "a rejection would need this type",
    note = "return `Response<B>` where `B: Default`, such as `Response<String>`, a `Result` of it, or a `Pin<Box<dyn Future>>` or `Ready` of either",
    note = "or write `#[guard_metrics(guard = .., denied = function)]`, with a function from `Denied` to this type"
)]
pub trait Answer: Sized {
    /// Adds `no-store` to the response of a handler, which ran because the check allowed the request: see
    /// [`Authorized::set_no_store`]. An `Err` of the handler stays as it is, because the guard does not know the response
    /// that the server makes of it.
    ///
    /// For a rejected request, no handler ran. It then returns the response of the rejection.
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
    fn returns_the_rejection_and_adds_no_store_to_an_allowed_response() {
        let rejected = Response::<String>::guarded(Err(Denied::WRONG));
        assert_eq!(rejected.status(), StatusCode::UNAUTHORIZED);
        let allowed = Response::guarded(Ok((Response::new("up 1".to_owned()), Authorized::WITHOUT_A_KEY)));
        assert_eq!((allowed.status(), allowed.body().as_str()), (StatusCode::OK, "up 1"));
        assert_eq!(allowed.headers()[CACHE_CONTROL], "no-store");
    }
}
