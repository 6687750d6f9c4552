//! Tests which requests the guard covers, with routes and gates among other filters of Warp.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use metrics_guard_warp::{Guard, Key, MetricsGuard, guard_metrics};
use tower_service::Service as _;
use warp::{
    Filter, Rejection, Reply,
    filters::BoxedFilter,
    http::{Method, Request},
    path::FullPath,
    reply::Response,
};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";

fn guard() -> MetricsGuard {
    MetricsGuard::with(Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().build())
}

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1\n"
}

type Routes = BoxedFilter<(Response,)>;

fn boxed<R, T>(routes: R) -> Routes
where
    R: Filter<Extract = (T,), Error = Rejection> + Clone + Send + Sync + 'static,
    T: Reply + 'static,
{
    routes.map(Reply::into_response).boxed()
}

/// Returns the status and the body of the answer, such as `200 up 1`.
async fn ask(routes: &Routes, method: &str, path: &str, key: &str) -> String {
    let response = warp::test::request().method(method).path(path).header("X-Metrics-Key", key).reply(routes).await;
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    format!("{} {body}", response.status().as_u16()).trim_end().to_owned()
}

#[tokio::test]
async fn case_70_no_other_route_answers_or_runs_for_a_rejected_request() {
    let protected = || guard().protect(warp::path!("metrics"), warp::get().map(metrics));
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let legacy = warp::path!("metrics").map(move || format!("up 1, as ever ({})", counted.fetch_add(1, Relaxed)));
    let others = legacy.or(warp::path::param().map(|page: String| page));
    let (alone, among) = (boxed(protected()), boxed(protected().or(others)));
    for (routes, method, path, without, with) in [
        (&among, "GET", "/metrics", "401 Unauthorized", "200 up 1"),
        (&among, "GET", "/metric", "200 metric", "200 metric"),
        // `rest` rejects another method, so that other routes respond, but only to a request with the key.
        (&among, "POST", "/metrics", "401 Unauthorized", "200 up 1, as ever (0)"),
        (&alone, "POST", "/metrics", "401 Unauthorized", "405 HTTP method not allowed"),
        (&alone, "GET", "/metrics/x", "404", "404"),
    ] {
        for (key, expected) in [("", without), ("wrong", without), (KEY, with)] {
            assert_eq!(ask(routes, method, path, key).await, expected, "{method} {path} {key}");
        }
    }
    assert_eq!(runs.load(Relaxed), 1);
}

#[tokio::test]
async fn the_guard_comes_before_method_and_extractors() {
    #[guard_metrics]
    fn parsed(number: u8, _body: Vec<String>) -> Result<String, Rejection> {
        if number == 0 { Err(warp::reject::not_found()) } else { Ok(number.to_string()) }
    }
    let extractors = warp::post().and(warp::header::<u8>("x-number")).and(warp::body::json());
    let routes = guard().protect(warp::path!("metrics"), extractors.map(parsed));
    for (method, number, body, expected) in [
        ("GET", "1", "[]", 405),
        ("POST", "many", "[]", 400),
        ("POST", "1", "{", 400),
        ("POST", "0", "[]", 404),
        ("POST", "7", "[]", 200),
    ] {
        let request = || warp::test::request().method(method).path("/metrics").header("x-number", number).body(body);
        assert_eq!(request().reply(&routes).await.status(), 401, "{method} {number} {body}");
        let response = request().header("X-Metrics-Key", KEY).reply(&routes).await;
        assert_eq!(response.status(), expected, "{method} {number} {body}");
        assert_eq!(response.body() == "7", expected == 200);
    }
}

