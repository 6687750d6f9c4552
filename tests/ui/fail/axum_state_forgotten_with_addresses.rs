// A guard that the router is not given, where the router is served with what tells addresses.
use std::net::SocketAddr;

use axum::{Router, routing::get};
use metrics_guard_tower::guard_metrics;

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1"
}

fn serve(listener: tokio::net::TcpListener) {
    let app = Router::new().route("/metrics", get(metrics));
    let _ = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
}

fn main() {}
