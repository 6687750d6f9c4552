// Case 75: an `impl Trait`, at any depth, and no return type at all.
use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

#[guard_metrics(guard = Guard::disabled())]
fn metrics(_request: &Request<()>) -> impl Send {
    Response::new(String::new())
}

#[guard_metrics(guard = Guard::disabled())]
async fn nested(_request: &Request<()>) -> Result<Response<impl Default>, ()> {
    Ok(Response::new(String::new()))
}

#[guard_metrics(guard = Guard::disabled())]
fn nothing(_request: &Request<()>) {}

fn main() {}
