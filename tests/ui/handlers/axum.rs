//! Handlers of axum.

// Clippy reports these lints without `#[guard_metrics]` too.
#![allow(clippy::missing_errors_doc, clippy::unused_async)]

use std::collections::HashMap;

use axum::{
    Router,
    body::Body,
    extract::{FromRef, Path, Query, State},
    http::{HeaderMap, Request, StatusCode, Uri},
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, get},
};
use metrics_guard_tower::{Guard, guard_metrics};
use tower::ServiceExt;

use crate::{GUARD, KEY, assert_guarded, path_of};

#[derive(Clone, FromRef)]
struct App {
    guard: Guard,
    ran: String,
}

#[guard_metrics]
async fn asynchronous() -> impl IntoResponse {
    tokio::task::yield_now().await;
    "ran"
}

#[guard_metrics(crate = metrics_guard_tower)]
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
/// One between, and names that look like those of the expansion.
#[must_use]
pub async fn patterns(
    State(App { ran: authorized, .. }): State<App>,
    mut parameter_0: HeaderMap,
    Query(_): Query<HashMap<String, String>>,
    _: Uri,
) -> String {
    parameter_0.clear();
    let _ = parameter_0;
    authorized
}

#[guard_metrics]
pub(crate) fn generic<T, const N: usize>(State(ran): State<T>, body: String) -> Result<String, (StatusCode, [u8; N])>
where
    T: ToString,
{
    if body.is_empty() { Ok(ran.to_string()) } else { Err((StatusCode::IM_A_TEAPOT, [0; N])) }
}

macro_rules! fifteen {
    ($($name:ident)*) => {
        #[guard_metrics]
        #[expect(clippy::too_many_arguments)]
        async fn fifteen($($name: Uri),*) -> &'static str {
            let _ = ($($name),*);
            "ran"
        }
    };
}
fifteen!(a b c d e f g h i j k l m n o);

#[guard_metrics]
#[cfg(any())]
async fn configured() -> Missing {
    missing()
}

#[cfg(not(any()))]
#[guard_metrics]
#[cfg_attr(all(), inline)]
#[deprecated = "for a test"]
async fn configured() -> &'static str {
    "ran"
}

struct Handlers;

impl Handlers {
    const RAN: &'static str = "ran";

    #[guard_metrics]
    async fn associated() -> &'static str {
        Self::RAN
    }
}

/// Attributes of other crates above and below `#[guard_metrics]`.
mod attributes {
    // Clippy reports these lints on the code of the other attributes.
    #![allow(missing_docs, clippy::significant_drop_tightening, clippy::unnecessary_wraps)]

    use axum::{
        extract::{Path, State},
        http::StatusCode,
    };
    use cached::proc_macro::cached;
    use metrics_guard_tower::guard_metrics;

    use super::App;
    use crate::fresh;

    mod clippy {
        pub(super) use cached::proc_macro::once as tool;
    }

    /// A cache under the name of a tool.
    #[guard_metrics]
    #[clippy::tool]
    pub(super) fn disguised() -> String {
        fresh("ran")
    }

    /// The parameter has the function's name.
    #[guard_metrics]
    #[cfg_attr(all(), must_use, cached(key = "String", convert = "{ by_path.0.clone() }", result = true))]
    pub(super) async fn by_path(by_path: Path<String>) -> Result<String, StatusCode> {
        Ok(fresh(&by_path))
    }

    #[guard_metrics]
    #[axum::debug_handler(state = App)]
    #[rustfmt::skip]
    pub(super) async fn checked(State(ran): State<String>) -> String {
        ran
    }

    #[utoipa::path(get, path = "/documented", responses((status = 200, body = String)))]
    #[guard_metrics]
    #[tracing::instrument(skip(ran), ret)]
    pub(super) async fn documented(State(ran): State<String>) -> String {
        tokio::task::yield_now().await;
        ran
    }

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(documented))]
    pub(super) struct Api;
}

/// Makes an `allow` in an expansion an error. Clippy exempts exported functions from some lints, but not what an expansion
/// puts into them.
pub mod forbidden {
    // Single lints follow their groups, because an `allow` is only a warning where the group is forbidden last.
    #![forbid(unused, clippy::all, clippy::pedantic)]
    #![forbid(missing_docs, unreachable_code, clippy::too_many_arguments)]
    #![forbid(clippy::box_collection, clippy::future_not_send, clippy::items_after_statements)]
    #![forbid(clippy::missing_const_for_fn, clippy::missing_docs_in_private_items, clippy::needless_pass_by_ref_mut)]
    #![forbid(clippy::needless_pass_by_value, clippy::rc_buffer, clippy::redundant_pub_crate, clippy::single_call_fn)]
    #![forbid(clippy::trivially_copy_pass_by_ref, clippy::unnecessary_wraps, clippy::unused_async, clippy::unwrap_used)]

