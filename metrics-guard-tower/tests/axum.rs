//! What the guard lets through and what it does not, among axum's routers, methods and extractors: where axum surprises.

#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use axum::{
    Json, Router,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, DefaultBodyLimit, FromRef, Path, Query, Request, State, connect_info::MockConnectInfo},
    middleware::from_extractor_with_state,
    response::{AppendHeaders, IntoResponse},
    routing::{MethodRouter, any, get, post},
};
use http::{HeaderMap, Method, StatusCode, header::CACHE_CONTROL};
use http_body_util::BodyExt;
use hyper::body::Frame;
use metrics_guard_tower::{
    Authorized, ClientName, Guard, Key, KeyRing, MetricsGuardLayer, Peer, Reason, Refusal, guard_metrics,
};
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

/// A handler that asks nothing of anybody.
async fn open() -> &'static str {
    "up 1\n"
}

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1\n"
}

struct Answer {
    status: u16,
    fields: HeaderMap,
    body: Bytes,
}

async fn answer(app: &Router, request: Request) -> Answer {
    let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    Answer { status: head.status.as_u16(), fields: head.headers, body: body.collect().await.unwrap().to_bytes() }
}

fn request(method: &Method, path: &str, key: Option<&str>) -> Request {
    let request = Request::builder().method(method).uri(path);
    let request = if let Some(key) = key { request.header("X-Metrics-Key", key) } else { request };
    request.body(Body::empty()).unwrap()
}

async fn ask(app: &Router, method: Method, path: &str, key: Option<&str>) -> Answer {
    answer(app, request(&method, path, key)).await
}

