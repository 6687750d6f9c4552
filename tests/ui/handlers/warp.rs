//! Handlers of Warp.

// Clippy reports these lints without `#[guard_metrics]` too.
#![allow(clippy::unused_async)]

use std::sync::{Arc, LazyLock};

use metrics_guard_warp::{MetricsGuard, guard_metrics};
use warp::{Filter, Rejection, Reply, http::StatusCode};

use crate::{GUARD, KEY, assert_guarded, forbidden, fresh};

#[guard_metrics(crate = metrics_guard_warp)]
const fn sync() -> &'static str {
    "ran"
}

#[guard_metrics]
async fn rejecting(word: String) -> Result<impl Reply, Rejection> {
    let word = Some(word).filter(|word| word == "ran").ok_or_else(warp::reject::not_found)?;
    Ok(word + "")
}

/// A comment above.
#[guard_metrics]
/// One between.
#[must_use]
pub(crate) fn generic<'a, 'b, T>(
    word: &'a str,
    _: &'b str,
    one: T,
    two: impl Into<T> + Send,
) -> Result<&'a str, StatusCode>
where
    'b: 'a,
    T: PartialEq + Send,
    for<'c> &'c T: Send,
{
    if one == two.into() { Err(StatusCode::IM_A_TEAPOT) } else { Ok(word) }
}

static PERMIT: LazyLock<Arc<()>> = LazyLock::new(Arc::default);

/// Holds parameters without a name until its body ends, because a permit that limits running handlers can be one.
#[guard_metrics]
async fn holding(_: Arc<()>, (_, word): (Arc<()>, &'static str)) -> &'static str {
    tokio::task::yield_now().await;
    if Arc::strong_count(&PERMIT) == 3 { word } else { "dropped" }
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

/// With a cache below, which holds the first word.
#[guard_metrics]
#[cached::proc_macro::once]
async fn once(word: String) -> String {
    fresh(&word)
}

/// Guards each handler under its path, before the word that follows it.
macro_rules! routes {
    ($($path:literal => $handler:expr,)*) => {{
        let guard = MetricsGuard::with(GUARD.clone());
        [$(($path, guard.protect(warp::path($path), $handler).boxed())),*]
    }};
}

#[tokio::test]
async fn each_handler_is_guarded() {
    let word = warp::path::param::<String>;
    let routes = routes! {
        "sync" => warp::get().map(sync),
        "rejecting" => word().map(rejecting),
        "generic" => warp::get().map(|| generic("ran", "static", 1_u8, 2)),
        "holding" => warp::get().map(|| holding(PERMIT.clone(), (PERMIT.clone(), "ran"))),
        "macro" => word().map(from_macro),
        "once" => word().map(once),
        "with-a-tool" => word().map(forbidden::warp_with_a_tool),
        "boxed" => word().map(forbidden::warp_boxed),
        "one-line" => word().map(forbidden::one_line::warp),
    };

    assert_guarded("Unauthorized\n", async |key| {
        let mut answers = Vec::new();
        for (path, route) in &routes {
            let request = warp::test::request().path(&format!("/{path}/ran"));
            let request = key.into_iter().fold(request, |request, key| request.header("X-Metrics-Key", key));
            let answer = request.reply(route).await.map(|body| String::from_utf8(body.into()).unwrap());
            answers.push(((*path).to_owned(), answer));
        }
        answers
    })
    .await;
    let (_, rejecting) = &routes[1];
    let rejected = warp::test::request().path("/rejecting/other").header("X-Metrics-Key", KEY).reply(rejecting).await;
    assert_eq!(rejected.status(), StatusCode::NOT_FOUND);
}
