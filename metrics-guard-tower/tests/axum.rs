//! axum's routers, methods and extractors: which of them the guard covers, and which it does not.

#![cfg(feature = "axum")]
#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, DefaultBodyLimit, FromRef, Path, Query, Request, State, connect_info::MockConnectInfo},
    middleware::from_extractor_with_state,
    response::IntoResponse,
    routing::{MethodRouter, any, get, post},
};
use http::{HeaderMap, StatusCode, header::CACHE_CONTROL};
use http_body_util::{BodyExt, Full};
use metrics_guard_tower::{Authorized, Guard, Key, KeyRing, MetricsGuardLayer, Peer, Reason, Refusal, guard_metrics};
use tower::{Layer, Service, ServiceExt};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";
const OTHER: &str = "another-key-of-32-characters-too";

fn key() -> Key {
    Key::new(KEY).unwrap()
}

fn guard() -> Guard {
    Guard::new(key())
}

fn layer() -> MetricsGuardLayer {
    MetricsGuardLayer::new(guard())
}

/// A handler without a guard of its own.
async fn open() -> &'static str {
    "up 1\n"
}

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1\n"
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    fields: HeaderMap,
    body: Bytes,
}

async fn answer(app: &Router, request: Request) -> Answer {
    let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    Answer { status: head.status.as_u16(), fields: head.headers, body: body.collect().await.unwrap().to_bytes() }
}

fn request(method: &str, path: &str, key: Option<&str>) -> Request {
    let request = Request::builder().method(method).uri(path);
    let request = if let Some(key) = key { request.header("X-Metrics-Key", key) } else { request };
    request.body(Body::empty()).unwrap()
}

async fn ask(app: &Router, path: &str, key: Option<&str>) -> Answer {
    answer(app, request("GET", path, key)).await
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
            for (key, expected) in [None, Some(KEY)].into_iter().zip(expected) {
                let status = answer(app, request(method, path, key)).await.status.to_string();
                assert_eq!(status, expected, "{method} {path} {key:?} of: {rows}");
            }
        }
    }
}

/// Routes and fallbacks that are added after a layer are open, as its documentation says. A handler with the attribute is
/// guarded in each place.
#[tokio::test]
async fn the_layer_of_a_router_guards_the_routes_and_the_fallback_that_are_there() {
    let routes = || Router::<Guard>::new().route("/metrics", get(open));
    let layered = || routes().layer(layer());
    let beside = || Router::new().route("/", get(open));
    let only = || layer().only_path("/metrics").unwrap();
    for (app, rows) in [
        (layered(), "GET 401 200; POST 401 405; GET /,/metric,/metrics/,/metrics/x,//metrics 401 404"),
        (layered().route("/metrics", post(open)), "GET 401 200; POST 200 200; PUT 405 405"),
        (layered().route("/late", get(metrics).post(metrics)), "GET,POST /late 401 200"),
        // Fallbacks.
        (routes().fallback(open).layer(layer()), "GET 401 200; POST 401 405; GET /,/metrics/ 401 200"),
        (layered().fallback(open), "GET 401 200; POST 401 405; GET /else 200 200"),
        // `route_layer` leaves out the fallback.
        (routes().route_layer(layer()), "GET 401 200; POST 401 405; GET /else 404 404"),
        // Nested: a path that is no route gets the outer router's fallback, unless the inner router has a fallback.
        (beside().nest("/in", layered()), "GET /in/metrics 401 200; POST /in/metrics 401 405; GET /in/else 404 404"),
        (beside().nest("/in", routes().fallback(open).layer(layer())), "GET /in/metrics,/in/else 401 200"),
        // Merged: the router that has a fallback counts, else the later one.
        (beside().merge(layered()), "GET 401 200; GET / 200 200; GET /else 401 404"),
        (layered().merge(beside().fallback(open)), "GET 401 200; GET /else 200 200"),
        // The layer of a path has the same limits. Around the router, it guards all routes.
        (routes().fallback(open).layer(only()), "GET,PUT //metrics,/METRICS/x 401 200; PUT 401 405; GET /else 200 200"),
        (Router::new().fallback_service(only().layer(routes().with_state(guard()))), "GET 401 200; GET /else 404 404"),
    ] {
        assert_statuses(&app.with_state(guard()), rows).await;
    }
}