/// The status without a key, and with it.
async fn statuses(app: &Router, method: Method, path: &str) -> [u16; 2] {
    [ask(app, method.clone(), path, None).await.status, ask(app, method, path, Some(KEY)).await.status]
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

fn app() -> App {
    App { guard: guard(), name: "app" }
}

/// A documented limit of `Router::layer`, and what the attribute is for.
#[tokio::test]
async fn a_route_that_is_added_after_the_layer_is_open() {
    let app: Router = Router::new().route("/metrics", get(open)).layer(layer()).route("/late", get(open));
    assert_eq!(statuses(&app, Method::GET, "/metrics").await, [401, 200]);
    assert_eq!(statuses(&app, Method::GET, "/late").await, [200, 200]);
    // Also another method of the same path.
    let app: Router = app.route("/metrics", post(open));
    assert_eq!(statuses(&app, Method::POST, "/metrics").await, [200, 200]);

    let app = Router::new().route("/metrics", get(open)).layer(layer()).route("/late", get(metrics).post(metrics));
    let app = app.with_state(guard());
    for method in [Method::GET, Method::POST] {
        assert_eq!(statuses(&app, method, "/late").await, [401, 200]);
    }
}

#[tokio::test]
async fn the_layer_of_a_router_guards_its_fallback() {
    let routes = || Router::new().route("/metrics", get(open));
    let layered: Router = routes().layer(layer());
    let with_fallback: Router = routes().fallback(open).layer(layer());
    let with_service: Router = routes().fallback_service(get(open)).layer(layer());
    let late: Router = routes().layer(layer()).fallback(open);
    for (name, app, elsewhere) in [
        ("layer", &layered, [401, 404]),
        ("fallback", &with_fallback, [401, 200]),
        ("fallback_service", &with_service, [401, 200]),
        // A fallback that is added afterwards is as open as a route.
        ("late fallback", &late, [200, 200]),
    ] {
        assert_eq!(statuses(app, Method::GET, "/metrics").await, [401, 200], "{name}");
        assert_eq!(statuses(app, Method::POST, "/metrics").await, [401, 405], "{name}");
        for path in ["/", "/metric", "/metrics/", "/metrics/x", "//metrics"] {
            assert_eq!(statuses(app, Method::GET, path).await, elsewhere, "{name} {path}");
        }
    }
}

/// That of a router guards all that its routes answer, a 405 too; that of one route, only the methods that it has.
#[tokio::test]
async fn route_layer_leaves_out_the_fallback() {
    let of_router: Router = Router::new().route("/metrics", get(open)).route_layer(layer());
    let of_route: Router = Router::new().route("/metrics", get(open).route_layer(layer()));
    let with_fallback: Router = Router::new().route("/metrics", get(open)).fallback(open).route_layer(layer());
    for (name, app, post, elsewhere) in [
        ("Router", &of_router, [401, 405], 404),
        ("MethodRouter", &of_route, [405, 405], 404),
        ("with a fallback", &with_fallback, [401, 405], 200),
    ] {
        assert_eq!(statuses(app, Method::GET, "/metrics").await, [401, 200], "{name}");
        assert_eq!(statuses(app, Method::POST, "/metrics").await, post, "{name}");
        assert_eq!(statuses(app, Method::GET, "/else").await, [elsewhere; 2], "{name}");
    }
}

#[tokio::test]
async fn nested_and_merged_routers() {
    let inner = || Router::new().route("/metrics", get(open));
    let beside = || Router::new().route("/", get(open));

    // The layer goes with what it was put on.
    let nested: Router = beside().nest("/inner", inner().layer(layer()));
    assert_eq!(statuses(&nested, Method::GET, "/inner/metrics").await, [401, 200]);
    assert_eq!(statuses(&nested, Method::POST, "/inner/metrics").await, [401, 405]);
    assert_eq!(statuses(&nested, Method::GET, "/").await, [200, 200]);
    let merged: Router = beside().merge(inner().layer(layer()));
    assert_eq!(statuses(&merged, Method::GET, "/metrics").await, [401, 200]);
    assert_eq!(statuses(&merged, Method::GET, "/").await, [200, 200]);
    let service: Router = beside().nest_service("/inner", inner().layer(layer()));
    assert_eq!(statuses(&service, Method::GET, "/inner/metrics").await, [401, 200]);
    assert_eq!(statuses(&service, Method::GET, "/inner/else").await, [401, 404]);

    // But below a nested path, what is no route gets the outer router's fallback, unless the inner one has its own.
    assert_eq!(statuses(&nested, Method::GET, "/inner/else").await, [404, 404]);
    let outer: Router = beside().fallback(open).nest("/inner", inner().layer(layer()));
    assert_eq!(statuses(&outer, Method::GET, "/inner/else").await, [200, 200]);
    let own: Router = beside().nest("/inner", inner().fallback(open).layer(layer()));
    assert_eq!(statuses(&own, Method::GET, "/inner/else").await, [401, 200]);
    // Of merged routers the one that has a fallback counts, else the later one.
    assert_eq!(statuses(&merged, Method::GET, "/else").await, [401, 404]);
    let before: Router = inner().layer(layer()).merge(beside());
    assert_eq!(statuses(&before, Method::GET, "/else").await, [404, 404]);
    let replaced: Router = inner().layer(layer()).merge(beside().fallback(open));
    assert_eq!(statuses(&replaced, Method::GET, "/else").await, [200, 200]);

    // And one around both guards both, but nothing that comes later.
    let around: Router = beside().nest("/inner", inner()).layer(layer()).nest("/late", inner()).merge(inner());
    for (path, expected) in
        [("/", [401, 200]), ("/inner/metrics", [401, 200]), ("/late/metrics", [200, 200]), ("/metrics", [200, 200])]
    {
        assert_eq!(statuses(&around, Method::GET, path).await, expected, "{path}");
    }

    // A guarded handler stays one, wherever it goes, and whatever the state beside it: which may come late.
    let routes = Router::<App>::new().route("/metrics", any(metrics));
    let app: Router = Router::<App>::new()
        .nest("/inner", routes.clone())
        .nest("/other", Router::<App>::new().merge(routes.clone()).with_state(App { guard: other(), name: "other" }))
        .merge(routes)
        .nest_service("/service", Router::new().route("/metrics", get(metrics)).with_state(guard()))
        .with_state(app());
    for (path, key) in
        [("/metrics", KEY), ("/inner/metrics", KEY), ("/other/metrics", OTHER), ("/service/metrics", KEY)]
    {
        assert_eq!(ask(&app, Method::GET, path, None).await.status, 401, "{path}");
        for presented in [KEY, OTHER] {
            let expected = if presented == key { 200 } else { 401 };
            assert_eq!(ask(&app, Method::GET, path, Some(presented)).await.status, expected, "{path} {presented}");
        }
    }
    // Also as a fallback.
    let app: Router = Router::new().route("/", get(open)).fallback(metrics).with_state(guard());
    assert_eq!(statuses(&app, Method::PUT, "/any").await, [401, 200]);
}

/// In a nested router the prefix is gone from the path, and counts still.
#[tokio::test]
async fn only_path_where_a_prefix_is_removed() {
    let only = |path| layer().only_path(path).unwrap();
    let routes = || Router::new().route("/metrics", get(open)).route("/other", get(open)).route("/", get(open));
    let nested = |path| -> Router { Router::new().nest("/inner", routes().layer(only(path))) };
    let service = |path| -> Router { Router::new().nest_service("/inner", routes().fallback(open).layer(only(path))) };
    let around = |path| -> Router { Router::new().nest("/inner", routes()).layer(only(path)) };
    for (name, app, expected) in [
        ("nested, by the rest of its path", nested("/metrics"), [401, 200, 200]),
        ("nested, by its whole path", nested("/inner/metrics"), [401, 200, 200]),
        ("nested, and all of it guarded", nested("/inner"), [401, 401, 401]),
        ("nested service, by the rest of its path", service("/metrics"), [401, 200, 200]),
        ("nested service, by its whole path", service("/inner/metrics"), [401, 200, 200]),
        ("around, by the whole path", around("/inner/metrics"), [401, 200, 200]),
        ("around, by a path that is not there", around("/metrics"), [200, 200, 200]),
    ] {
        for (path, expected) in ["/inner/metrics", "/inner/other", "/inner"].into_iter().zip(expected) {
            assert_eq!(statuses(&app, Method::GET, path).await, [expected, 200], "{name}: {path}");
        }
    }
    let by_fallback = service("/metrics");
    assert_eq!(statuses(&by_fallback, Method::GET, "/inner//%6detrics").await, [401, 200]);
    assert_eq!(statuses(&by_fallback, Method::GET, "/inner//%6detricsx").await, [200, 200]);
}

/// `Router::layer` guards what the router has by then; a layer around the router guards all of it.
#[tokio::test]
async fn only_path_guards_routes_and_fallbacks_that_it_surrounds() {
    let only = || layer().only_path("/metrics").unwrap();
    let routes = || Router::new().route("/metrics", get(open)).fallback(open);
    let late: Router = Router::new().layer(only()).route("/metrics", get(open));
    assert_eq!(statuses(&late, Method::GET, "/metrics").await, [200, 200]);

    let layered: Router = routes().layer(only());
    let surrounded: Router = Router::new().fallback_service(only().layer(late.merge(Router::new().fallback(open))));
    for app in [layered, surrounded] {
        for method in [Method::GET, Method::POST, Method::OPTIONS, Method::HEAD] {
            for path in
                ["//metrics", "/metrics/", "/metrics/x", "/%6Detrics", "/METRICS", "/x/../metrics", "/metrics/.."]
            {
                assert_eq!(statuses(&app, method.clone(), path).await, [401, 200], "{method} {path}");
            }
            assert_eq!(statuses(&app, method.clone(), "/other").await, [200, 200], "{method}");
        }
        assert_eq!(statuses(&app, Method::GET, "/metrics").await, [401, 200]);
        assert_eq!(statuses(&app, Method::POST, "/metrics").await, [401, 405]);
        assert!(!ask(&app, Method::GET, "/other", None).await.fields.contains_key(CACHE_CONTROL));
    }
}

fn other() -> Guard {
    Guard::new(Key::new(OTHER).unwrap())
}

#[tokio::test]
async fn a_head_is_guarded_and_has_no_body() {
    let by_attribute: Router = Router::new().route("/metrics", get(metrics)).with_state(guard());
    let by_layer: Router = Router::new().route("/metrics", get(open).layer(layer()));
    let around: Router = Router::new().route("/metrics", get(open)).layer(layer());
    for (app, refused) in [(&by_attribute, "13"), (&by_layer, "0"), (&around, "0")] {
        for (key, status, length) in [(None, 401, refused), (Some("wrong"), 401, refused), (Some(KEY), 200, "5")] {
            let of_get = ask(app, Method::GET, "/metrics", key).await;
            let of_head = ask(app, Method::HEAD, "/metrics", key).await;
            assert_eq!((of_get.status, of_head.status), (status, status));
            assert_eq!(of_get.body.len().to_string(), length);
            assert_eq!(of_head.body.len(), 0);
            assert_eq!(of_head.fields["Content-Length"], length);
            assert_eq!(of_head.fields[CACHE_CONTROL], "no-store");
            assert_eq!(of_head.fields.get("WWW-Authenticate").is_some(), status == 401);
        }
    }
}

/// The extractor runs when axum has found the handler; the layer of a route, before that.
#[tokio::test]
async fn methods_that_a_route_does_not_have() {
    let by_attribute: Router = Router::new().route("/metrics", get(metrics)).with_state(guard());
    let by_layer: Router = Router::new().route("/metrics", get(open).layer(layer()));
    let both: Router = Router::new().route("/metrics", get(metrics).layer(layer())).with_state(guard());
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
        assert_eq!(statuses(&by_attribute, method.clone(), "/metrics").await, [405, 405], "{method}");
        assert_eq!(statuses(&by_layer, method.clone(), "/metrics").await, [401, 405], "{method}");
        assert_eq!(statuses(&both, method.clone(), "/metrics").await, [401, 405], "{method}");
        // A 405 has nothing of what is guarded. axum names the methods that there are, also on the refusal in its place.
        for app in [&by_attribute, &by_layer] {
            let refused = ask(app, method.clone(), "/metrics", None).await;
            assert_eq!((&refused.fields["Allow"], refused.body.len()), (&"GET,HEAD".parse().unwrap(), 0), "{method}");
        }
    }
    assert_eq!(statuses(&both, Method::GET, "/metrics").await, [401, 200]);

    // What answers in the place of a 405: a handler as any other, which the attribute guards.
    let route = || get(metrics).fallback(open);
    let open_fallback: Router = Router::new().route("/metrics", route()).with_state(guard());
    let guarded_fallback: Router = Router::new().route("/metrics", get(open).fallback(metrics)).with_state(guard());
    let layered: Router = Router::new().route("/metrics", route().layer(layer())).with_state(guard());
    let of_router = || Router::new().route("/metrics", get(metrics)).method_not_allowed_fallback(open);
    let router_around: Router = of_router().layer(layer()).with_state(guard());
    let of_router: Router = of_router().with_state(guard());
    for method in [Method::POST, Method::OPTIONS] {
        assert_eq!(statuses(&open_fallback, method.clone(), "/metrics").await, [200, 200], "{method}");
        assert_eq!(statuses(&guarded_fallback, method.clone(), "/metrics").await, [401, 200], "{method}");
        assert_eq!(statuses(&layered, method.clone(), "/metrics").await, [401, 200], "{method}");
        assert_eq!(statuses(&of_router, method.clone(), "/metrics").await, [200, 200], "{method}");
        assert_eq!(statuses(&router_around, method, "/metrics").await, [401, 200]);
    }
    assert_eq!(statuses(&guarded_fallback, Method::GET, "/metrics").await, [200, 200]);

    // For all methods, those without a name included.
    let all: Router = Router::new().route("/metrics", any(metrics)).with_state(guard());
    for method in [Method::GET, Method::OPTIONS, Method::CONNECT, Method::from_bytes(b"PROPFIND").unwrap()] {
        assert_eq!(statuses(&all, method.clone(), "/metrics").await, [401, 200], "{method}");
    }
}

