use std::{env, net::SocketAddr};

use axum::{Router, routing::get};
use axum_prometheus::PrometheusMetricLayer;
use metrics_guard_tower::{Guard, MetricsGuardLayer};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (requests, handle) = PrometheusMetricLayer::pair();
    let metrics = get(|| async move { handle.render() });
    let app = Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/metrics", metrics.layer(MetricsGuardLayer::new(Guard::from_env()?)))
        .layer(requests); // also counts rejected scrapes
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
