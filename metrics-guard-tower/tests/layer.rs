//! The layer as a tower service: what it rejects, what it keeps of the service behind it, and tonic.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    future::{Pending, Ready, pending, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Method, Request, Response, header::CACHE_CONTROL};
use http_body_util::BodyExt;
use metrics_guard_tower::{Guard, Key, MetricsGuardLayer, MetricsGuardService, Peer, ResponseFuture};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";
const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::CONNECT, Method::TRACE];

fn key() -> Key {
    Key::new(KEY).unwrap()
}

fn guarded<S>(inner: S) -> MetricsGuardService<S> {
    MetricsGuardLayer::new(Guard::new(key())).layer(inner)
}

/// A scrape that presents `key`, or nothing if that is empty.
fn scrape(key: &str) -> Request<()> {
    Request::get("/metrics").header("X-Metrics-Key", key).body(()).unwrap()
}

/// A service that is open.
fn up() -> impl Service<Request<()>, Response = Response<String>, Error = Infallible> + Clone {
    service_fn(|_| ready(Ok(Response::new("up 1\n".to_owned()))))
}

#[tokio::test]
async fn rejected_requests_get_one_answer_and_do_not_reach_the_service() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mut service = guarded(service_fn(move |request: Request<&str>| {
        counted.fetch_add(1, Relaxed);
        ready(Ok::<_, Infallible>(Response::new(request.into_body().to_owned())))
    }));
    let bearer = format!("Bearer {KEY}");
    for method in METHODS {
        for (target, [(name, value), (second_name, second_value)]) in [
            ("/metrics", [("X-Metrics-Key", "wrong"), ("X-Metrics-Key", KEY)]), // the first counts
            ("/", [("X-Metrics-Key", ""), ("Authorization", "Basic !")]),
            ("*", [("X-Metrics-Key", &KEY[..31]), ("Authorization", &bearer)]),
            ("/metrics?key=c2d94b7e", [("Authorization", &bearer), ("Authorization", &bearer)]),
            ("http://localhost/", [("Accept", "*/*"), ("Cookie", KEY)]),
        ] {
            let request = Request::builder().method(&method).uri(target).header(name, value);
            let request = request.header(second_name, second_value).body("body").unwrap();
            let response = service.ready().await.unwrap().call(request).await.unwrap();
            let (head, body) = response.into_parts();
            let shape = (head.status.as_u16(), &*body, head.headers.len(), head.extensions.len());
            assert_eq!(shape, (401, "", 2, 0), "{method} {target}");
            assert_eq!(head.headers["WWW-Authenticate"], "Bearer realm=\"metrics\"");
            assert_eq!(head.headers[CACHE_CONTROL], "no-store");
        }
    }
    drop(service.ready().await.unwrap().call(Request::new("body"))); // rejected, and never polled
    assert_eq!(calls.load(Relaxed), 0);

    let request = Request::post("/any").header("X-Metrics-Key", KEY).body("body").unwrap();
    assert_eq!(service.ready().await.unwrap().call(request).await.unwrap().body(), "body");
    assert_eq!(calls.load(Relaxed), 1);
}

#[tokio::test]
async fn a_concurrency_limit_behind_the_guard_also_holds_back_requests_that_are_rejected() {
    let is_ready =
        |service: &mut MetricsGuardService<_>| service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready();
    let slow = service_fn(|_: Request<()>| pending::<Result<Response<()>, Infallible>>());
    let mut first = guarded(ConcurrencyLimit::new(slow, 1));
    let mut second = first.clone();

    assert!(is_ready(&mut first));
    let in_flight = first.call(scrape(KEY));
    assert!(!is_ready(&mut second));
    tokio::spawn(async move { drop(in_flight) }); // as soon as `second` waits
    tokio::select! {
        biased;
        () = tokio::time::sleep(Duration::from_secs(10)) => panic!("the place is free, and the waiting request is not woken"),
        ready = second.ready() => assert!(ready.is_ok()),
    }

    // A rejection does not use the place, which `second` keeps until it is dropped or asked again.
    assert_eq!(second.call(scrape("")).await.unwrap().status(), 401);
    assert!(!is_ready(&mut first) && is_ready(&mut second));
    drop(second);
    assert!(is_ready(&mut first));
}

#[test]
fn the_future_holds_that_of_the_service_and_little_more() {
    type Answer = Ready<Result<Response<()>, Infallible>>;
    let with_proof = size_of::<ResponseFuture<Pending<()>>>();
    assert!(with_proof <= 4 * size_of::<usize>(), "{with_proof}");
    let future = size_of::<ResponseFuture<Answer>>();
    assert!(future <= size_of::<Answer>() + with_proof, "{future}");
}

