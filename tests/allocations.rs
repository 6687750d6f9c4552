//! A check allocates nothing: not for any source, not when it refuses, not for what is too long.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use base64ct::{Base64, Encoding};
use http::Request;
use metrics_guard_core::{Guard, Key, KeyRing};
use metrics_guard_tests::{KEY, SYMBOLS, WRONG};

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
        assert_eq!(allocations(|| passed = guard.check(&head).is_ok()), 0, "{name}");
        assert_eq!(passed, passes, "{name}");
    }
    // The counter does count.
    assert_ne!(allocations(|| drop(std::hint::black_box(vec![1]))), 0);
}