#[tokio::test]
async fn a_gate_guards_the_routes_behind_it() {
    let page = || warp::get().and(warp::path::full()).map(|path: FullPath| path.as_str().to_owned());
    let gate_path = |path| guard().gate_path(path).unwrap();
    let in_app = |gate| boxed(warp::path("app").and(gate_path(gate).or(page())));
    for (routes, guarded, open) in [
        // A gate for exact routes is open in front of routes that decode: use `gate_path` there.
        (
            boxed(guard().gate(warp::path("metrics")).or(page())),
            "/metrics /metrics/ /metrics/x /metrics?key=wrong",
            "/other //metrics",
        ),
        (boxed(gate_path("/metrics").or(page())), "/metrics //metrics /x/../%6Detrics/x", "/other /metricsx"),
        (in_app("/metrics"), "/app/metrics /app//metrics /app/%6detrics/x", "/app/other"),
        (in_app("/app/metrics"), "/app/metrics /app//metrics /app/%6detrics/x", "/app/other"),
        // Filters in front can match a whole path.
        (boxed(warp::path("metrics").and(gate_path("/metrics").or(page()))), "/metrics /metrics/ /metrics/x", ""),
    ] {
        for path in guarded.split(' ') {
            for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                let expected = if method == "HEAD" { "401" } else { "401 Unauthorized" };
                assert_eq!(ask(&routes, method, path, "").await, expected, "{method} {path} of {guarded}");
            }
            assert!(ask(&routes, "GET", path, KEY).await.starts_with("200 "), "{path} of {guarded}");
        }
        for path in open.split_terminator(' ') {
            assert_eq!(ask(&routes, "GET", path, "").await, format!("200 {path}"), "of {guarded}");
        }
    }
    let error = guard().gate_path("metrics").map(drop).unwrap_err();
    assert!(error.to_string().starts_with("GuardedPath::new: invalid path; begin it with `/`"), "{error}");
}

/// `warp::path::full` panics for a target such as `localhost:80`.
#[tokio::test]
async fn a_gate_of_a_path_reads_targets_without_a_path() {
    for (guarded, expected) in [("/metrics", 200), ("/", 401)] {
        let mut service = warp::service(guard().gate_path(guarded).unwrap().or(warp::any().map(|| "hello\n")));
        for target in ["localhost:80", "metrics", "*", "/", "http://localhost"] {
            for method in [Method::GET, Method::CONNECT, Method::OPTIONS] {
                let request = Request::builder().method(method).uri(target).body(String::new()).unwrap();
                assert_eq!(service.call(request).await.unwrap().status(), expected, "{guarded} {target}");
            }
        }
    }
}

#[tokio::test]
async fn missing_client_names_are_explained_for_warp() {
    let (sender, warnings) = mpsc::channel();
    let builder = Guard::builder(Key::new(KEY).unwrap()).require_client_name(["prometheus.example"]).unwrap();
    let guard = MetricsGuard::with(builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build());
    let request = warp::test::request().path("/metrics").remote_addr(([10, 0, 0, 1], 9090).into());
    assert_eq!(request.reply(&guard.gate(warp::path("metrics"))).await.status(), 403);
    let warning = warnings.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(warning.contains("; in a custom hyper server, put a `Peer` with the names in"), "{warning}");
}

/// The catalogue checks the `no-store` of other handlers and of rejections.
#[tokio::test]
async fn a_handler_can_set_cache_control_and_a_head_has_the_length_of_its_body() {
    #[guard_metrics]
    fn cached() -> impl Reply {
        warp::reply::with_header("up 1\n", "Cache-Control", "private, max-age=5")
    }
    let routes = guard().protect(warp::path!("cached"), warp::any().map(cached));
    for (method, body, length) in [("GET", "up 1\n", None), ("HEAD", "", Some("5"))] {
        let request = warp::test::request().method(method).path("/cached").header("X-Metrics-Key", KEY);
        let response = request.reply(&routes).await;
        assert_eq!(response.body(), body, "{method}");
        assert!(response.headers().get_all("Cache-Control").iter().eq(["private, max-age=5"]), "{method}");
        assert_eq!(response.headers().get("Content-Length").map(|value| value.to_str().unwrap()), length, "{method}");
    }
}
