//! Counts the allocations of a check, with all features.
//!
//! A check allocates nothing for any source of keys and any outcome, even if the key is too long. The exception is the first
//! check of a thread, which takes a slot of `arc_swap`, so each test makes one check before it counts. For a guarded route,
//! Warp allocates for the copies that a check needs, and axum nothing.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    future::ready,
    pin::pin,
    sync::Barrier,
    task::{Context, Poll, Waker},
    thread,
};

use axum::{
    Router,
    extract::State,
    routing::{MethodRouter, get},
};
use base64ct::{Base64, Encoding};
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use metrics_guard_core::{Guard, Key, KeyRing, Peer};
use metrics_guard_tests::{KEY, SYMBOLS, WRONG};
use metrics_guard_tower::{Authorized, MetricsGuardLayer};
use metrics_guard_warp::{MetricsGuard, guard_metrics};
use tower::service_fn;
use tower_layer::{Identity, Layer};
use tower_service::Service;
use warp::Filter;

fn allocations(run: impl FnMut()) -> u64 {
    allocation_counter::measure(run).count_total
}

fn guard() -> Guard {
    Guard::new(Key::new(KEY).unwrap())
}

fn request(target: &str, name: &str, value: &str) -> Request<String> {
    Request::get(target).header(name, value).body(String::new()).unwrap()
}

fn basic(password: &str) -> String {
    format!("Basic {}", Base64::encode_string(format!("u:{password}").as_bytes()))
}

#[test]
fn a_check_allocates_nothing() {
    let ring = KeyRing::new([KEY, SYMBOLS].map(|key| Key::new(key).unwrap())).unwrap();
    let guard = Guard::builder(ring).query("key").unwrap().observe(|_| ()).build();
    let escaped = SYMBOLS.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let long = "k".repeat(100_000);
    for (name, value, query, is_allowed) in [
        ("x-metrics-key", KEY, "", true),
        ("x-metrics-key", WRONG, "", false),
        ("x-metrics-key", &long, "", false),
        ("authorization", &format!("Bearer {KEY}"), "", true),
        ("authorization", &format!("Bearer {WRONG}"), "", false),
        ("authorization", &basic(SYMBOLS), "", true),
        ("authorization", &basic(WRONG), "", false),
        ("authorization", &basic(&long), "", false),
        ("authorization", "Basic !", "", false),
        ("accept", "*/*", &format!("a=1&key={KEY}"), true),
        ("accept", "*/*", &format!("a=1&key={escaped}"), true),
        ("accept", "*/*", &format!("key={WRONG}"), false),
        ("accept", "*/*", &format!("key=%41{}", &long[..60_000]), false),
        ("accept", "*/*", "", false),
    ] {
        let request = request(&format!("/metrics?{query}"), name, value);
        let check = || guard.check(&request).is_ok();
        let context = format!("{name} {value:.40} {query:.40}");
        assert_eq!(check(), is_allowed, "{context}"); // takes the thread's slot, and creates the series
        assert_eq!(allocations(|| _ = check()), 0, "{context}");
    }
    // The counter works.
    assert_ne!(allocations(|| drop(std::hint::black_box(vec![1]))), 0);
}

