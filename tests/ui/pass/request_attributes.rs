//! Attributes of others below `#[guard_metrics]` on functions of custom servers: none of them can keep an answer that a check
//! did not allow, or serve a denial to the right key.

#![warn(clippy::all, clippy::pedantic, clippy::nursery)]
// What clippy says of these functions without `#[guard_metrics]` too, or of what the other attributes write.
#![allow(
    missing_docs,
    clippy::future_not_send,
    clippy::items_after_statements,
    clippy::needless_pass_by_value,
    clippy::redundant_pub_crate,
    clippy::significant_drop_tightening,
    clippy::unnecessary_wraps,
    clippy::unused_async,
    clippy::used_underscore_binding,
    clippy::used_underscore_items,
    clippy::wildcard_imports
)]

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration, // which `once(time = ..)` names
};

use cached::proc_macro::{cached, once};
use http::{Request, Response, StatusCode};
use metrics_guard_core::{Denied, Guard, Key, guard_metrics};

const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";

static GUARD: LazyLock<Guard> = LazyLock::new(|| Key::new(KEY).map_or_else(|_| Guard::disabled(), Guard::new));

/// Another body each time: the same one twice came from a cache.
fn fresh() -> Response<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    Response::new(format!("up {}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// The functions twice, since a cache that one order of requests has filled is of no use to the other.
macro_rules! twice {
    ($($tokens:tt)*) => {
        mod forward {
            use super::*;
            $($tokens)*
        }
        mod backward {
            use super::*;
            $($tokens)*
        }
    };
}

twice! {
    #[guard_metrics(guard = GUARD)]
    #[once]
    pub(crate) fn once_sync(request: &Request<()>) -> Response<String> {
        let _ = request;
        fresh()
    }

    #[guard_metrics(guard = GUARD)]
    #[once(time = 60)]
    pub(crate) async fn once_async(mut request: Request<()>) -> Response<String> {
        request.headers_mut().clear();
        tokio::task::yield_now().await;
        fresh()
    }

    #[guard_metrics(guard = GUARD)]
    #[once(time = 60, result = true)]
    pub(crate) fn once_result(request: &Request<()>) -> Result<Response<String>, fmt::Error> {
        let _ = request.uri().path_and_query().ok_or(fmt::Error)?;
        Ok(fresh())
    }

    #[guard_metrics(guard = GUARD, request = head)]
    #[once(time = 60, result = true)]
    pub(crate) async fn once_result_async(head: &Request<()>) -> Result<Response<String>, fmt::Error> {
        let _ = head.uri().path_and_query().ok_or(fmt::Error)?;
        Ok(fresh())
    }

    #[guard_metrics(guard = GUARD)]
    #[cached(key = "String", convert = r#"{ request.uri().path().to_owned() }"#)]
    pub(crate) fn by_path(request: &Request<()>) -> Response<String> {
        let _ = request;
        fresh()
    }

    #[guard_metrics(guard = GUARD)]
    #[cached(key = "String", convert = r#"{ request.uri().path().to_owned() }"#, result = true)]
    pub(crate) async fn by_path_async(request: &Request<()>) -> Result<Response<String>, fmt::Error> {
        let _ = request;
        Ok(fresh())
    }

    /// Between attributes that stay outside, and behind a condition.
    #[guard_metrics(guard = GUARD)]
    #[inline]
    #[cfg_attr(all(), must_use, cfg_attr(all(), once))]
    #[allow(clippy::must_use_candidate)]
    pub(crate) fn conditional(request: &Request<()>) -> Response<String> {
        let _ = request;
        fresh()
    }

    #[guard_metrics(guard = GUARD)]
    #[memoize::memoize(Ignore: request)]
    pub(crate) fn memoized(request: &Request<()>) -> Response<String> {
        let _ = request;
        fresh()
    }

    /// The parameter has the function's name, and its pattern is the user's.
    #[guard_metrics(guard = *metrics)]
    #[once]
    pub(crate) fn metrics(metrics: &Guard, request: &Request<()>, _limit: u8) -> Response<String> {
        let _ = (metrics, request);
        fresh()
    }
}

#[guard_metrics(guard = GUARD)]
#[tracing::instrument(skip_all)]
fn traced(request: &Request<()>) -> Response<String> {
    let _ = request;
    fresh()
}

#[guard_metrics(guard = GUARD)]
#[tracing::instrument(skip(request), err)]
async fn traced_async<B: Send>(request: Request<B>) -> Result<Response<String>, fmt::Error> {
    let _ = request.uri().path_and_query().ok_or(fmt::Error)?;
    Ok(fresh())
}

#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String)))]
#[guard_metrics(guard = GUARD)]
fn documented(request: &Request<()>) -> Response<String> {
    let _ = request;
    fresh()
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(documented))]
struct Api;

type Boxed<A> = Pin<Box<dyn Future<Output = A> + Send>>;

/// A service as hyper's is, and methods with attributes that are no macros.
struct Service {
    guard: Arc<Guard>,
}

impl Service {
    #[guard_metrics(guard = self.guard)]
    #[cfg_attr(all(), rustfmt::skip)]
    #[clippy::cognitive_complexity = "30"]
    #[inline]
    fn with_tools(&self, request: &Request<()>) -> Response<String> {
        let _ = request;
        fresh()
    }

    #[guard_metrics(guard = self.guard)]
    fn call(&self, request: Request<()>) -> Boxed<Result<Response<String>, fmt::Error>> {
        Box::pin(async move {
            let _ = request.uri().path_and_query().ok_or(fmt::Error)?;
            Ok(fresh())
        })
    }

    #[guard_metrics(guard = self.guard)]
    fn local<'r>(&'r self, request: &'r Request<()>) -> Pin<Box<dyn Future<Output = Response<String>> + 'r>> {
        Box::pin(async move {
            let _ = request;
            fresh()
        })
    }
}

#[async_trait::async_trait]
trait Handler {
    async fn handle(&self, request: &Request<()>) -> Response<String>;
    async fn fallible<B: Send + 'static>(&mut self, request: Request<B>) -> Result<Response<String>, fmt::Error>;
    async fn with(guard: &Guard, request: Request<()>) -> Result<Response<String>, StatusCode>;
}

#[async_trait::async_trait]
impl Handler for Service {
    #[guard_metrics(guard = self.guard)]
    async fn handle(&self, request: &Request<()>) -> Response<String> {
        let _ = request;
        tokio::task::yield_now().await;
        fresh()
    }

    #[guard_metrics(guard = self.guard)]
    async fn fallible<B: Send + 'static>(&mut self, request: Request<B>) -> Result<Response<String>, fmt::Error> {
        let _ = request.uri().path_and_query().ok_or(fmt::Error)?;
        if request.headers().is_empty() {
            return Err(fmt::Error);
        }
        Ok(fresh())
    }

    #[guard_metrics(guard = guard, denied = boxed)]
    async fn with(guard: &Guard, request: Request<()>) -> Result<Response<String>, StatusCode> {
        let _ = request;
        tokio::task::yield_now().await;
        Ok(guard.key_file().map_or_else(fresh, |_| Response::new(String::new())))
    }
}