/// A documented limit of both layers: what the router's `method_not_allowed_fallback` puts into its routes is not behind them.
#[tokio::test]
async fn a_fallback_for_other_methods_is_open_after_the_layer() {
    async fn own() -> StatusCode {
        StatusCode::METHOD_NOT_ALLOWED
    }
    let router = Router::<Guard>::new;
    let plain = || router().route("/metrics", get(open));
    let layered = || router().route("/metrics", get(open).layer(layer()));
    let with_own = || router().route("/metrics", get(open).fallback(own).layer(layer()));
    for (name, app, expected) in [
        ("route, then", layered().method_not_allowed_fallback(open), [200, 200]),
        ("Router::layer, then", plain().layer(layer()).method_not_allowed_fallback(open), [200, 200]),
        ("Router::route_layer, then", plain().route_layer(layer()).method_not_allowed_fallback(open), [200, 200]),
        // What is there when the layer comes is behind it. Before the route, there is nothing to put it into.
        ("before Router::layer", plain().method_not_allowed_fallback(open).layer(layer()), [401, 200]),
        ("before Router::route_layer", plain().method_not_allowed_fallback(open).route_layer(layer()), [401, 200]),
        ("before the route", router().method_not_allowed_fallback(open).merge(layered()), [401, 405]),
        // What helps: a fallback of the route's own, which is left as it is; a layer last; a fallback that is guarded itself.
        ("own", with_own().method_not_allowed_fallback(open), [401, 405]),
        ("layer last", layered().method_not_allowed_fallback(open).layer(layer()), [401, 200]),
        ("attribute", layered().method_not_allowed_fallback(metrics), [401, 200]),
    ] {
        let app = app.with_state(guard());
        assert_eq!(statuses(&app, Method::POST, "/metrics").await, expected, "{name}");
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(statuses(&app, method.clone(), "/metrics").await, [401, 200], "{name} {method}");
        }
    }
}

