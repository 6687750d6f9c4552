//! The layer as a tower service: what it keeps from the service behind it, and what it hands on as it is.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt::Debug,
    future::{Pending, Ready, pending, ready},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use axum::{
    body::{Bytes, HttpBody},
    extract::ConnectInfo,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header::CACHE_CONTROL};
use http_body_util::{BodyExt, Full};
use metrics_guard_tower::{
    ClientName, Guard, Key, KeyRing, MetricsGuardLayer, MetricsGuardService, Peer, ResponseFuture,
};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";
const OTHER: &str = "another-key-of-32-characters-too";
const BASIC: &str = "Basic dTpjMmQ5NGI3ZTEwZjNhNTg2ZDdlOWIwYzRmMWEyNjg1Mw=="; // u: and KEY

fn key() -> Key {
    Key::new(KEY).unwrap()
}

fn guarded<S>(inner: S) -> MetricsGuardService<S> {
    MetricsGuardLayer::new(Guard::new(key())).layer(inner)
}

fn scrape(fields: &[(&str, &str)]) -> Request<()> {
    let request = fields.iter().fold(Request::get("/metrics"), |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap()
}

fn with_key() -> Request<()> {
    scrape(&[("X-Metrics-Key", KEY)])
}

/// What one answers who is asked for nothing.
fn up() -> impl Service<Request<()>, Response = Response<String>, Error = Infallible> + Clone {
    service_fn(|_| ready(Ok(Response::new("up 1\n".to_owned()))))
}

async fn status<S, B>(service: &S, request: Request<()>) -> u16
where
    S: Service<Request<()>, Response = Response<B>, Error: Debug> + Clone,
{
    service.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_is_refused_does_not_reach_the_service() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let mut service = guarded(service_fn(move |request: Request<&str>| {
        counted.fetch_add(1, Relaxed);
        ready(Ok::<_, Infallible>(Response::new(request.into_body().to_owned())))
    }));

    // Whatever the method and the path.
    for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::CONNECT, Method::TRACE] {
        for (path, key) in [("/metrics", "wrong"), ("/", ""), ("*", &KEY[..31]), ("/metrics?key=c2d94b7e", "0")] {
            let request = Request::builder().method(&method).uri(path).header("X-Metrics-Key", key).body("body");
            let response = service.ready().await.unwrap().call(request.unwrap()).await.unwrap();
            assert_eq!(
                (response.status(), response.body().as_str()),
                (StatusCode::UNAUTHORIZED, ""),
                "{method} {path}"
            );
        }
    }
    assert_eq!(calls.load(Relaxed), 0);

    // A refused one that is never polled neither.
    drop(service.ready().await.unwrap().call(Request::new("body")));
    assert_eq!(calls.load(Relaxed), 0);

    // What is let through arrives as it came, once.
    let request = Request::post("/any").header("X-Metrics-Key", KEY).body("body").unwrap();
    assert_eq!(service.ready().await.unwrap().call(request).await.unwrap().body(), "body");
    assert_eq!(calls.load(Relaxed), 1);
}

type Readiness = Poll<Result<(), &'static str>>;

/// A service whose readiness is written down beforehand.
#[derive(Clone)]
struct Scripted(Arc<Mutex<VecDeque<Readiness>>>);

