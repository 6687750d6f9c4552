// An attribute of others on an associated function whose body needs what the `impl` is generic over.
use cached::proc_macro::once;
use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

struct Service<B>(B);

impl<B> Service<B> {
    #[guard_metrics(guard = Guard::disabled())]
    #[once]
    fn metrics(_request: &Request<B>) -> Response<String> {
        Response::new(String::new())
    }
}

fn main() {}