/// The layer knows tonic by the body type of the requests, also within another body. `tests/no_peer.rs` in the
/// workspace holds the texts against the guide.
#[tokio::test]
async fn a_missing_address_is_explained_for_the_server_in_use() {
    async fn advice<B: Default + 'static>() -> String {
        let (sender, warnings) = std::sync::mpsc::channel();
        let builder = Guard::builder(key()).allow_networks(["10.0.0.0/8"]).unwrap();
        let guard = builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build();
        let inner = service_fn(|_: Request<B>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
        let response = MetricsGuardLayer::new(guard).layer(inner).oneshot(Request::new(B::default())).await.unwrap();
        assert_eq!(response.status(), 403);
        let warning = warnings.recv_timeout(Duration::from_secs(10)).unwrap();
        warning.split_once(" may be rejected; ").unwrap().1.to_owned()
    }

    /// A body within another one, as layers make it.
    #[derive(Default)]
    struct Limited<B>(#[allow(dead_code)] B);

    type Tonic = tonic::body::Body;

    let plain = "put a `Peer` into the request's extensions: `request.extensions_mut().insert(Peer::new(address))`";
    let feature = if cfg!(feature = "axum") { "" } else { "use the feature `axum` of metrics-guard-tower, and " };
    let serve = "serve with `app.into_make_service_with_connect_info::<SocketAddr>()`; elsewhere, ";
    let axum = format!("on axum 0.8, {feature}{serve}{plain}");
    for (advice, start) in [
        (advice::<()>().await, axum.as_str()),
        (advice::<Limited<Tonic>>().await, "on tonic, put a `Peer` with the address of `TcpConnectInfo` into"),
    ] {
        assert!(advice.starts_with(start), "{advice}");
    }
}

#[tokio::test]
async fn only_path_guards_its_paths_and_does_not_check_other_requests() {
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&checks);
    let guard = Guard::builder(key()).observe(move |_| _ = counted.fetch_add(1, Relaxed)).build();
    let layer = |path| MetricsGuardLayer::new(guard.clone()).only_path(path).unwrap();
    let two = layer("/metrics").only_path("/debug").unwrap().layer(up());
    let all = layer("/").layer(up());
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
        for (method, key) in METHODS.iter().flat_map(|method| [(method, "wrong"), (method, KEY)]) {
            for (service, is_guarded) in [(&two, is_guarded), (&all, true)] {
                let before = checks.load(Relaxed);
                let request = Request::builder().method(method).uri(target).header("X-Metrics-Key", key);
                let response = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
                let expected = if is_guarded && key != KEY { 401 } else { 200 };
                assert_eq!(response.status(), expected, "{method} {target}");
                assert_eq!(response.headers().contains_key(CACHE_CONTROL), is_guarded, "{method} {target}");
                assert_eq!(checks.load(Relaxed) - before, usize::from(is_guarded), "{method} {target}");
            }
        }
    }
    let error = MetricsGuardLayer::new(guard.clone()).only_path("http://localhost/metrics").unwrap_err();
    assert!(error.to_string().starts_with("GuardedPath::new: invalid path; begin it with `/`"), "{error}");
}

/// In the orders that the layer's documentation gives, because the body of a rejection is a default.
mod bodies_without_a_default {
    use super::*;

    use axum::{
        Router,
        body::{Body, HttpBody},
        response::IntoResponse,
        routing::get,
    };
    use http_body_util::combinators::UnsyncBoxBody;
    use tower::util::{BoxCloneService, option_layer};
    use tower_http::{
        map_response_body::MapResponseBodyLayer, services::ServeDir, timeout::ResponseBodyTimeoutLayer,
        trace::TraceLayer,
    };

    fn app<S, R>(service: S) -> BoxCloneService<Request<Body>, Response<Body>, Infallible>
    where
        S: Service<Request<Body>, Response = R, Error = Infallible, Future: Send> + Clone + Send + 'static,
        R: IntoResponse + 'static,
    {
        BoxCloneService::new(service.map_response(IntoResponse::into_response))
    }

    type Boxing<B> = fn(B) -> UnsyncBoxBody<<B as HttpBody>::Data, <B as HttpBody>::Error>;

