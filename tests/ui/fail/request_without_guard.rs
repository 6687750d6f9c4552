// Nothing says which guard is asked.
use http::{Request, Response};
use metrics_guard_core::guard_metrics;

#[guard_metrics]
fn metrics(_request: &Request<()>) -> Response<String> {
    Response::default()
}

fn main() {}