impl Service<Request<()>> for Scripted {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Readiness {
        self.0.lock().unwrap().pop_front().unwrap()
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

#[test]
fn readiness_is_that_of_the_service() {
    let script = [Poll::Pending, Poll::Pending, Poll::Ready(Ok(())), Poll::Ready(Err("gone")), Poll::Pending];
    let mut service = guarded(Scripted(Arc::new(Mutex::new(script.into()))));
    for expected in script {
        assert_eq!(service.poll_ready(&mut Context::from_waker(Waker::noop())), expected);
    }
}

#[tokio::test]
async fn errors_pass() {
    let failing = guarded(service_fn(|_: Request<()>| ready(Err::<Response<()>, _>("broken"))));
    assert_eq!(failing.clone().oneshot(with_key()).await.unwrap_err(), "broken");
    // Not where the service is not called.
    assert_eq!(failing.oneshot(scrape(&[])).await.unwrap().status(), StatusCode::UNAUTHORIZED);

    let unready = guarded(Scripted(Arc::new(Mutex::new([Poll::Ready(Err("gone"))].into()))));
    assert_eq!(unready.oneshot(with_key()).await.unwrap_err(), "gone");
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Who waits is the service's to say, also of requests that will be refused: readiness is asked for before there is one.
#[test]
fn a_limit_behind_it_holds_back() {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let slow = service_fn(|_: Request<()>| pending::<Result<Response<()>, Infallible>>());
    let mut first = guarded(ConcurrencyLimit::new(slow, 1));
    let mut second = first.clone();

    assert!(first.poll_ready(&mut cx).is_ready());
    let in_flight = first.call(with_key());
    assert!(second.poll_ready(&mut cx).is_pending());
    drop(in_flight);
    assert!(woken.0.load(Relaxed));
    assert!(second.poll_ready(&mut cx).is_ready());

    // A refusal does not use up the place, which this service keeps until it is dropped or asked again.
    let mut refused = pin!(second.call(scrape(&[])));
    assert!(refused.as_mut().poll(&mut cx).is_ready());
    assert!(first.poll_ready(&mut cx).is_pending());
    assert!(second.poll_ready(&mut cx).is_ready());
    drop(second);
    assert!(first.poll_ready(&mut cx).is_ready());
}

#[test]
fn its_future_has_a_name_and_no_box() {
    type Answer = Ready<Result<Response<()>, Infallible>>;
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    fn is_unpin<T: Unpin>(_: &T) {}

    let mut service = guarded(service_fn(|_: Request<()>| -> Answer { ready(Ok(Response::new(()))) }));
    let future: ResponseFuture<Answer> = service.call(with_key());
    is_send_and_sync(&service);
    is_send_and_sync(&future);
    is_unpin(&future);
    // It holds the service's own, and of ours not more than the proof and which of the two it is.
    let proof = size_of::<ResponseFuture<Pending<()>>>();
    assert!(proof <= 4 * size_of::<usize>(), "{proof}");
    assert!(size_of_val(&future) <= size_of::<Answer>() + proof, "{} of {proof}", size_of_val(&future));
}

/// None of ours: the check, the call and the future are free of them, and what makes room for the fields of an answer is the
/// answer's.
#[test]
fn a_request_allocates_nothing() {
    let allocations = |run: &mut dyn FnMut()| allocation_counter::measure(run).count_total;
    let ring = KeyRing::new([KEY, OTHER].map(|key| Key::new(key).unwrap())).unwrap();
    let guard = Guard::builder(ring).query("key").unwrap().allow_networks(["10.0.0.0/8"]).unwrap().build();
    let layer = MetricsGuardLayer::new(guard.clone()).only_path("/metrics").unwrap();
    let uri = format!("/metrics?key={OTHER}");
    for (uri, name, value, passes) in [
        ("/metrics", "X-Metrics-Key", KEY, true),
        ("/metrics", "Authorization", BASIC, true),
        (&uri, "Accept", "*/*", true),
        ("/metrics", "X-Metrics-Key", "wrong", false),
        ("/metrics", "Accept", "*/*", false),
    ] {
        let mut answer = Response::new(());
        answer.headers_mut().reserve(4);
        let mut answer = Some(answer);
        let mut service = layer.layer(service_fn(move |_: Request<()>| ready(answer.take().ok_or("asked twice"))));
        let ask = Request::get(uri).header(name, value).extension(Peer::new(SocketAddr::from(([10, 0, 0, 1], 9090))));
        let (mut ask, mut future) = (Some(ask.body(()).unwrap()), None);
        // Counting, with the feature `metrics`, makes each series once.
        let _ = ask.as_ref().map(|request| guard.check(request).is_ok());
        assert_eq!(allocations(&mut || future = ask.take().map(|request| service.call(request))), 0, "{uri} {name}");
        let mut future = pin!(future.unwrap());
        let mut answered = Poll::Pending;
        let of_answer = allocations(&mut || answered = future.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        let Poll::Ready(Ok(response)) = answered else { unreachable!("it was ready") };
        assert_eq!(response.status() == StatusCode::OK, passes, "{uri} {name}");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        // A refusal has two fields, and one table for them: an index, and the lines.
        assert_eq!(of_answer, if passes { 0 } else { 2 }, "{uri} {name}");
    }
    assert_eq!(allocations(&mut || drop(HeaderMap::<HeaderValue>::with_capacity(2))), 2);
    assert_ne!(allocations(&mut || drop(std::hint::black_box(vec![1]))), 0); // it does count
}

#[tokio::test]
async fn answers_are_not_stored_unless_the_service_says_so() {
    for (said, expected) in [
        (&[][..], &["no-store"][..]),
        (&["private, max-age=5"], &["private, max-age=5"]),
        (&["no-cache", "max-age=0"], &["no-cache", "max-age=0"]),
    ] {
        let fields: HeaderMap = said.iter().map(|said| (CACHE_CONTROL, HeaderValue::from_static(said))).collect();
        let service = guarded(service_fn(move |_: Request<()>| {
            let mut response = Response::new("up 1\n");
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            response.headers_mut().insert("X-Other", HeaderValue::from_static("other"));
            for said in fields.get_all(CACHE_CONTROL) {
                response.headers_mut().append(CACHE_CONTROL, said.clone());
            }
            ready(Ok::<_, Infallible>(response))
        }));
        let response = service.oneshot(with_key()).await.unwrap();
        assert_eq!(response.headers().get_all(CACHE_CONTROL).iter().collect::<Vec<_>>(), expected);
        // All else is the service's.
        assert_eq!((response.status(), *response.body()), (StatusCode::IM_A_TEAPOT, "up 1\n"));
        assert_eq!(
            (response.headers().len(), &response.headers()["X-Other"]),
            (1 + expected.len(), &"other".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_refusal_does_not_tell_what_was_wrong() {
    let service = guarded(up());
    let bearer = format!("Bearer {KEY}");
    let mut refusals = Vec::new();
    for fields in [
        &[][..],
        &[("X-Metrics-Key", "wrong")],
        &[("X-Metrics-Key", OTHER)],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Basic !")],
        &[("Authorization", &bearer), ("Authorization", &bearer)],
        &[("X-Metrics-Key", &KEY[1..])],
    ] {
        let (head, body) = service.clone().oneshot(scrape(fields)).await.unwrap().into_parts();
        refusals.push((head.status, head.version, head.headers, head.extensions.len(), body));
    }
    let (status, _, fields, extensions, body) = &refusals[0];
    assert_eq!((status.as_u16(), fields.len(), *extensions, body.as_str()), (401, 2, 0, ""));
    assert_eq!(fields["WWW-Authenticate"], "Bearer realm=\"metrics\"");
    assert_eq!(fields["Cache-Control"], "no-store");
    assert!(refusals.windows(2).all(|two| two[0] == two[1]), "{refusals:#?}");
}

#[tokio::test]
async fn every_source_and_other_names() {
    let ring = || KeyRing::new([KEY, OTHER].map(|key| Key::new(key).unwrap())).unwrap();
    let guard = Guard::builder(ring()).header("X-Scrape-Key").unwrap().query("k").unwrap().build();
    let service = MetricsGuardLayer::new(guard).layer(up());
    let bearer = format!("Bearer {OTHER}");
    for (path, name, value, expected) in [
        ("/metrics", "x-scrape-key", KEY, 200),
        ("/metrics", "x-metrics-key", KEY, 401),
        ("/metrics", "authorization", &bearer, 200),
        ("/metrics", "authorization", BASIC, 200),
        (&format!("/metrics?a&k={OTHER}"), "accept", "*/*", 200),
        (&format!("/metrics?k={}", OTHER.replace('-', "%2D")), "accept", "*/*", 200),
        (&format!("/metrics?key={OTHER}"), "accept", "*/*", 401),
        (&format!("/metrics?k={OTHER}"), "x-scrape-key", "wrong", 401), // the field is asked before the query
    ] {
        let request = Request::get(path).header(name, value).body(()).unwrap();
        assert_eq!(status(&service, request).await, expected, "{path} {name}: {value}");
    }
    // The query only where it is switched on.
    let request = || Request::get(format!("/metrics?key={KEY}&k={KEY}")).body(()).unwrap();
    assert_eq!(status(&MetricsGuardLayer::new(Guard::new(ring())).layer(up()), request()).await, 401);
    // Of repeated lines the first counts.
    for (first, second, expected) in [(KEY, "wrong", 200), ("wrong", KEY, 401)] {
        let request = scrape(&[("X-Scrape-Key", first), ("X-Scrape-Key", second)]);
        assert_eq!(status(&service, request).await, expected);
    }
}

#[tokio::test]
async fn the_other_end_is_a_peer_among_the_extensions() {
    let builder = || Guard::builder(key()).allow_networks(["10.0.0.0/8", "2001:db8::/32"]).unwrap();
    let by_address = MetricsGuardLayer::new(builder().build()).layer(up());
    let by_name = builder().require_client_name(["prometheus.example"]).unwrap();
    let beside = MetricsGuardLayer::new(by_name.build()).layer(up());
    let instead = Guard::builder_with_client_names(["prometheus.example"]).unwrap();
    let instead = instead.allow_networks(["10.0.0.0/8", "2001:db8::/32"]).unwrap();
    let instead = MetricsGuardLayer::new(instead.build()).layer(up());

    let from = |address: &str, names: &[&str], key: &str| {
        let address = SocketAddr::new(address.parse().unwrap(), 9090);
        let mut request =
            scrape(&[("X-Metrics-Key", key), ("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1")]);
        request.extensions_mut().insert(Peer::new(address).with_names(names.iter().map(|name| ClientName::dns(name))));
        request
    };
    for (address, expected) in [
        ("10.1.2.3", 200),
        ("::ffff:10.1.2.3", 200),
        ("2001:db8::1", 200),
        ("11.1.2.3", 403),
        ("::ffff:11.1.2.3", 403),
        ("2001:db9::1", 403),
    ] {
        assert_eq!(status(&by_address, from(address, &[], KEY)).await, expected, "{address}");
    }
    assert_eq!(status(&by_address, from("10.1.2.3", &[], "wrong")).await, 401);
    assert_eq!(status(&by_address, from("11.1.2.3", &[], "wrong")).await, 403);
    // Nobody knows where it comes from, whatever it says of that.
    assert_eq!(status(&by_address, scrape(&[("X-Metrics-Key", KEY), ("X-Forwarded-For", "10.0.0.1")])).await, 403);

    for (names, key, of_beside, of_instead) in [
        (&["prometheus.example"][..], KEY, 200, 200),
        (&["prometheus.example"], "wrong", 401, 200),
        (&["other.example", "prometheus.example"], KEY, 200, 200),
        (&["other.example"], KEY, 403, 403),
        (&[], KEY, 403, 403),
    ] {
        assert_eq!(status(&beside, from("10.1.2.3", names, key)).await, of_beside, "{names:?} {key}");
        assert_eq!(status(&instead, from("10.1.2.3", names, key)).await, of_instead, "{names:?} {key}");
        assert_eq!(status(&instead, from("11.1.2.3", names, key)).await, 403, "{names:?} {key}");
    }
    assert_eq!(status(&instead, with_key()).await, 403);
}

/// What axum says of a connection counts with the feature of that name, and without it nobody gets in by it.
#[tokio::test]
async fn an_address_that_only_axum_knows() {
    let guard = Guard::builder(key()).allow_networks(["10.0.0.0/8"]).unwrap().build();
    let service = MetricsGuardLayer::new(guard).layer(up());
    let [inside, outside] = [[10, 0, 0, 1], [11, 0, 0, 1]].map(|address| SocketAddr::from((address, 9090)));
    let connected = |from: SocketAddr, key: &str| {
        let mut request = scrape(&[("X-Metrics-Key", key)]);
        request.extensions_mut().insert(ConnectInfo(from));
        request
    };
    let expected = if cfg!(feature = "axum") { [200, 401] } else { [403, 403] };
    for (key, expected) in [KEY, "wrong"].into_iter().zip(expected) {
        assert_eq!(status(&service, connected(inside, key)).await, expected, "{key}");
        assert_eq!(status(&service, connected(outside, key)).await, 403, "{key}");
    }
    // A `Peer` counts with and without.
    for (peer, connected_from, expected) in [(inside, outside, 200), (outside, inside, 403)] {
        let mut request = connected(connected_from, KEY);
        request.extensions_mut().insert(Peer::new(peer));
        assert_eq!(status(&service, request).await, expected, "{peer}");
    }
    // Neither is there, or an address in another form than that of a connection.
    assert_eq!(status(&service, with_key()).await, 403);
    let mut request = with_key();
    request.extensions_mut().insert(inside);
    request.extensions_mut().insert(ConnectInfo(inside.ip()));
    assert_eq!(status(&service, request).await, 403);
}

/// By the body of its requests, whatever wraps that. `tests/no_peer.rs` in the workspace holds the texts against the guide.
#[tokio::test]
async fn a_missing_address_is_explained_for_the_server_in_use() {
    async fn advice<B: Default + 'static>(with_names: bool) -> String {
        let (sender, warnings) = std::sync::mpsc::channel();
        let builder = Guard::builder(key()).allow_networks(["10.0.0.0/8"]).unwrap();
        let builder = if with_names { builder.require_client_name(["prometheus.example"]).unwrap() } else { builder };
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

    let plain = "put a `Peer` into the request's extensions: `request.extensions_mut().insert(Peer::new(address))`";
    for advice in [advice::<()>(false).await, advice::<String>(false).await] {
        assert!(advice.starts_with(plain), "{advice}");
    }
    for advice in [advice::<axum::body::Body>(false).await, advice::<Limited<axum::body::Body>>(false).await] {
        assert!(advice.starts_with("on axum 0.8, "), "{advice}");
        assert!(advice.contains("serve with `app.into_make_service_with_connect_info::<SocketAddr>()`"), "{advice}");
        assert!(advice.contains(&format!("elsewhere, {plain}")), "{advice}");
        assert_eq!(advice.contains("the feature `axum`"), !cfg!(feature = "axum"), "{advice}");
    }
    let tonic = advice::<tonic::body::Body>(false).await;
    assert!(tonic.starts_with("on tonic, ") && tonic.contains("`TcpConnectInfo`"), "{tonic}");

    let with_names = "put a `Peer` with the names in the client's verified certificate into the request's extensions: \
                      `request.extensions_mut().insert(Peer::new(address).with_names(names))`";
    assert!(advice::<()>(true).await.starts_with(with_names));
    assert_eq!(advice::<axum::body::Body>(true).await, with_names);
    assert_eq!(advice::<tonic::body::Body>(true).await, with_names);
}

/// The observations of a guard, and its layer for `/metrics`.
fn only_metrics() -> (Arc<AtomicUsize>, MetricsGuardLayer) {
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&checks);
    let guard = Guard::builder(key()).observe(move |_| _ = counted.fetch_add(1, Relaxed)).build();
    (checks, MetricsGuardLayer::new(guard).only_path("/metrics").unwrap())
}

#[tokio::test]
async fn only_path_leaves_other_paths_untouched() {
    let (checks, layer) = only_metrics();
    let service = layer.layer(up());
    for target in ["/", "/metricsx", "/other?key=/metrics", "http://localhost/other/metrics", "*", "localhost:9090"] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::CONNECT] {
            let request = Request::builder().method(method).uri(target).body(()).unwrap();
            let response = service.clone().oneshot(request).await.unwrap();
            assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "up 1\n"), "{target}");
            assert!(response.headers().is_empty(), "{target}");
        }
    }
    assert_eq!(checks.load(Relaxed), 0);
}

#[tokio::test]
async fn only_path_guards_its_path_for_each_method_and_form_of_target() {
    let (checks, layer) = only_metrics();
    let service = layer.layer(up());
    let mut requests = 0;
    for target in ["/metrics", "//%6detrics/x?a", "http://localhost/metrics", "http://localhost:9090/x/../METRICS"] {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::TRACE, Method::CONNECT] {
            for (key, expected) in [("wrong", StatusCode::UNAUTHORIZED), (KEY, StatusCode::OK)] {
                let request = Request::builder().method(&method).uri(target).header("X-Metrics-Key", key);
                let response = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
                assert_eq!(response.status(), expected, "{method} {target}");
                assert_eq!(response.headers()[CACHE_CONTROL], "no-store", "{method} {target}");
                requests += 1;
            }
        }
    }
    assert_eq!(checks.load(Relaxed), requests);

    let everywhere = MetricsGuardLayer::new(Guard::new(key())).only_path("/").unwrap().layer(up());
    for target in ["/", "/other", "*", "localhost:9090"] {
        assert_eq!(status(&everywhere, Request::get(target).body(()).unwrap()).await, 401, "{target}");
    }
}

#[tokio::test]
async fn only_path_called_again_adds_a_path() {
    let (_, layer) = only_metrics();
    let service = layer.only_path("/debug").unwrap().layer(up());
    for (path, expected) in [("/metrics", 401), ("/debug/pprof", 401), ("/", 200)] {
        assert_eq!(status(&service, Request::get(path).body(()).unwrap()).await, expected, "{path}");
    }
}

#[test]
fn only_path_rejects_a_path_that_would_guard_nothing() {
    let error = MetricsGuardLayer::new(Guard::new(key())).only_path("http://localhost/metrics").unwrap_err();
    assert!(error.to_string().starts_with("guarded path: invalid path: begin it with `/`"), "{error}");
}

#[tokio::test]
async fn a_disabled_guard_lets_all_through() {
    let service = MetricsGuardLayer::new(Guard::disabled()).layer(up());
    for request in [scrape(&[]), scrape(&[("X-Metrics-Key", "wrong")]), with_key()] {
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "up 1\n"));
    }
}

