//! Tests the layer as a tower service: what it rejects, what it keeps of the inner service, and tonic.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    middleware::{Next, from_fn},
    response::IntoResponse,
    routing::get,
};
use http::{Method, Request, Response, header::CACHE_CONTROL};
use http_body_util::BodyExt;
use metrics_guard_tower::{Guard, GuardBuilder, Key, MetricsGuardLayer, MetricsGuardService};
use tonic::{
    server::NamedService,
    service::{LayerExt, Routes},
    transport::Server,
};
use tower::{
    Layer, Service, ServiceExt,
    limit::ConcurrencyLimit,
    service_fn,
    util::{BoxCloneService, option_layer},
};
use tower_http::{services::ServeDir, trace::TraceLayer};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";

fn key() -> Key {
    Key::new(KEY).unwrap()
}

fn layer() -> MetricsGuardLayer {
    MetricsGuardLayer::new(Guard::new(key()))
}

fn scrape<B>(path: &str, key: &str, body: B) -> Request<B> {
    Request::get(path).header("X-Metrics-Key", key).body(body).unwrap()
}

#[tokio::test]
async fn rejected_requests_get_one_answer_and_do_not_reach_the_service() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mut service = layer().layer(service_fn(move |request: Request<&'static str>| {
        counted.fetch_add(1, Relaxed);
        ready(Ok::<_, Infallible>(Response::new(request.into_body())))
    }));
    for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::CONNECT, Method::TRACE] {
        for target in ["/metrics", "/", "*", "http://localhost/"] {
            let mut request = scrape(target, "wrong", "body");
            *request.method_mut() = method.clone();
            let (head, body) = service.clone().oneshot(request).await.unwrap().into_parts();
            let shape = (head.status.as_u16(), body, head.headers.len(), head.extensions.len());
            assert_eq!(shape, (401, "", 2, 0), "{method} {target}");
            assert_eq!(head.headers["WWW-Authenticate"], "Bearer realm=\"metrics\"");
            assert_eq!(head.headers[CACHE_CONTROL], "no-store");
        }
    }
    drop(service.ready().await.unwrap().call(Request::new("body"))); // rejects, although it is never polled
    assert_eq!(calls.load(Relaxed), 0);
    assert_eq!(service.oneshot(scrape("/any", KEY, "body")).await.unwrap().body(), &"body");
    assert_eq!(calls.load(Relaxed), 1);
}

#[tokio::test]
async fn a_guarded_service_is_ready_when_its_inner_service_is() {
    let is_ready =
        |service: &mut MetricsGuardService<_>| service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready();
    let slow = service_fn(|_: Request<()>| pending::<Result<Response<()>, Infallible>>());
    let mut first = layer().layer(ConcurrencyLimit::new(slow, 1));
    let mut second = first.clone();
    assert!(is_ready(&mut first));
    let in_flight = first.call(scrape("/metrics", KEY, ()));
    assert!(!is_ready(&mut second));
    drop(in_flight);
    // A rejection does not use the permit. `second` keeps the permit until it is dropped or called again.
    assert!(is_ready(&mut second));
    assert_eq!(second.call(scrape("/metrics", "", ())).await.unwrap().status(), 401);
    assert!(!is_ready(&mut first) && is_ready(&mut second));
}

/// The layer recognises tonic by the body type of the requests, also within another body. `tests/guide.rs` in the workspace
/// compares the texts with the guide.
#[tokio::test]
async fn a_missing_address_or_name_is_explained_for_the_server_in_use() {
    async fn advice<B>(builder: GuardBuilder, request: Request<B>) -> String {
        let (sender, warnings) = std::sync::mpsc::channel();
        let guard = builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build();
        let inner = service_fn(|_: Request<B>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
        assert_eq!(MetricsGuardLayer::new(guard).layer(inner).oneshot(request).await.unwrap().status(), 403);
        let warning = warnings.recv_timeout(Duration::from_secs(10)).unwrap();
        warning.split_once(" may be rejected; ").unwrap().1.to_owned()
    }
    let networks = || Guard::builder(key()).allow_networks(["10.0.0.0/8"]).unwrap();
    let names = Guard::builder(key()).require_client_name(["prometheus.example"]).unwrap();
    let mut connected = Request::new(());
    connected.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 9090))));
    let tonic = Request::new(Some(tonic::body::Body::empty()));
    let feature = if cfg!(feature = "axum") { "serve" } else { "use the feature `axum` of metrics-guard-tower" };
    for (advice, start) in [
        (advice(networks(), Request::new(())).await, &*format!("on axum 0.8, {feature}")),
        (advice(networks(), tonic).await, "on tonic, put a `Peer` with the address of `TcpConnectInfo` into"),
        (advice(names, connected).await, "put a `Peer` with the names in"),
    ] {
        assert!(advice.starts_with(start) && !advice.contains("RequestHead"), "{advice}");
    }
}

