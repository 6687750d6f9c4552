use std::{env, net::SocketAddr, time::Duration};

use axum::{Extension, Router, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use metrics_guard_tower::{Guard, guard_metrics};
use tokio::{net::TcpListener, time};

#[guard_metrics]
async fn metrics(Extension(handle): Extension<PrometheusHandle>) -> String {
    handle.render()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let handle = PrometheusBuilder::new().install_recorder()?; // before the guard, whose series it records
    let app = Router::new().route("/metrics", get(metrics)).with_state(Guard::from_env()?);
    let app = app.layer(Extension(handle.clone()));
    metrics::gauge!("up").set(1);
    tokio::spawn(async move {
        let mut interval = time::interval(Duration::from_secs(5));
        loop {
            interval.tick().await;
            handle.run_upkeep();
        }
    });
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
