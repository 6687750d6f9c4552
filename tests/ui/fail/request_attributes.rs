// Attributes of others that would run around the check, because the expansion cannot move the body out of the function.
use cached::proc_macro::once;
use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

struct Service {
    guard: Guard,
}

impl Service {
    const NAME: &str = "service";

    #[guard_metrics(guard = self.guard)]
    #[once]
    fn by_receiver(&self, _request: &Request<()>) -> Response<String> {
        Response::new(String::new())
    }

    #[guard_metrics(guard = Guard::disabled())]
    #[once]
    fn by_body(_request: &Request<()>) -> Response<String> {
        Response::new(Self::NAME.to_owned())
    }
}

struct Generic<B>(B);

impl<B> Generic<B> {
    #[guard_metrics(guard = Guard::disabled())]
    #[once]
    fn metrics(_request: &Request<B>) -> Response<String> {
        Response::new(String::new())
    }
}

// Where a tool's attribute is kept, a macro under its name is an error.
mod clippy {
    pub(crate) use cached::proc_macro::once as cached;
}

#[guard_metrics(guard = Guard::disabled())]
#[clippy::cached]
fn metrics(_request: &Request<()>) -> Response<String> {
    Response::new(String::new())
}

fn main() {}
