//! Handlers of axum.

// Clippy reports these lints without `#[guard_metrics]` too.
#![allow(clippy::missing_errors_doc, clippy::unused_async)]

use std::collections::HashMap;

use axum::{
    Router,
    body::Body,
    extract::{FromRef, Path, Query, State},
    http::{HeaderMap, Request, StatusCode, Uri},
    response::{Html, IntoResponse},
    routing::{MethodRouter, get},
};
use metrics_guard_tower::{Guard, guard_metrics};
use tower::ServiceExt;

use crate::{GUARD, KEY, assert_guarded, forbidden, path_of};

#[derive(Clone, FromRef)]
struct App {
    guard: Guard,
    ran: String,
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

/// Is not compiled.
#[guard_metrics]
#[cfg(any())]
async fn configured() -> Missing {
    missing()
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

#[tokio::test]
async fn each_handler_is_guarded() {
    let routes: [(&str, MethodRouter<App>); 12] = [
        ("/sync", get(sync)),
        ("/failing/{ran}", get(failing)),
        ("/patterns", get(patterns)),
        ("/fifteen", get(fifteen)),
        ("/associated", get(Handlers::associated)),
        ("/disguised", get(attributes::disguised)),
        ("/cached/{ran}", get(attributes::by_path)),
        ("/checked", get(attributes::checked)),
        ("/documented", get(attributes::documented)),
        ("/unnamed", get(forbidden::axum_unnamed)),
        ("/future", get(forbidden::axum_future)),
        ("/seven", get(forbidden::axum_seven)),
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
    for (path, status) in [("/failing/other", StatusCode::IM_A_TEAPOT), ("/nothing", StatusCode::OK)] {
        assert_eq!(ask(path, None).await.status(), StatusCode::UNAUTHORIZED, "{path} without a key");
        let allowed = ask(path, Some(KEY)).await;
        assert_eq!((allowed.status(), &**allowed.body()), (status, ""), "{path} with a key");
    }
    assert!(<attributes::Api as utoipa::OpenApi>::openapi().paths.paths.contains_key("/documented"));
}