/// The extractor runs when axum has found the handler, and the layer of a route before that.
#[tokio::test]
async fn the_layer_of_a_route_guards_the_methods_and_the_fallback_that_are_there() {
    let late = |route: MethodRouter<Guard>| Router::new().route("/metrics", route).method_not_allowed_fallback(open);
    let layered = || get(open).layer(layer());
    let with_layer = |route: MethodRouter<Guard>| -> MethodRouter<Guard> { route.layer(layer()) };
    let own = get(open).fallback(async || StatusCode::METHOD_NOT_ALLOWED);
    let at = |route: MethodRouter<Guard>| Router::new().route("/metrics", route);
    let extractor = from_extractor_with_state::<Authorized, Guard>(guard());
    for (app, rows) in [
        (at(get(metrics)), "GET,HEAD 401 200; POST,PUT,DELETE,PATCH,OPTIONS,TRACE 405 405"),
        (at(layered()), "GET,HEAD 401 200; POST,PUT,DELETE,PATCH,OPTIONS,TRACE 401 405"),
        (at(get(open).layer(extractor)), "GET 401 200; POST 401 405"),
        // `route_layer` leaves out the methods that the route does not have.
        (at(get(open).route_layer(layer())), "GET 401 200; POST 405 405; GET /else 404 404"),
        (at(any(metrics)), "GET,OPTIONS,CONNECT,PROPFIND 401 200"),
        (at(with_layer(get(metrics).fallback(open))), "GET,POST,OPTIONS 401 200"),
        // Open: a method, fallback or route that is added after the layer. A merged route brings its own 405.
        (at(layered().post(open)), "GET 401 200; POST 200 200; PUT 401 405"),
        (at(layered().fallback(open)), "GET 401 200; PUT 200 200"),
        (at(layered().merge(post(open))), "GET 401 200; POST 200 200; PUT 405 405"),
        // Guarded: the layer last, or the attribute.
        (at(with_layer(get(open).post(open).head(open).fallback(open))), "GET,POST,HEAD,PUT 401 200"),
        (at(layered().post(metrics).head(metrics).fallback(metrics)), "GET,POST,HEAD,PUT 401 200"),
        // The same limit of the router's `method_not_allowed_fallback`, which goes into the routes that are there.
        (late(get(metrics)), "GET 401 200; POST,OPTIONS 200 200"),
        (late(layered()), "GET,HEAD 401 200; POST 200 200"),
        (late(get(open)).layer(layer()), "GET,HEAD,POST 401 200"),
        // It does not replace the fallback of a route, and it can be behind a layer or guarded itself.
        (late(with_layer(own)), "GET,HEAD 401 200; POST 401 405"),
        (at(layered()).method_not_allowed_fallback(metrics), "GET,HEAD,POST 401 200"),
    ] {
        assert_statuses(&app.with_state(guard()), rows).await;
    }
    // A 405 has nothing of what is guarded. axum names the methods of the route, also on the rejection in its place.
    for route in [get(metrics), layered()] {
        let refused = answer(&at(route).with_state(guard()), request("POST", "/metrics", None)).await;
        assert_eq!((&refused.fields["Allow"], refused.body.len()), (&"GET,HEAD".parse().unwrap(), 0));
    }
}

#[derive(Clone)]
struct App {
    guard: Guard,
    name: &'static str,
}

impl FromRef<App> for Guard {
    fn from_ref(app: &App) -> Guard {
        app.guard.clone()
    }
}

#[tokio::test]
async fn the_guard_of_a_handler_is_the_state_of_its_router_or_a_part_of_it() {
    #[guard_metrics]
    fn attribute(State(app): State<App>) -> &'static str {
        app.name
    }
    async fn extractor(authorized: Authorized, State(app): State<App>) -> String {
        format!("{} {}", app.name, authorized.key().unwrap())
    }
    let labelled = KeyRing::new([key().with_label("main"), Key::new(OTHER).unwrap().with_label("next")]).unwrap();
    let guard = Guard::new(labelled);
    let state = |guard, name| App { guard, name };
    let other = state(Guard::new(Key::new(OTHER).unwrap()), "other");
    let routes = || Router::<App>::new().route("/attribute", any(attribute)).route("/extractor", any(extractor));
    let app = routes()
        .nest("/in", routes())
        .nest("/other", Router::new().merge(routes()).with_state(other))
        .nest_service("/whole", Router::new().route("/metrics", get(metrics)).with_state(guard.clone()))
        .with_state(state(guard.clone(), "app"));
    for (path, by_key, by_other) in [
        ("/attribute", "app", "app"),
        ("/in/attribute", "app", "app"),
        ("/other/attribute", "Unauthorized\n", "other"),
        ("/extractor", "app main", "app next"),
        ("/other/extractor", "Unauthorized\n", "other current"),
        ("/whole/metrics", "up 1\n", "up 1\n"),
    ] {
        for (key, expected) in [(None, "Unauthorized\n"), (Some(KEY), by_key), (Some(OTHER), by_other)] {
            assert_eq!(ask(&app, path, key).await.body, expected, "{path} {key:?}");
        }
    }
    // The routers have clones of the guard, which see a change.
    guard.replace(Key::new(OTHER).unwrap()).unwrap();
    assert_statuses(&app, "GET /attribute,/whole/metrics 401 401").await;
    assert_eq!(ask(&app, "/extractor", Some(OTHER)).await.body, "app current");
}

