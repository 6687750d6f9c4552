//! A small service on axum, whose `/metrics` is closed to everyone but the holder of the key.
//!
//! ```text
//! cargo run -p metrics-guard-tower --features axum --example axum
//! ```
//!
//! `GET /` and `GET /fibonacci/<n>` are public, `GET /metrics` is guarded. It listens on 127.0.0.1, at `PORT`, and takes
//! its key from the environment. Only where none is configured, and only since this is an example, it makes one for the
//! run and prints what uses it.
//!
//! The guard is a layer of the route, and so comes before the method is looked at. The example behind TLS has the attribute
//! on its handler instead.

use std::{error::Error, net::Ipv4Addr, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Path, Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_guard_tower::{Guard, GuardBuilder, MetricsGuardLayer};
use service::Instruments;
use tokio::net::TcpListener;
use tower_service::Service as _;

#[path = "shared/connections.rs"]
mod connections;
#[path = "shared/output.rs"]
mod output;
#[path = "shared/service.rs"]
mod service;

async fn metrics(State(instruments): State<Instruments>) -> Result<impl IntoResponse, StatusCode> {
    let body = instruments.scrape().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, service::METRICS_TYPE)], body))
}

async fn count(State(instruments): State<Instruments>, request: Request, next: Next) -> Response {
    let (arrival, method) = (Instant::now(), request.method().clone());
    let route = match request.extensions().get().map(MatchedPath::as_str) {
        Some("/metrics") => "/metrics",
        Some("/fibonacci/{n}") => "/fibonacci/<n>",
        Some(_) => "/",
        None => "none",
    };
    let response = next.run(request).await;
    instruments.observe(method.as_str(), route, response.status().as_u16(), arrival.elapsed());
    response
}

fn router(guard: Guard, instruments: Instruments) -> Router {
    Router::new()
        .route("/metrics", get(metrics).layer(MetricsGuardLayer::new(guard)))
        .route("/", get(|| async { service::INDEX }))
        .route("/fibonacci/{n}", get(|Path(n): Path<u8>| async move { service::fibonacci(n) }))
        .layer(from_fn_with_state(instruments.clone(), count))
        .with_state(instruments)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;

    let instruments = Instruments::new()?;
    let (guard, key_for_this_run) = instruments.guard(GuardBuilder::from_env(), service::with_key)?;
    service::announce(key_for_this_run.as_deref(), "http", address);
    let router = router(guard, instruments);
    // Not `axum::serve`, which sets no time limits. With that, a guard that checks addresses gets them from
    // `router.into_make_service_with_connect_info::<SocketAddr>()`.
    connections::serve(listener, connections::plain, move |request| router.clone().call(request)).await
}
