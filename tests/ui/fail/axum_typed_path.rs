// axum-extra's `typed_get`, which wants the path to be the first parameter.
use axum::Router;
use axum_extra::routing::{RouterExt, TypedPath};
use metrics_guard_tower::{Guard, guard_metrics};

#[derive(TypedPath, serde::Deserialize)]
#[typed_path("/metrics")]
struct MetricsPath;

#[guard_metrics]
async fn metrics(_: MetricsPath) -> &'static str {
    "up 1"
}

fn main() {
    let _: Router<Guard> = Router::new().typed_get(metrics);
}
