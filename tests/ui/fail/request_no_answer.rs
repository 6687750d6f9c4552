// A type that no refusal can be made of.
use http::Request;
use metrics_guard_core::{Guard, guard_metrics};

struct Page(String);

#[guard_metrics(guard = Guard::disabled())]
fn metrics(request: &Request<()>) -> Page {
    Page(request.uri().to_string())
}

fn main() {}