/// A server has a clone of the service for each connection, or request.
#[tokio::test]
async fn clones_share_the_guard() {
    let guard = Guard::new(key());
    let layer = MetricsGuardLayer::new(guard.clone());
    let services = [layer.layer(up()), layer.clone().layer(up())];
    let services: Vec<_> = services.iter().flat_map(|service| [service.clone(), service.clone()]).collect();
    let other = || scrape(&[("X-Metrics-Key", OTHER)]);
    for service in &services {
        assert_eq!([status(service, with_key()).await, status(service, other()).await], [200, 401]);
    }
    guard.replace(Key::new(OTHER).unwrap()).unwrap();
    for service in &services {
        assert_eq!([status(service, with_key()).await, status(service, other()).await], [401, 200]);
    }
}

/// The answer of a service with bodies of this type, and the refusal.
async fn both<B>(body: fn(&'static str) -> B) -> [(u16, Bytes); 2]
where
    B: HttpBody<Error: Debug> + Default + 'static,
{
    let service = guarded(service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(Response::new(body("up 1\n"))))));
    let mut answers = Vec::new();
    for request in [with_key(), scrape(&[])] {
        let (head, body) = service.clone().oneshot(request).await.unwrap().into_parts();
        let is_empty = body.is_end_stream();
        let body = body.collect().await.map_err(|_| ()).unwrap().to_bytes();
        // What makes a server say `Content-Length: 0`.
        assert_eq!(is_empty, body.is_empty());
        answers.push((head.status.as_u16(), body));
    }
    answers.try_into().unwrap()
}