/// A nested router removes the prefix from the path. The guard compares the path with and without it.
#[tokio::test]
async fn only_path_where_a_prefix_is_removed() {
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

fn by_network() -> Guard {
    Guard::builder(key()).allow_networks(["127.0.0.0/8"]).unwrap().build()
}

/// A `Peer` comes first, and then the address of the connection. A mock is never preferred to either.
#[tokio::test]
async fn the_client_is_a_peer_or_the_address_that_axum_knows_or_a_mocked_one() {
    #[derive(Clone)]
    struct Connected;

    let (inside, outside) = ([127, 0, 0, 1], [192, 0, 2, 1]);
    let socket = |address: [u8; 4]| SocketAddr::from((address, 9090));
    for (peer, connected, mocked, expected) in [
        (None, Some(inside), None, [401, 200]),
        (None, Some(outside), None, [403, 403]),
        (None, None, None, [403, 403]),
        (Some(inside), Some(outside), None, [401, 200]),
        (Some(outside), Some(inside), None, [403, 403]),
        (None, None, Some(inside), [401, 200]),
        (None, None, Some(outside), [403, 403]),
        (None, Some(outside), Some(inside), [403, 403]),
        (None, Some(inside), Some(outside), [401, 200]),
        (Some(outside), None, Some(inside), [403, 403]),
        (Some(inside), None, Some(outside), [401, 200]),
    ] {
        for route in [get(metrics), get(open).layer(MetricsGuardLayer::new(by_network()))] {
            let app = Router::new().route("/metrics", route).with_state(by_network());
            // Addresses of other types, and what a client says, count nowhere.
            let app = app.layer(MockConnectInfo(socket(inside).ip())).layer(MockConnectInfo(Connected));
            let app = if let Some(mocked) = mocked { app.layer(MockConnectInfo(socket(mocked))) } else { app };
            for (key, expected) in [None, Some(KEY)].into_iter().zip(expected) {
                let mut request = request("GET", "/metrics", key);
                for name in ["X-Forwarded-For", "X-Real-IP"] {
                    request.headers_mut().insert(name, "127.0.0.1".parse().unwrap());
                }
                let extensions = request.extensions_mut();
                extensions.insert(socket(inside));
                extensions.insert(ConnectInfo(socket(inside).ip()));
                extensions.insert(ConnectInfo(Connected));
                if let Some(peer) = peer {
                    extensions.insert(Peer::new(socket(peer)));
                }
                let response = if let Some(connected) = connected {
                    let mut served = app.clone().into_make_service_with_connect_info::<SocketAddr>();
                    served.call(socket(connected)).await.unwrap().oneshot(request).await.unwrap()
                } else {
                    app.clone().oneshot(request).await.unwrap()
                };
                assert_eq!(response.status(), expected, "{peer:?} {connected:?} {mocked:?} {key:?}");
            }
        }
    }
    // A layer around the app is served as a service.
    let app = Router::new().route("/metrics", get(open));
    let app = MetricsGuardLayer::new(by_network()).only_path("/metrics").unwrap().layer(app);
    let mut served = axum::ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    let app = served.call(socket(inside)).await.unwrap();
    assert_eq!(app.oneshot(request("GET", "/metrics", Some(KEY))).await.unwrap().status(), 200);
    drop(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), served));
}

#[tokio::test]
async fn the_check_comes_before_other_extractors_and_reads_nothing_of_the_body() {
    #[guard_metrics]
    fn parsed(Path(number): Path<u8>, Query(query): Query<Vec<(String, u8)>>, Json(body): Json<Vec<u8>>) -> String {
        format!("{number} {query:?} {body:?}")
    }
    let limited = DefaultBodyLimit::max(4);
    let app = Router::new().route("/{number}", post(parsed)).layer(limited).with_state(guard());
    for (path, kind, body, expected) in [
        ("/7?a=1", "application/json", "[1]", 200),
        ("/many?a=1", "application/json", "[1]", 400),
        ("/7?a=many", "application/json", "[1]", 400),
        ("/7?a=1", "text/plain", "[1]", 415),
        ("/7?a=1", "application/json", "[", 400),
        ("/7?a=1", "application/json", "[1, 2, 3]", 413),
    ] {
        for (key, expected) in [("wrong", 401), (KEY, expected)] {
            let reads = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&reads);
            let body = Full::new(Bytes::from(body)).map_frame(move |frame| {
                counted.fetch_add(1, Relaxed);
                frame
            });
            let request = Request::post(path).header("Content-Type", kind).header("X-Metrics-Key", key);
            let request = request.body(Body::new(body)).unwrap();
            assert_eq!(answer(&app, request).await.status, expected, "{path} {kind} {key}");
            assert!(!matches!((expected, reads.load(Relaxed)), (401, 1..) | (200, 0)), "{path} {kind} {key}");
        }
    }
}