    fn boxed<B: HttpBody + Send + 'static>() -> MapResponseBodyLayer<Boxing<B>> {
        MapResponseBodyLayer::new(BodyExt::boxed_unsync)
    }

    #[tokio::test]
    async fn the_guard_works_around_layers_that_change_the_body() {
        let guard = || MetricsGuardLayer::new(Guard::new(key()));
        let (trace, timeout) = (TraceLayer::new_for_http, || ResponseBodyTimeoutLayer::new(Duration::from_secs(60)));
        let text = include_str!("../LICENSE-MIT");
        let route = || get(move || async move { text });
        let router = || -> Router { Router::new().route("/LICENSE-MIT", route()) };
        let in_two_calls = route().layer::<_, Infallible>(trace()).layer(guard());
        let files = || ServeDir::new(env!("CARGO_MANIFEST_DIR"));
        for (name, app) in [
            ("two calls", app(router().layer(trace()).layer(guard()))),
            ("two calls, on a route", app::<Router, _>(Router::new().route("/LICENSE-MIT", in_two_calls))),
            ("one call", app(router().layer((guard(), boxed(), trace(), timeout())))),
            ("around files", app(guard().layer(files()))),
            // An option requires the body of the service, so the guard can have no body of its own.
            ("an option", app(option_layer(Some(guard())).layer(router()))),
        ] {
            for (key, expected) in [("wrong", (401, "")), (KEY, (200, text))] {
                let request = Request::get("/LICENSE-MIT").header("X-Metrics-Key", key).body(Body::empty()).unwrap();
                let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                assert_eq!((head.status.as_u16(), &*body), (expected.0, expected.1.as_bytes()), "{name}");
            }
        }
    }
}

/// tonic's server over a socket. If an answer has no `grpc-status`, a gRPC client derives its code from the HTTP status.
mod grpc {
    use super::*;

    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tonic::{
        body::Body,
        server::NamedService,
        service::LayerExt,
        transport::{
            Error, Server,
            server::{TcpConnectInfo, TcpIncoming},
        },
    };
    use tower::util::MapRequestLayer;

    /// A service as a generated one is: `test.Metrics`, or `test.Health`.
    #[derive(Clone)]
    struct Generated<const N: usize>;

    impl<const N: usize> NamedService for Generated<N> {
        const NAME: &'static str = ["test.Metrics", "test.Health"][N];
    }

    impl<const N: usize> Service<Request<Body>> for Generated<N> {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let response = Response::builder().header("content-type", "application/grpc").header("grpc-status", "0");
            ready(Ok(response.body(Body::empty()).unwrap()))
        }
    }

    /// Starts a server by `serve`, and returns its address.
    fn bind<F: Future<Output = Result<(), Error>> + Send + 'static>(
        serve: impl FnOnce(TcpIncoming) -> F,
    ) -> SocketAddr {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = incoming.local_addr().unwrap();
        tokio::spawn(serve(incoming));
        address
    }

    /// Returns the HTTP status of the answer, its `grpc-status` and `Cache-Control`, such as `200 0 no-store`.
    async fn call(address: SocketAddr, path: &str, key: &str) -> String {
        let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(format!("http://{address}{path}")).header("content-type", "application/grpc");
        let request = request.header("te", "trailers").header("x-metrics-key", key).body(Body::empty()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let text = |name: &str| response.headers().get(name).map_or("-", |value| value.to_str().unwrap());
        format!("{} {} {}", response.status().as_u16(), text("grpc-status"), text("cache-control"))
    }

    #[tokio::test]
    async fn a_server_or_one_service_of_it_is_guarded() {
        let layer = || MetricsGuardLayer::new(Guard::new(key()));
        let by_network =
            || MetricsGuardLayer::new(Guard::builder(key()).allow_networks(["127.0.0.0/8"]).unwrap().build());
        // tonic puts the client's address into an extension of its own type, so a layer must make a `Peer` of it.
        let with_peer = MapRequestLayer::new(|mut request: Request<Body>| {
            if let Some(address) = request.extensions().get().and_then(TcpConnectInfo::remote_addr) {
                request.extensions_mut().insert(Peer::new(address));
            }
            request
        });
        let (metrics, health) = (|| Generated::<0>, Generated::<1>);
        let whole = Server::builder().layer(layer()).add_service(metrics());
        let one = Server::builder().add_service(layer().named_layer(metrics())).add_service(health);
        let peer = Server::builder().layer((with_peer, by_network())).add_service(metrics());
        let [whole, one, peer] = [
            bind(|incoming| whole.serve_with_incoming(incoming)),
            bind(|incoming| one.serve_with_incoming(incoming)),
            bind(|incoming| peer.serve_with_incoming(incoming)),
        ];
        for (address, path, key, expected) in [
            (whole, "/test.Metrics/Scrape", "", "401 - no-store"),
            (whole, "/test.Other/Scrape", "wrong", "401 - no-store"),
            (whole, "/test.Metrics/Scrape", KEY, "200 0 no-store"),
            (whole, "/test.Other/Scrape", KEY, "200 12 no-store"), // unimplemented
            (one, "/test.Metrics/Scrape", "", "401 - no-store"),
            (one, "/test.Metrics/Scrape", KEY, "200 0 no-store"),
            (one, "/test.Health/Check", "", "200 0 -"),
            (peer, "/test.Metrics/Scrape", KEY, "200 0 no-store"),
            (peer, "/test.Metrics/Scrape", "", "401 - no-store"),
        ] {
            assert_eq!(call(address, path, key).await, expected, "{path} {key}");
        }
    }
}
