// A guard that the router is not given.
use axum::{Router, routing::get};
use metrics_guard_tower::{Guard, guard_metrics};

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1"
}

fn serve(listener: tokio::net::TcpListener) {
    let app = Router::<Guard>::new().route("/metrics", get(metrics));
    let _ = axum::serve(listener, app);
}

fn main() {}
