// A guard that the router is given as an extension, and not as its state.
use axum::{Extension, Router, routing::get};
use metrics_guard_tower::{Guard, guard_metrics};

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1"
}

fn app(guard: Guard) -> Router {
    Router::new().route("/metrics", get(metrics)).layer(Extension(guard))
}

fn main() {
    let _ = app;
}
