//! What the guard lets through and what it does not, among the other filters of a Warp.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use metrics_guard_warp::{ClientName, Guard, Key, KeyRing, MetricsGuard, Peer, guard_metrics};
use tower_service::Service as _;
use warp::{
    Filter, Rejection, Reply,
    http::{Method, Request, StatusCode},
};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";
const OTHER: &str = "another-key-of-32-characters-too";

fn guard() -> MetricsGuard {
    MetricsGuard::with(Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().build())
}

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1\n"
}

fn page() -> impl Filter<Extract = (String,), Error = Rejection> + Clone + Send + Sync + 'static {
    warp::path::param().map(|page: String| format!("the page {page}"))
}

async fn ask<R>(routes: &R, method: Method, path: &str, key: Option<&str>) -> (StatusCode, String)
where
    R: Filter<Extract: Reply + Send, Error = Rejection> + Clone + Send + Sync + 'static,
{
    let mut request = warp::test::request().method(method.as_str()).path(path);
    if let Some(key) = key {
        request = request.header("X-Metrics-Key", key);
    }
    let response = request.reply(routes).await;
    (response.status(), String::from_utf8(response.body().to_vec()).unwrap())
}

fn refused() -> (StatusCode, String) {
    (StatusCode::UNAUTHORIZED, "Unauthorized\n".to_owned())
}

fn ok(body: &str) -> (StatusCode, String) {
    (StatusCode::OK, body.to_owned())
}

/// Case 70: why there is no filter that rejects. Were this test to fail, Warp would have changed.
#[tokio::test]
async fn a_guard_that_rejects_is_bypassed() {
    #[derive(Debug)]
    struct NoKey;
    impl warp::reject::Reject for NoKey {}

    let rejecting = warp::header::exact("x-metrics-key", KEY).or_else(|_| async { Err(warp::reject::custom(NoKey)) });
    let guarded = warp::path!("metrics").and(rejecting).map(|| "up 1\n".to_owned());
    assert_eq!(ask(&guarded, Method::GET, "/metrics", None).await.0, StatusCode::INTERNAL_SERVER_ERROR);

    let legacy = warp::path!("metrics").map(|| "up 1, as ever\n".to_owned());
    assert_eq!(ask(&guarded.or(legacy), Method::GET, "/metrics", None).await, ok("up 1, as ever\n"));
}

#[tokio::test]
async fn case_70_no_other_route_answers_or_runs() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let legacy = warp::path!("metrics").map(move || {
        counted.fetch_add(1, Relaxed);
        "up 1, as ever\n".to_owned()
    });
    let routes = guard().protect(warp::path!("metrics"), warp::get().map(metrics)).or(legacy).or(page());
    for key in [None, Some("wrong"), Some("")] {
        assert_eq!(ask(&routes, Method::GET, "/metrics", key).await, refused(), "{key:?}");
    }
    assert_eq!(runs.load(Relaxed), 0);
    assert_eq!(ask(&routes, Method::GET, "/metrics", Some(KEY)).await, ok("up 1\n"));
    assert_eq!(ask(&routes, Method::GET, "/metric", None).await, ok("the page metric"));
    // A method that `rest` does not take is rejected by it, and goes on to the others: with the key, and only then.
    assert_eq!(ask(&routes, Method::POST, "/metrics", None).await, refused());
    assert_eq!(ask(&routes, Method::POST, "/metrics", Some(KEY)).await, ok("up 1, as ever\n"));

    let alone = guard().protect(warp::path!("metrics"), warp::get().map(metrics));
    assert_eq!(ask(&alone, Method::GET, "/metrics/x", None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&alone, Method::POST, "/metrics", Some(KEY)).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_guard_comes_before_method_and_extractors() {
    #[guard_metrics]
    fn parsed(number: u8, _body: Vec<String>) -> String {
        number.to_string()
    }
    let extractors = warp::post().and(warp::header::<u8>("x-number")).and(warp::body::json());
    let routes = guard().protect(warp::path!("metrics"), extractors.map(parsed));
    // Without the guard: 405, 400, 400.
    for (method, number, body) in [("GET", "1", "[]"), ("POST", "many", "[]"), ("POST", "1", "{")] {
        let request = || warp::test::request().method(method).path("/metrics").header("x-number", number).body(body);
        assert_eq!(request().reply(&routes).await.status(), StatusCode::UNAUTHORIZED, "{method} {number} {body}");
        let with_key = request().header("X-Metrics-Key", KEY).reply(&routes).await.status();
        assert!(with_key.is_client_error() && with_key != StatusCode::UNAUTHORIZED, "{method} {number} {body}");
    }
    let request = warp::test::request().method("POST").path("/metrics").header("x-number", "7").body("[]");
    assert_eq!(request.header("X-Metrics-Key", KEY).reply(&routes).await.body(), "7");
}

#[tokio::test]
async fn a_gate_in_front_of_the_routes_of_others() {
    let of = warp::path::param().or(warp::path::end().map(String::new)).unify();
    let vendored = warp::path("metrics").and(of).map(|of: String| format!("up 1 {of}"));
    let routes = guard().gate(warp::path("metrics")).or(vendored).or(page());
    for path in ["/metrics", "/metrics/", "/metrics/x", "/metrics?key=wrong"] {
        assert_eq!(ask(&routes, Method::GET, path, None).await, refused(), "{path}");
    }
    assert_eq!(ask(&routes, Method::POST, "/metrics", None).await, refused());
    assert_eq!(ask(&routes, Method::GET, "/metrics/x", Some(KEY)).await, ok("up 1 x"));
    assert_eq!(ask(&routes, Method::GET, "/other", None).await, ok("the page other"));
}

#[tokio::test]
async fn a_gate_of_a_path_guards_each_spelling() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("metrics"), "up 1\n").unwrap();
    std::fs::write(folder.path().join("other"), "other\n").unwrap();
    let open = warp::fs::dir(folder.path().to_owned());
    let routes = guard().gate_path("/metrics").unwrap().or(open.clone());

    let served =
        ["/metrics", "//metrics", "/./metrics", "///.//metrics", "/%6detrics", "/%2fmetrics", "/.%2Fm%65trics"];
    for path in served {
        assert_eq!(ask(&open, Method::GET, path, None).await, ok("up 1\n"), "{path}");
        assert_eq!(ask(&routes, Method::GET, path, Some(KEY)).await, ok("up 1\n"), "{path}");
    }
    let others = [
        "/x/../metrics",
        "/%2e%2e/metrics",
        "/%256detrics",
        "/METRICS",
        r"/\metrics",
        "/%5cmetrics",
        "/metrics/",
        "/metrics%2f..",
        "/metrics/..%2fother",
        "/metrics%00",
        "/%ff",
    ];
    for path in served.into_iter().chain(others) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let response = warp::test::request().method(method.as_str()).path(path).reply(&routes).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
    assert_eq!(ask(&routes, Method::GET, "/other", None).await, ok("other\n"));
    assert_eq!(ask(&routes, Method::GET, "/metricsx", None).await.0, StatusCode::NOT_FOUND);
}

