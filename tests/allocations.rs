//! A check allocates nothing, from any source, whether it allows, rejects or gets a key that is too long. The exception is the
//! first check of a thread, which takes a slot of `arc_swap` for that thread, so each test makes one check before it counts. All
//! features are on. For a guarded route, Warp allocates what holds the copies that a check needs, and axum nothing.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    future::{Ready, ready},
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
use metrics_guard_core::{Guard, Key, KeyRing};
use metrics_guard_tests::{KEY, SYMBOLS, WRONG};
use metrics_guard_tower::{Authorized, MetricsGuardLayer};
use metrics_guard_warp::{MetricsGuard, guard_metrics};
use tower_layer::{Identity, Layer};
use tower_service::Service;
use warp::Filter;

fn allocations(run: impl FnMut()) -> u64 {
    allocation_counter::measure(run).count_total
}

#[test]
fn a_check_allocates_nothing() {
    let ring = KeyRing::new([KEY, SYMBOLS].map(|key| Key::new(key).unwrap())).unwrap();
    let guard = Guard::builder(ring).query("key").unwrap().observe(|_| ()).build();
    let basic = |password: &str| format!("Basic {}", Base64::encode_string(format!("u:{password}").as_bytes()));
    let escaped: String = SYMBOLS.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    let long = "k".repeat(100_000);

    for (name, field, value, query, passes) in [
        ("field", "x-metrics-key", KEY.to_owned(), String::new(), true),
        ("wrong field", "x-metrics-key", WRONG.to_owned(), String::new(), false),
        ("long field", "x-metrics-key", long.clone(), String::new(), false),
        ("Bearer", "authorization", format!("Bearer {KEY}"), String::new(), true),
        ("wrong Bearer", "authorization", format!("Bearer {WRONG}"), String::new(), false),
        ("Basic", "authorization", basic(SYMBOLS), String::new(), true),
        ("wrong Basic", "authorization", basic(WRONG), String::new(), false),
        ("long Basic", "authorization", basic(&long), String::new(), false),
        ("malformed", "authorization", "Basic !".to_owned(), String::new(), false),
        ("query", "accept", "*/*".to_owned(), format!("a=1&key={KEY}"), true),
        ("escaped query", "accept", "*/*".to_owned(), format!("a=1&key={escaped}"), true),
        ("wrong query", "accept", "*/*".to_owned(), format!("key={WRONG}"), false),
        ("long query", "accept", "*/*".to_owned(), format!("key=%41{}", &long[..60_000]), false),
        ("nothing", "accept", "*/*".to_owned(), String::new(), false),
    ] {
        let request = Request::get(format!("/metrics?{query}")).header(field, value).body(()).unwrap();
        let (head, ()) = request.into_parts();
        let mut passed = false;
        // The first check takes the thread's slot and makes the series.
        let _ = guard.check(&head).is_ok();
        assert_eq!(allocations(|| passed = guard.check(&head).is_ok()), 0, "{name}");
        assert_eq!(passed, passes, "{name}");
    }
    // The counter does count.
    assert_ne!(allocations(|| drop(std::hint::black_box(vec![1]))), 0);
}

#[test]
fn the_first_check_of_a_thread_allocates_its_slot_and_the_next_one_nothing() {
    /// More threads at once than all other tests have, so that some find no slot of a thread that has ended.
    const THREADS: usize = 64;

    let guard = Guard::new(Key::new(KEY).unwrap());
    let request = Request::get("/metrics").header("x-metrics-key", KEY).body(()).unwrap();
    let check = || allocations(|| assert!(guard.check(&request).is_ok()));
    check(); // the first check of the guard makes its series
    let all = Barrier::new(THREADS);
    let firsts = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let counts = [check(), check()];
                    all.wait(); // each thread holds its slot until all have checked
                    counts
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(firsts.iter().all(|[first, next]| *first <= 1 && *next == 0), "{firsts:?}");
    assert!(firsts.contains(&[1, 0]), "{firsts:?}");
}

