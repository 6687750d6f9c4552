// Two routes that want different states: the guard, and one that has no guard in it.
use axum::{Router, extract::State, routing::get};
use metrics_guard_tower::guard_metrics;

#[derive(Clone)]
struct App;

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1"
}

async fn index(State(_): State<App>) -> &'static str {
    "hello"
}

fn main() {
    let _: Router = Router::new().route("/metrics", get(metrics)).route("/", get(index)).with_state(App);
}
