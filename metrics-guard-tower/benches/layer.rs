//! What the layer costs, beside tower-http's own: `cargo bench -p metrics-guard-tower`.
//!
//! Each row is one request with ten fields that is sent through a service: asked whether it is ready, called, and its future
//! polled to the answer. The service behind the layers answers as a page of metrics is answered, with a `Content-Type`, and
//! what it takes by itself is subtracted. It never sees a request that is refused; that one is dropped, so that each time
//! another must be made, and what is subtracted there is a request made and dropped.
//!
//! Times are ratios, measured in turns, in one process after another. Instructions are counted by valgrind's callgrind,
//! allocations by its memcheck: an allocator that counts would take time itself.

#![allow(clippy::unwrap_used, clippy::panic)] // a bench that cannot go on has nobody to tell it to

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use measure::{Case, Measured, goal, measure, median, shown, twice};
use metrics_guard_tower::{Guard, Key, MetricsGuardLayer};
use tower_http::validate_request::ValidateRequestHeaderLayer;
use tower_layer::{Identity, Layer};
use tower_service::Service;

#[path = "../../tests/measure.rs"]
mod measure;

/// 32 bytes, as `openssl rand -hex 16` makes them.
const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";
const WRONG: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb936";

/// What is subtracted from the others: for a request that is let pass, and for one that is refused.
const BARE: &str = "the service alone";
const DROPPED: &str = "a request made and dropped";

/// Ours, and theirs for the same field: with the key, and with another one.
const PAIRS: [[[&str; 2]; 2]; 2] = [
    [["Bearer", "tower-http's bearer"], ["Bearer, wrong", "tower-http's bearer, wrong"]],
    [
        ["X-Metrics-Key", "tower-http's has_header_value"],
        ["X-Metrics-Key, wrong", "tower-http's has_header_value, wrong"],
    ],
];

/// What ours may cost of theirs.
const MOST: f64 = 1.0;

fn main() {
    let cases = cases();
    let Some(rows) = measure(&cases) else { return };
    let rows: HashMap<_, _> = rows.into_values().map(|row| (row.name, Row::new(row))).collect();
    println!("| one request through | instructions | less the base | allocations | less the base | time, x the base |");
    println!("|---|---|---|---|---|---|");
    for name in cases.iter().map(|case| case.name) {
        let row = &rows[name];
        let [instructions, allocations] = [row.measured.instructions, row.allocations].map(count);
        match base(name).map(|base| &rows[base]) {
            Some(base) => println!(
                "| {name} | {instructions} | {} | {allocations} | {} | {:.2} |",
                whole(row.instructions_less(base)),
                whole(row.allocations_less(base)),
                row.time_over(base),
            ),
            None => println!("| {name} | {instructions} | | {allocations} | | |"),
        }
    }
    println!("\n| what | to what | by | at most | measured |\n|---|---|---|---|---|");
    for [ours, theirs] in PAIRS.into_iter().flatten() {
        let (base, row, other) = (&rows[base(ours).unwrap()], &rows[ours], &rows[theirs]);
        let ratio = row.instructions_less(base).zip(other.instructions_less(base)).map(|(ours, theirs)| ours / theirs);
        goal(ours, theirs, "instructions", MOST, ratio);
        goal(ours, theirs, "time", MOST, Some(row.time_less(base) / other.time_less(base)));
        let more = row.allocations_less(base).zip(other.allocations_less(base)).map(|(ours, theirs)| ours - theirs);
        goal(ours, theirs, "allocations more", 0.0, more);
    }
}

fn count(count: Option<u64>) -> String {
    count.map_or("?".to_owned(), |count| count.to_string())
}

fn whole(number: Option<f64>) -> String {
    number.map_or_else(|| shown(None), |number| format!("{number:.0}"))
}

fn base(name: &str) -> Option<&'static str> {
    match name {
        BARE | DROPPED => None,
        _ if name.ends_with(", wrong") => Some(DROPPED),
        _ => Some(BARE),
    }
}

struct Row {
    measured: Measured,
    allocations: Option<u64>,
}

impl Row {
    fn new(measured: Measured) -> Row {
        let allocations = twice(measured.name, &["--tool=memcheck", "--leak-check=no"], "total heap usage: ");
        Row { measured, allocations }
    }

    fn instructions_less(&self, base: &Row) -> Option<f64> {
        less(self.measured.instructions, base.measured.instructions)
    }

    fn allocations_less(&self, base: &Row) -> Option<f64> {
        less(self.allocations, base.allocations)
    }

    fn time_over(&self, other: &Row) -> f64 {
        let times = self.measured.times.iter().zip(&other.measured.times);
        median(times.map(|(ours, theirs)| ours / theirs).collect())
    }

