//! axum behind TLS, which it has none of itself: tokio-rustls in front of the router. With client certificates, if asked
//! for.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout tls_key.pem -out tls_cert.pem
//! TLS_CERT_FILE=tls_cert.pem TLS_KEY_FILE=tls_key.pem METRICS_VERIFICATION_KEY_FILE=accepted_keys \
//!     cargo run -p metrics-guard-tower --features axum --example axum_tls
//! ```
//!
//! To let only a Prometheus with a certificate of its own ask, set `TLS_CLIENT_CA_FILE` to the CA that signed it, and
//! `METRICS_VERIFICATION_CLIENT_NAMES` to a name in it; shared/acceptor.rs says how to make both.

use std::{env, error::Error, net::Ipv4Addr};

use axum::{
    Router,
    extract::{FromRef, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use metrics_guard_tower::{Guard, GuardBuilder, guard_metrics};
use service::Instruments;
use tokio::net::TcpListener;
use tower_service::Service as _;

#[path = "shared/acceptor.rs"]
mod acceptor;
#[path = "shared/connections.rs"]
#[allow(dead_code)] // it has more for the example without TLS
mod connections;
#[path = "shared/output.rs"]
mod output;
#[path = "shared/service.rs"]
#[allow(dead_code)] // it has more for the example without TLS
mod service;

#[derive(Clone, FromRef)]
struct App {
    guard: Guard,
    instruments: Instruments,
}

#[guard_metrics]
fn metrics(State(instruments): State<Instruments>) -> Result<impl IntoResponse, StatusCode> {
    let body = instruments.scrape().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, service::METRICS_TYPE)], body))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let instruments = Instruments::new()?;
    let (guard, key_for_this_run) = instruments.guard(GuardBuilder::from_env(), service::with_key)?;
    let tls = acceptor::acceptor()?;
    let port = env::var("PORT").map_or(Ok(8443), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    service::announce(key_for_this_run.as_deref(), "https", listener.local_addr()?);
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/", get(|| async { service::INDEX }))
        .with_state(App { guard, instruments });
    let handshake = |stream, address| acceptor::handshake(tls.clone(), stream, address);
    connections::serve(listener, handshake, move |request| router.clone().call(request)).await
}
