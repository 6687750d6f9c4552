//! Builds filters from the guard: around your own route, or before third-party routes.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, ready},
};

use http_body::Body;
use metrics_guard_core::{Authorized, ConfigError, Denied, Guard, GuardedPath};
use warp::{
    Filter, Rejection, Reply,
    http::{
        HeaderValue, Method,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    path::Peek,
    reject::{self, Reject},
    reply::Response,
};

use crate::{
    head::{Head, head},
    locked::Locked,
};

/// Provides a [`Guard`] as Warp filters. Cloning it is cheap.
///
/// Use [`protect`](MetricsGuard::protect) for your own route. No filter rejects a request with a Warp rejection, because the
/// next route of an `or` could then respond.
#[derive(Debug, Clone)]
pub struct MetricsGuard(Guard);

impl MetricsGuard {
    /// Builds the guard that the environment describes: see [`Guard::from_env`].
    ///
    /// # Errors
    ///
    /// The errors of [`Guard::from_env`]. The service must not start then.
    pub fn from_env() -> Result<MetricsGuard, ConfigError> {
        Guard::from_env().map(MetricsGuard)
    }

    /// Wraps a guard that the program built.
    #[must_use]
    pub fn with(guard: Guard) -> MetricsGuard {
        MetricsGuard(guard)
    }

    /// Returns the guard, for access to its keys and for checks elsewhere.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.0
    }

    /// Guards a route of two parts: `path` decides whether the guard runs, and `rest` runs only if the guard allows the
    /// request.
    ///
    /// `path` has only filters of `warp::path`. If one of them rejects a request, the guard does not run, and another route
    /// can respond. `rest` has the method, the extractors and a handler with [`#[guard_metrics]`](crate::guard_metrics). Add
    /// the handler with `map`, even if it is `async`. Extract path parameters in `rest`.
    ///
    /// The guard replies to a request that it rejects, so that no route after an `or` can respond instead. Warp rejections of
    /// `path` and `rest` pass through unchanged.
    ///
    /// ```
    /// use metrics_guard_warp::{Guard, Key, MetricsGuard, guard_metrics};
    /// use warp::{Filter, http::StatusCode};
    ///
    /// #[guard_metrics]
    /// fn metrics() -> &'static str {
    ///     "up 1\n"
    /// }
    ///
    /// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let guard = MetricsGuard::with(Guard::new(Key::new(secret)?));
    /// let routes = guard
    ///     .protect(warp::path!("metrics"), warp::get().map(metrics))
    ///     .or(warp::path::param().map(|page: String| format!("the page {page}\n")));
    ///
    /// let scrape = warp::test::request().path("/metrics").header("X-Metrics-Key", secret).reply(&routes).await;
    /// assert_eq!(scrape.body(), "up 1\n");
    ///
    /// // The rejection is a reply, so the route after `or` does not respond.
    /// let stranger = warp::test::request().path("/metrics").reply(&routes).await;
    /// assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    /// assert_eq!(stranger.body(), "Unauthorized\n");
    /// # Ok::<(), metrics_guard_warp::ConfigError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "a route does nothing until it is served"]
    pub fn protect<P, R, E, F, O>(
        &self,
        path: P,
        rest: R,
    ) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<P, R, E, F, O>
    where
        P: Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static,
        R: Rest<E, F>,
        E: 'static,
        F: Future + Send + 'static,
        F::Output: Outcome<O>,
        O: 'static,
    {
        let guard = self.0.clone();
        let check = head(&guard)
            .and_then(move |head: Head| {
                ready(match guard.check(&head) {
                    Ok(authorized) => Ok((authorized, head.method)),
                    Err(denied) => Err(reject::custom(Refused(denied, head.method))),
                })
            })
            .untuple_one();
        path.and(check)
            .and(rest.into_rest(sealed::Seal))
            .and_then(|authorized: Authorized, method: Method, handler: Locked<F>| async move {
                let mut response = handler.unlock(&authorized).await.into_result(sealed::Seal)?;
                authorized.set_no_store(response.headers_mut());
                Ok::<_, Rejection>(answer(response, &method))
            })
            .recover(|rejection: Rejection| {
                ready(match rejection.find() {
                    Some(Refused(denied, method)) => Ok(refusal(*denied, method)),
                    None => Err(rejection),
                })
            })
            .unify()
    }

    /// Returns a gate for third-party routes. It guards `path` and all paths below it, in every spelling.
    ///
    /// The gate replies if the path is guarded and the check rejects the request. Otherwise it rejects with not found, so
    /// that the routes after an `or` respond. The gate must come first:
    ///
    /// ```
    /// use metrics_guard_warp::{Guard, Key, MetricsGuard};
    /// use warp::Filter;
    ///
    /// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
    /// # let folder = std::env::temp_dir();
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let guard = MetricsGuard::with(Guard::new(Key::new(secret)?));
    /// let routes = guard.gate_path("/metrics")?.or(warp::path("metrics").map(|| "up 1\n")).or(warp::fs::dir(folder));
    ///
    /// let scrape = warp::test::request().path("/metrics").header("X-Metrics-Key", secret).reply(&routes).await;
    /// assert_eq!(scrape.body(), "up 1\n");
    ///
    /// let stranger = warp::test::request().path("//%6detrics/x").reply(&routes).await;
    /// assert_eq!(stranger.status(), 401);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Routes such as `warp::fs::dir` decode the path, so that several spellings lead to one file. [`GuardedPath`] lists the
    /// spellings, and the cases that it does not cover, such as symbolic links. After `warp::path("app").and(..)`, the gate
    /// guards a request if the guarded path covers the whole path or the rest after `/app`.
    ///
    /// The gate adds no `Cache-Control` to the responses of the routes after it.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) if no request can have this path.
    pub fn gate_path(
        &self,
        path: &str,
    ) -> Result<
        impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<>,
        ConfigError,
    > {
        let guarded = GuardedPath::new(path)?;
        Ok(self.gate(leads_to(guarded)))
    }

    /// Returns a gate for exact routes. It guards the requests that `path` matches, and no other spelling of their path.
    ///
    /// Use [`gate_path`](MetricsGuard::gate_path) unless each route after the gate begins with the same filters of
    /// `warp::path`. Before routes that decode the path, such as `warp::fs::dir`, this gate is **not** safe: it guards
    /// `/metrics`, but not `//metrics` or `/%6detrics`.
    ///
    /// ```
    /// # use metrics_guard_warp::{Guard, Key, MetricsGuard};
    /// # use warp::{Filter, Reply, Rejection};
    /// # fn vendored() -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    /// #     warp::path!("metrics").map(|| "up 1\n")
    /// # }
    /// # let secret = format!("{:016x}{:016x}", getrandom::u64().unwrap(), getrandom::u64().unwrap());
    /// # let guard = MetricsGuard::with(Guard::new(Key::new(secret)?));
    /// let routes = guard.gate(warp::path("metrics")).or(vendored());
    /// # Ok::<(), metrics_guard_warp::ConfigError>(())
    /// ```
    ///
    /// The gate adds no `Cache-Control` to the responses of those routes. Neither a gate nor
    /// [`protect`](MetricsGuard::protect) controls how a filter around it, such as `with`, changes its responses.
    #[must_use = "a gate guards nothing until it is in front of the routes"]
    pub fn gate<P>(
        &self,
        path: P,
    ) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<P>
    where
        P: Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static,
    {
        let guard = self.0.clone();
        path.and(head(&guard)).and_then(move |head: Head| {
            ready(match guard.check(&head) {
                Ok(_) => Err(reject::not_found()),
                Err(denied) => Ok(refusal(denied, &head.method)),
            })
        })
    }
}

