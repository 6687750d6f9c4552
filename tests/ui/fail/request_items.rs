// Cases 74 and 75: functions and items that the attribute cannot guard, the attribute twice, and an argument for Rocket.
use http::{Request, Response};
use metrics_guard_core::guard_metrics;

#[guard_metrics(guard = GUARD)]
const fn constant(_request: &Request<()>) -> u8 {
    0
}

trait Metrics {
    #[guard_metrics(guard = GUARD)]
    fn without_a_body(&self, request: &Request<()>) -> Response<()>;
}

#[guard_metrics(guard = GUARD)]
#[guard_metrics(guard = GUARD)]
fn twice(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = GUARD, route_attr = get)]
struct Service;

#[guard_metrics(guard = GUARD)]
fn opaque(_request: &Request<()>) -> impl Send {
    Response::new(())
}

#[guard_metrics(guard = GUARD)]
async fn opaque_inside(_request: &Request<()>) -> Result<Response<impl Default>, ()> {
    Ok(Response::new(()))
}

#[guard_metrics(guard = GUARD)]
fn without_a_response(_request: &Request<()>) {}

fn main() {}