/// The same limit within a route: its layer is around the methods that it has at that moment.
#[tokio::test]
async fn a_method_that_is_added_after_the_layer_is_open() {
    let route = || get(open).layer(layer());
    let plain = || get::<_, _, Guard>(open);
    for (name, route, method, expected) in [
        ("post", route().post(open), Method::POST, [200, 200]),
        ("head", route().head(open), Method::HEAD, [200, 200]),
        ("fallback", route().fallback(open), Method::PUT, [200, 200]),
        ("merge", route().merge(post(open)), Method::POST, [200, 200]),
        // What still has no method is refused first, but not if another route came by `merge`.
        ("post", route().post(open), Method::PUT, [401, 405]),
        ("merge", route().merge(post(open)), Method::PUT, [405, 405]),
        ("layered merge", route().merge(post(open).layer(layer())), Method::PUT, [401, 405]),
        // What helps: the layer last, or the attribute.
        ("post, then", plain().post(open).layer(layer()), Method::POST, [401, 200]),
        ("head, then", plain().head(open).layer(layer()), Method::HEAD, [401, 200]),
        ("fallback, then", plain().fallback(open).layer(layer()), Method::PUT, [401, 200]),
        ("merge, then", plain().merge(post(open)).layer(layer()), Method::POST, [401, 200]),
        ("guarded post", route().post(metrics), Method::POST, [401, 200]),
        ("guarded head", route().head(metrics), Method::HEAD, [401, 200]),
        ("guarded fallback", route().fallback(metrics), Method::PUT, [401, 200]),
        ("guarded merge", route().merge(post(metrics)), Method::POST, [401, 200]),
    ] {
        let app: Router = Router::new().route("/metrics", route).with_state(guard());
        assert_eq!(statuses(&app, method.clone(), "/metrics").await, expected, "{name} {method}");
        assert_eq!(statuses(&app, Method::GET, "/metrics").await, [401, 200], "{name}");
    }

    // Two routes of one path are merged likewise.
    let both: Router = Router::new().route("/metrics", get(open).layer(layer())).route("/metrics", post(open));
    let around: Router = Router::new().route("/metrics", get(open)).route("/metrics", post(open)).layer(layer());
    for (method, of_both, of_around) in [
        (Method::GET, [401, 200], [401, 200]),
        (Method::POST, [200, 200], [401, 200]),
        (Method::PUT, [405, 405], [401, 405]),
    ] {
        assert_eq!(statuses(&both, method.clone(), "/metrics").await, of_both, "{method}");
        assert_eq!(statuses(&around, method.clone(), "/metrics").await, of_around, "{method}");
    }
}

fn by_network() -> Guard {
    Guard::builder(key()).allow_networks(["127.0.0.0/8", "2001:db8::/32"]).unwrap().build()
}

/// Both ways to guard, with the same guard.
fn both_ways(guard: &Guard) -> [Router; 2] {
    let by_layer = Router::new().route("/metrics", get(open).layer(MetricsGuardLayer::new(guard.clone())));
    [Router::new().route("/metrics", get(metrics)).with_state(guard.clone()), by_layer]
}