#[tokio::test]
async fn bodies_of_all_kinds() {
    let expected = [(200, Bytes::from("up 1\n")), (401, Bytes::new())];
    assert_eq!(both(str::to_owned).await, expected);
    assert_eq!(both(|text| Full::new(Bytes::from(text))).await, expected);
    assert_eq!(both(|text| Full::new(text.as_bytes())).await, expected);
    assert_eq!(both(axum::body::Body::from).await, expected);
    assert_eq!(both(|text| tonic::body::Body::new(text.to_owned().map_err(|none| match none {}))).await, expected);
    assert_eq!(both(|text| Full::new(Bytes::from(text)).boxed_unsync()).await, expected);
}

/// In the orders that the layer's documentation gives, since a refusal's body is a default.
mod bodies_without_a_default {
    use super::*;

    use axum::{Router, body::Body, response::IntoResponse, routing::get};
    use http_body_util::combinators::UnsyncBoxBody;
    use hyper::body::{Frame, SizeHint};
    use tower::util::{BoxCloneService, option_layer};
    use tower_http::{
        map_response_body::MapResponseBodyLayer, services::ServeDir, timeout::ResponseBodyTimeoutLayer,
        trace::TraceLayer,
    };

    type App = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

    fn app<S, R>(service: S) -> App
    where
        S: Service<Request<Body>, Response = R, Error = Infallible, Future: Send> + Clone + Send + 'static,
        R: IntoResponse + 'static,
    {
        BoxCloneService::new(service.map_response(IntoResponse::into_response))
    }