    /// The mean of the middle half of the differences. The layout of a process doubles some of them, or takes half away: of two
    /// kinds of processes, a median would show one, and in another run the other.
    fn time_less(&self, base: &Row) -> f64 {
        let times = self.measured.times.iter().zip(&base.measured.times);
        let mut differences: Vec<_> = times.map(|(time, base)| time - base).collect();
        differences.sort_by(f64::total_cmp);
        let middle = &differences[differences.len() / 4..differences.len() * 3 / 4];
        middle.iter().sum::<f64>() / f64::from(u32::try_from(middle.len()).unwrap())
    }
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn less(count: Option<u64>, base: Option<u64>) -> Option<f64> {
    Some(count? as f64 - base? as f64)
}

/// The service. It puts the request back, to be sent again.
#[derive(Clone, Default)]
struct Page {
    request: Rc<Cell<Option<Request<()>>>>,
}

type Answer = Response<&'static str>;

impl Service<Request<()>> for Page {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.request.set(Some(request));
        let mut answer = Response::new("up 1\n");
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
        ready(Ok(answer))
    }
}

/// A scrape with one field more.
fn scrape(name: &str, value: &str) -> Request<()> {
    measure::scrape("/metrics").header(name, value).body(()).unwrap()
}

#[allow(deprecated)] // `bearer`, as "too basic"; it is what there is for that field
fn cases() -> Vec<Case> {
    let bearer = |key: &str| scrape("authorization", &format!("Bearer {key}"));
    let field = |key: &str| scrape("x-metrics-key", key);
    let [[their_bearer, their_bearer_wrong], [their_field, their_field_wrong]] =
        PAIRS.map(|pair| pair.map(|[_, theirs]| theirs));
    let ours = || MetricsGuardLayer::new(Guard::new(Key::new(KEY).unwrap()));
    let by_bearer = || ValidateRequestHeaderLayer::bearer(KEY);
    let by_field = || ValidateRequestHeaderLayer::has_header_value("x-metrics-key", KEY).unwrap();
    vec![
        passes(BARE, Identity::new(), bearer(KEY)),
        passes("Bearer", ours(), bearer(KEY)),
        passes(their_bearer, by_bearer(), bearer(KEY)),
        passes("X-Metrics-Key", ours(), field(KEY)),
        passes(their_field, by_field(), field(KEY)),
        dropped(bearer(KEY)),
        refused("Bearer, wrong", ours(), bearer(WRONG)),
        refused(their_bearer_wrong, by_bearer(), bearer(WRONG)),
        refused("X-Metrics-Key, wrong", ours(), field(WRONG)),
        refused(their_field_wrong, by_field(), field(WRONG)),
    ]
}

/// The same request again and again.
fn passes<L>(name: &'static str, layer: L, request: Request<()>) -> Case
where
    L: Layer<Page>,
    L::Service: Service<Request<()>, Response = Answer, Error = Infallible> + 'static,
{
    let page = Page { request: Rc::new(Cell::new(Some(request))) };
    let service = RefCell::new(layer.layer(page.clone()));
    let run = move |times| {
        let service = &mut *service.borrow_mut();
        for _ in 0..times {
            let answer = black_box(ask(service, black_box(page.request.take().unwrap())));
            assert!(answer.status().is_success(), "{name}: refused");
        }
    };
    Case { name, run: Box::new(run) }
}

/// Another request each time.
fn refused<L>(name: &'static str, layer: L, request: Request<()>) -> Case
where
    L: Layer<Page>,
    L::Service: Service<Request<()>, Response = Answer, Error = Infallible> + 'static,
{
    let service = RefCell::new(layer.layer(Page::default()));
    let run = move |times| {
        let service = &mut *service.borrow_mut();
        for _ in 0..times {
            let answer = black_box(ask(service, black_box(request.clone())));
            assert!(!answer.status().is_success(), "{name}: passed");
        }
    };
    Case { name, run: Box::new(run) }
}

fn dropped(request: Request<()>) -> Case {
    let run = move |times| {
        for _ in 0..times {
            drop(black_box(request.clone()));
        }
    };
    Case { name: DROPPED, run: Box::new(run) }
}

fn ask<S>(service: &mut S, request: Request<()>) -> Answer
where
    S: Service<Request<()>, Response = Answer, Error = Infallible>,
{
    let context = &mut Context::from_waker(Waker::noop());
    assert!(service.poll_ready(context).is_ready());
    match pin!(service.call(request)).poll(context) {
        Poll::Ready(Ok(answer)) => answer,
        Poll::Pending => panic!("nothing here waits"),
    }
}
