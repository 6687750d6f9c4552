// No guard in the router's state.
use axum::{Router, routing::get};
use metrics_guard_tower::{Authorized, guard_metrics};

#[derive(Clone)]
struct App;

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1"
}

async fn extractor(_: Authorized) -> &'static str {
    "up 1"
}

fn main() {
    let _: Router = Router::new().route("/metrics", get(metrics)).with_state(());
    let _: Router = Router::new().route("/metrics", get(metrics)).with_state(App);
    let _: Router = Router::new().route("/metrics", get(extractor)).with_state(App);
}
