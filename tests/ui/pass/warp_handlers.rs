//! What Warp handlers must compile without a warning, and be guarded: each is asked without a key and with one.
//!
//! .ci/run makes every warning here an error, clippy's pedantic and nursery lints included.

#![warn(clippy::all, clippy::pedantic, clippy::nursery)]
// What clippy says of these handlers without `#[guard_metrics]` too.
#![allow(
    clippy::many_single_char_names,
    clippy::needless_pass_by_value,
    clippy::redundant_pub_crate,
    clippy::unused_async
)]

use std::sync::atomic::{AtomicBool, Ordering};

use metrics_guard_warp::{Guard, Key, MetricsGuard, guard_metrics};
use warp::{Filter, Rejection, Reply, http::StatusCode};

const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";

#[guard_metrics]
async fn asynchronous() -> impl Reply {
    tokio::task::yield_now().await;
    "ran"
}

#[guard_metrics]
const fn sync() -> &'static str {
    "ran"
}

#[guard_metrics]
async fn rejecting(word: String) -> Result<impl Reply, Rejection> {
    let word = Some(word).filter(|word| word == "ran").ok_or_else(warp::reject::not_found)?;
    Ok(word + "")
}

#[guard_metrics]
fn failing() -> Result<&'static str, StatusCode> {
    if KEY.to_owned().is_empty() {
        return Err(StatusCode::IM_A_TEAPOT);
    }
    Ok("ran")
}

/// A comment above.
#[guard_metrics]
/// One between, and names that meet.
#[must_use]
pub(crate) fn generic<T, const N: usize>(mut parameter_0: T, (first, _): (u8, [u8; N])) -> String
where
    T: Clone + ToString + Send,
{
    parameter_0 = parameter_0.clone();
    let _ = first;
    parameter_0.to_string()
}

/// Names of handlers that look like ours: the inner function hides a parameter that is called as it is.
#[guard_metrics]
async fn parameter_0(parameter_0: String, _: u8) -> String {
    parameter_0
}

#[guard_metrics]
fn authorized(authorized: String) -> Result<String, StatusCode> {
    Some(authorized).ok_or(StatusCode::IM_A_TEAPOT)
}

#[guard_metrics]
const fn lifetimes<'a, 'b>(word: &'a str, _: &'b str) -> &'a str
where
    'b: 'a,
{
    word
}

#[guard_metrics]
async fn implied<T>(word: T, number: impl ToString + Send) -> Result<String, StatusCode>
where
    T: Send,
    for<'a> &'a T: Into<String>,
{
    if number.to_string() == "1" { Ok((&word).into()) } else { Err(StatusCode::IM_A_TEAPOT) }
}

#[guard_metrics(crate = metrics_guard_warp)]
fn seven(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) -> String {
    let _ = (a, b, c, d, e, f, g);
    "ran".to_owned()
}

/// A parameter that limits how many handlers run at once, and is none of the body's business.
struct Permit;

static IS_HELD: AtomicBool = AtomicBool::new(false);

impl Permit {
    fn new() -> Self {
        IS_HELD.store(true, Ordering::Relaxed);
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        IS_HELD.store(false, Ordering::Relaxed);
    }
}

#[guard_metrics]
async fn holding(_: Permit, (_, word): (Permit, &'static str)) -> &'static str {
    tokio::task::yield_now().await;
    if IS_HELD.load(Ordering::Relaxed) { word } else { "dropped" }
}

macro_rules! guarded {
    ($name:ident($parameter:ident: $of:ty) -> $type:ty, $body:expr) => {
        #[guard_metrics]
        async fn $name($parameter: $of) -> $type {
            $body
        }
    };
}
guarded!(from_macro(word: String) -> Result<String, Rejection>, Ok(word));

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = MetricsGuard::with(Guard::new(Key::new(KEY)?));
    let word = || warp::path::param::<String>();
    let routes = guard
        .protect(warp::path!("async"), warp::any().map(asynchronous))
        .or(guard.protect(warp::path!("sync"), warp::get().map(sync)))
        .or(guard.protect(warp::path("rejecting"), warp::get().and(word()).map(rejecting)))
        .or(guard.protect(warp::path!("failing"), warp::get().map(failing)))
        .or(guard.protect(warp::path("generic"), word().map(|word| generic(word, (1, [2, 3])))))
        .or(guard.protect(warp::path("parameter"), word().map(|word| parameter_0(word, 1))))
        .or(guard.protect(warp::path("authorized"), word().map(authorized)))
        .or(guard.protect(warp::path!("lifetimes"), warp::get().map(|| lifetimes("ran", "static"))))
        .or(guard.protect(warp::path("implied"), word().map(|word: String| implied(word, 1))))
        .or(guard.protect(warp::path!("seven"), warp::get().map(|| seven(1, 2, 3, 4, 5, 6, 7))))
        .or(guard.protect(warp::path!("holding"), warp::get().map(|| holding(Permit::new(), (Permit::new(), "ran")))))
        .or(guard.protect(warp::path("macro"), word().map(from_macro)));

    for path in [
        "/async",
        "/sync",
        "/rejecting/ran",
        "/failing",
        "/generic/ran",
        "/parameter/ran",
        "/authorized/ran",
        "/lifetimes",
        "/implied/ran",
        "/seven",
        "/holding",
        "/macro/ran",
    ] {
        let refused = warp::test::request().path(path).reply(&routes).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path} without a key");
        let allowed = warp::test::request().path(path).header("X-Metrics-Key", KEY).reply(&routes).await;
        assert_eq!((allowed.status(), &allowed.body()[..]), (StatusCode::OK, &b"ran"[..]), "{path} with a key");
    }
    let rejected = warp::test::request().path("/rejecting/stood").header("X-Metrics-Key", KEY).reply(&routes).await;
    assert_eq!(rejected.status(), StatusCode::NOT_FOUND);
    Ok(())
}
