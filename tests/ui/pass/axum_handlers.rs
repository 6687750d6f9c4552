//! What axum handlers must compile without a warning, and be guarded: each is asked without a key and with one.
//!
//! .ci/run makes every warning here an error, clippy's pedantic and nursery lints included.

#![warn(clippy::all, clippy::pedantic, clippy::nursery)]
// What clippy says of these handlers without `#[guard_metrics]` too.
#![allow(
    clippy::many_single_char_names,
    clippy::missing_errors_doc,
    clippy::needless_pass_by_value,
    clippy::redundant_pub_crate,
    clippy::unused_async
)]

use std::{collections::HashMap, marker::PhantomData};

use axum::{
    Form, Json, Router,
    body::{Body, Bytes},
    extract::{FromRef, Path, Query, State},
    http::{HeaderMap, Method, Request, StatusCode, Uri, Version},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use metrics_guard_tower::{Authorized, Guard, Key, guard_metrics};
use tower_service::Service;

const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";

type Ran = &'static str;

#[derive(Clone)]
struct App {
    guard: Guard,
    ran: &'static str,
}

impl FromRef<App> for Guard {
    fn from_ref(app: &App) -> Self {
        app.guard.clone()
    }
}

impl FromRef<App> for Ran {
    fn from_ref(app: &App) -> Self {
        app.ran
    }
}

#[guard_metrics]
async fn asynchronous() -> impl IntoResponse {
    tokio::task::yield_now().await;
    "ran"
}

#[guard_metrics]
const fn sync() -> &'static str {
    "ran"
}

#[guard_metrics]
async fn failing(Path(word): Path<String>) -> Result<impl IntoResponse, StatusCode> {
    let word = Some(word).filter(|word| word == "ran").ok_or(StatusCode::IM_A_TEAPOT)?;
    Ok(Html(word))
}

#[guard_metrics]
fn returning(query: Query<HashMap<String, String>>) -> Response {
    if query.0.contains_key("early") {
        return StatusCode::IM_A_TEAPOT.into_response();
    }
    "ran".into_response()
}

#[guard_metrics]
async fn nothing() {}

/// A comment above.
#[guard_metrics]
/// One between, and names that meet.
#[must_use]
pub async fn patterns(
    State(App { ran: authorized, .. }): State<App>,
    mut parameter_0: HeaderMap,
    Query(_): Query<HashMap<String, String>>,
    _: Uri,
) -> String {
    parameter_0.clear();
    let _ = parameter_0;
    authorized.to_owned()
}

#[guard_metrics]
pub(crate) fn generic<T, const N: usize>(State(said): State<T>, body: Bytes) -> Result<String, (StatusCode, [u8; N])>
where
    T: ToString,
{
    if body.is_empty() { Ok(said.to_string()) } else { Err((StatusCode::IM_A_TEAPOT, [0; N])) }
}

/// Names of handlers that look like ours: the inner function hides a parameter that is called as it is.
#[guard_metrics]
async fn authorized(State(said): State<Ran>, _: HeaderMap) -> &'static str {
    said
}

#[guard_metrics]
fn parameter_0(parameter_0: State<Ran>, parameter_1: Method) -> Result<&'static str, StatusCode> {
    if parameter_1 == Method::GET { Ok(parameter_0.0) } else { Err(StatusCode::IM_A_TEAPOT) }
}

#[guard_metrics]
async fn lifetimes<'a, 'b>(State(said): State<&'a str>, _: Method, _: PhantomData<&'b str>) -> String
where
    'b: 'a,
{
    said.to_owned()
}

/// No handler by itself, since nothing says what it takes, but one can hand it the proof.
#[guard_metrics]
async fn implied<T>(State(said): State<T>, method: impl ToString + Send, _: HeaderMap) -> Result<String, String>
where
    T: ToString + Send,
    for<'a> &'a T: Send,
{
    if method.to_string() == "GET" { Ok(said.to_string()) } else { Err(method.to_string()) }
}

async fn of_implied(proof: Authorized, said: State<Ran>, method: Method, fields: HeaderMap) -> impl IntoResponse {
    implied(proof, said, method, fields).await
}

#[guard_metrics]
async fn json(Json(word): Json<String>) -> String {
    word
}

#[guard_metrics]
async fn form(State(said): State<Ran>, Form(_): Form<HashMap<String, String>>) -> &'static str {
    said
}

#[guard_metrics]
async fn request(mut request: Request<Body>) -> &'static str {
    request.headers_mut().clear();
    "ran"
}

#[guard_metrics(crate = metrics_guard_tower)]
async fn seven(a: Method, b: Method, c: Method, d: Method, e: Method, f: Method, g: Method) -> &'static str {
    let _ = (a, b, c, d, e, f, g);
    "ran"
}

