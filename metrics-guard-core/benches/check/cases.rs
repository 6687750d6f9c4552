//! What is measured.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use actix_web::{http::header::Header, test::TestRequest};
use actix_web_httpauth::headers::authorization::{Authorization, Bearer};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Request, Response, request::Parts};
use metrics_guard_core::{Guard, Key, KeyRing};
use subtle::ConstantTimeEq;
use tower_http::validate_request::ValidateRequestHeader;
use tower_service::Service;

use crate::measure::{self, Case};

/// 32 bytes, as `openssl rand -hex 16` makes them.
const KEYS: [&str; 4] = [
    "5f0c1d9e7b3a4268a1c8e6d2074fb935",
    "1f83b6d05ae94c27801d7e6a3c5f9b42",
    "9c2f1e7ab5d84036f1c0a7e3b6925d48",
    "3b6d90e2f7a1485c8e4d2b07c9a6f153",
];
const WRONG: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb936";

/// What the others are measured against: the field looked up, and compared with `==`.
pub(crate) const FLOOR: &str = "floor: HeaderMap::get and ==";
pub(crate) const FORM: &str = "form_urlencoded and ==";
pub(crate) const TOWER: &str = "tower-http's bearer";
pub(crate) const ACTIX: &str = "actix-web-httpauth's Bearer and ==";

fn case(name: &'static str, passes: bool, check: impl Fn() -> bool + 'static) -> Case {
    assert_eq!(check(), passes, "{name}");
    let run = move |times| {
        for _ in 0..times {
            black_box(check());
        }
    };
    Case { name, run: Box::new(run) }
}

/// The head of a scrape, with one field more if it presents a key in one.
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

fn check(name: &'static str, guard: Guard, head: Parts, passes: bool) -> Case {
    case(name, passes, move || black_box(&guard).check(black_box(&head)).is_ok())
}

pub(crate) fn all() -> Vec<Case> {
    let one = || guard(&KEYS[..1]);
    let four = || guard(&KEYS);
    let header = |value: &str| scrape(Some(("x-metrics-key", value)), "");
    let bearer = |value: &str| scrape(Some(("authorization", &format!("Bearer {value}"))), "");
    let basic = |value: &str| {
        let mut credentials = vec![0; 128];
        let len = STANDARD.encode_slice(format!("prometheus:{value}"), &mut credentials).unwrap();
        scrape(Some(("authorization", &format!("Basic {}", std::str::from_utf8(&credentials[..len]).unwrap()))), "")
    };
    let query = |value: &str| scrape(None, &format!("?format=text&job=orders&key={value}"));
    vec![
        floor(header(KEYS[0])),
        subtle_on_slices(header(KEYS[0])),
        check("header", one(), header(KEYS[0]), true),
        check("header, four keys", four(), header(KEYS[3]), true),
        check("header, wrong", one(), header(WRONG), false),
        answered("header, wrong, answered", one(), header(WRONG)),
        check("header, over-long", one(), header(&"k".repeat(8192)), false),
        check("absent", one(), scrape(None, ""), false),
        check("Bearer", one(), bearer(KEYS[0]), true),
        check("Bearer, four keys", four(), bearer(KEYS[3]), true),
        check("Bearer, wrong", one(), bearer(WRONG), false),
        tower_http_bearer(bearer(KEYS[0])),
        actix_bearer(&bearer(KEYS[0])),
        check("Basic", one(), basic(KEYS[0]), true),
        check("Basic, four keys", four(), basic(KEYS[3]), true),
        check("Basic, wrong", one(), basic(WRONG), false),
        check("query", one(), query(KEYS[0]), true),
        check("query, four keys", four(), query(KEYS[3]), true),
        check("query, wrong", one(), query(WRONG), false),
        check("query, escaped", one(), query(&KEYS[0].replace('7', "%37")), true),
        form_urlencoded(query(KEYS[0])),
    ]
}

fn answered(name: &'static str, guard: Guard, head: Parts) -> Case {
    case(name, false, move || match black_box(&guard).check(black_box(&head)) {
        Ok(_) => true,
        Err(denied) => black_box(denied.into_response::<()>()).status().is_success(),
    })
}

fn floor(head: Parts) -> Case {
    let field = HeaderName::from_static("x-metrics-key");
    case(FLOOR, true, move || {
        black_box(&head).headers.get(&field).map(HeaderValue::as_bytes) == Some(black_box(KEYS[0].as_bytes()))
    })
}

fn subtle_on_slices(head: Parts) -> Case {
    let field = HeaderName::from_static("x-metrics-key");
    case("HeaderMap::get and subtle on slices", true, move || {
        let value = black_box(&head).headers.get(&field);
        value.is_some_and(|value| value.as_bytes().ct_eq(black_box(KEYS[0].as_bytes())).into())
    })
}

fn form_urlencoded(head: Parts) -> Case {
    case(FORM, true, move || {
        let mut pairs = form_urlencoded::parse(black_box(&head).uri.query().unwrap_or_default().as_bytes());
        pairs.find(|(name, _)| name == "key").is_some_and(|(_, value)| *value == *black_box(KEYS[0]))
    })
}

/// Gives a request back.
struct Echo;

impl Service<Request<()>> for Echo {
    type Response = Response<Option<Request<()>>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Some(request))))
    }
}

/// The whole of its middleware, since it has no check by itself: the request is moved in and out.
#[allow(deprecated)] // as "too basic"; it is what there is
fn tower_http_bearer(head: Parts) -> Case {
    let request = Cell::new(Some(Request::from_parts(head, ())));
    let service = Cell::new(Some(ValidateRequestHeader::bearer(Echo, KEYS[0])));
    case(TOWER, true, move || {
        let mut validated = service.take().unwrap();
        let answer = pin!(validated.call(request.take().unwrap())).poll(&mut Context::from_waker(Waker::noop()));
        service.set(Some(validated));
        let Poll::Ready(Ok(answer)) = answer else { return false };
        request.set(answer.into_body());
        true
    })
}

/// It gives the token, for the user to compare.
fn actix_bearer(head: &Parts) -> Case {
    let mut request = TestRequest::get().uri("/metrics");
    for (name, value) in &head.headers {
        request = request.append_header((name.as_str(), value.to_str().unwrap()));
    }
    let request = request.to_http_request();
    case(ACTIX, true, move || {
        Authorization::<Bearer>::parse(black_box(&request)).is_ok_and(|given| given.as_ref().token() == KEYS[0])
    })
}
