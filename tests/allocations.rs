//! A check allocates nothing: not for any source, not when it refuses, not for what is too long. All features are on; only
//! what a counter does once is left out. For a guarded route, Warp allocates what holds the copies that a check needs.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use base64ct::{Base64, Encoding};
use http::Request;
use metrics_guard_core::{Guard, Key, KeyRing};
use metrics_guard_tests::{KEY, SYMBOLS, WRONG};
use metrics_guard_warp::{MetricsGuard, guard_metrics};
use tower_service::Service;
use warp::{Filter, reply::Response};

fn allocations(run: impl FnMut()) -> u64 {
    allocation_counter::measure(run).count_total
}

#[test]
fn a_check_allocates_nothing() {
    let ring = KeyRing::new([KEY, SYMBOLS].map(|key| Key::new(key).unwrap())).unwrap();
    let guard = Guard::builder(ring).query("key").unwrap().build();
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
        // Counting makes each series once.
        let _ = guard.check(&head).is_ok();
        assert_eq!(allocations(|| passed = guard.check(&head).is_ok()), 0, "{name}");
        assert_eq!(passed, passes, "{name}");
    }
    // The counter does count.
    assert_ne!(allocations(|| drop(std::hint::black_box(vec![1]))), 0);
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

    // Two tables hold the copied fields. Their bytes are shared, not copied, and what counts who shares them is made with
    // the first copy of a value, and of a name that is not a standard one. (A connection's buffer has it already.) A query
    // is one more; so is none, which Warp rejects.
    for (name, guard, field, value, query, more) in [
        ("field", &by_field, "x-metrics-key", KEY.to_owned(), "", 4),
        ("field and a query that nobody asks for", &by_field, "x-metrics-key", KEY.to_owned(), "?a=%20b", 4),
        ("Bearer", &by_field, "authorization", format!("Bearer {KEY}"), "", 3),
        (
            "Basic",
            &by_field,
            "authorization",
            format!("Basic {}", Base64::encode_string(format!("u:{KEY}").as_bytes())),
            "",
            3,
        ),
        ("query", &by_query, "accept", "*/*".to_owned(), &format!("?a=1&key={KEY}"), 4),
        ("field beside a query", &by_query, "x-metrics-key", KEY.to_owned(), "?a=1", 5),
        ("field and no query", &by_query, "x-metrics-key", KEY.to_owned(), "", 5),
    ] {
        let request = || Request::get(format!("/metrics{query}")).header(field, &value).body(String::new()).unwrap();
        let closed = warp::service(guard.protect(warp::path!("metrics"), warp::get().map(guarded)));
        // Counting makes each series once.
        let _ = allocations_of(closed.clone(), request());
        assert_eq!(allocations_of(closed, request()), allocations_of(open, request()) + more, "{name}");
    }
}

/// What the answer to `request` allocates, from the call to the response.
fn allocations_of<S>(mut service: S, request: Request<String>) -> u64
where
    S: Service<Request<String>, Response = Response>,
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
    assert_eq!(status, Some(http::StatusCode::OK));
    count
}
