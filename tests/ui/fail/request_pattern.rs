// A pattern instead of a name.
use http::{Request, Response, request::Parts};
use metrics_guard_core::{Guard, guard_metrics};

#[guard_metrics(guard = Guard::disabled())]
fn metrics(_: Request<()>) -> Response<String> {
    Response::default()
}

#[guard_metrics(guard = Guard::disabled())]
fn more(Parts { uri, .. }: Parts) -> Response<String> {
    Response::new(uri.to_string())
}

fn main() {}
