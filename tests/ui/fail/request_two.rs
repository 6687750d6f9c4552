// Two requests, of which one must be named; and a method without a body.
use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

#[guard_metrics(guard = Guard::disabled())]
fn metrics(_upstream: &Request<()>, _request: &Request<()>) -> Response<()> {
    Response::new(())
}

trait Metrics {
    #[guard_metrics(guard = Guard::disabled())]
    fn metrics(&self, request: &Request<()>) -> Response<()>;
}

fn main() {}