#[tokio::test]
async fn the_address_that_axum_knows_is_asked_for() {
    for app in both_ways(&by_network()) {
        for (address, expected) in [
            ("127.0.0.1", [401, 200]),
            ("::ffff:127.0.0.1", [401, 200]),
            ("2001:db8::1", [401, 200]),
            ("::ffff:192.0.2.1", [403, 403]),
            ("192.0.2.1", [403, 403]),
            ("::1", [403, 403]),
        ] {
            let from = SocketAddr::new(address.parse().unwrap(), 9090);
            for (key, expected) in [None, Some(KEY)].into_iter().zip(expected) {
                let mut request = request(&Method::GET, "/metrics", key);
                request.extensions_mut().insert(ConnectInfo(from));
                assert_eq!(answer(&app, request).await.status, expected, "{address} {key:?}");
            }
        }
        // Without it nobody gets in, whatever a field says.
        for (name, value) in
            [("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"), ("X-Real-IP", "127.0.0.1")]
        {
            let mut request = request(&Method::GET, "/metrics", Some(KEY));
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(answer(&app, request).await.status, 403, "{name}");
        }
        // And who may ask may, whatever it says.
        let mut request = request(&Method::GET, "/metrics", Some(KEY));
        request.headers_mut().insert("X-Forwarded-For", "192.0.2.1".parse().unwrap());
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9090))));
        assert_eq!(answer(&app, request).await.status, 200);
    }
}

/// A `Peer` may have names, and comes from whoever accepted the connection.
#[tokio::test]
async fn a_peer_counts_more_than_what_axum_knows() {
    let named = Guard::builder(key()).require_client_name(["prometheus.example"]).unwrap().build();
    let [inside, outside] = [[127, 0, 0, 1], [192, 0, 2, 1]].map(|address| SocketAddr::from((address, 9090)));
    for (guard, peer, connected, expected) in [
        (by_network(), Peer::new(inside), outside, 200),
        (by_network(), Peer::new(outside), inside, 403),
        (named.clone(), Peer::new(inside).with_names([ClientName::dns("prometheus.example")]), outside, 200),
        (named.clone(), Peer::new(inside).with_names([ClientName::dns("other.example")]), inside, 403),
        (named, Peer::new(inside), inside, 403),
    ] {
        for app in both_ways(&guard) {
            let mut request = request(&Method::GET, "/metrics", Some(KEY));
            request.extensions_mut().insert(ConnectInfo(connected));
            request.extensions_mut().insert(peer.clone());
            assert_eq!(answer(&app, request).await.status, expected, "{peer:?} {connected}");
        }
    }
}

/// As axum's own extractor takes it: a mock stands in for the address of a connection, and never for one that is there.
#[tokio::test]
async fn a_mocked_address_counts_where_there_is_no_other() {
    let [inside, outside] = [[127, 0, 0, 1], [192, 0, 2, 1]].map(|address| SocketAddr::from((address, 9090)));
    for app in both_ways(&by_network()) {
        let [mocked_inside, mocked_outside] = [inside, outside].map(|from| app.clone().layer(MockConnectInfo(from)));
        let ask = |from: Option<SocketAddr>, peer: Option<SocketAddr>| {
            let mut request = request(&Method::GET, "/metrics", Some(KEY));
            if let Some(from) = from {
                request.extensions_mut().insert(ConnectInfo(from));
            }
            if let Some(peer) = peer {
                request.extensions_mut().insert(Peer::new(peer));
            }
            request
        };
        assert_eq!(answer(&mocked_inside, ask(None, None)).await.status, 200);
        assert_eq!(answer(&mocked_outside, ask(None, None)).await.status, 403);
        // A mock opens nothing without the key.
        assert_eq!(statuses(&mocked_inside, Method::GET, "/metrics").await, [401, 200]);
        for (real, mocked, expected) in [(outside, &mocked_inside, 403), (inside, &mocked_outside, 200)] {
            assert_eq!(answer(mocked, ask(Some(real), None)).await.status, expected, "{real}");
            assert_eq!(answer(mocked, ask(None, Some(real))).await.status, expected, "{real}");
            assert_eq!(answer(mocked, ask(Some(outside), Some(inside))).await.status, 200);
            assert_eq!(answer(mocked, ask(Some(inside), Some(outside))).await.status, 403);
        }
    }
}

/// Only the type that a socket's address has, since of another type the guard cannot know what it says.
#[tokio::test]
async fn an_address_of_another_type_is_unknown() {
    #[derive(Clone)]
    struct Connected;

    let inside = SocketAddr::from(([127, 0, 0, 1], 9090));
    for app in both_ways(&by_network()) {
        for app in [app.clone().layer(MockConnectInfo(inside.ip())), app.layer(MockConnectInfo(Connected))] {
            let mut request = request(&Method::GET, "/metrics", Some(KEY));
            request.extensions_mut().insert(ConnectInfo(inside.ip()));
            request.extensions_mut().insert(ConnectInfo(Connected));
            request.extensions_mut().insert(inside);
            assert_eq!(answer(&app, request).await.status, 403);
        }
    }
}

