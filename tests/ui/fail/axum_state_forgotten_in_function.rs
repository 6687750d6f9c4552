// A guard that the router is not given, in a function whose return type says that it is.
use axum::{Router, routing::get};
use metrics_guard_tower::guard_metrics;

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1"
}

fn app() -> Router {
    Router::new().route("/metrics", get(metrics))
}

fn main() {
    let _ = app();
}