#[test]
fn warp_allocates_for_copies_and_nothing_else() {
    #[guard_metrics]
    fn guarded() -> &'static str {
        "up 1\n"
    }
    let key = || Key::new(KEY).unwrap();
    let by_field = MetricsGuard::with(Guard::new(key()));
    let by_query = MetricsGuard::with(Guard::builder(key()).query("key").unwrap().build());
    let open = warp::service(warp::path!("metrics").and(warp::get()).map(|| "up 1\n"));

    // A list holds the copied lines. Their bytes are shared, not copied, and the first copy of a value makes the counter of
    // those that share it. (A connection's buffer has it already.) The future of the filter that fits the guard is one more.
    // So is a query, and none at all, which Warp rejects.
    for (name, guard, field, value, query, more) in [
        ("field", &by_field, "x-metrics-key", KEY.to_owned(), "", 3),
        ("field and a query that nobody asks for", &by_field, "x-metrics-key", KEY.to_owned(), "?a=%20b", 3),
        ("Bearer", &by_field, "authorization", format!("Bearer {KEY}"), "", 3),
        (
            "Basic",
            &by_field,
            "authorization",
            format!("Basic {}", Base64::encode_string(format!("u:{KEY}").as_bytes())),
            "",
            3,
        ),
        ("query", &by_query, "accept", "*/*".to_owned(), &format!("?a=1&key={KEY}"), 2),
        ("field beside a query", &by_query, "x-metrics-key", KEY.to_owned(), "?a=1", 4),
        ("field and no query", &by_query, "x-metrics-key", KEY.to_owned(), "", 4),
    ] {
        let request = || Request::get(format!("/metrics{query}")).header(field, &value).body(String::new()).unwrap();
        let closed = warp::service(guard.protect(warp::path!("metrics"), warp::get().map(guarded)));
        // Counting makes each series once.
        let _ = allocations_of(closed.clone(), request());
        assert_eq!(allocations_of(closed, request()), allocations_of(open, request()) + more, "{name}");
    }
}

/// What presents a key, and what is not one.
fn presented(key: &str) -> [Request<String>; 3] {
    let basic = Base64::encode_string(format!("u:{key}").as_bytes());
    [
        ("x-metrics-key", key.to_owned()),
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("Basic {basic}")),
    ]
    .map(|(field, value)| Request::get("/metrics").header(field, value).body(String::new()).unwrap())
}

/// A service that answers with a page: of one field, as metrics have it, whose table then has room for more, or of none.
#[derive(Clone)]
struct Page {
    has_a_field: bool,
}

impl Service<Request<String>> for Page {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        let mut response = Response::new(String::new());
        if self.has_a_field {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        ready(Ok(response))
    }
}

#[test]
fn the_tower_layer_allocates_nothing_but_a_table_of_fields_where_there_was_none() {
    for (key, has_a_field, status, more) in [
        (KEY, true, StatusCode::OK, 0),
        (KEY, false, StatusCode::OK, 2), // for no-store
        (WRONG, true, StatusCode::UNAUTHORIZED, 2),
    ] {
        let page = Page { has_a_field };
        let guarded = MetricsGuardLayer::new(Guard::new(Key::new(KEY).unwrap())).layer(page.clone());
        for request in presented(key) {
            // Counting makes each series once.
            let _ = answer_to(guarded.clone(), request.clone());
            let (count, answered) = answer_to(guarded.clone(), request.clone());
            assert_eq!(answered, status, "{request:?}");
            // A refused request does not reach the page.
            let of_page = if status.is_success() { allocations_of(page.clone(), request.clone()) } else { 0 };
            assert_eq!(count, of_page + more, "{request:?}");
        }
    }
}

#[test]
fn axum_allocates_nothing_more_for_a_guarded_route() {
    #[metrics_guard_tower::guard_metrics]
    fn attribute() -> &'static str {
        "up 1\n"
    }
    async fn extractor(authorized: Authorized) -> &'static str {
        authorized.key().unwrap()
    }
    // Whatever extracts something has a future that is boxed, and whatever is layered has one more.
    async fn open(State(_): State<Guard>) -> &'static str {
        "up 1\n"
    }
    let guard = Guard::new(Key::new(KEY).unwrap());
    let layer = MetricsGuardLayer::new(guard.clone());
    let serve = |route: MethodRouter<Guard>| Router::new().route("/metrics", route).with_state(guard.clone());

    let by_handler =
        [("attribute", get(attribute)), ("extractor", get(extractor))].map(|(name, route)| (name, route, get(open)));
    let by_layer = ("layer", get(open).layer(layer), get(open).layer(Identity::new()));
    for (name, guarded, open) in by_handler.into_iter().chain([by_layer]) {
        let (guarded, open) = (serve(guarded), serve(open));
        for request in presented(KEY) {
            let _ = answer_to(guarded.clone(), request.clone());
            let _ = answer_to(open.clone(), request.clone());
            let count = allocations_of(guarded.clone(), request.clone());
            assert_eq!(count, allocations_of(open.clone(), request), "{name}");
        }
    }
}

/// What the answer to `request` allocates, from the call to the response, which is the page.
fn allocations_of<S, B>(service: S, request: Request<String>) -> u64
where
    S: Service<Request<String>, Response = Response<B>>,
{
    let (count, status) = answer_to(service, request);
    assert_eq!(status, StatusCode::OK);
    count
}

fn answer_to<S, B>(mut service: S, request: Request<String>) -> (u64, StatusCode)
where
    S: Service<Request<String>, Response = Response<B>>,
{
    let mut request = Some(request);
    let mut status = None;
    let count = allocations(|| {
        let Some(request) = request.take() else { return };
        let answer = pin!(service.call(request));
        // Nothing in these routes waits for anything.
        if let Poll::Ready(Ok(response)) = answer.poll(&mut Context::from_waker(Waker::noop())) {
            status = Some(response.status());
        }
    });
    (count, status.unwrap())
}
