//! Warp behind TLS, which it has none of itself: tokio-rustls in front of `warp::service`. With client certificates, if
//! asked for.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout tls_key.pem -out tls_cert.pem
//! TLS_CERT_FILE=tls_cert.pem TLS_KEY_FILE=tls_key.pem METRICS_VERIFICATION_KEY_FILE=accepted_keys \
//!     cargo run -p metrics-guard-warp --example warp_tls
//! ```
//!
//! To let only a Prometheus with a certificate of its own ask, set `TLS_CLIENT_CA_FILE` to the CA that signed it, and
//! `METRICS_VERIFICATION_CLIENT_NAMES` to a name in it; shared/acceptor.rs says how to make both.
//!
//! Warp does not see the socket here, so `warp::addr::remote` knows no address: the other end is handed on among the
//! request's extensions, as a `Peer`, where the guard looks for it first.

use std::{env, error::Error, net::Ipv4Addr};

use metrics_guard_warp::{GuardBuilder, MetricsGuard, guard_metrics};
use service::Instruments;
use tokio::net::TcpListener;
use tower_service::Service as _;
use warp::{Filter, Reply, http::StatusCode};

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

#[guard_metrics]
#[allow(clippy::needless_pass_by_value)] // Warp's filters hand over what they extract
fn metrics(instruments: Instruments) -> Result<impl Reply, StatusCode> {
    let body = instruments.scrape().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(warp::reply::with_header(body, "Content-Type", service::METRICS_TYPE))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let instruments = Instruments::new()?;
    let (guard, key_for_this_run) = instruments.guard(GuardBuilder::from_env(), service::with_key)?;
    let with_instruments = warp::any().map(move || instruments.clone());
    let routes = MetricsGuard::with(guard.clone())
        .protect(warp::path!("metrics"), warp::get().and(with_instruments).map(metrics))
        // Not a `&'static str`: the compiler fails to see that a task with that in it can be spawned.
        .or(warp::path::end().map(|| service::INDEX.to_owned()));
    let warp = warp::service(routes);

    let tls = acceptor::acceptor()?;
    let port = env::var("PORT").map_or(Ok(8443), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    service::announce(key_for_this_run.as_deref(), "https", listener.local_addr()?);
    let handshake = |stream, address| acceptor::handshake(tls.clone(), stream, address);
    connections::serve(listener, handshake, move |request| warp.clone().call(request)).await
}