thread_local! {
    static COVERS_WHOLE: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Returns a filter that matches if `guarded` covers the whole path of a request, or the rest after the filters before it.
///
/// `warp::path::full` and `warp::path::peek` panic for a target without a path, such as `GET localhost:80`, because http
/// 1.4.1 rejects an empty path. A log still has the whole path. Warp calls it when its filter is done, in the same poll and
/// on the same thread as the `map` after it.
fn leads_to(guarded: GuardedPath) -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static {
    let whole = guarded.clone();
    let whole = warp::any()
        .map(warp::reply)
        .with(warp::log::custom(move |info| COVERS_WHOLE.set(Some(whole.covers(info.path())))))
        .map(|_| COVERS_WHOLE.take().unwrap_or(true));
    let rest = warp::path::peek().map(move |rest: Peek| guarded.covers(rest.as_str()));
    let rest = warp::path::end().map(|| false).or(rest).unify();
    let is_guarded = |whole, rest| ready(if whole || rest { Ok(()) } else { Err(reject::not_found()) });
    whole.and(rest).and_then(is_guarded).untuple_one()
}

/// A rejection inside the filters of one `protect`, which turns it into a reply.
#[derive(Debug)]
struct Refused(Denied, Method);

impl Reject for Refused {}

fn refusal(denied: Denied, method: &Method) -> Response {
    let mut response: Response = denied.into_response();
    *response.body_mut() = denied.body().into_response().into_body();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer(response, method)
}

/// Removes the body from the response to a HEAD request. Over HTTP/2, hyper would send the body, and the client would treat
/// it as an error.
fn answer(mut response: Response, method: &Method) -> Response {
    if *method == Method::HEAD {
        let body = std::mem::take(response.body_mut());
        if let Some(length) = body.size_hint().exact() {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
        }
    }
    response
}

mod sealed {
    /// A parameter of methods that no other crate may implement or call, because they cannot name this type. A supertrait
    /// would seal the traits too, but the compiler's errors would name the supertrait.
    #[derive(Debug)]
    pub struct Seal;
}

/// A filter that can follow the guard in [`protect`](MetricsGuard::protect), because it ends in a locked handler.
///
/// Every such filter implements this trait, and no other type can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not end in a `#[guard_metrics]` handler",
    note = "write `guard.protect(warp::path!(\"metrics\"), warp::get().map(handler))`, with `#[guard_metrics]` on `handler`"
)]
pub trait Rest<E, F> {
    /// Returns the filter with the error type of a route's filters.
    #[doc(hidden)]
    fn into_rest(
        self,
        seal: sealed::Seal,
    ) -> impl Filter<Extract = (Locked<F>,), Error = Rejection> + Clone + Send + Sync + 'static;
}

