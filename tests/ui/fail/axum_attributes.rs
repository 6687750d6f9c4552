// Attributes on the wrong side of ours, and a router that expects the path as the first parameter.
use axum::{Router, debug_handler};
use axum_extra::routing::{RouterExt, TypedPath};
use metrics_guard_tower::{Guard, guard_metrics};
use utoipa::{OpenApi, path as described};

#[debug_handler]
#[guard_metrics]
async fn below_debug_handler() {}

#[guard_metrics]
#[described(get, path = "/metrics")]
async fn metrics() {}

#[derive(OpenApi)]
#[openapi(paths(metrics))]
struct Api;

#[derive(TypedPath, serde::Deserialize)]
#[typed_path("/metrics")]
struct MetricsPath;

#[guard_metrics]
async fn typed_path(_: MetricsPath) {}

fn main() {
    let _: Router<Guard> = Router::new().typed_get(typed_path);
}
