// Attributes of others that would run around the check, because the expansion cannot move the body out of the function.
use cached::proc_macro::once;
use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

struct Service {
    guard: Guard,
}

impl Service {
    #[guard_metrics(guard = self.guard)]
    #[once]
    fn by_receiver(&self, _request: &Request<()>) -> Response<String> {
        Response::new(String::new())
    }

    #[guard_metrics(guard = _service.guard)]
    #[tracing::instrument(skip_all)]
    async fn by_parameter(_service: &Self, _request: &Request<()>) -> Response<String> {
        Response::new(String::new())
    }

    #[guard_metrics(guard = Guard::disabled())]
    #[once]
    fn by_body(_request: &Request<()>) -> Response<String> {
        Response::new(Self::render())
    }

    fn render() -> String {
        String::new()
    }
}

#[async_trait::async_trait]
trait Handler {
    async fn handle(&self, request: &Request<()>) -> Response<String>;
}

#[async_trait::async_trait]
impl Handler for Service {
    #[guard_metrics(guard = self.guard)]
    #[cfg_attr(all(), tracing::instrument)]
    async fn handle(&self, request: &Request<()>) -> Response<String> {
        Response::new(request.uri().to_string())
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
