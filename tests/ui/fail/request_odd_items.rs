// Cases 74 and 75: a `const fn`, twice, an argument of another framework and no function.
use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

#[guard_metrics(guard = Guard::disabled())]
const fn metrics(_request: &Request<()>) -> u8 {
    0
}

#[guard_metrics(guard = Guard::disabled())]
#[guard_metrics(guard = Guard::disabled())]
fn twice(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = Guard::disabled(), route_attr = get)]
struct Metrics;

fn main() {}
