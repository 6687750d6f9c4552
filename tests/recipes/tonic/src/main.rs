use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
};

use axum::{Router, routing::get};
use metrics_guard_tower::{Guard, guard_metrics};
use tokio::net::TcpListener;
use tonic::transport::Server;

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1\n" // your registry's text
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/metrics", get(metrics)).with_state(Guard::from_env()?);
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let grpc_port: u16 = env::var("GRPC_PORT").map_or(Ok(50051), |port| port.parse())?;
    let (_reporter, health) = tonic_health::server::health_reporter(); // or your service
    let grpc = Server::builder().add_service(health).serve((Ipv4Addr::LOCALHOST, grpc_port).into());
    let metrics = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).into_future();
    tokio::select! { ended = grpc => ended?, ended = metrics => ended? }
    Ok(())
}
