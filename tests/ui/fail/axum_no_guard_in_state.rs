// A state that is known otherwise, and has no guard.
use axum::{Router, extract::State, routing::get};
use metrics_guard_tower::{Authorized, guard_metrics};

#[derive(Clone)]
struct App;

#[guard_metrics]
async fn metrics(State(_): State<App>) -> &'static str {
    "up 1"
}

async fn extractor(_: Authorized) -> &'static str {
    "up 1"
}

fn main() {
    let _: Router = Router::new().route("/metrics", get(metrics)).with_state(App);
    let _ = Router::<App>::new().route("/metrics", get(extractor));
}