#[guard_metrics]
#[expect(clippy::too_many_arguments)]
async fn fifteen(
    a: Method,
    b: Uri,
    c: Version,
    d: HeaderMap,
    e: State<Ran>,
    f: Method,
    g: Method,
    h: Method,
    i: Method,
    j: Method,
    k: Method,
    l: Method,
    m: Method,
    n: Method,
    o: String,
) -> &'static str {
    let _ = (a, b, c, d, f, g, h, i, j, k, l, m, n, o);
    e.0
}

#[guard_metrics]
#[cfg(any())]
async fn configured() -> Missing {
    missing()
}

#[cfg(not(any()))]
#[guard_metrics]
async fn configured() -> &'static str {
    "ran"
}

#[guard_metrics]
#[cfg_attr(all(), inline)]
#[deprecated = "for a test"]
async fn deprecated() -> &'static str {
    "ran"
}

mod elsewhere {
    use super::guard_metrics;

    pub(super) struct Handlers;

    impl Handlers {
        const RAN: &'static str = "ran";

        #[guard_metrics]
        pub(super) async fn associated() -> &'static str {
            Self::RAN
        }
    }
}

macro_rules! guarded {
    ($name:ident($parameter:ident: $of:ty) -> $type:ty, $body:expr) => {
        #[guard_metrics]
        async fn $name($parameter: $of) -> $type {
            $body
        }
    };
}
guarded!(from_macro(word: Path<String>) -> Result<String, StatusCode>, Ok(word.0));

async fn ask(app: &mut Router, path: &str, key: Option<&str>, body: &'static str) -> (StatusCode, Option<Bytes>) {
    let kind = if body.starts_with('"') { "application/json" } else { "application/x-www-form-urlencoded" };
    let mut request = Request::get(path).header("Content-Type", kind);
    if let Some(key) = key {
        request = request.header("X-Metrics-Key", key);
    }
    let Ok(request) = request.body(Body::from(body)) else { return (StatusCode::IM_A_TEAPOT, None) };
    let Ok(response) = app.call(request).await;
    if key.is_some() {
        assert_eq!(response.headers()["Cache-Control"], "no-store", "{path}");
    }
    (response.status(), axum::body::to_bytes(response.into_body(), 1000).await.ok())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[expect(deprecated)]
    let deprecated = get(deprecated);
    let mut app = Router::new()
        .route("/async", get(asynchronous))
        .route("/sync", get(sync))
        .route("/failing/{word}", get(failing))
        .route("/returning", get(returning))
        .route("/nothing", get(nothing))
        .route("/patterns", get(patterns))
        .route("/generic", any(generic::<Ran, 3>))
        .route("/authorized", get(authorized))
        .route("/parameter", get(parameter_0))
        .route("/lifetimes", get(|proof, said, method| lifetimes(proof, said, method, PhantomData)))
        .route("/implied", get(of_implied))
        .route("/json", get(json))
        .route("/form", get(form))
        .route("/request", get(request))
        .route("/seven", get(seven))
        .route("/fifteen", get(fifteen))
        .route("/configured", get(configured))
        .route("/deprecated", deprecated)
        .route("/associated", get(elsewhere::Handlers::associated))
        .route("/macro/{word}", get(from_macro))
        .with_state(App { guard: Guard::new(Key::new(KEY)?), ran: "ran" });

    for (path, body) in [
        ("/async", ""),
        ("/sync", ""),
        ("/failing/ran", ""),
        ("/returning", ""),
        ("/nothing", ""),
        ("/patterns", ""),
        ("/generic", ""),
        ("/authorized", ""),
        ("/parameter", ""),
        ("/lifetimes", ""),
        ("/implied", ""),
        ("/json", "\"ran\""),
        ("/form", ""),
        ("/request", ""),
        ("/seven", ""),
        ("/fifteen", ""),
        ("/configured", ""),
        ("/deprecated", ""),
        ("/associated", ""),
        ("/macro/ran", ""),
    ] {
        let ran = Bytes::from(if path == "/nothing" { "" } else { "ran" });
        for key in [None, Some("wrong")] {
            let refused = (StatusCode::UNAUTHORIZED, Some("Unauthorized\n".into()));
            assert_eq!(ask(&mut app, path, key, body).await, refused, "{path} {key:?}");
        }
        assert_eq!(ask(&mut app, path, Some(KEY), body).await, (StatusCode::OK, Some(ran)), "{path} with a key");
    }
    for (path, body) in [("/failing/stood", ""), ("/returning?early=1", ""), ("/generic", "a body")] {
        assert_eq!(ask(&mut app, path, None, body).await.0, StatusCode::UNAUTHORIZED, "{path} without a key");
        assert_eq!(ask(&mut app, path, Some(KEY), body).await.0, StatusCode::IM_A_TEAPOT, "{path} with a key");
    }
    Ok(())
}