    use axum::{
        extract::{Extension, Path, State},
        http::{HeaderMap, Method, StatusCode, Uri, Version},
        response::IntoResponse,
    };
    use metrics_guard_tower::guard_metrics;

    /// # Errors
    ///
    /// None, but the type wraps.
    #[guard_metrics]
    pub async fn wrapping(path: Option<Extension<Box<Vec<u8>>>>, _: Uri) -> Result<&'static str, StatusCode> {
        use std::mem;
        mem::drop(path);
        tokio::task::yield_now().await;
        Ok("ran")
    }

    /// # Errors
    ///
    /// None, but the type wraps one without a name.
    #[guard_metrics]
    pub fn unnamed(uri: Uri, _at: Option<Path<String>>) -> Result<(StatusCode, impl IntoResponse), StatusCode> {
        const AGAIN: &str = "again";
        if uri.path().is_empty() {
            return Ok((StatusCode::OK, AGAIN));
        }
        Ok((StatusCode::OK, "ran"))
    }

    /// A future.
    #[guard_metrics]
    pub fn future(uri: Uri) -> impl Future<Output = Result<impl IntoResponse, StatusCode>> + Send {
        use std::future::ready;
        ready(if uri.path().is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok("ran") })
    }

    /// With one parameter more, clippy would count too many.
    #[guard_metrics]
    pub fn seven(a1: Method, b1: Uri, c1: Version, d: HeaderMap, a2: Method, b2: Uri, c2: Version) -> String {
        assert_eq!((a1, b1, c1), (a2, b2, c2));
        drop(d);
        "ran".to_owned()
    }

    /// A body of one line, whose braces the expansion must not make redundant.
    #[rustfmt::skip]
    pub mod one_line {
        use super::{State, guard_metrics};

        /// Later.
        #[guard_metrics]
        pub async fn later(ran: State<String>) -> String { ran.0 }
    }
}

#[tokio::test]
async fn each_handler_is_guarded() {
    #[expect(deprecated)]
    let configured = get(configured);
    let routes: [(&str, MethodRouter<App>); 18] = [
        ("/async", get(asynchronous)),
        ("/sync", get(sync)),
        ("/failing/{ran}", get(failing)),
        ("/returning", get(returning)),
        ("/patterns", get(patterns)),
        ("/generic", get(generic::<String, 3>)),
        ("/fifteen", get(fifteen)),
        ("/configured", configured),
        ("/associated", get(Handlers::associated)),
        ("/disguised", get(attributes::disguised)),
        ("/cached/{ran}", get(attributes::by_path)),
        ("/checked", get(attributes::checked)),
        ("/documented", get(attributes::documented)),
        ("/wrapping", get(forbidden::wrapping)),
        ("/unnamed", get(forbidden::unnamed)),
        ("/future", get(forbidden::future)),
        ("/seven", get(forbidden::seven)),
        ("/later", get(forbidden::one_line::later)),
    ];
    let paths: Vec<_> = routes.iter().map(|(path, _)| *path).collect();
    let app = routes.into_iter().fold(Router::new(), |app, (path, route)| app.route(path, route));
    let app = app.route("/nothing", get(nothing)).with_state(App { guard: GUARD.clone(), ran: "ran".to_owned() });
    let ask = async |path: &str, key: Option<&str>| {
        let request = Request::get(path_of(path));
        let request = key.into_iter().fold(request, |request, key| request.header("X-Metrics-Key", key));
        let (head, body) = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, 1000).await.unwrap();
        http::Response::from_parts(head, String::from_utf8(body.into()).unwrap())
    };

    assert_guarded("Unauthorized\n", async |key| {
        let mut answers = Vec::new();
        for path in &paths {
            answers.push(((*path).to_owned(), ask(path, key).await));
        }
        answers
    })
    .await;
    let teapot = StatusCode::IM_A_TEAPOT;
    for (path, status) in [("/failing/other", teapot), ("/returning?early", teapot), ("/nothing", StatusCode::OK)] {
        assert_eq!(ask(path, None).await.status(), StatusCode::UNAUTHORIZED, "{path} without a key");
        let allowed = ask(path, Some(KEY)).await;
        assert_eq!((allowed.status(), &**allowed.body()), (status, ""), "{path} with a key");
    }
    assert!(<attributes::Api as utoipa::OpenApi>::openapi().paths.paths.contains_key("/documented"));
}
