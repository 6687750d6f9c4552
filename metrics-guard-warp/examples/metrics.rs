//! Serves a page with Warp, counts its visits, and guards `/metrics` with a key.
//!
//! ```text
//! METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run -p metrics-guard-warp --example warp
//! ```
//!
//! It listens on 127.0.0.1, at `PORT`.

use std::{env, net::Ipv4Addr, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use metrics_guard_warp::{MetricsGuard, Peer, guard_metrics};
use prometheus::{TextEncoder, register_int_counter};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower_service::Service;
use warp::{Filter, http::StatusCode};

#[guard_metrics]
fn metrics() -> Result<String, StatusCode> {
    TextEncoder::new().encode_to_string(&prometheus::gather()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let visits = register_int_counter!("visits_total", "Requests for the page.")?;
    let page = warp::path::end().map(move || {
        visits.inc();
        "hello\n".to_owned()
    });
    let guard = MetricsGuard::from_env()?;
    let warp = warp::service(guard.protect(warp::path!("metrics"), warp::get().map(metrics)).or(page));
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let slots = Arc::new(Semaphore::new(32)); // concurrent connections, fewer than the files that the process may open
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let Ok((stream, address)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await; // no file descriptor is free; `?` would end the server
            continue;
        };
        let warp = warp.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer::new(address)); // for a guard that checks addresses
            warp.clone().call(request)
        });
        // A connection ends after one request or ten seconds, because a client can stop sending its header or stop reading.
        let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _ = timeout(Duration::from_secs(10), connection).await; // a client can cause any number of errors
            drop(slot);
        });
    }
}