/// A gate for exact routes is open in front of routes that decode: what `gate_path` is for.
#[tokio::test]
async fn a_gate_of_a_filter_guards_what_that_matches() {
    let page = warp::get().and(warp::path::full()).map(|path: warp::path::FullPath| path.as_str().to_owned());
    let exact = guard().gate(warp::path("metrics")).or(page);
    let every = guard().gate_path("/metrics").unwrap().or(page);
    for (path, of_exact) in [("/metrics", refused()), ("/metrics/x", refused()), ("//metrics", ok("//metrics"))] {
        assert_eq!(ask(&exact, Method::GET, path, None).await, of_exact, "{path}");
        assert_eq!(ask(&every, Method::GET, path, None).await, refused(), "{path}");
    }
}

#[tokio::test]
async fn a_gate_of_a_path_behind_a_part_of_the_path() {
    let page = warp::get().and(warp::path::full()).map(|path: warp::path::FullPath| path.as_str().to_owned());
    for guarded in ["/metrics", "/app/metrics"] {
        let routes = warp::path("app").and(guard().gate_path(guarded).unwrap().or(page));
        for path in ["/app/metrics", "/app//metrics", "/app/%6detrics/x"] {
            assert_eq!(ask(&routes, Method::GET, path, None).await, refused(), "{guarded} {path}");
        }
        assert_eq!(ask(&routes, Method::GET, "/app/other", None).await, ok("/app/other"), "{guarded}");
    }
}

/// Filters in front can match a whole path, and a target such as `localhost:80` has none: `warp::path::full` panics there.
#[tokio::test]
async fn a_gate_of_a_path_where_none_is_left() {
    let behind = warp::path("metrics").and(guard().gate_path("/metrics").unwrap().or(warp::any().map(|| "up 1\n")));
    for path in ["/metrics", "/metrics/", "/metrics/x"] {
        assert_eq!(ask(&behind, Method::GET, path, None).await, refused(), "{path}");
        assert_eq!(ask(&behind, Method::GET, path, Some(KEY)).await, ok("up 1\n"), "{path}");
    }

    for (guarded, expected) in [("/metrics", StatusCode::OK), ("/", StatusCode::UNAUTHORIZED)] {
        let mut service = warp::service(guard().gate_path(guarded).unwrap().or(warp::any().map(|| "hello\n")));
        for target in ["localhost:80", "metrics", "*", "/", "http://localhost"] {
            for method in [Method::GET, Method::CONNECT, Method::OPTIONS] {
                let request = Request::builder().method(method).uri(target).body(String::new()).unwrap();
                assert_eq!(service.call(request).await.unwrap().status(), expected, "{guarded} {target}");
            }
        }
    }
}

#[test]
fn a_gate_of_what_is_no_path_is_an_error() {
    let error = guard().gate_path("metrics").map(drop).unwrap_err();
    assert!(error.to_string().starts_with("guarded path: invalid path: begin it with `/`"), "{error}");
}