    type Boxing<B> = fn(B) -> UnsyncBoxBody<<B as HttpBody>::Data, <B as HttpBody>::Error>;

    fn boxed<B>() -> MapResponseBodyLayer<Boxing<B>>
    where
        B: HttpBody + Send + 'static,
    {
        MapResponseBodyLayer::new(BodyExt::boxed_unsync)
    }

    #[tokio::test]
    async fn the_guard_works_around_layers_that_change_the_body() {
        let guard = || MetricsGuardLayer::new(Guard::new(key()));
        let (trace, timeout) = (TraceLayer::new_for_http, || ResponseBodyTimeoutLayer::new(Duration::from_secs(60)));
        let text = include_str!("../LICENSE-MIT");
        let route = || get(move || async move { text });
        let router = || Router::new().route("/LICENSE-MIT", route());
        let files = || ServeDir::new(env!("CARGO_MANIFEST_DIR"));
        let only_path = |router: Router| -> Router {
            Router::new().fallback_service(guard().only_path("/LICENSE-MIT").unwrap().layer(router))
        };
        for (name, app) in [
            ("two calls", app::<Router, _>(router().layer(trace()).layer(guard()))),
            ("two calls, timeout", app::<Router, _>(router().layer(timeout()).layer(guard()))),
            (
                "two calls, on a route",
                app::<Router, _>(
                    Router::new().route("/LICENSE-MIT", route().layer::<_, Infallible>(trace()).layer(guard())),
                ),
            ),
            ("the guard inside", app::<Router, _>(router().layer((trace(), timeout(), guard())))),
            ("one call", app::<Router, _>(router().layer((guard(), boxed(), trace(), timeout())))),
            (
                "one call, on a route",
                app::<Router, _>(Router::new().route("/LICENSE-MIT", route().layer((guard(), boxed(), trace())))),
            ),
            ("around an app", app(only_path(router().layer(trace())))),
            ("around a service", app((guard(), boxed(), trace()).layer(router()))),
            ("around files", app(guard().layer(files()))),
            ("around files with a trace", app((guard(), boxed(), trace(), timeout()).layer(files()))),
            // These want the body of the service, and so no body of the guard's own.
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

    /// A body as hyper receives one.
    struct Received(VecDeque<Frame<Bytes>>);

    impl HttpBody for Received {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(3);
            hint.set_upper(9);
            hint
        }
    }

    #[tokio::test]
    async fn frames_and_size_of_a_received_body_pass() {
        let proxy = service_fn(|_: Request<()>| {
            let trailers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-cache"))]);
            let frames = [Frame::data(Bytes::from("up ")), Frame::data(Bytes::from("1\n")), Frame::trailers(trailers)];
            ready(Ok::<_, Infallible>(Response::new(Received(frames.into()))))
        });
        let service = (MetricsGuardLayer::new(Guard::new(key())), boxed());
        let service = service.layer(proxy);

        let mut body = service.clone().oneshot(with_key()).await.unwrap().into_body();
        assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (3, Some(9)));
        for data in ["up ", "1\n"] {
            assert!(!body.is_end_stream());
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), data);
        }
        assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap()[CACHE_CONTROL], "no-cache");
        assert!(body.is_end_stream() && body.frame().await.is_none());

        let (head, body) = service.oneshot(scrape(&[])).await.unwrap().into_parts();
        assert_eq!(
            (head.status, body.size_hint().exact(), body.is_end_stream()),
            (StatusCode::UNAUTHORIZED, Some(0), true)
        );
    }
}