/// Over a socket: served with the address, and without.
#[tokio::test]
async fn served_with_the_address_and_without() {
    async fn status(address: SocketAddr) -> u16 {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let stream = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request(&Method::GET, "/metrics", Some(KEY))).await.unwrap();
        connection.abort();
        response.status().as_u16()
    }
    let bind = || tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    for app in both_ways(&by_network()) {
        let listener = bind().await.unwrap();
        let address = listener.local_addr().unwrap();
        let with_address = app.clone().into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(axum::serve(listener, with_address).into_future());
        assert_eq!(status(address).await, 200);
        server.abort();

        // A mock that was left in changes nothing.
        let listener = bind().await.unwrap();
        let address = listener.local_addr().unwrap();
        let mocked = app.clone().layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 9090))));
        let with_address = mocked.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(axum::serve(listener, with_address).into_future());
        assert_eq!(status(address).await, 200);
        server.abort();

        let listener = bind().await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(axum::serve(listener, app).into_future());
        assert_eq!(status(address).await, 403);
        server.abort();
    }

    // A layer around the app is served as a service.
    let app = Router::new().route("/metrics", get(open));
    let app = MetricsGuardLayer::new(by_network()).only_path("/metrics").unwrap().layer(app);
    let listener = bind().await.unwrap();
    let address = listener.local_addr().unwrap();
    let with_address = axum::ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    let server = tokio::spawn(axum::serve(listener, with_address).into_future());
    assert_eq!(status(address).await, 200);
    server.abort();
}

/// A body that tells when somebody looks at it.
struct Watched(Arc<AtomicUsize>);

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let is_first = self.0.fetch_add(1, Relaxed) == 0;
        Poll::Ready(is_first.then_some(Ok(Frame::data(Bytes::from_static(b"7")))))
    }
}

#[tokio::test]
async fn nothing_of_the_body_is_read_before_the_check() {
    #[guard_metrics]
    fn attribute(body: String) -> String {
        body
    }
    async fn extractor(_: Authorized, body: String) -> String {
        body
    }
    async fn open(body: String) -> String {
        body
    }
    let app: Router = Router::new()
        .route("/attribute", post(attribute))
        .route("/extractor", post(extractor))
        .route("/layer", post(open).layer(layer()))
        .with_state(guard());
    for path in ["/attribute", "/extractor", "/layer"] {
        for (key, expected) in [("wrong", 401), (KEY, 200)] {
            let polls = Arc::new(AtomicUsize::new(0));
            let request = Request::post(path).header("X-Metrics-Key", key);
            let answer = answer(&app, request.body(Body::new(Watched(Arc::clone(&polls)))).unwrap()).await;
            assert_eq!(answer.status, expected, "{path} {key}");
            assert_eq!(polls.load(Relaxed) > 0, expected == 200, "{path} {key}");
        }
    }
}

/// What other extractors would say, only who has a key hears.
#[tokio::test]
async fn the_check_comes_before_other_extractors() {
    #[guard_metrics]
    fn parsed(Path(number): Path<u8>, Query(query): Query<Vec<(String, u8)>>, Json(body): Json<Vec<u8>>) -> String {
        format!("{number} {query:?} {body:?}")
    }
    let limited = DefaultBodyLimit::max(4);
    let app: Router = Router::new().route("/{number}", post(parsed)).layer(limited).with_state(guard());
    for (path, kind, body, expected) in [
        ("/7?a=1", "application/json", "[1]", 200),
        ("/many?a=1", "application/json", "[1]", 400),
        ("/7?a=many", "application/json", "[1]", 400),
        ("/7?a=1", "text/plain", "[1]", 415),
        ("/7?a=1", "application/json", "[", 400),
        ("/7?a=1", "application/json", "[1, 2, 3]", 413),
    ] {
        for (key, expected) in [("wrong", 401), (KEY, expected)] {
            let request = Request::post(path).header("Content-Type", kind).header("X-Metrics-Key", key);
            let answer = answer(&app, request.body(Body::from(body)).unwrap()).await;
            assert_eq!(answer.status, expected, "{path} {kind} {body} {key}");
        }
    }
}

/// axum's own attribute, for better messages, looks at the parameters that were written, if it stands below.
#[tokio::test]
async fn together_with_debug_handler() {
    #[guard_metrics]
    #[axum::debug_handler]
    #[allow(clippy::unused_async)] // `debug_handler` takes no other function
    async fn debugged(State(app): State<App>, body: String) -> String {
        app.name.to_owned() + &body
    }
    let app: Router = Router::new().route("/metrics", get(debugged)).with_state(app());
    assert_eq!(statuses(&app, Method::GET, "/metrics").await, [401, 200]);
    assert_eq!(ask(&app, Method::GET, "/metrics", Some(KEY)).await.body, "app");
}

/// The compiler decides on conditions before it calls the attribute: what they add goes to the function that axum calls, or
/// to the one that was written, as without a condition.
#[test]
#[deny(unfulfilled_lint_expectations)]
fn attributes_behind_a_condition() {
    #[guard_metrics]
    #[cfg_attr(all(), deprecated, rustfmt::skip, inline)]
    fn conditional() -> &'static str {
        "up 1\n"
    }
    #[expect(deprecated)]
    let _: MethodRouter<Guard> = get(conditional);
}

