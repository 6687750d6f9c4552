// Cases 74 and 75: items and functions that cannot be a handler, the attribute twice, and an argument for requests.
use axum::http::Method;
use metrics_guard_tower::guard_metrics;

#[guard_metrics]
struct Metrics;

impl Metrics {
    #[guard_metrics]
    async fn method(&self) {}
}

#[guard_metrics]
unsafe fn not_safe() {}

#[guard_metrics]
extern "C" fn foreign() {}

#[guard_metrics]
pub unsafe extern "C" fn foreign_and_not_safe() {}

#[guard_metrics(guard = GUARD)]
async fn argument_of_another_framework() {}

#[guard_metrics]
#[guard_metrics]
async fn twice() {}

#[guard_metrics]
async fn attribute_on_a_parameter(#[cfg(any())] _method: Method) {}

// As many as axum takes: the proof would be one more.
#[guard_metrics]
async fn sixteen_parameters(
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
) {
}

fn main() {}
