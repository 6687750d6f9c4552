// A boxed future of a type that no refusal can be made of.
use std::{future::Future, pin::Pin};

use http::Request;
use metrics_guard_core::{Guard, guard_metrics};

#[guard_metrics(guard = Guard::disabled())]
fn metrics(_request: &Request<()>) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async { 1 })
}

fn main() {}
