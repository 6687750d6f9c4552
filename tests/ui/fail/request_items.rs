// Case 75: functions that the attribute cannot guard, because it finds no guard, request or response.
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

#[guard_metrics]
fn without_a_guard(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = GUARD)]
fn without_a_request(path: &str) -> Response<String> {
    Response::new(path.to_owned())
}

#[guard_metrics(guard = GUARD)]
fn two_requests(_upstream: &Request<()>, _request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = GUARD)]
fn without_a_name(_: Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = GUARD)]
async fn opaque_inside(_request: &Request<()>) -> Result<Response<impl Default>, ()> {
    Ok(Response::new(()))
}

#[guard_metrics(guard = GUARD)]
fn without_a_response(_request: &Request<()>) {}

fn main() {}
