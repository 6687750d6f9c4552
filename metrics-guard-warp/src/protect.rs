//! The guard as filters: around your own route, or before third-party routes.
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
//! let routes = guard
//!     .protect(warp::path!("metrics"), warp::get().map(metrics))
//!     .or(warp::path::param().map(|page: String| format!("the page {page}\n")));
//!
//! let scrape = warp::test::request().path("/metrics").header("X-Metrics-Key", secret).reply(&routes).await;
//! assert_eq!(scrape.body(), "up 1\n");
//!
//! // The refusal is a reply: what stands behind `or` does not get to answer.
//! let stranger = warp::test::request().path("/metrics").reply(&routes).await;
//! assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(stranger.body(), "Unauthorized\n");
//! # Ok::<(), metrics_guard_warp::ConfigError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

/// A [`Guard`] as Warp filters. Cheap to clone.
///
/// What it lends itself to is [`protect`](MetricsGuard::protect). There is deliberately no filter that rejects: in
/// Warp, a rejection lets the next route of an `or` answer.
#[derive(Debug, Clone)]
pub struct MetricsGuard(Guard);

impl MetricsGuard {
    /// A guard as the environment describes it: see [`Guard::from_env`].
    ///
    /// # Errors
    ///
    /// As for [`Guard::from_env`]. Do not serve then.
    pub fn from_env() -> Result<MetricsGuard, ConfigError> {
        Guard::from_env().map(MetricsGuard)
    }

    /// A guard that the program built.
    #[must_use]
    pub fn with(guard: Guard) -> MetricsGuard {
        MetricsGuard(guard)
    }

    /// The guard: for its keys, and for checks elsewhere.
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.0
    }

    /// A route in two parts: `path` decides whether the guard runs, and `rest` runs only if it lets the request pass.
    ///
    /// `path` holds the filters that say which requests this is about, which is those of `warp::path` and no other: a
    /// request that one of them rejects was not guarded, and can be answered by another route. `rest` holds the method,
    /// extractors and a handler with [`#[guard_metrics]`](crate::guard_metrics), put there by `map` also where it is
    /// `async`. Path parameters are extracted in `rest`.
    ///
    /// The refusal is a reply and not a rejection, so that no `or` behind it can answer instead. Rejections of `path` and
    /// of `rest` pass on as they are.
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

    /// A gate in front of routes that have no handler of yours: it guards `path` and all paths below it, in every spelling.
    ///
    /// The gate replies if the path is guarded and the check rejects the request. Otherwise it rejects with not found, so
    /// that the routes behind an `or` answer. It must come first:
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
    /// spellings, and what is not covered, such as symbolic links. Behind `warp::path("app").and(..)`, the gate guards a
    /// request if the whole path or the rest behind `/app` is covered.
    ///
    /// The gate adds no `Cache-Control` to the answers of the routes behind it.
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

    /// A gate for exact routes: it guards the requests that `path` matches, and no other spelling of their path.
    ///
    /// Use [`gate_path`](MetricsGuard::gate_path) unless each route behind the gate begins with the same filters of
    /// `warp::path`. In front of routes that decode the path, such as `warp::fs::dir`, this gate is open: it guards `/metrics`
    /// and not `//metrics` or `/%6detrics`.
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
    /// The answers of those routes are theirs, and get no `Cache-Control` from here. Nor does a gate, or
    /// [`protect`](MetricsGuard::protect), have a say in what a filter around it, such as `with`, does to its answers.
    #[must_use = "a gate closes nothing until it stands in front of the routes"]
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

/// Matches if `guarded` covers the whole path of a request, or the rest that filters in front have not matched.
///
/// `warp::path::full` and `warp::path::peek` panic for a target without a path, such as `GET localhost:80`, since http 1.4.1
/// knows no empty path. A log has the whole path all the same. It is called as soon as its filter is done, in the same poll
/// and on the same thread as the `map` behind it.
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

/// A refusal on its way through the filters of one `protect`, which it does not leave.
#[derive(Debug)]
struct Refused(Denied, Method);

impl Reject for Refused {}

fn refusal(denied: Denied, method: &Method) -> Response {
    let mut response: Response = denied.into_response();
    *response.body_mut() = denied.body().into_response().into_body();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer(response, method)
}

/// `response`, without its body in answer to a HEAD: over HTTP/2, hyper would send it, and the client take that for an
/// error.
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
    /// A parameter of what no other crate shall implement or call: it has no name there. A trait above the two would seal
    /// them as well, but then the compiler's errors are about that one.
    #[derive(Debug)]
    pub struct Seal;
}

/// What may follow the guard in [`protect`](MetricsGuard::protect): a filter that ends in a handler under lock.
///
/// Every such filter has it, and nothing else can.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not end in a `#[guard_metrics]` handler",
    note = "write `guard.protect(warp::path!(\"metrics\"), warp::get().map(handler))`, with `#[guard_metrics]` on `handler`"
)]
pub trait Rest<E, F> {
    /// The filter, with the one error that filters of a route have.
    #[doc(hidden)]
    fn into_rest(
        self,
        seal: sealed::Seal,
    ) -> impl Filter<Extract = (Locked<F>,), Error = Rejection> + Clone + Send + Sync + 'static;
}

// E tells the two apart: a filter has one error. `any()`, which a `rest` may begin with, has `Infallible`.

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

/// What a handler may return: a [`Reply`], or a `Result` of one with a [`Rejection`].
///
/// Both have it, and nothing else can.
#[diagnostic::on_unimplemented(
    message = "a `#[guard_metrics]` handler cannot return `{Self}`",
    note = "return `impl Reply`, or `Result<impl Reply, Rejection>`"
)]
pub trait Outcome<O> {
    /// The response, or the rejection.
    ///
    /// # Errors
    ///
    /// The handler's rejection.
    #[doc(hidden)]
    fn into_result(self, seal: sealed::Seal) -> Result<Response, Rejection>;
}

// O tells the two apart: Warp might make a reply of a rejection some day.

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
