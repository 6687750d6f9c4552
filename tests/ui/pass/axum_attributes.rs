//! Attributes of others below `#[guard_metrics]` on axum handlers: none of them can keep an answer that a check did not allow,
//! or serve a denial to the right key.

#![warn(clippy::all, clippy::pedantic, clippy::nursery)]
// What clippy says of these handlers without `#[guard_metrics]` too, or of what the other attributes write.
#![allow(
    missing_docs,
    clippy::missing_errors_doc,
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

use axum::{
    Router,
    body::Body,
    extract::{FromRef, Path, State},
    http::{Request, StatusCode},
    response::IntoResponse,
    routing::get,
};
use axum_extra::routing::TypedPath;
use cached::proc_macro::{cached, once};
use metrics_guard_tower::{Guard, Key, guard_metrics};
use tower_service::Service;

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

#[derive(Clone)]
struct App {
    guard: Guard,
    render: Arc<dyn Render>,
}

impl FromRef<App> for Guard {
    fn from_ref(app: &App) -> Self {
        app.guard.clone()
    }
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
    async fn once_async(State(app): State<App>) -> String {
        app.render.render().await
    }

    #[guard_metrics]
    #[once(time = 60, result = true)]
    fn once_result(app: State<App>) -> Result<String, StatusCode> {
        let _ = app;
        Ok(fresh())
    }

    #[guard_metrics]
    #[once(time = 60, result = true)]
    async fn once_result_async() -> Result<String, StatusCode> {
        Ok(fresh())
    }

    #[guard_metrics]
    #[cached(key = "String", convert = "{ path.0.clone() }")]
    fn by_path(path: Path<String>) -> String {
        fresh() + &path.0
    }

    #[guard_metrics]
    #[cfg_attr(all(), must_use, cached(key = "String", convert = "{ path.0.clone() }", result = true))]
    async fn by_path_async(path: Path<String>) -> Result<String, StatusCode> {
        Ok(fresh() + &path.0)
    }

    #[guard_metrics]
    #[memoize::memoize(SharedCache, Ignore: app)]
    fn memoized(app: State<App>) -> String {
        let _ = app;
        fresh()
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
        ["once", "once-async", "result", "result-async", "path/a", "path-async/a", "memoized", "disguised"];

    pub(crate) fn router() -> Router<App> {
        Router::new()
            .route("/once", get(once_sync))
            .route("/once-async", get(once_async))
            .route("/result", get(once_result))
            .route("/result-async", get(once_result_async))
            .route("/path/{word}", get(by_path))
            .route("/path-async/{word}", get(by_path_async))
            .route("/memoized", get(memoized))
            .route("/disguised", get(disguised))
    }
}

#[guard_metrics]
#[tracing::instrument(skip_all)]
fn traced() -> String {
    fresh()
}

#[guard_metrics]
#[tracing::instrument(skip(app), ret)]
async fn traced_async(State(app): State<App>) -> String {
    app.render.render().await
}

#[guard_metrics]
#[axum::debug_handler(state = App)]
#[rustfmt::skip]
async fn checked(State(app): State<App>) -> String {
    app.render.render().await
}

#[utoipa::path(get, path = "/documented", responses((status = 200, body = String)))]
#[guard_metrics]
async fn documented(State(app): State<App>) -> String {
    app.render.render().await
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(documented))]
struct Api;

#[guard_metrics]
fn boxed(State(app): State<App>) -> Pin<Box<dyn Future<Output = Result<String, StatusCode>> + Send>> {
    Box::pin(async move { Ok(app.render.render().await) })
}

#[guard_metrics]
fn unboxed(State(app): State<App>) -> impl Future<Output = Result<impl IntoResponse, StatusCode>> + Send {
    let rendered = app.render;
    async move { Ok(rendered.render().await) }
}

#[derive(TypedPath, serde::Deserialize)]
#[typed_path("/typed/{word}")]
struct MetricsPath {
    word: String,
}

#[guard_metrics]
async fn typed(MetricsPath { word }: MetricsPath) -> String {
    fresh() + &word
}

/// A key, and whether it is the right one.
type Step = (Option<&'static str>, bool);

const FORWARD: [Step; 4] = [(Some(KEY), true), (None, false), (Some("wrong"), false), (Some(KEY), true)];
const BACKWARD: [Step; 4] = [(Some("wrong"), false), (None, false), (Some(KEY), true), (None, false)];

/// Asks `path` in the order of `steps`, and returns the bodies of the allowed answers.
async fn ask(app: &mut Router, path: &str, steps: [Step; 4]) -> Result<Vec<String>, Box<dyn Error>> {
    let mut bodies = Vec::new();
    for (key, allowed) in steps {
        let request = key.into_iter().fold(Request::get(path), |request, key| request.header("X-Metrics-Key", key));
        let response = app.call(request.body(Body::empty())?).await?;
        let status = if allowed { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(response.status(), status, "{path} with {key:?}");
        assert_eq!(response.headers()["Cache-Control"], "no-store", "{path} with {key:?}");
        let body = axum::body::to_bytes(response.into_body(), 1000).await?;
        let body = String::from_utf8(body.to_vec())?;
        assert_eq!(body.starts_with("up "), allowed, "{path} with {key:?}");
        bodies.extend(allowed.then_some(body));
    }
    Ok(bodies)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let others = ["/traced", "/traced-async", "/checked", "/documented", "/boxed", "/unboxed", "/typed/a"];
    let mut app = Router::new()
        .nest("/forward", forward::router())
        .nest("/backward", backward::router())
        .route("/traced", get(traced))
        .route("/traced-async", get(traced_async))
        .route("/checked", get(checked))
        .route("/documented", get(documented))
        .route("/boxed", get(boxed))
        .route("/unboxed", get(unboxed))
        .route(MetricsPath::PATH, get(typed))
        .with_state(App { guard: Guard::new(Key::new(KEY)?), render: Arc::new(Fresh) });

    for path in forward::CACHED {
        let bodies = ask(&mut app, &format!("/forward/{path}"), FORWARD).await?;
        assert!(matches!(&bodies[..], [first, second] if first == second), "{path} is not cached: {bodies:?}");
    }
    for path in backward::CACHED {
        ask(&mut app, &format!("/backward/{path}"), BACKWARD).await?;
    }
    for path in others {
        ask(&mut app, path, FORWARD).await?;
        ask(&mut app, path, BACKWARD).await?;
    }
    assert!(<Api as utoipa::OpenApi>::openapi().paths.paths.contains_key("/documented"));
    Ok(())
}