/// axum makes a `Result` of any extractor. A handler that takes one decides itself.
#[tokio::test]
async fn a_handler_can_take_a_result_or_ask_the_guard_and_answers_with_the_same_rejection() {
    async fn undecided(verdict: Result<Authorized, Refusal>) -> String {
        verdict.map_or_else(
            |refusal| refusal.denied().reason().to_string(),
            |authorized| format!("{:?}", authorized.key()),
        )
    }
    async fn decided(verdict: Result<Authorized, Refusal>) -> Result<String, Refusal> {
        verdict.map(|authorized| format!("{:?}", authorized.key()))
    }
    async fn asking(State(guard): State<Guard>, request: Request) -> Result<String, Refusal> {
        Ok(format!("{:?}", guard.check(&request)?.key()))
    }
    let app = Router::new().route("/undecided", get(undecided)).route("/decided", get(decided));
    let app = app.route("/asking", get(asking)).route("/metrics", get(metrics)).with_state(guard());
    for path in ["/undecided", "/decided", "/asking"] {
        assert_eq!(ask(&app, path, Some(KEY)).await.body, "Some(\"current\")");
    }
    let fields = [
        ("content-type", "text/plain; charset=utf-8"),
        ("www-authenticate", "Bearer realm=\"metrics\""),
        ("cache-control", "no-store"),
        ("content-length", "13"),
    ];
    let fields = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let rejection = Answer { status: 401, fields: HeaderMap::from_iter(fields), body: "Unauthorized\n".into() };
    for (name, value, reason) in [
        ("Accept", "*/*", Reason::Missing),
        ("X-Metrics-Key", "wrong", Reason::Wrong),
        ("Authorization", "Basic !", Reason::Malformed),
    ] {
        let request = |path| Request::get(path).header(name, value).body(Body::empty()).unwrap();
        let undecided = answer(&app, request("/undecided")).await;
        assert_eq!((undecided.status, &undecided.body[..]), (200, reason.as_str().as_bytes()));
        for path in ["/decided", "/asking", "/metrics"] {
            assert_eq!(answer(&app, request(path)).await, rejection, "{path}");
        }
    }
    let denied = guard().check(&request("GET", "/metrics", None)).unwrap_err();
    assert_eq!(Refusal::from(denied).to_string(), denied.to_string());
}

/// The attribute, the layer and a proof in the answer add `no-store`. A handler that only extracts the proof decides itself.
#[tokio::test]
async fn answers_are_not_stored_unless_the_handler_says_so() {
    const FIVE: [(http::HeaderName, &str); 1] = [(CACHE_CONTROL, "max-age=5")];

    #[guard_metrics]
    fn cached() -> impl IntoResponse {
        (FIVE, "up 1\n")
    }
    #[guard_metrics]
    fn failing() -> Result<&'static str, StatusCode> {
        Err(StatusCode::SERVICE_UNAVAILABLE)
    }
    let failing_proof = async |proof: Authorized| Err::<(), _>((proof, StatusCode::SERVICE_UNAVAILABLE));
    for (name, route, status, expected) in [
        ("attribute", get(metrics), 200, "no-store"),
        ("attribute, stored", get(cached), 200, "max-age=5"),
        ("attribute, failing", get(failing), 503, "no-store"),
        ("layer", get(open).layer(layer()), 200, "no-store"),
        ("layer, stored", get(cached).layer(layer()), 200, "max-age=5"),
        ("extractor", get(async |_: Authorized| "up 1\n"), 200, ""),
        ("a part", get(async |proof: Authorized| (proof, "up 1\n")), 200, "no-store"),
        ("with a status", get(async |proof: Authorized| (StatusCode::ACCEPTED, proof, "up 1\n")), 202, "no-store"),
        ("after", get(async |proof: Authorized| (FIVE, proof, "up 1\n")), 200, "max-age=5"),
        ("failing", get(failing_proof), 503, "no-store"),
    ] {
        let app = Router::new().route("/metrics", route).with_state(guard());
        for (key, status, expected) in [(Some(KEY), status, expected), (None, 401, "no-store")] {
            let answer = ask(&app, "/metrics", key).await;
            let caching: Vec<_> =
                answer.fields.get_all(CACHE_CONTROL).iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!((answer.status, &*caching.join("|")), (status, expected), "{name}");
            assert_eq!(answer.body == "up 1\n", matches!(status, 200 | 202), "{name}");
        }
    }
}