#[tokio::test]
async fn answers_are_not_stored_unless_the_handler_says_so() {
    #[guard_metrics]
    fn cached() -> impl Reply {
        warp::reply::with_header("up 1\n", "Cache-Control", "private, max-age=5")
    }
    let guard = guard();
    let routes = guard
        .protect(warp::path!("metrics"), warp::get().map(metrics))
        .or(guard.protect(warp::path!("cached"), warp::get().map(cached)));
    for (path, expected) in [("/metrics", "no-store"), ("/cached", "private, max-age=5")] {
        let response = warp::test::request().path(path).header("X-Metrics-Key", KEY).reply(&routes).await;
        assert_eq!(response.headers()["Cache-Control"], expected);
        assert_eq!(response.headers().get_all("Cache-Control").iter().count(), 1);
    }
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() {
    let routes = guard().protect(warp::path!("metrics"), warp::any().map(metrics));
    for (key, length) in [("wrong", "13"), (KEY, "5")] {
        let request = warp::test::request().method("HEAD").path("/metrics").header("X-Metrics-Key", key);
        let response = request.reply(&routes).await;
        assert_eq!((response.headers()["Content-Length"].to_str().unwrap(), response.body().len()), (length, 0));
    }
}

#[tokio::test]
async fn every_source_and_other_names() {
    let ring = KeyRing::new([KEY, OTHER].map(|key| Key::new(key).unwrap())).unwrap();
    let guard = Guard::builder(ring).header("X-Scrape-Key").unwrap().query("k").unwrap().build();
    let routes = MetricsGuard::with(guard).protect(warp::path!("metrics"), warp::get().map(metrics));
    for (path, name, value, status) in [
        ("/metrics", "x-scrape-key", KEY, StatusCode::OK),
        ("/metrics", "x-metrics-key", KEY, StatusCode::UNAUTHORIZED),
        ("/metrics", "authorization", &format!("Bearer {OTHER}"), StatusCode::OK),
        ("/metrics", "authorization", "Basic dTpjMmQ5NGI3ZTEwZjNhNTg2ZDdlOWIwYzRmMWEyNjg1Mw==", StatusCode::OK),
        (&format!("/metrics?a&k={OTHER}"), "accept", "*/*", StatusCode::OK),
        (&format!("/metrics?k={}", OTHER.replace('-', "%2D")), "accept", "*/*", StatusCode::OK),
        (&format!("/metrics?key={OTHER}"), "accept", "*/*", StatusCode::UNAUTHORIZED),
    ] {
        let response = warp::test::request().path(path).header(name, value).reply(&routes).await;
        assert_eq!(response.status(), status, "{path} {name}: {value}");
    }
}

/// Behind a server of one's own, as in examples/tls.rs: Warp knows no address there, and takes the `Peer` it is given.
/// And cases 2 and 27, which `warp::test` cannot say: of repeated lines the first counts, and a second `Authorization` is
/// malformed.
#[tokio::test]
async fn behind_a_server_of_ones_own() {
    let mut service = warp::service(guard().protect(warp::path!("metrics"), warp::get().map(metrics)));
    let bearer = format!("Bearer {KEY}");
    for (name, first, second, status) in [
        ("X-Metrics-Key", KEY, "wrong", StatusCode::OK),
        ("X-Metrics-Key", "wrong", KEY, StatusCode::UNAUTHORIZED),
        ("Authorization", &bearer, &bearer, StatusCode::UNAUTHORIZED),
    ] {
        let mut request =
            Request::get("/metrics").header(name, first).header(name, second).body(String::new()).unwrap();
        request.extensions_mut().insert(Peer::new(SocketAddr::from(([127, 0, 0, 1], 9090))));
        assert_eq!(service.call(request).await.unwrap().status(), status);
    }
}

/// As the acceptor in examples/tls.rs tells it: here without TLS, but by the same `Peer`.
#[tokio::test]
async fn a_certificate_beside_the_key_or_instead_of_it() {
    let named = |names: &[&str]| {
        Peer::new(SocketAddr::from(([127, 0, 0, 1], 9090))).with_names(names.iter().map(|name| ClientName::dns(name)))
    };
    let beside = Guard::builder(Key::new(KEY).unwrap()).require_client_name(["prometheus.example"]).unwrap().build();
    let instead = Guard::builder_with_client_names(["prometheus.example"]).unwrap().build();
    for (guard, key, by_right_name) in
        [(&beside, KEY, 200), (&beside, "wrong", 401), (&instead, KEY, 200), (&instead, "wrong", 200)]
    {
        let guard = MetricsGuard::with(guard.clone());
        let protected = guard.protect(warp::path!("metrics"), warp::get().map(metrics)).boxed();
        let gated = guard
            .gate(warp::path!("metrics"))
            .or(warp::path!("metrics").map(|| "up 1\n"))
            .map(Reply::into_response)
            .boxed();
        for routes in [protected, gated] {
            for (names, status) in [(&["prometheus.example"][..], by_right_name), (&["other.example"], 403), (&[], 403)]
            {
                let request = warp::test::request().path("/metrics").header("X-Metrics-Key", key);
                let response = request.extension(named(names)).reply(&routes).await;
                assert_eq!(response.status(), status, "{names:?} {key}");
                assert_eq!(response.body() == "up 1\n", status == 200);
            }
        }
    }
}