/// Any extractor may be asked for as a `Result`. A handler that does so decides itself, and this one does not.
#[tokio::test]
async fn a_handler_that_asks_for_a_result_is_not_guarded() {
    async fn undecided(verdict: Result<Authorized, Refusal>) -> String {
        match verdict {
            Ok(authorized) => format!("{:?}", authorized.key()),
            Err(refusal) => refusal.denied().reason().to_string(),
        }
    }
    async fn decided(verdict: Result<Authorized, Refusal>) -> Result<String, Refusal> {
        verdict.map(|authorized| format!("{:?}", authorized.key()))
    }
    let app: Router =
        Router::new().route("/undecided", get(undecided)).route("/decided", get(decided)).with_state(guard());
    for (key, reason) in [(None, Reason::Missing), (Some("wrong"), Reason::Wrong)] {
        let answer = ask(&app, Method::GET, "/undecided", key).await;
        assert_eq!((answer.status, &answer.body[..]), (200, reason.as_str().as_bytes()));
        let answer = ask(&app, Method::GET, "/decided", key).await;
        assert_eq!((answer.status, &answer.body[..]), (401, &b"Unauthorized\n"[..]));
    }
    for path in ["/undecided", "/decided"] {
        assert_eq!(ask(&app, Method::GET, path, Some(KEY)).await.body, "Some(\"current\")");
    }
}

/// What the extractor does, by hand.
#[tokio::test]
async fn a_handler_that_asks_the_guard_itself_has_the_same_refusal() {
    async fn asking(State(guard): State<Guard>, request: Request) -> Result<String, Refusal> {
        let authorized = guard.check(&request)?;
        Ok(format!("{:?}", authorized.key()))
    }
    let app: Router = Router::new().route("/asking", get(asking)).route("/metrics", get(metrics)).with_state(guard());
    assert_eq!(ask(&app, Method::GET, "/asking", Some(KEY)).await.body, "Some(\"current\")");
    for key in [None, Some("wrong")] {
        let [by_hand, extracted] =
            [ask(&app, Method::GET, "/asking", key).await, ask(&app, Method::GET, "/metrics", key).await];
        assert_eq!((by_hand.status, by_hand.fields, by_hand.body), (401, extracted.fields, extracted.body));
    }
    let denied = guard().check(&request(&Method::GET, "/metrics", None)).unwrap_err();
    assert_eq!(Refusal::from(denied).to_string(), denied.to_string());
}

#[tokio::test]
async fn the_guard_is_the_state_or_a_part_of_it() {
    #[guard_metrics]
    fn with_state(State(app): State<App>) -> &'static str {
        app.name
    }
    async fn by_extractor(authorized: Authorized, State(app): State<App>) -> String {
        format!("{} {}", app.name, authorized.key().unwrap())
    }
    let labelled = KeyRing::new([key().with_label("main"), Key::new(OTHER).unwrap().with_label("next")]).unwrap();
    let guard = Guard::new(labelled);
    let part: Router = Router::new()
        .route("/attribute", get(with_state))
        .route("/extractor", get(by_extractor))
        .with_state(App { guard: guard.clone(), name: "app" });
    let whole: Router = Router::new().route("/attribute", get(metrics)).with_state(guard.clone());
    assert_eq!(statuses(&whole, Method::GET, "/attribute").await, [401, 200]);
    assert_eq!(statuses(&part, Method::GET, "/attribute").await, [401, 200]);
    assert_eq!(ask(&part, Method::GET, "/attribute", Some(KEY)).await.body, "app");
    assert_eq!(ask(&part, Method::GET, "/extractor", None).await.body, "Unauthorized\n");
    assert_eq!(ask(&part, Method::GET, "/extractor", Some(KEY)).await.body, "app main");
    assert_eq!(ask(&part, Method::GET, "/extractor", Some(OTHER)).await.body, "app next");
    // The router's guard is a clone, and sees a change.
    guard.replace(Key::new(OTHER).unwrap()).unwrap();
    assert_eq!(statuses(&part, Method::GET, "/attribute").await, [401, 401]);
    assert_eq!(ask(&whole, Method::GET, "/attribute", Some(OTHER)).await.status, 200);
}

#[tokio::test]
async fn answers_are_not_stored_unless_the_handler_says_so() {
    #[guard_metrics]
    fn cached() -> impl IntoResponse {
        ([(CACHE_CONTROL, "private, max-age=5")], "up 1\n")
    }
    #[guard_metrics]
    fn failing() -> Result<&'static str, StatusCode> {
        Err(StatusCode::SERVICE_UNAVAILABLE)
    }
    async fn extractor(_: Authorized) -> &'static str {
        "up 1\n"
    }
    async fn extractor_that_forbids(authorized: Authorized) -> impl IntoResponse {
        let mut response = "up 1\n".into_response();
        authorized.set_no_store(response.headers_mut());
        response
    }
    let by_layer: fn(MethodRouter<Guard>) -> MethodRouter<Guard> = |route| route.layer(layer());
    let app: Router = Router::new()
        .route("/metrics", get(metrics))
        .route("/cached", get(cached))
        .route("/failing", get(failing))
        .route("/extractor", get(extractor))
        .route("/forbids", get(extractor_that_forbids))
        .route("/layer", by_layer(get(open)))
        .route("/layer/cached", by_layer(get(cached)))
        .with_state(guard());
    for (path, expected) in [
        ("/metrics", &["no-store"][..]),
        ("/cached", &["private, max-age=5"]),
        ("/failing", &["no-store"]),
        ("/extractor", &[]), // the handler's to say
        ("/forbids", &["no-store"]),
        ("/layer", &["no-store"]),
        ("/layer/cached", &["private, max-age=5"]),
    ] {
        let answer = ask(&app, Method::GET, path, Some(KEY)).await;
        assert_eq!(answer.fields.get_all(CACHE_CONTROL).iter().collect::<Vec<_>>(), expected, "{path}");
        let refused = ask(&app, Method::GET, path, None).await;
        assert_eq!(refused.fields.get_all(CACHE_CONTROL).iter().collect::<Vec<_>>(), ["no-store"], "{path}");
    }
}

