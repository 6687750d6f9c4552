// A choice between guards, one of which is none.
use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

static OPEN: std::sync::LazyLock<Guard> = std::sync::LazyLock::new(Guard::disabled);

#[guard_metrics(guard = if request.uri().path() == "/" { &*OPEN } else { "key" })]
fn metrics(request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = Some(&*OPEN))]
fn optional(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

fn main() {}
