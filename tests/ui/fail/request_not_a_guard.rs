// A guard that is none.
use http::{Request, Response};
use metrics_guard_core::guard_metrics;

#[guard_metrics(guard = "key")]
fn metrics(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

fn main() {}
