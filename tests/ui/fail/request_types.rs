// Outputs that no rejection can be made of, and guards of other types.
use std::{future::Future, pin::Pin, sync::LazyLock};

use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

static OPEN: LazyLock<Guard> = LazyLock::new(Guard::disabled);

#[guard_metrics(guard = Guard::disabled())]
fn boxed_future(_request: &Request<()>) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async { 1 })
}

#[guard_metrics(guard = "key")]
fn key_instead_of_a_guard(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = if request.uri().path() == "/" { &*OPEN } else { "key" })]
fn guard_or_key(request: &Request<()>) -> Response<()> {
    Response::new(())
}

fn main() {}
