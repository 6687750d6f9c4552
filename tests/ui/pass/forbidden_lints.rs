//! The expansions for all frameworks compile where lints are forbidden, so that an `allow` in them would be an error.

// Single lints after the groups that have them: where a group is forbidden last, an `allow` is no more than a warning.
#![forbid(clippy::pedantic, clippy::unused_async)]

use std::{error::Error, fmt, future::Future, pin::Pin, sync::LazyLock};

use http::{Request, Response, StatusCode};
use metrics_guard_core::{Guard, Key};

const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";

static GUARD: LazyLock<Guard> = LazyLock::new(|| Key::new(KEY).map_or_else(|_| Guard::disabled(), Guard::new));

static OPEN: LazyLock<Guard> = LazyLock::new(Guard::disabled);

mod of_requests {
    #![forbid(unused, clippy::all, unreachable_code, clippy::empty_loop)]

    use metrics_guard_core::guard_metrics;

    use super::{Error, Future, GUARD, Guard, OPEN, Pin, Request, Response, fmt};

    pub(crate) struct Service {
        pub(crate) guard: Guard,
    }

    impl Service {
        #[guard_metrics(guard = self.guard)]
        #[rustfmt::skip]
        pub(crate) fn method(&self, request: &Request<()>) -> Response<String> {
            Response::new(request.uri().path().to_owned())
        }
    }

    #[guard_metrics(guard = GUARD)]
    pub(crate) async fn awaiting(request: Request<()>) -> Result<Response<String>, Box<dyn Error + Send + Sync>> {
        tokio::task::yield_now().await;
        let path = request.uri().path_and_query().ok_or(fmt::Error)?;
        if path.as_str().is_empty() {
            return Err("no path".into());
        }
        Ok(Response::new(path.path().to_owned()))
    }

    #[guard_metrics(guard = if request.uri().path().is_empty() { &OPEN } else { &GUARD })]
    pub(crate) async fn diverging(request: &Request<()>) -> Response<String> {
        loop {
            std::hint::black_box(request.uri());
            tokio::task::yield_now().await;
        }
    }

    #[guard_metrics(guard = GUARD)]
    pub(crate) fn unused(_request: &Request<()>) -> Response<String> {
        Response::new(String::new())
    }

    #[guard_metrics(guard = GUARD)]
    pub(crate) async fn unused_later(_request: Request<()>) -> Response<String> {
        tokio::task::yield_now().await;
        Response::new(String::new())
    }

    #[guard_metrics(guard = GUARD)]
    pub(crate) fn boxed(request: Request<()>) -> Pin<Box<dyn Future<Output = Response<String>> + Send>> {
        Box::pin(async move { Response::new(request.uri().path().to_owned()) })
    }
}

/// Where an attribute macro is below ours. What `cached` writes allows nothing.
mod of_requests_with_a_cache {
    #![forbid(unreachable_code, unused_variables, unused_mut, clippy::all)]

    use metrics_guard_core::guard_metrics;

    use super::{Guard, Request, Response};

    #[guard_metrics(guard = guard)]
    #[cached::proc_macro::once]
    pub(crate) fn unread(guard: &Guard, request: &Request<()>) -> Response<String> {
        Response::new("up 1".to_owned())
    }
}

mod of_axum {
    #![forbid(unused, clippy::all, unreachable_code, clippy::too_many_arguments)]

    use axum::http::{HeaderMap, Method, Uri, Version};
    use metrics_guard_tower::guard_metrics;

    #[guard_metrics]
    pub(crate) fn immediate() -> &'static str {
        "/metrics"
    }

    #[guard_metrics]
    pub(crate) async fn awaiting() -> &'static str {
        tokio::task::yield_now().await;
        "/metrics"
    }

    #[guard_metrics]
    pub(crate) fn seven(a1: Method, b1: Uri, c1: Version, d: HeaderMap, a2: Method, b2: Uri, c2: Version) -> String {
        assert_eq!((a1, b1, c1), (a2, b2, c2));
        drop(d);
        "/metrics".to_owned()
    }
}

mod of_rocket {
    // Not the others: Rocket's own attributes allow `unused` and `clippy::style`.
    #![forbid(clippy::complexity, clippy::correctness, clippy::perf, clippy::suspicious, clippy::too_many_arguments)]

    use metrics_guard_rocket::guard_metrics;
    use rocket::{State, get, http::Method};