// `E` separates the two implementations, because a filter has one error type. A `rest` can begin with `any()`, which has
// `Infallible`.

impl<R, F> Rest<Rejection, F> for R
where
    R: Filter<Extract = (Locked<F>,), Error = Rejection> + Clone + Send + Sync + 'static,
    F: Send + 'static,
{
    fn into_rest(
        self,
        _: sealed::Seal,
    ) -> impl Filter<Extract = (Locked<F>,), Error = Rejection> + Clone + Send + Sync + 'static {
        self
    }
}

impl<R, F> Rest<Infallible, F> for R
where
    R: Filter<Extract = (Locked<F>,), Error = Infallible> + Clone + Send + Sync + 'static,
    F: Send + 'static,
{
    fn into_rest(
        self,
        _: sealed::Seal,
    ) -> impl Filter<Extract = (Locked<F>,), Error = Rejection> + Clone + Send + Sync + 'static {
        warp::any().and_then(|| ready(Ok::<(), Rejection>(()))).untuple_one().and(self)
    }
}

/// A type that a handler can return: a [`Reply`], or a `Result` of one with a [`Rejection`].
///
/// Both implement this trait, and no other type can.
#[diagnostic::on_unimplemented(
    message = "a `#[guard_metrics]` handler cannot return `{Self}`",
    note = "return `impl Reply`, or `Result<impl Reply, Rejection>`"
)]
pub trait Outcome<O> {
    /// Returns the response, or the rejection.
    ///
    /// # Errors
    ///
    /// The handler's Warp rejection.
    #[doc(hidden)]
    fn into_result(self, seal: sealed::Seal) -> Result<Response, Rejection>;
}

// `O` separates the two implementations, because a later Warp could implement `Reply` for `Rejection`.

impl<R: Reply> Outcome<Infallible> for R {
    fn into_result(self, _: sealed::Seal) -> Result<Response, Rejection> {
        Ok(self.into_response())
    }
}

impl<R: Reply> Outcome<Rejection> for Result<R, Rejection> {
    fn into_result(self, _: sealed::Seal) -> Result<Response, Rejection> {
        self.map(Reply::into_response)
    }
}
