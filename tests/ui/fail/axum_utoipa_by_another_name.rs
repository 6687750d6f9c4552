// A description of the handler below the attribute, under a name that says nothing.
use metrics_guard_tower::guard_metrics;
use utoipa::{OpenApi, path as described};

#[guard_metrics]
#[described(get, path = "/metrics")]
async fn metrics() -> &'static str {
    "up 1"
}

#[derive(OpenApi)]
#[openapi(paths(metrics))]
struct Api;

fn main() {}
