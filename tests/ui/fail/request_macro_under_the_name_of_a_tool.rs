// A macro in a module that is called as a tool is: where a tool's attribute is kept, a macro is an error.
use http::{Request, Response};
use metrics_guard_core::{Guard, guard_metrics};

mod clippy {
    pub(crate) use cached::proc_macro::once as cached;
}

#[guard_metrics(guard = Guard::disabled())]
#[clippy::cached]
fn metrics(_request: &Request<()>) -> Response<String> {
    Response::new(String::new())
}

fn main() {}