fn boxed<A: Send>(denied: Denied) -> Boxed<Result<A, StatusCode>> {
    Box::pin(async move { Err(denied.status()) })
}

/// A key, and whether it is the right one.
type Step = (Option<&'static str>, bool);

const FORWARD: [Step; 4] = [(Some(KEY), true), (None, false), (Some("wrong"), false), (Some(KEY), true)];
const BACKWARD: [Step; 4] = [(Some("wrong"), false), (None, false), (Some(KEY), true), (None, false)];

fn request(key: Option<&str>) -> Result<Request<()>, http::Error> {
    let request = Request::get("/metrics");
    key.into_iter().fold(request, |request, key| request.header("X-Metrics-Key", key)).body(())
}

/// Asks each function of `$module` in the order of `$steps`.
macro_rules! ask {
    ($module:ident, $steps:expr) => {
        let mut bodies = [const { Vec::new() }; 9];
        for (key, allowed) in $steps {
            let request = request(key)?;
            let answers = [
                $module::once_sync(&request),
                $module::once_async(request.clone()).await,
                $module::once_result(&request)?,
                $module::once_result_async(&request).await?,
                $module::by_path(&request),
                $module::by_path_async(&request).await?,
                $module::conditional(&request),
                $module::memoized(&request),
                $module::metrics(&GUARD, &request, 1),
            ];
            check(&answers, key, allowed);
            for (bodies, answer) in bodies.iter_mut().zip(answers) {
                bodies.extend(allowed.then(|| answer.into_body()));
            }
        }
        for (index, bodies) in bodies.iter().enumerate() {
            assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{index} is not cached: {bodies:?}");
        }
    };
}

fn check(answers: &[Response<String>], key: Option<&str>, allowed: bool) {
    for (index, answer) in answers.iter().enumerate() {
        let status = if allowed { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status(), status, "{index} with {key:?}");
        assert_eq!(answer.body().starts_with("up "), allowed, "{index} with {key:?}");
        assert_eq!(answer.headers()["Cache-Control"], "no-store", "{index} with {key:?}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    ask!(forward, FORWARD);
    ask!(backward, BACKWARD);
    let mut service = Service { guard: Arc::new(GUARD.clone()) };
    for (key, allowed) in FORWARD.into_iter().chain(BACKWARD) {
        let request = request(key)?;
        let answers = [
            traced(&request),
            traced_async(request.clone()).await?,
            documented(&request),
            service.with_tools(&request),
            service.call(request.clone()).await?,
            service.local(&request).await,
            service.handle(&request).await,
            service.fallible(request.clone()).await?,
        ];
        check(&answers, key, allowed);
        let answer = Service::with(&service.guard, request).await;
        assert_eq!(
            answer.map(|answer| answer.status()),
            if allowed { Ok(StatusCode::OK) } else { Err(StatusCode::UNAUTHORIZED) }
        );
    }
    assert!(<Api as utoipa::OpenApi>::openapi().paths.paths.contains_key("/metrics"));
    Ok(())
}
