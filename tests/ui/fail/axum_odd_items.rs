// Other items, an argument of another framework, the attribute twice, and an attribute on a parameter.
use metrics_guard_tower::guard_metrics;

#[guard_metrics]
struct Metrics;

#[guard_metrics(guard = GUARD)]
async fn metrics() -> &'static str {
    "up 1"
}

#[guard_metrics]
#[guard_metrics]
async fn twice() -> &'static str {
    "up 1"
}

#[guard_metrics]
async fn attributed(#[cfg(any())] _method: axum::http::Method) -> &'static str {
    "up 1"
}

fn main() {}
