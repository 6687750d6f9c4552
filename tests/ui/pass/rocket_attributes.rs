//! Attributes of others around and below a Rocket route attribute: none of them can keep an answer that a check did not allow,
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
    sync::atomic::{AtomicU32, Ordering},
    time::Duration, // which `once(time = ..)` names
};

use cached::proc_macro::{cached, once};
use metrics_guard_rocket::{Authorized, Guard, Key, MetricsGuard, guard_metrics};
use rocket::{
    State,
    config::{Config, LogLevel},
    get,
    http::{Header, Status},
    local::blocking::Client,
    routes,
};

const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";

/// Another body each time: the same one twice came from a cache.
fn fresh() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("up {}", COUNT.fetch_add(1, Ordering::Relaxed))
}

#[rocket::async_trait]
trait Render: Send + Sync {
    async fn render(&self) -> String;
}

struct Fresh;

#[rocket::async_trait]
impl Render for Fresh {
    async fn render(&self) -> String {
        rocket::tokio::task::yield_now().await;
        fresh()
    }
}

type App = State<Box<dyn Render>>;

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
    #[get("/once")]
    fn once_between() -> String {
        fresh()
    }

    #[guard_metrics]
    #[get("/once-below")]
    #[once]
    fn once_below() -> String {
        fresh()
    }

    #[guard_metrics]
    #[once(time = 60)]
    #[get("/once-async")]
    async fn once_async(app: &App) -> String {
        app.render().await
    }

    #[guard_metrics]
    #[get("/result")]
    #[once(time = 60, result = true)]
    fn once_result(app: &App) -> Result<String, Status> {
        let _ = app;
        Ok(fresh())
    }

    #[guard_metrics]
    #[once(time = 60, result = true)]
    #[get("/result-async")]
    async fn once_result_async() -> Result<String, Status> {
        Ok(fresh())
    }

    #[guard_metrics]
    #[cached]
    #[get("/path/<word>?<limit>")]
    fn by_path(word: String, limit: Option<u8>) -> String {
        let _ = limit;
        fresh() + &word
    }

    #[guard_metrics]
    #[get("/path-async/<by_path_async>")]
    #[cached(key = "String", convert = "{ by_path_async.to_owned() }", result = true)]
    async fn by_path_async<'r>(by_path_async: &'r str) -> Result<String, Status> {
        Ok(fresh() + by_path_async)
    }

    #[guard_metrics]
    #[get("/memoized/<word>")]
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
    #[get("/disguised")]
    fn disguised() -> String {
        fresh()
    }

    pub(crate) const CACHED: [&str; 9] = [
        "once",
        "once-below",
        "once-async",
        "result",
        "result-async",
        "path/a?limit=1",
        "path-async/a",
        "memoized/a",
        "disguised",
    ];

    pub(crate) fn routes() -> Vec<rocket::Route> {
        routes![
            once_between,
            once_below,
            once_async,
            once_result,
            once_result_async,
            by_path,
            by_path_async,
            memoized,
            disguised,
        ]
    }
}

#[guard_metrics]
#[get("/traced")]
#[tracing::instrument(skip_all)]
fn traced() -> String {
    fresh()
}

#[guard_metrics]
#[tracing::instrument(skip(app), ret)]
#[get("/traced-async")]
async fn traced_async(app: &App) -> String {
    app.render().await
}

#[guard_metrics]
#[tracing::instrument(skip_all)]
#[get("/seven/<a1>/<b1>/<c1>/<a2>/<b2>/<c2>")]
fn seven(mut authorized: Authorized, a1: u8, b1: u8, c1: u8, a2: u8, b2: u8, c2: u8) -> String {
    let taken = &mut authorized;
    let _ = (taken.key(), a1, b1, c1, a2, b2, c2);
    fresh()
}

#[guard_metrics]
#[rustfmt::skip]
#[get("/with-a-tool/<raw>")]
#[clippy::cognitive_complexity = "30"]
fn with_a_tool(_app: &App, mut raw: String) -> String {
    raw.clear();
    raw + &fresh()
}

#[utoipa::path(get, path = "/documented", responses((status = 200, body = String)))]
#[guard_metrics]
#[get("/documented")]
async fn documented(app: &App) -> String {
    app.render().await
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(documented))]
struct Api;

/// A key, and whether it is the right one.
type Step = (Option<&'static str>, bool);

const FORWARD: [Step; 4] = [(Some(KEY), true), (None, false), (Some("wrong"), false), (Some(KEY), true)];
const BACKWARD: [Step; 4] = [(Some("wrong"), false), (None, false), (Some(KEY), true), (None, false)];

/// Asks `path` in the order of `steps`, and returns the bodies of the allowed answers.
fn ask(client: &Client, path: String, steps: [Step; 4]) -> Vec<String> {
    let mut bodies = Vec::new();
    for (key, allowed) in steps {
        let mut request = client.get(path.clone());
        if let Some(key) = key {
            request.add_header(Header::new("X-Metrics-Key", key));
        }
        let response = request.dispatch();
        let status = if allowed { Status::Ok } else { Status::Unauthorized };
        assert_eq!(response.status(), status, "{path} with {key:?}");
        assert_eq!(response.headers().get_one("Cache-Control"), Some("no-store"), "{path} with {key:?}");
        let body = response.into_string().unwrap_or_default();
        assert_eq!(body.starts_with("up "), allowed, "{path} with {key:?}");
        bodies.extend(allowed.then_some(body));
    }
    bodies
}

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config { log_level: LogLevel::Off, ..Config::debug_default() };
    let rocket = rocket::custom(config)
        .manage::<Box<dyn Render>>(Box::new(Fresh))
        .mount("/forward", forward::routes())
        .mount("/backward", backward::routes())
        .mount("/", routes![traced, traced_async, seven, with_a_tool, documented])
        .attach(MetricsGuard::with(Guard::new(Key::new(KEY)?)));
    let client = Client::untracked(rocket)?;

    for path in forward::CACHED {
        let bodies = ask(&client, format!("/forward/{path}"), FORWARD);
        assert!(matches!(&bodies[..], [first, second] if first == second), "{path} is not cached: {bodies:?}");
    }
    for path in backward::CACHED {
        ask(&client, format!("/backward/{path}"), BACKWARD);
    }
    for path in ["/traced", "/traced-async", "/seven/1/2/3/4/5/6", "/with-a-tool/a", "/documented"] {
        ask(&client, path.to_owned(), FORWARD);
        ask(&client, path.to_owned(), BACKWARD);
    }
    assert!(<Api as utoipa::OpenApi>::openapi().paths.paths.contains_key("/documented"));
    Ok(())
}
