//! Serves a page with axum, counts its visits, and guards `/metrics` with a key.
//!
//! ```text
//! METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run -p metrics-guard-tower --features axum --example axum
//! ```
//!
//! It listens on 127.0.0.1, at `PORT`.

use std::{env, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{Extension, Router, http::StatusCode, routing::get};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use metrics_guard_tower::{Guard, Peer, guard_metrics};
use prometheus::{TextEncoder, register_int_counter};
use tokio::{net::TcpListener, sync::Semaphore, time};

#[guard_metrics]
async fn metrics() -> Result<String, StatusCode> {
    TextEncoder::new().encode_to_string(&prometheus::gather()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let visits = register_int_counter!("visits_total", "Requests for the page.")?;
    let page = || async move {
        visits.inc();
        "hello\n"
    };
    let app = Router::new().route("/metrics", get(metrics)).with_state(Guard::from_env()?).route("/", get(page));
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let slots = Arc::new(Semaphore::new(32)); // concurrent connections, fewer than the files that the process may open
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let Ok((stream, address)) = listener.accept().await else {
            time::sleep(Duration::from_millis(100)).await; // no file descriptor is free; `?` would end the server
            continue;
        };
        let app = app.clone().layer(Extension(Peer::new(address))); // for a guard that checks addresses
        // A connection ends after one request or ten seconds, because a client can stop sending its header or stop reading.
        let connection = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
        tokio::spawn(async move {
            let _ = time::timeout(Duration::from_secs(10), connection).await; // a client can cause any number of errors
            drop(slot);
        });
    }
}
