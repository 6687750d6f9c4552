use std::{env, net::SocketAddr};

use axum::{Extension, Router, http::StatusCode, routing::get};
use metrics_guard_tower::{Guard, guard_metrics};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;

#[guard_metrics]
async fn metrics(Extension(registry): Extension<Registry>) -> Result<String, StatusCode> {
    TextEncoder::new().encode_to_string(&registry.gather()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
    let provider = SdkMeterProvider::builder().with_reader(exporter).build();
    provider.meter("my-service").u64_gauge("up").build().record(1, &[]);
    let app = Router::new().route("/metrics", get(metrics)).with_state(Guard::from_env()?);
    let app = app.layer(Extension(registry));
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