/// `tests/paths.rs` in the workspace sends other methods and more spellings.
#[tokio::test]
async fn only_path_guards_its_paths_and_does_not_check_other_requests() {
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&checks);
    let guard = Guard::builder(key()).observe(move |_| _ = counted.fetch_add(1, Relaxed)).build();
    let layer = |path| MetricsGuardLayer::new(guard.clone()).only_path(path).unwrap();
    let up = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new("up 1\n"))));
    let two = layer("/metrics").only_path("/debug").unwrap().layer(up);
    let all = layer("/").layer(up);
    for (target, is_guarded) in [
        ("/metrics", true),
        ("//%6detrics/x?a", true),
        ("http://localhost:9090/x/../METRICS", true),
        ("/debug/pprof", true),
        ("/", false),
        ("/metricsx", false),
        ("/other?key=/metrics", false),
        ("http://localhost/other/metrics", false),
        ("*", false),
        ("localhost:9090", false),
    ] {
        for (service, is_guarded) in [(&two, is_guarded), (&all, true)] {
            for key in ["wrong", KEY] {
                let before = checks.load(Relaxed);
                let response = service.clone().oneshot(scrape(target, key, ())).await.unwrap();
                let expected = if is_guarded && key != KEY { 401 } else { 200 };
                assert_eq!(response.status(), expected, "{target}");
                assert_eq!(response.headers().contains_key(CACHE_CONTROL), is_guarded, "{target}");
                assert_eq!(checks.load(Relaxed) - before, usize::from(is_guarded), "{target}");
            }
        }
    }
    let error = MetricsGuardLayer::new(guard.clone()).only_path("http://localhost/metrics").unwrap_err();
    assert!(error.to_string().starts_with("GuardedPath::new: invalid path; begin it with `/`"), "{error}");
}

/// The body of a rejection is the default of the service's body. The layer's documentation has more examples.
#[tokio::test]
async fn the_guard_works_around_services_with_other_bodies() {
    let text = include_str!("../LICENSE-MIT");
    let route = || get(move || async move { text });
    let traced = route().layer::<_, Infallible>(TraceLayer::new_for_http()).layer(layer());
    let router = || Router::new().route("/LICENSE-MIT", route());
    for (name, app) in [
        ("a traced route", Router::new().route("/LICENSE-MIT", traced)),
        ("files", Router::new().fallback_service(layer().layer(ServeDir::new(env!("CARGO_MANIFEST_DIR"))))),
        // An option requires the body of the service, so the guard can have no body of its own.
        ("an option", Router::new().fallback_service(option_layer(Some(layer())).layer(router()))),
    ] {
        for (key, expected) in [("wrong", (401, "")), (KEY, (200, text))] {
            let request = scrape("/LICENSE-MIT", key, Body::empty());
            let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            assert_eq!((head.status.as_u16(), &*body), (expected.0, expected.1.as_bytes()), "{name}");
        }
    }
}

/// Responds to `/metrics` itself, whatever the inner service responds. The README lists such layers.
async fn respond(request: axum::extract::Request, next: Next) -> axum::response::Response {
    let is_scrape = request.uri().path() == "/metrics";
    let response = next.run(request).await;
    if is_scrape { "up 1\n".into_response() } else { response }
}

#[tokio::test]
async fn a_layer_that_responds_itself_is_guarded_only_if_the_guard_is_outside() {
    let guard = || layer().only_path("/metrics").unwrap();
    for (name, app, rejection) in [
        ("the guard is outside", Router::new().layer(from_fn(respond)).layer(guard()), (401, "")),
        ("the guard is inside, which is open", Router::new().layer(guard()).layer(from_fn(respond)), (200, "up 1\n")),
    ] {
        for (key, expected) in [("wrong", rejection), (KEY, (200, "up 1\n"))] {
            let response = app.clone().oneshot(scrape("/metrics", key, Body::empty())).await.unwrap();
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            assert_eq!((head.status.as_u16(), &*body), (expected.0, expected.1.as_bytes()), "{name}");
        }
    }
}

/// A gRPC service like those that tonic generates.
#[derive(Clone)]
struct Generated;

impl NamedService for Generated {
    const NAME: &'static str = "test.Metrics";
}

impl Service<Request<tonic::body::Body>> for Generated {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<tonic::body::Body>) -> Self::Future {
        ready(Ok(Response::builder().header("grpc-status", "0").body(tonic::body::Body::empty()).unwrap()))
    }
}

/// If an answer has no `grpc-status`, a gRPC client derives its code from the HTTP status.
#[tokio::test]
async fn all_services_of_tonic_or_one_of_them_are_guarded() {
    let whole = BoxCloneService::new(layer().layer(Routes::new(Generated)));
    let one = BoxCloneService::new(Routes::new(layer().named_layer(Generated)));
    for (service, path, key, expected) in [
        (&whole, "/test.Metrics/Scrape", "", "401 - no-store"),
        (&whole, "/test.Other/Scrape", "wrong", "401 - no-store"),
        (&whole, "/test.Metrics/Scrape", KEY, "200 0 no-store"),
        (&whole, "/test.Other/Scrape", KEY, "200 12 no-store"), // unimplemented
        (&one, "/test.Metrics/Scrape", "", "401 - no-store"),
        (&one, "/test.Metrics/Scrape", KEY, "200 0 no-store"),
        (&one, "/test.Other/Scrape", "", "200 12 -"),
    ] {
        let response = service.clone().oneshot(scrape(path, key, tonic::body::Body::empty())).await.unwrap();
        let text = |name: &str| response.headers().get(name).map_or("-", |value| value.to_str().unwrap());
        let seen = format!("{} {} {}", response.status().as_u16(), text("grpc-status"), text("cache-control"));
        assert_eq!(seen, expected, "{path} {key}");
    }
    // The server of tonic accepts the layer.
    drop(Server::builder().layer(layer()).add_service(Generated).serve(([127, 0, 0, 1], 0).into()));
}
