// The attribute needs a guard, and one request that it can name.
use http::{Request, Response, request::Parts};
use metrics_guard_core::guard_metrics;

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
fn taken_apart(Parts { uri, .. }: Parts) -> Response<String> {
    Response::new(uri.to_string())
}

fn main() {}
