//! Handlers that `#[guard_metrics]` must accept without a warning. The test of each framework requests all of its handlers
//! with and without a key.
//!
//! A cache below `#[guard_metrics]` must serve no metrics to a client without a key, and no rejection to a client with the key.
//! `.ci/run lint` makes every warning here an error, clippy's pedantic and nursery lints included.

#![warn(clippy::all, clippy::pedantic, clippy::nursery)]
// Clippy reports these lints without `#[guard_metrics]` too.
#![allow(clippy::many_single_char_names, clippy::needless_pass_by_value, clippy::redundant_pub_crate)]

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

use http::{Response, StatusCode};
use metrics_guard_core::{Guard, Key};

pub mod actix;
pub mod axum;
pub mod forbidden;
pub mod requests;
pub mod rocket;
pub mod warp;

const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";

static GUARD: LazyLock<Guard> = LazyLock::new(|| Key::new(KEY).map_or_else(|_| Guard::disabled(), Guard::new));

/// Returns a different text each time, so that a repeated text comes from a cache.
fn fresh(word: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{word} {}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Returns a path that `route` matches: the value of each parameter is the parameter's name.
fn path_of(route: &str) -> String {
    route.replace(['<', '>', '{', '}', '.'], "")
}

/// Requests all routes with one key after the other. A cache outside the check would repeat the first rejection for the right
/// key, or the first metrics for a client without a key.
async fn assert_guarded(rejection: &str, ask: impl AsyncFn(Option<&str>) -> Vec<(String, Response<String>)>) {
    let mut allowed = None;
    for key in [None, Some("wrong"), Some(KEY), None, Some("wrong"), Some(KEY)] {
        let answers = ask(key).await;
        for (route, answer) in &answers {
            assert_eq!(answer.headers()["Cache-Control"], "no-store", "{route} with {key:?}");
            let body = answer.body();
            if key == Some(KEY) {
                assert_eq!(answer.status(), StatusCode::OK, "{route} with the right key: {body}");
                assert_eq!(body.trim_end_matches(char::is_numeric).trim_end(), "ran", "{route} with the right key");
            } else {
                assert_eq!((answer.status(), &**body), (StatusCode::UNAUTHORIZED, rejection), "{route} with {key:?}");
            }
        }
        if key == Some(KEY) {
            let bodies: Vec<_> = answers.into_iter().map(|(route, answer)| (route, answer.into_body())).collect();
            assert_eq!(allowed.get_or_insert_with(|| bodies.clone()), &bodies, "a cache below the attribute is lost");
        }
    }
}