    #[guard_metrics]
    #[get("/metrics")]
    pub(crate) fn immediate() -> &'static str {
        "/metrics"
    }

    #[guard_metrics]
    #[get("/awaiting")]
    #[rustfmt::skip]
    pub(crate) async fn awaiting() -> &'static str {
        rocket::tokio::task::yield_now().await;
        "/metrics"
    }

    #[guard_metrics]
    #[get("/seven/<a>?<b>&<rest..>")]
    pub(crate) fn seven(
        a: u8,
        count: &State<u8>,
        method: Method,
        mut b: Option<u8>,
        again: Method,
        rest: std::collections::HashMap<String, u8>,
        other: &State<u8>,
    ) -> String {
        assert_eq!((method, **count), (again, **other));
        b = b.map(|b| a + b);
        format!("{b:?}{}", rest.into_keys().collect::<String>())
    }
}

mod of_warp {
    #![forbid(unused, clippy::all, unreachable_code, clippy::empty_loop)]

    use metrics_guard_warp::guard_metrics;

    #[guard_metrics]
    pub(crate) fn immediate() -> &'static str {
        "/metrics"
    }

    #[guard_metrics]
    pub(crate) async fn awaiting(word: String) -> Result<String, warp::http::StatusCode> {
        tokio::task::yield_now().await;
        if word.is_empty() {
            return Err(warp::http::StatusCode::IM_A_TEAPOT);
        }
        Ok(word)
    }
}

