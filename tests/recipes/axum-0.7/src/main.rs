use std::{env, net::SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use metrics_guard_tower::{Guard, MetricsGuardLayer, Peer};
use tokio::net::TcpListener;

async fn metrics() -> &'static str {
    "up 1\n" // your registry's text
}

async fn with_peer(ConnectInfo(address): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Peer::new(address));
    next.run(request).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = MetricsGuardLayer::new(Guard::from_env()?);
    let app = Router::new().route("/metrics", get(metrics).layer(guard).layer(from_fn(with_peer)));
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
