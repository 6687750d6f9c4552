use std::env;

use metrics_guard_tower::{Guard, MetricsGuardLayer, Peer};
use salvo::{http::ReqBody, prelude::*};

#[handler]
async fn with_peer(request: &mut Request) {
    if let Some(address) = request.remote_addr().clone().into_std() {
        request.extensions_mut().insert(Peer::new(address));
    }
}

#[handler]
async fn metrics() -> &'static str {
    "up 1\n" // your registry's text
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = MetricsGuardLayer::new(Guard::from_env()?).compat::<ReqBody>();
    let router = Router::with_path("metrics").hoop(with_peer).hoop(guard).get(metrics);
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let acceptor = TcpListener::new(("127.0.0.1", port)).try_bind().await?;
    Server::new(acceptor).try_serve(router).await?;
    Ok(())
}
