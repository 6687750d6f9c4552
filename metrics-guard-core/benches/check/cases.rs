//! Lists the measured checks.

use std::{hint::black_box, rc::Rc, sync::Barrier, thread, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, request::Parts};
use metrics_guard_core::{Guard, Key, KeyRing};

use crate::measure::{self, Case};

/// Keys of 32 bytes, as `openssl rand -hex 16` makes them.
const KEYS: [&str; 4] = [
    "5f0c1d9e7b3a4268a1c8e6d2074fb935",
    "1f83b6d05ae94c27801d7e6a3c5f9b42",
    "9c2f1e7ab5d84036f1c0a7e3b6925d48",
    "3b6d90e2f7a1485c8e4d2b07c9a6f153",
];
const WRONG: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb936";

/// The row that the others are compared with: the header, found and compared with `==`.
pub(crate) const FLOOR: &str = "floor: HeaderMap::get and ==";
pub(crate) const FORM: &str = "form_urlencoded and ==";

fn case(name: &'static str, passes: bool, check: impl Fn() -> bool + 'static) -> Case {
    assert_eq!(check(), passes, "{name}");
    let run = move |times| {
        for _ in 0..times {
            black_box(check());
        }
    };
    Case { name, run: Box::new(run) }
}

/// Returns the head of a scrape, with one more header if it presents a key in one.
fn scrape(field: Option<(&'static str, &str)>, query: &str) -> Parts {
    let mut request = measure::scrape(&format!("/metrics{query}"));
    if let Some((name, value)) = field {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn guard(keys: &[&str]) -> Guard {
    let ring = KeyRing::new(keys.iter().map(|key| Key::new(key).unwrap())).unwrap();
    Guard::builder(ring).query("key").unwrap().build()
}

fn check(name: &'static str, guard: Guard, head: Rc<Parts>, passes: bool) -> Case {
    case(name, passes, move || black_box(&guard).check(black_box(&*head)).is_ok())
}

pub(crate) fn all() -> Vec<Case> {
    let one = || guard(&KEYS[..1]);
    let four = || guard(&[KEYS[1], KEYS[2], KEYS[3], KEYS[0]]);
    let header = |value: &str| Rc::new(scrape(Some(("x-metrics-key", value)), ""));
    let bearer = |value: &str| Rc::new(scrape(Some(("authorization", &format!("Bearer {value}"))), ""));
    let basic = |value: &str| {
        let mut buffer = [0; 128];
        let len = STANDARD.encode_slice(format!("prometheus:{value}"), &mut buffer).unwrap();
        let credentials = std::str::from_utf8(&buffer[..len]).unwrap();
        Rc::new(scrape(Some(("authorization", &format!("Basic {credentials}"))), ""))
    };
    let query = |value: &str| Rc::new(scrape(None, &format!("?format=text&job=orders&key={value}")));
    // Several rows share one head, because the instructions depend a little on its place in memory.
    let (by_header, by_bearer, by_basic, by_query) = (header(KEYS[0]), bearer(KEYS[0]), basic(KEYS[0]), query(KEYS[0]));
    vec![
        floor(by_header.clone()),
        check("header", one(), by_header.clone(), true),
        check("header, four keys", four(), by_header, true),
        check("header, wrong", one(), header(WRONG), false),
        answered("header, wrong, answered", one(), header(WRONG)),
        check("header, over-long", one(), header(&"k".repeat(8192)), false),
        check("absent", one(), Rc::new(scrape(None, "")), false),
        check("Bearer", one(), by_bearer.clone(), true),
        check("Bearer, four keys", four(), by_bearer, true),
        check("Bearer, wrong", one(), bearer(WRONG), false),
        check("Basic", one(), by_basic.clone(), true),
        check("Basic, four keys", four(), by_basic, true),
        check("Basic, wrong", one(), basic(WRONG), false),
        check("query", one(), by_query.clone(), true),
        check("query, four keys", four(), by_query.clone(), true),
        check("query, wrong", one(), query(WRONG), false),
        check("query, escaped", one(), query(&KEYS[0].replace('7', "%37")), true),
        form_urlencoded(by_query),
    ]
}

fn answered(name: &'static str, guard: Guard, head: Rc<Parts>) -> Case {
    case(name, false, move || match black_box(&guard).check(black_box(&*head)) {
        Ok(_) => true,
        Err(denied) => black_box(denied.into_response::<()>()).status().is_success(),
    })
}

fn floor(head: Rc<Parts>) -> Case {
    let field = HeaderName::from_static("x-metrics-key");
    case(FLOOR, true, move || {
        black_box(&head).headers.get(&field).map(HeaderValue::as_bytes) == Some(black_box(KEYS[0].as_bytes()))
    })
}

fn form_urlencoded(head: Rc<Parts>) -> Case {
    case(FORM, true, move || {
        let mut pairs = form_urlencoded::parse(black_box(&head).uri.query().unwrap_or_default().as_bytes());
        pairs.find(|(name, _)| name == "key").is_some_and(|(_, value)| *value == *black_box(KEYS[0]))
    })
}

/// Measures the time of a check, in nanoseconds, on `threads` threads that share a guard and only check.
pub(crate) fn time_on(threads: usize) -> f64 {
    const CHECKS: u32 = 20_000;

    let guard = guard(&KEYS[..1]);
    let start = Barrier::new(threads);
    let run = || {
        let head = scrape(Some(("x-metrics-key", KEYS[0])), "");
        // The shortest of many short rounds counts, because other processes can delay most of them.
        let round = |_| {
            start.wait();
            let began = Instant::now();
            for _ in 0..CHECKS {
                assert!(black_box(&guard).check(black_box(&head)).is_ok());
            }
            began.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS)
        };
        (0..300).map(round).fold(f64::INFINITY, f64::min)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(0.0, f64::max)
    })
}
