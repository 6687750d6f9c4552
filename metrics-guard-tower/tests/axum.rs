//! Tests which of axum's routers, methods and extractors the guard covers, and which it does not.

#![cfg(feature = "axum")]
#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::net::SocketAddr;

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, Path, Query, Request, State, connect_info::MockConnectInfo},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::header::CACHE_CONTROL;
use http_body_util::BodyExt;
use metrics_guard_tower::{Authorized, Guard, Key, MetricsGuardLayer, Peer, Refusal, guard_metrics};
use tower::{Layer, Service, ServiceExt};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";

fn key() -> Key {
    Key::new(KEY).unwrap()
}

fn guard() -> Guard {
    Guard::new(key())
}

fn layer() -> MetricsGuardLayer {
    MetricsGuardLayer::new(guard())
}

/// A handler without a guard.
async fn open() -> &'static str {
    "up 1\n"
}

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1\n"
}

/// Returns a request with this key. An empty key counts as none.
fn request(method: &str, path: &str, key: &str) -> Request {
    Request::builder().method(method).uri(path).header("X-Metrics-Key", key).body(Body::empty()).unwrap()
}

async fn ask(app: &Router, path: &str, key: &str) -> Response {
    app.clone().oneshot(request("GET", path, key)).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

/// Checks rows such as `GET,HEAD /metrics,/other 401 200`: the status without the key, and with it. A row without a path is
/// about `/metrics`.
async fn assert_statuses(app: &Router, rows: &str) {
    for row in rows.split("; ") {
        let (methods, paths, expected) = match row.split(' ').collect::<Vec<_>>()[..] {
            [methods, paths, without, with] => (methods, paths, [without, with]),
            [methods, without, with] => (methods, "/metrics", [without, with]),
            _ => panic!("{row}"),
        };
        for (method, path) in methods.split(',').flat_map(|method| paths.split(',').map(move |path| (method, path))) {
            for (key, expected) in ["", KEY].into_iter().zip(expected) {
                let response = app.clone().oneshot(request(method, path, key)).await.unwrap();
                assert_eq!(response.status().as_str(), expected, "{method} {path} {key} of: {rows}");
            }
        }
    }
}

/// Routes and fallbacks that are added after a layer are open, as its documentation says.
#[tokio::test]
async fn the_layer_of_a_router_guards_the_routes_and_the_fallback_that_are_there() {
    let routes = || Router::new().route("/metrics", get(open));
    let layered = || routes().layer(layer());
    for (app, rows) in [
        (layered(), "GET 401 200; POST 401 405; GET /,/metrics/,/metrics/x,//metrics 401 404"),
        (layered().route("/late", get(open)), "GET 401 200; GET /late 200 200"),
        (layered().route("/metrics", post(open)), "GET 401 200; POST 200 200; PUT 405 405"),
        (routes().fallback(open).layer(layer()), "GET 401 200; POST 401 405; GET /,/metrics/ 401 200"),
        (layered().fallback(open), "GET 401 200; POST 401 405; GET /else 200 200"),
        // `route_layer` leaves out the fallback.
        (routes().route_layer(layer()), "GET 401 200; POST 401 405; GET /else 404 404"),
    ] {
        assert_statuses(&app, rows).await;
    }
}

/// The extractor runs when axum has found the handler, and the layer of a route before that.
#[tokio::test]
async fn the_layer_of_a_route_guards_the_methods_and_the_fallback_that_are_there() {
    let late = |route: MethodRouter<Guard>| Router::new().route("/metrics", route).method_not_allowed_fallback(open);
    let layered = || get(open).layer(layer());
    let at = |route: MethodRouter<Guard>| Router::new().route("/metrics", route);
    for (app, rows) in [
        (at(get(metrics)), "GET,HEAD 401 200; POST,PUT,DELETE,PATCH,OPTIONS,TRACE 405 405"),
        (at(layered()), "GET,HEAD 401 200; POST,PUT,DELETE,PATCH,OPTIONS,TRACE 401 405"),
        // `route_layer` leaves out the methods that the route does not have.
        (at(get(open).route_layer(layer())), "GET 401 200; POST 405 405; GET /else 404 404"),
        // Open: a method, fallback or route that is added after the layer. A merged route brings its own 405.
        (at(layered().post(open)), "GET 401 200; POST 200 200; PUT 401 405"),
        (at(layered().fallback(open)), "GET 401 200; PUT 200 200"),
        (at(layered().merge(post(open))), "GET 401 200; POST 200 200; PUT 405 405"),
        // Guarded: everything, because the layer comes last.
        (at(get(open).post(open).head(open).fallback(open).layer(layer())), "GET,POST,HEAD,PUT 401 200"),
        // Open: the router's `method_not_allowed_fallback`, which axum adds to the existing routes.
        (late(get(metrics)), "GET 401 200; POST,OPTIONS 200 200"),
        (late(layered()), "GET,HEAD 401 200; POST 200 200"),
    ] {
        assert_statuses(&app.with_state(guard()), rows).await;
    }
}

/// A nested router removes the prefix from the path. The guard compares the path with and without it.
#[tokio::test]
async fn only_path_compares_the_path_with_and_without_a_removed_prefix() {
    let only = |path| layer().only_path(path).unwrap();
    let routes = || Router::new().route("/metrics", get(open)).route("/other", get(open)).route("/", get(open));
    let nested = |path| -> Router { Router::new().nest("/in", routes().layer(only(path))) };
    let service = |path| -> Router { Router::new().nest_service("/in", routes().fallback(open).layer(only(path))) };
    let around = |path| -> Router { Router::new().nest("/in", routes()).layer(only(path)) };
    for (app, rows) in [
        (nested("/metrics"), "GET /in/metrics 401 200; GET /in/other,/in 200 200"),
        (nested("/in/metrics"), "GET /in/metrics 401 200; GET /in/other,/in 200 200"),
        (nested("/in"), "GET /in/metrics,/in/other,/in 401 200"),
        (service("/metrics"), "GET /in/metrics,/in//%6detrics 401 200; GET /in/other,/in,/in//%6detricsx 200 200"),
        (service("/in/metrics"), "GET /in/metrics 401 200; GET /in/other,/in 200 200"),
        (around("/in/metrics"), "GET /in/metrics 401 200; GET /in/other,/in 200 200"),
        (around("/metrics"), "GET /in/metrics,/in/other,/in 200 200"),
    ] {
        assert_statuses(&app, rows).await;
    }
}

/// A `Peer` comes first, and then the address of the connection. A mock is never preferred to either.
#[tokio::test]
async fn the_client_is_a_peer_or_the_address_that_axum_knows_or_a_mocked_one() {
    #[derive(Clone)]
    struct Connected;

    let by_network = || Guard::builder(key()).allow_networks(["127.0.0.0/8"]).unwrap().build();
    let (inside, outside) = (Some([127, 0, 0, 1]), Some([192, 0, 2, 1]));
    let socket = |address: [u8; 4]| SocketAddr::from((address, 9090));
    let local = socket([127, 0, 0, 1]);
    for (peer, connected, mocked, expected) in [
        (None, inside, None, 200),
        (None, outside, None, 403),
        (None, None, None, 403),
        (inside, outside, None, 200),
        (outside, inside, None, 403),
        (None, None, inside, 200),
        (None, None, outside, 403),
        (None, outside, inside, 403),
        (None, inside, outside, 200),
        (outside, None, inside, 403),
        (inside, None, outside, 200),
    ] {
        for route in [get(metrics), get(open).layer(MetricsGuardLayer::new(by_network()))] {
            let app = Router::new().route("/metrics", route).with_state(by_network());
            let app = if let Some(mocked) = mocked { app.layer(MockConnectInfo(socket(mocked))) } else { app };
            // Addresses of other types, and addresses in the client's headers, do not count.
            let app = app.layer(MockConnectInfo(local.ip())).layer(MockConnectInfo(Connected));
            let mut request = request("GET", "/metrics", KEY);
            request.headers_mut().insert("X-Forwarded-For", "127.0.0.1".parse().unwrap());
            let extensions = request.extensions_mut();
            extensions.insert(local);
            extensions.insert(ConnectInfo(local.ip()));
            extensions.insert(ConnectInfo(Connected));
            if let Some(peer) = peer {
                extensions.insert(Peer::new(socket(peer)));
            }
            if let Some(connected) = connected {
                extensions.insert(ConnectInfo(socket(connected)));
            }
            let status = app.oneshot(request).await.unwrap().status();
            assert_eq!(status, expected, "{peer:?} {connected:?} {mocked:?}");
        }
    }
    // With a layer around it, the app is served as a service.
    let app = Router::new().route("/metrics", get(open));
    let app = MetricsGuardLayer::new(by_network()).only_path("/metrics").unwrap().layer(app);
    let mut served = axum::ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    let app = served.call(local).await.unwrap();
    assert_eq!(app.oneshot(request("GET", "/metrics", KEY)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_check_comes_before_other_extractors() {
    #[guard_metrics]
    fn parsed(Path(number): Path<u8>, Query(query): Query<Vec<(String, u8)>>, Json(body): Json<Vec<u8>>) -> String {
        format!("{number} {query:?} {body:?}")
    }
    let limited = DefaultBodyLimit::max(4);
    let app = Router::new().route("/{number}", post(parsed)).layer(limited).with_state(guard());
    for (path, body, expected) in [
        ("/7?a=1", "[1]", 200),
        ("/many?a=1", "[1]", 400),
        ("/7?a=many", "[1]", 400),
        ("/7?a=1", "[", 400),
        ("/7?a=1", "[1, 2, 3]", 413),
    ] {
        for (key, expected) in [("wrong", 401), (KEY, expected)] {
            let request = Request::post(path).header("Content-Type", "application/json").header("X-Metrics-Key", key);
            let response = app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
            assert_eq!(response.status(), expected, "{path} {key}");
        }
    }
}

/// axum can pass the `Result` of any extractor. A handler that takes it decides itself.
#[tokio::test]
async fn a_handler_can_take_a_result_or_ask_the_guard_and_answers_with_the_same_rejection() {
    async fn undecided(verdict: Result<Authorized, Refusal>) -> String {
        verdict.map_or_else(|refusal| refusal.denied().reason().to_string(), |proof| format!("{:?}", proof.key()))
    }
    async fn asking(State(guard): State<Guard>, request: Request) -> Result<String, Refusal> {
        Ok(format!("{:?}", guard.check(&request)?.key()))
    }
    let app = Router::new().route("/undecided", get(undecided)).route("/asking", get(asking));
    let app = app.route("/metrics", get(metrics)).with_state(guard());
    assert_eq!(text(ask(&app, "/undecided", KEY).await).await, "Some(\"current\")");
    assert_eq!(text(ask(&app, "/asking", KEY).await).await, "Some(\"current\")");
    assert_eq!(text(ask(&app, "/undecided", "wrong").await).await, "wrong");
    for path in ["/asking", "/metrics"] {
        let rejection = ask(&app, path, "wrong").await;
        assert_eq!(rejection.status(), 401, "{path}");
        let mut fields: Vec<_> = rejection.headers().values().map(|value| value.to_str().unwrap()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["13", "Bearer realm=\"metrics\"", "no-store", "text/plain; charset=utf-8"], "{path}");
        assert_eq!(text(rejection).await, "Unauthorized\n", "{path}");
    }
}

/// The attribute, the layer and a proof in the answer add `no-store`. A handler that only extracts the proof decides itself.
#[tokio::test]
async fn answers_are_not_stored_unless_the_handler_says_so() {
    const FIVE: [(http::HeaderName, &str); 1] = [(CACHE_CONTROL, "max-age=5")];

    #[guard_metrics]
    fn cached() -> impl IntoResponse {
        (FIVE, "up 1\n")
    }
    for (name, route, expected) in [
        ("attribute", get(metrics), "no-store"),
        ("attribute, stored", get(cached), "max-age=5"),
        ("layer", get(open).layer(layer()), "no-store"),
        ("layer, stored", get(cached).layer(layer()), "max-age=5"),
        ("extractor", get(async |_: Authorized| "up 1\n"), ""),
        ("a part", get(async |proof: Authorized| (proof, "up 1\n")), "no-store"),
        ("after", get(async |proof: Authorized| (FIVE, proof, "up 1\n")), "max-age=5"),
    ] {
        let app = Router::new().route("/metrics", route).with_state(guard());
        for (key, status, expected) in [(KEY, 200, expected), ("", 401, "no-store")] {
            let answer = ask(&app, "/metrics", key).await;
            let caching = answer.headers().get_all(CACHE_CONTROL).iter().map(|value| value.to_str().unwrap());
            assert_eq!((answer.status().as_u16(), &*caching.collect::<String>()), (status, expected), "{name}");
        }
    }
}
