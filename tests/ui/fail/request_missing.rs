// No parameter is a request.
use http::Response;
use metrics_guard_core::{Guard, guard_metrics};

fn guard() -> Guard {
    Guard::disabled()
}

#[guard_metrics(guard = guard())]
fn metrics(path: &str) -> Response<String> {
    Response::new(path.to_owned())
}

fn main() {}