#[tokio::test]
async fn the_proof_as_a_part_of_the_answer() {
    async fn plain(authorized: Authorized) -> (Authorized, &'static str) {
        (authorized, "up 1\n")
    }
    async fn with_status(authorized: Authorized) -> impl IntoResponse {
        (StatusCode::ACCEPTED, authorized, "up 1\n")
    }
    async fn before(authorized: Authorized) -> impl IntoResponse {
        (authorized, [(CACHE_CONTROL, "max-age=5")], "up 1\n")
    }
    async fn after(authorized: Authorized) -> impl IntoResponse {
        ([(CACHE_CONTROL, "max-age=5")], authorized, "up 1\n")
    }
    async fn appended(authorized: Authorized) -> impl IntoResponse {
        (AppendHeaders([(CACHE_CONTROL, "private"), (CACHE_CONTROL, "max-age=5")]), authorized, "up 1\n")
    }
    async fn of_the_rest(authorized: Authorized) -> impl IntoResponse {
        (authorized, ([(CACHE_CONTROL, "max-age=5")], "up 1\n").into_response())
    }
    async fn failing(authorized: Authorized) -> Result<&'static str, (Authorized, StatusCode)> {
        Err((authorized, StatusCode::SERVICE_UNAVAILABLE))
    }
    for (name, route, status, expected) in [
        ("plain", get(plain), 200, &["no-store"][..]),
        ("with a status", get(with_status), 202, &["no-store"]),
        ("before", get(before), 200, &["max-age=5"]),
        ("after", get(after), 200, &["max-age=5"]),
        ("appended", get(appended), 200, &["private", "max-age=5"]),
        ("of the rest", get(of_the_rest), 200, &["max-age=5"]),
        ("failing", get(failing), 503, &["no-store"]),
    ] {
        let app: Router = Router::new().route("/metrics", route).with_state(guard());
        let answer = ask(&app, Method::GET, "/metrics", Some(KEY)).await;
        assert_eq!(answer.fields.get_all(CACHE_CONTROL).iter().collect::<Vec<_>>(), expected, "{name}");
        assert_eq!((answer.status, &answer.body[..]), (status, if status == 503 { &b""[..] } else { b"up 1\n" }));
        assert_eq!(ask(&app, Method::GET, "/metrics", None).await.status, 401, "{name}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_tell_what_was_wrong() {
    let app: Router = Router::new().route("/metrics", get(metrics)).with_state(guard());
    let bearer = format!("Bearer {KEY}");
    let mut refusals = Vec::new();
    for fields in [
        &[][..],
        &[("X-Metrics-Key", "wrong")],
        &[("Authorization", "Basic !")],
        &[("Authorization", &bearer), ("Authorization", &bearer)],
    ] {
        let mut request = request(&Method::GET, "/metrics", None);
        for (name, value) in fields {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let Answer { status, fields, body } = answer(&app, request).await;
        refusals.push((status, fields, body));
    }
    let (status, fields, body) = &refusals[0];
    assert_eq!((*status, &body[..]), (401, &b"Unauthorized\n"[..]));
    let mut fields: Vec<_> =
        fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    fields.sort();
    let expected = [
        "cache-control: no-store",
        "content-length: 13",
        "content-type: text/plain; charset=utf-8",
        "www-authenticate: Bearer realm=\"metrics\"",
    ];
    assert_eq!(fields, expected);
    assert!(refusals.windows(2).all(|two| two[0] == two[1]));

    let forbidden: Router = Router::new().route("/metrics", get(metrics)).with_state(by_network());
    let answer = ask(&forbidden, Method::GET, "/metrics", Some(KEY)).await;
    assert_eq!((answer.status, &answer.body[..]), (403, &b"Forbidden\n"[..]));
}

/// As axum makes layers of extractors, for handlers of others.
#[tokio::test]
async fn the_extractor_as_a_layer() {
    let guarded = from_extractor_with_state::<Authorized, Guard>(guard());
    let app: Router = Router::new().route("/metrics", get(open).layer(guarded)).route("/", get(open));
    assert_eq!(statuses(&app, Method::GET, "/metrics").await, [401, 200]);
    assert_eq!(statuses(&app, Method::GET, "/").await, [200, 200]);
}

#[tokio::test]
async fn a_disabled_guard_lets_all_through() {
    for mut app in both_ways(&Guard::disabled()) {
        for key in [None, Some("wrong"), Some(KEY)] {
            let response = app.call(request(&Method::GET, "/metrics", key)).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
    }
}