#[test]
fn only_the_first_check_of_a_thread_allocates() {
    /// More concurrent threads than all other tests have, so that some find no slot of an ended thread.
    const THREADS: usize = 64;

    let guard = guard();
    let request = request("/metrics", "x-metrics-key", KEY);
    let check = || allocations(|| assert!(guard.check(&request).is_ok()));
    check(); // the first check of the guard creates its series
    let all = Barrier::new(THREADS);
    let counts = thread::scope(|scope| {
        let check_twice = || {
            let counts = [check(), check()];
            all.wait(); // each thread holds its slot until all have checked
            counts
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(check_twice)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(counts.iter().all(|[first, next]| *first <= 1 && *next == 0), "{counts:?}");
    assert!(counts.contains(&[1, 0]), "{counts:?}");
}

/// Returns the allocations from the call to the response, and the status, of the second request. The first request creates the
/// series.
fn answer<S, B>(service: &S, request: &Request<String>) -> (u64, StatusCode)
where
    S: Service<Request<String>, Response = Response<B>> + Clone,
{
    let mut status = None;
    let mut count = 0;
    for _ in 0..2 {
        let (mut service, mut request) = (service.clone(), Some(request.clone()));
        count = allocations(|| {
            let Some(request) = request.take() else { return };
            let answer = pin!(service.call(request));
            // These routes never wait, so one poll is enough.
            if let Poll::Ready(Ok(response)) = answer.poll(&mut Context::from_waker(Waker::noop())) {
                status = Some(response.status());
            }
        });
    }
    (count, status.unwrap())
}

/// Fails unless both services allow the request, and the guarded one allocates `more` times more.
fn assert_more<S, B, T, C>(guarded: &S, open: &T, request: &Request<String>, more: u64)
where
    S: Service<Request<String>, Response = Response<B>> + Clone,
    T: Service<Request<String>, Response = Response<C>> + Clone,
{
    let (of_guarded, of_open) = (answer(guarded, request), answer(open, request));
    assert_eq!((of_guarded.1, of_open.1), (StatusCode::OK, StatusCode::OK), "{request:?}");
    assert_eq!(of_guarded.0, of_open.0 + more, "{request:?}");
}

/// Returns requests that present `key` in each header.
fn presented(key: &str) -> [Request<String>; 3] {
    [("x-metrics-key", key), ("authorization", &format!("Bearer {key}")), ("authorization", &basic(key))]
        .map(|(name, value)| request("/metrics", name, value))
}

#[test]
fn warp_allocates_only_for_copies_of_a_request() {
    #[guard_metrics]
    fn guarded() -> &'static str {
        "up 1\n"
    }
    let by_query = Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().build();
    let open = warp::service(warp::path!("metrics").and(warp::get()).map(|| "up 1\n"));
    let closed =
        |guard| warp::service(MetricsGuard::with(guard).protect(warp::path!("metrics"), warp::get().map(guarded)));
    // Warp allocates the list of copied lines, whose bytes are shared, and the future of the guard's filter. A copied query
    // is one more allocation. So is a missing query, which Warp rejects.
    for request in presented(KEY) {
        assert_more(&closed(guard()), &open, &request, 2);
    }
    for (guard, target, name, more) in [
        (guard(), "/metrics?a=%20b", "x-metrics-key", 2), // the guard does not read the query
        (by_query.clone(), &format!("/metrics?a=1&key={KEY}"), "accept", 2),
        (by_query.clone(), "/metrics?a=1", "x-metrics-key", 3),
        (by_query, "/metrics", "x-metrics-key", 3),
    ] {
        assert_more(&closed(guard), &open, &request(target, name, KEY), more);
    }
}

#[test]
fn tower_layer_allocates_only_a_header_table_for_a_response_without_headers() {
    // A page of metrics has a header, and its header table has room for more.
    let page = |has_a_header| {
        service_fn(move |_: Request<String>| {
            let mut response = Response::new(String::new());
            if has_a_header {
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            }
            ready(Ok::<_, Infallible>(response))
        })
    };
    // To read the path, the query and the client address allocates nothing.
    let reading = Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().allow_networks(["10.0.0.0/8"]).unwrap();
    let reading = MetricsGuardLayer::new(reading.build()).only_path("/metrics").unwrap();
    let mut by_query = request(&format!("/metrics?key={KEY}"), "accept", "*/*");
    by_query.extensions_mut().insert(Peer::new(([10, 0, 0, 1], 9090).into()));
    assert_more(&reading.layer(page(true)), &page(true), &by_query, 0);
    let layer = MetricsGuardLayer::new(guard());
    for request in presented(KEY) {
        assert_more(&layer.layer(page(true)), &page(true), &request, 0);
        assert_more(&layer.layer(page(false)), &page(false), &request, 2); // for no-store
    }
    for request in presented(WRONG) {
        assert_eq!(answer(&layer.layer(page(true)), &request), (2, StatusCode::UNAUTHORIZED), "{request:?}");
    }
}

#[test]
fn axum_allocates_nothing_for_the_guard_of_a_route() {
    #[metrics_guard_tower::guard_metrics]
    fn attribute() -> &'static str {
        "up 1\n"
    }
    async fn extractor(authorized: Authorized) -> &'static str {
        authorized.key().unwrap()
    }
    // Any extractor boxes the handler's future, and any layer boxes another, so the open routes have both too.
    async fn open(State(_): State<Guard>) -> &'static str {
        "up 1\n"
    }
    let layer = MetricsGuardLayer::new(guard());
    let serve = |route: MethodRouter<Guard>| Router::new().route("/metrics", route).with_state(guard());
    for (guarded, open) in [
        (get(attribute), get(open)),
        (get(extractor), get(open)),
        (get(open).layer(layer), get(open).layer(Identity::new())),
    ] {
        for request in presented(KEY) {
            assert_more(&serve(guarded.clone()), &serve(open.clone()), &request, 0);
        }
    }
}