/// hyper by way of tower, over a socket: its connections, its bodies, and an address from whoever accepts.
mod plain_hyper {
    use super::*;

    use hyper::{Version, body::Incoming, client::conn};
    use hyper_util::{
        rt::{TokioExecutor, TokioIo},
        server::conn::auto,
        service::TowerToHyperService,
    };
    use tokio::net::{TcpListener, TcpStream};

    /// Serves the guarded service, which answers with what it is sent, and counts.
    async fn serve(guard: Guard) -> (SocketAddr, Arc<AtomicUsize>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let guarded = MetricsGuardLayer::new(guard).layer(service_fn(move |request: Request<Incoming>| {
            counted.fetch_add(1, Relaxed);
            async move { Ok::<_, hyper::Error>(Response::new(Full::new(request.collect().await?.to_bytes()))) }
        }));
        let server = tokio::spawn(async move {
            loop {
                let (stream, from) = listener.accept().await.unwrap();
                let service = guarded.clone().map_request(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(Peer::new(from));
                    request
                });
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await;
                });
            }
        });
        (address, calls, server)
    }

    async fn ask(address: SocketAddr, version: Version, key: Option<&str>) -> (u16, HeaderMap, Bytes) {
        let request = Request::post(format!("http://{address}/metrics"));
        let request = if let Some(key) = key { request.header("X-Metrics-Key", key) } else { request };
        let request = request.body(Full::new(Bytes::from("up 1\n"))).unwrap();
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let response = if version == Version::HTTP_2 {
            let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        };
        assert_eq!(response.version(), version);
        let (head, body) = response.into_parts();
        (head.status.as_u16(), head.headers, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn a_whole_server() {
        let near = Guard::builder(key()).allow_networks(["127.0.0.0/8"]).unwrap().build();
        let far = Guard::builder(key()).allow_networks(["10.0.0.0/8"]).unwrap().build();
        for (guard, expected) in [(Guard::new(key()), [401, 401, 200]), (near, [401, 401, 200]), (far, [403, 403, 403])]
        {
            let (address, calls, server) = serve(guard).await;
            for version in [Version::HTTP_11, Version::HTTP_2] {
                for (key, expected) in [None, Some("wrong"), Some(KEY)].into_iter().zip(expected) {
                    let (status, fields, body) = ask(address, version, key).await;
                    assert_eq!(status, expected, "{version:?} {key:?}");
                    assert_eq!(body, if status == 200 { "up 1\n" } else { "" }, "{version:?} {key:?}");
                    // HTTP/2 says otherwise that there is no body.
                    let length = fields.get("Content-Length").map_or("0", |length| length.to_str().unwrap());
                    assert_eq!(length, body.len().to_string(), "{version:?} {key:?}");
                    assert!(version == Version::HTTP_2 || fields.contains_key("Content-Length"), "{key:?}");
                    assert_eq!(fields[CACHE_CONTROL], "no-store", "{version:?} {key:?}");
                    assert_eq!(fields.get("WWW-Authenticate").is_some(), status == 401, "{version:?} {key:?}");
                }
            }
            assert_eq!(calls.load(Relaxed), if expected[2] == 200 { 2 } else { 0 });
            server.abort();
        }
    }
}

/// tonic, over a socket: its server, its client, and messages without a content.
mod grpc {
    use super::*;

    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tonic::{
        Code, Status,
        body::Body,
        codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
        server::NamedService,
        service::LayerExt,
        transport::{
            Server,
            server::{TcpConnectInfo, TcpIncoming},
        },
    };
    use tower::util::MapRequestLayer;

    /// An empty message.
    #[derive(Default)]
    struct Nothing;

    impl Codec for Nothing {
        type Encode = ();
        type Decode = ();
        type Encoder = Nothing;
        type Decoder = Nothing;

        fn encoder(&mut self) -> Nothing {
            Nothing
        }

        fn decoder(&mut self) -> Nothing {
            Nothing
        }
    }

    impl Encoder for Nothing {
        type Item = ();
        type Error = Status;

        fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), Status> {
            Ok(())
        }
    }

    impl Decoder for Nothing {
        type Item = ();
        type Error = Status;

        fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
            Ok(Some(()))
        }
    }

    /// A service as a generated one is.
    #[derive(Clone, Default)]
    struct Metrics(Arc<AtomicUsize>);

    impl NamedService for Metrics {
        const NAME: &'static str = "test.Metrics";
    }

    impl Service<Request<Body>> for Metrics {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            self.0.fetch_add(1, Relaxed);
            let scrape = service_fn(|_: tonic::Request<()>| ready(Ok::<_, Status>(tonic::Response::new(()))));
            Box::pin(async move { Ok(tonic::server::Grpc::new(Nothing).unary(scrape, request).await) })
        }
    }

    /// The same, which anybody may ask.
    #[derive(Clone, Default)]
    struct Health(Metrics);

    impl NamedService for Health {
        const NAME: &'static str = "test.Health";
    }

    impl Service<Request<Body>> for Health {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = <Metrics as Service<Request<Body>>>::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.0.poll_ready(cx)
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            self.0.call(request)
        }
    }

    async fn incoming() -> (SocketAddr, TcpIncoming) {
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        (listener.local_addr().unwrap(), TcpIncoming::from(listener))
    }

    /// What tonic's client makes of the answer, and the `Cache-Control` of it.
    async fn call(address: SocketAddr, path: &'static str, key: Option<&str>) -> Result<Option<String>, Code> {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let channel = service_fn(move |request: Request<Body>| sender.clone().send_request(request));
        let mut client = tonic::client::Grpc::with_origin(channel, format!("http://{address}").parse().unwrap());
        client.ready().await.unwrap();
        let mut request = tonic::Request::new(());
        if let Some(key) = key {
            request.metadata_mut().insert("x-metrics-key", key.parse().unwrap());
        }
        let answer = client.unary(request, http::uri::PathAndQuery::from_static(path), Nothing).await;
        connection.abort();
        let caching = |answer: tonic::Response<()>| {
            answer.metadata().get("cache-control").map(|value| value.to_str().unwrap().to_owned())
        };
        answer.map(caching).map_err(|status| status.code())
    }

    #[tokio::test]
    async fn a_whole_server() {
        let (address, incoming) = incoming().await;
        let (metrics, guard) = (Metrics::default(), Guard::new(key()));
        let server = Server::builder().layer(MetricsGuardLayer::new(guard)).add_service(metrics.clone());
        let server = tokio::spawn(server.serve_with_incoming(incoming));
        for key in [None, Some("wrong"), Some("")] {
            for path in ["/test.Metrics/Scrape", "/test.Other/Scrape"] {
                // By the status of HTTP, for which gRPC has a code.
                assert_eq!(call(address, path, key).await, Err(Code::Unauthenticated), "{path} {key:?}");
            }
        }
        assert_eq!(metrics.0.load(Relaxed), 0);
        assert_eq!(call(address, "/test.Metrics/Scrape", Some(KEY)).await, Ok(Some("no-store".to_owned())));
        assert_eq!(call(address, "/test.Other/Scrape", Some(KEY)).await, Err(Code::Unimplemented));
        assert_eq!(metrics.0.load(Relaxed), 1);
        server.abort();
    }

    #[tokio::test]
    async fn one_service_of_it() {
        let (address, incoming) = incoming().await;
        let guarded = MetricsGuardLayer::new(Guard::new(key())).named_layer(Metrics::default());
        let server = Server::builder().add_service(guarded).add_service(Health::default());
        let server = tokio::spawn(server.serve_with_incoming(incoming));
        assert_eq!(call(address, "/test.Metrics/Scrape", None).await, Err(Code::Unauthenticated));
        assert_eq!(call(address, "/test.Metrics/Scrape", Some(KEY)).await, Ok(Some("no-store".to_owned())));
        assert_eq!(call(address, "/test.Health/Check", None).await, Ok(None));
        server.abort();
    }

    /// tonic says whence a request comes in a type of its own, of which a `Peer` must be made.
    #[tokio::test]
    async fn an_address_that_tonic_knows() {
        let guard = || Guard::builder(key()).allow_networks(["127.0.0.0/8"]).unwrap().build();
        let with_peer = MapRequestLayer::new(|mut request: Request<Body>| {
            if let Some(address) = request.extensions().get().and_then(TcpConnectInfo::remote_addr) {
                request.extensions_mut().insert(Peer::new(address));
            }
            request
        });

        let (address, listener) = incoming().await;
        let server = Server::builder().layer(MetricsGuardLayer::new(guard())).add_service(Metrics::default());
        let server = tokio::spawn(server.serve_with_incoming(listener));
        assert_eq!(call(address, "/test.Metrics/Scrape", Some(KEY)).await, Err(Code::PermissionDenied));
        server.abort();

        let (address, listener) = incoming().await;
        let layers = (with_peer, MetricsGuardLayer::new(guard()));
        let server = Server::builder().layer(layers).add_service(Metrics::default());
        let server = tokio::spawn(server.serve_with_incoming(listener));
        assert_eq!(call(address, "/test.Metrics/Scrape", Some(KEY)).await, Ok(Some("no-store".to_owned())));
        assert_eq!(call(address, "/test.Metrics/Scrape", None).await, Err(Code::Unauthenticated));
        server.abort();
    }
}
