//! Handlers of Warp.

// Clippy reports these lints without `#[guard_metrics]` too.
#![allow(clippy::unused_async)]

use std::sync::{Arc, LazyLock};

use metrics_guard_warp::{MetricsGuard, guard_metrics};
use warp::{Filter, Rejection, Reply, http::StatusCode};

use crate::{GUARD, KEY, assert_guarded};

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

/// Attributes of other crates above and below `#[guard_metrics]`.
mod attributes {
    // Clippy reports these lints on the code of the other attributes.
    #![allow(missing_docs, clippy::significant_drop_tightening, clippy::unnecessary_wraps)]

    use cached::proc_macro::{cached, once};
    use metrics_guard_warp::guard_metrics;
    use warp::http::StatusCode;

    use crate::fresh;

    #[guard_metrics]
    #[once]
    pub(super) fn once_sync() -> String {
        fresh("ran")
    }

    /// The parameter has the function's name.
    #[guard_metrics]
    #[cfg_attr(all(), must_use, cached(key = "String", convert = "{ by_path.clone() }", result = true))]
    pub(super) async fn by_path(by_path: String) -> Result<String, StatusCode> {
        Ok(fresh(&by_path))
    }

    #[guard_metrics]
    #[tracing::instrument(skip(word), ret)]
    #[rustfmt::skip]
    pub(super) async fn traced(word: String) -> String {
        tokio::task::yield_now().await;
        word
    }
}

/// Makes an `allow` in an expansion an error. Clippy exempts exported functions from some lints, but not what an expansion
/// puts into them.
pub mod forbidden {
    // Single lints follow their groups, because an `allow` is only a warning where the group is forbidden last.
    #![forbid(unused, clippy::all, clippy::pedantic)]
    #![forbid(missing_docs, unreachable_code)]
    #![forbid(clippy::box_collection, clippy::empty_loop, clippy::future_not_send, clippy::items_after_statements)]
    #![forbid(clippy::missing_const_for_fn, clippy::missing_docs_in_private_items, clippy::needless_pass_by_ref_mut)]
    #![forbid(clippy::needless_pass_by_value, clippy::rc_buffer, clippy::redundant_pub_crate, clippy::single_call_fn)]
    #![forbid(clippy::trivially_copy_pass_by_ref, clippy::unnecessary_wraps, clippy::unused_async, clippy::unwrap_used)]

    use std::{pin::Pin, sync::Arc};

    use metrics_guard_warp::guard_metrics;
    use warp::{Rejection, Reply, http::StatusCode};

    /// # Errors
    ///
    /// None, but the type wraps.
    #[guard_metrics]
    pub fn wrapping(word: String, _: Arc<String>) -> Result<impl Reply, Rejection> {
        use std::mem;
        mem::drop(word);
        Ok("ran")
    }

    /// Has an attribute that may be a macro, and so an inner function.
    #[guard_metrics]
    #[rustfmt::skip]
    pub fn with_a_tool(word: String) -> String {
        word
    }

    /// Boxed.
    #[guard_metrics]
    pub fn boxed(_word: String) -> Pin<Box<dyn Future<Output = Result<String, StatusCode>> + Send>> {
        Box::pin(async { Ok("ran".to_owned()) })
    }

    /// A body of one line, whose braces the expansion must not make redundant.
    #[rustfmt::skip]
    pub mod one_line {
        use std::future::{Ready, ready};

        /// Returns a future that is ready.
        #[super::guard_metrics]
        pub fn now(word: String) -> Ready<String> { ready(word) }
    }
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
        "once" => warp::get().map(attributes::once_sync),
        "cached" => word().map(attributes::by_path),
        "traced" => word().map(attributes::traced),
        "wrapping" => word().map(|word| forbidden::wrapping(word, Arc::default())),
        "with-a-tool" => word().map(forbidden::with_a_tool),
        "boxed" => word().map(forbidden::boxed),
        "one-line" => word().map(forbidden::one_line::now),
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