/// Handlers as a library has them: clippy exempts what is exported from lints that hold for private functions.
pub mod exported {
    #![forbid(
        missing_docs,
        unreachable_code,
        unused,
        clippy::all,
        clippy::box_collection,
        clippy::future_not_send,
        clippy::items_after_statements,
        clippy::missing_const_for_fn,
        clippy::missing_docs_in_private_items,
        clippy::needless_pass_by_ref_mut,
        clippy::needless_pass_by_value,
        clippy::rc_buffer,
        clippy::redundant_pub_crate,
        clippy::single_call_fn,
        clippy::trivially_copy_pass_by_ref,
        clippy::unnecessary_wraps,
        clippy::unwrap_used
    )]

    /// Of axum.
    pub mod axum {
        use std::future::Future;

        use axum::{
            extract::{Extension, Path},
            http::{StatusCode, Uri},
            response::IntoResponse,
        };
        use metrics_guard_tower::guard_metrics;

        /// Wraps, and takes the path by value.
        ///
        /// # Errors
        ///
        /// None.
        #[guard_metrics]
        pub async fn wrapping(path: Option<Extension<Box<Vec<u8>>>>, _: Uri) -> Result<&'static str, StatusCode> {
            use std::mem;
            mem::drop(path);
            tokio::task::yield_now().await;
            Ok("/metrics")
        }

        /// With a type without a name.
        ///
        /// # Errors
        ///
        /// None.
        #[guard_metrics]
        pub fn unnamed(uri: Uri, _at: Option<Path<String>>) -> Result<(StatusCode, impl IntoResponse), StatusCode> {
            const AGAIN: &str = "/metrics";
            if uri.path().is_empty() {
                return Ok((StatusCode::OK, AGAIN));
            }
            Ok((StatusCode::OK, "/metrics"))
        }

        /// A future.
        #[guard_metrics]
        pub fn future(uri: Uri) -> impl Future<Output = Result<impl IntoResponse, StatusCode>> + Send {
            use std::future::ready;
            ready(if uri.path().is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok("/metrics") })
        }
    }

    /// Of Warp.
    pub mod warp {
        use std::{future::Future, pin::Pin, sync::Arc};

        use metrics_guard_warp::guard_metrics;
        use warp::{Rejection, Reply, http::StatusCode};

        /// Wraps, and takes the path by value.
        ///
        /// # Errors
        ///
        /// None.
        #[guard_metrics]
        pub fn wrapping(path: String, _: Arc<String>) -> Result<impl Reply, Rejection> {
            use std::mem;
            mem::drop(path);
            Ok("/metrics")
        }

        /// In an inner function, since the attribute may be a macro.
        #[guard_metrics]
        #[rustfmt::skip]
        pub fn with_a_tool(path: String) -> String {
            path.clone()
        }

        /// Boxed.
        #[guard_metrics]
        pub fn boxed(_path: String) -> Pin<Box<dyn Future<Output = Result<String, StatusCode>> + Send>> {
            Box::pin(async { Ok("/metrics".to_owned()) })
        }
    }

    /// With bodies of one line, whose braces are not too many.
    #[rustfmt::skip]
    pub mod one_line {
        use std::future::{Ready, ready};

        use http::{Request, Response};

        use super::super::GUARD;

        /// Of axum.
        #[metrics_guard_tower::guard_metrics]
        pub async fn later(uri: axum::http::Uri) -> String { uri.to_string() }

        /// Of axum, with a future that is there.
        #[metrics_guard_tower::guard_metrics]
        pub fn ready_answer(uri: axum::http::Uri) -> Ready<String> { ready(uri.to_string()) }

        /// Of Warp.
        #[metrics_guard_warp::guard_metrics]
        pub fn now(word: String) -> Ready<String> { ready(word) }

        /// Of custom servers.
        #[metrics_guard_core::guard_metrics(guard = GUARD)]
        pub fn of_requests(request: &Request<()>) -> Response<String> { Response::new(request.uri().to_string()) }

        /// Of custom servers, later.
        #[metrics_guard_core::guard_metrics(guard = GUARD)]
        pub fn hidden(_request: &Request<()>) -> Ready<Response<String>> { ready(Response::new(String::new())) }
    }

    /// Of custom servers.
    pub mod requests {
        use std::fmt;

        use http::{Request, Response};
        use metrics_guard_core::guard_metrics;

        use super::super::GUARD;

        /// Wraps.
        ///
        /// # Errors
        ///
        /// None.
        #[guard_metrics(guard = GUARD)]
        pub fn wrapping(_request: Request<()>, _: &u8) -> Result<Response<Box<Vec<u8>>>, fmt::Error> {
            use std::mem::take;
            Ok(Response::new(Box::new(take(&mut vec![1]))))
        }

        /// Later.
        ///
        /// # Errors
        ///
        /// None.
        #[guard_metrics(guard = GUARD)]
        pub async fn later(request: Request<()>, _: &u8) -> Result<Response<Box<Vec<u8>>>, fmt::Error> {
            const ONE: u8 = 1;
            drop(request);
            tokio::task::yield_now().await;
            Ok(Response::new(Box::new(vec![ONE])))
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    for (key, status) in [("wrong", StatusCode::UNAUTHORIZED), (KEY, StatusCode::OK)] {
        let request = || Request::get("/metrics").header("X-Metrics-Key", key);
        runtime.block_on(async {
            let service = of_requests::Service { guard: GUARD.clone() };
            let request = request().body(())?;
            assert_eq!(service.method(&request).status(), status);
            assert_eq!(of_requests::unused(&request).status(), status);
            assert_eq!(of_requests::unused_later(request.clone()).await.status(), status);
            assert_eq!(of_requests_with_a_cache::unread(&GUARD, &request).status(), status);
            assert_eq!(of_requests::boxed(request.clone()).await.status(), status);
            let answer = of_requests::awaiting(request.clone()).await.map_err(|error| error.to_string())?;
            assert_eq!(answer.status(), status);
            if status == StatusCode::UNAUTHORIZED {
                assert_eq!(of_requests::diverging(&request).await.status(), status);
            }
            Ok::<(), Box<dyn Error>>(())
        })?;

        let app = axum::Router::new()
            .route("/metrics", axum::routing::get(of_axum::immediate))
            .route("/awaiting", axum::routing::get(of_axum::awaiting))
            .route("/seven", axum::routing::get(of_axum::seven));
        let mut app = app.with_state(GUARD.clone());
        for path in ["/metrics", "/awaiting", "/seven"] {
            let mut request = request().body(axum::body::Body::empty())?;
            *request.uri_mut() = path.parse()?;
            let answer = runtime.block_on(tower_service::Service::call(&mut app, request))?;
            assert_eq!(answer.status(), status, "{path}");
        }

        let guard = metrics_guard_warp::MetricsGuard::with(GUARD.clone());
        runtime.block_on(async {
            use warp::Filter;
            let routes = guard.protect(warp::path!("metrics"), warp::get().map(of_warp::immediate));
            let routes = routes.or(guard.protect(warp::path("awaiting"), warp::path::param().map(of_warp::awaiting)));
            for path in ["/metrics", "/awaiting/word"] {
                let request = warp::test::request().path(path).header("X-Metrics-Key", key);
                assert_eq!(request.reply(&routes).await.status(), status, "{path}");
            }
        });

        let config = rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::debug_default() };
        let routes = rocket::routes![of_rocket::immediate, of_rocket::awaiting, of_rocket::seven];
        let guard = metrics_guard_rocket::MetricsGuard::with(GUARD.clone());
        let rocket = rocket::custom(config).manage(0_u8).mount("/", routes).attach(guard);
        let client = rocket::local::blocking::Client::untracked(rocket)?;
        for path in ["/metrics", "/awaiting", "/seven/1?b=2&c=3"] {
            let key = rocket::http::Header::new("X-Metrics-Key", key);
            assert_eq!(client.get(path).header(key).dispatch().status().code, status.as_u16(), "{path}");
        }
    }
    Ok(())
}
