//! Measures the cost of the layer, and checks it against the goals: `cargo bench -p metrics-guard-tower`.
//!
//! Each row measures one request with ten headers through a service: the bench polls its readiness, calls it, and polls the
//! future until the response. The service responds like a metrics page, with a `Content-Type`.
//!
//! The cost of the layer is the difference between a row and its base. A rejected request is dropped before the service, so
//! its base is a request that is made and dropped. Callgrind counts instructions, and memcheck allocations.

#![allow(clippy::unwrap_used, clippy::panic)] // a bench that cannot continue has no caller to return an error to

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
use measure::{Case, Measured, allocations, goal, measure, median, shown};
use metrics_guard_tower::{Guard, Key, MetricsGuardLayer};
use tower_layer::{Identity, Layer};
use tower_service::Service;

#[path = "../../metrics-guard-core/benches/check/measure.rs"]
mod measure;

/// 32 characters, as `openssl rand -hex 16` prints them.
const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";
const WRONG: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb936";

/// The bases of an allowed and of a rejected request.
const BARE: &str = "the service alone";
const DROPPED: &str = "a request made and dropped";

/// The greatest number of instructions above the base.
const GOALS: [(&str, f64); 2] = [("X-Metrics-Key", 850.0), ("Bearer", 1040.0)];

fn main() {
    let cases = cases();
    let Some(rows) = measure(&cases) else { return };
    let rows: HashMap<_, _> = rows.into_values().map(|row| (row.name, Row::new(row))).collect();
    println!("| one request through | instructions | less the base | allocations | less the base | time, x the base |");
    println!("|---|---|---|---|---|---|");
    for name in cases.iter().map(|case| case.name) {
        let row = &rows[name];
        let [instructions, allocations] = [row.instructions, row.allocations].map(whole);
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
    for (name, most) in GOALS {
        goal(name, BARE, "instructions more", most, rows[name].instructions_less(&rows[BARE]));
        goal(name, BARE, "allocations more", 0.0, rows[name].allocations_less(&rows[BARE]));
    }
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
    instructions: Option<f64>,
    allocations: Option<f64>,
    times: Vec<f64>,
}

impl Row {
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    fn new(Measured { name, instructions, times }: Measured) -> Row {
        Row { instructions: instructions.map(|count| count as f64), allocations: allocations(name), times }
    }

    fn instructions_less(&self, base: &Row) -> Option<f64> {
        Some(self.instructions? - base.instructions?)
    }

    fn allocations_less(&self, base: &Row) -> Option<f64> {
        Some(self.allocations? - base.allocations?)
    }

    fn time_over(&self, base: &Row) -> f64 {
        median(self.times.iter().zip(&base.times).map(|(time, base)| time / base).collect())
    }
}

/// The service. It stores the request, so that the bench can send it again.
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

/// Returns a scrape with an additional header.
fn scrape(name: &str, value: &str) -> Request<()> {
    measure::scrape("/metrics").header(name, value).body(()).unwrap()
}

fn cases() -> Vec<Case> {
    let bearer = |key: &str| scrape("authorization", &format!("Bearer {key}"));
    let field = |key: &str| scrape("x-metrics-key", key);
    let layer = || MetricsGuardLayer::new(Guard::new(Key::new(KEY).unwrap()));
    vec![
        passes(BARE, Identity::new(), bearer(KEY)),
        passes("Bearer", layer(), bearer(KEY)),
        passes("X-Metrics-Key", layer(), field(KEY)),
        dropped(bearer(KEY)),
        refused("Bearer, wrong", layer(), bearer(WRONG)),
        refused("X-Metrics-Key, wrong", layer(), field(WRONG)),
    ]
}

/// Sends the same request each time, because the service returns it.
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

/// Sends a clone of the request each time, because the layer drops it.
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
