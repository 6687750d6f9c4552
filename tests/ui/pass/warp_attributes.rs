//! Attributes of others below `#[guard_metrics]` on Warp handlers: none of them can keep an answer that a check did not allow,
//! or serve a denial to the right key.

#![warn(clippy::all, clippy::pedantic, clippy::nursery)]
// What clippy says of these handlers without `#[guard_metrics]` too, or of what the other attributes write.
#![allow(
    missing_docs,
    clippy::needless_pass_by_value,
    clippy::redundant_pub_crate,
    clippy::significant_drop_tightening,
    clippy::unnecessary_wraps,
    clippy::unused_async,
    clippy::wildcard_imports
)]

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration, // which `once(time = ..)` names
};

use cached::proc_macro::{cached, once};
use metrics_guard_warp::{Guard, Key, MetricsGuard, guard_metrics};
use warp::{Filter, Reply, filters::BoxedFilter, http::StatusCode, reply::Response};

const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";

/// Another body each time: the same one twice came from a cache.
fn fresh() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("up {}", COUNT.fetch_add(1, Ordering::Relaxed))
}

#[async_trait::async_trait]
trait Render: Send + Sync {
    async fn render(&self) -> String;
}

struct Fresh;

#[async_trait::async_trait]
impl Render for Fresh {
    async fn render(&self) -> String {
        tokio::task::yield_now().await;
        fresh()
    }
}

type App = Arc<dyn Render>;

fn app() -> impl Filter<Extract = (App,), Error = std::convert::Infallible> + Clone {
    warp::any().map(|| -> App { Arc::new(Fresh) })
}

/// The handlers twice, since a cache that one order of requests has filled is of no use to the other.
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
    #[guard_metrics]
    #[once]
    fn once_sync() -> String {
        fresh()
    }

    #[guard_metrics]
    #[once(time = 60)]
    async fn once_async(app: App) -> String {
        app.render().await
    }

    #[guard_metrics]
    #[once(time = 60, result = true)]
    fn once_result() -> Result<String, StatusCode> {
        Ok(fresh())
    }

    #[guard_metrics]
    #[once(time = 60, result = true)]
    async fn once_result_async(app: App) -> Result<String, StatusCode> {
        Ok(app.render().await)
    }

    #[guard_metrics]
    #[cached]
    fn by_path(word: String) -> String {
        fresh() + &word
    }

    #[guard_metrics]
    #[cfg_attr(all(), must_use, cached(key = "String", convert = "{ word.clone() }", result = true))]
    async fn by_path_async(word: String) -> Result<String, StatusCode> {
        Ok(fresh() + &word)
    }

    #[guard_metrics]
    #[memoize::memoize(SharedCache)]
    fn memoized(word: String) -> String {
        fresh() + &word
    }

    mod clippy {
        pub(super) use cached::proc_macro::once as tool;
    }

    /// A cache under the name of a tool.
    #[guard_metrics]
    #[clippy::tool]
    fn disguised() -> String {
        fresh()
    }

    pub(crate) const CACHED: [&str; 8] =
        ["once", "once-async", "result", "result-async", "path/a", "path-async/a", "memoized/a", "disguised"];

    pub(crate) fn routes(guard: &MetricsGuard) -> BoxedFilter<(Response,)> {
        let word = || warp::path::param::<String>();
        guard
            .protect(warp::path!("once"), warp::get().map(once_sync))
            .or(guard.protect(warp::path!("once-async"), app().map(once_async)))
            .or(guard.protect(warp::path!("result"), warp::get().map(once_result)))
            .or(guard.protect(warp::path!("result-async"), app().map(once_result_async)))
            .or(guard.protect(warp::path("path"), word().map(by_path)))
            .or(guard.protect(warp::path("path-async"), word().map(by_path_async)))
            .or(guard.protect(warp::path("memoized"), word().map(memoized)))
            .or(guard.protect(warp::path!("disguised"), warp::get().map(disguised)))
            .map(Reply::into_response)
            .boxed()
    }
}

#[guard_metrics]
#[tracing::instrument(skip_all)]
fn traced() -> String {
    fresh()
}

#[guard_metrics]
#[tracing::instrument(skip(app), ret)]
#[rustfmt::skip]
async fn traced_async(app: App) -> String {
    app.render().await
}

#[utoipa::path(get, path = "/documented", responses((status = 200, body = String)))]
#[guard_metrics]
async fn documented(app: App) -> String {
    app.render().await
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(documented))]
struct Api;

#[guard_metrics]
fn boxed(app: App) -> Pin<Box<dyn Future<Output = Result<String, StatusCode>> + Send>> {
    Box::pin(async move { Ok(app.render().await) })
}

#[guard_metrics]
fn unboxed(app: App) -> impl Future<Output = Result<impl Reply, StatusCode>> + Send {
    let rendered = app;
    async move { Ok(rendered.render().await) }
}

/// A key, and whether it is the right one.
type Step = (Option<&'static str>, bool);

const FORWARD: [Step; 4] = [(Some(KEY), true), (None, false), (Some("wrong"), false), (Some(KEY), true)];
const BACKWARD: [Step; 4] = [(Some("wrong"), false), (None, false), (Some(KEY), true), (None, false)];

/// Asks `path` in the order of `steps`, and returns the bodies of the allowed answers.
async fn ask(routes: &BoxedFilter<(Response,)>, path: &str, steps: [Step; 4]) -> Result<Vec<String>, Box<dyn Error>> {
    let mut bodies = Vec::new();
    for (key, allowed) in steps {
        let request = warp::test::request().path(path);
        let request = key.into_iter().fold(request, |request, key| request.header("X-Metrics-Key", key));
        let response = request.reply(routes).await;
        let status = if allowed { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(response.status(), status, "{path} with {key:?}");
        assert_eq!(response.headers()["Cache-Control"], "no-store", "{path} with {key:?}");
        let body = String::from_utf8(response.body().to_vec())?;
        assert_eq!(body.starts_with("up "), allowed, "{path} with {key:?}");
        bodies.extend(allowed.then_some(body));
    }
    Ok(bodies)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let guard = MetricsGuard::with(Guard::new(Key::new(KEY)?));
    let routes = warp::path("forward")
        .and(forward::routes(&guard))
        .or(warp::path("backward").and(backward::routes(&guard)))
        .or(guard.protect(warp::path!("traced"), warp::get().map(traced)))
        .or(guard.protect(warp::path!("traced-async"), app().map(traced_async)))
        .or(guard.protect(warp::path!("documented"), app().map(documented)))
        .or(guard.protect(warp::path!("boxed"), app().map(boxed)))
        .or(guard.protect(warp::path!("unboxed"), app().map(unboxed)))
        .map(Reply::into_response)
        .boxed();

    for path in forward::CACHED {
        let bodies = ask(&routes, &format!("/forward/{path}"), FORWARD).await?;
        assert!(matches!(&bodies[..], [first, second] if first == second), "{path} is not cached: {bodies:?}");
    }
    for path in backward::CACHED {
        ask(&routes, &format!("/backward/{path}"), BACKWARD).await?;
    }
    for path in ["/traced", "/traced-async", "/documented", "/boxed", "/unboxed"] {
        ask(&routes, path, FORWARD).await?;
        ask(&routes, path, BACKWARD).await?;
    }
    assert!(<Api as utoipa::OpenApi>::openapi().paths.paths.contains_key("/documented"));
    Ok(())
}
