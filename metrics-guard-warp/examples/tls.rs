//! Warp behind TLS, which it has none of itself: tokio-rustls in front of `warp::service`. With client certificates, if
//! asked for.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout tls_key.pem -out tls_cert.pem
//! TLS_CERT_FILE=tls_cert.pem TLS_KEY_FILE=tls_key.pem METRICS_VERIFICATION_KEY_FILE=metrics_key \
//!     cargo run -p metrics-guard-warp --example warp_tls
//! ```
//!
//! To let only a Prometheus with a certificate of its own ask, set `TLS_CLIENT_CA_FILE` to the CA that signed it, and
//! `METRICS_VERIFICATION_CLIENT_NAMES` to a name in it; tests/acceptor.rs says how to make both.
//!
//! Warp does not see the socket here, so `warp::addr::remote` knows no address: the other end is handed on among the
//! request's extensions, as a `Peer`, where the guard looks for it first.

use std::{env, error::Error, net::Ipv4Addr};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use metrics_guard_warp::{MetricsGuard, guard_metrics};
use tokio::net::TcpListener;
use tower_service::Service as _;
use warp::Filter;

#[path = "../../tests/acceptor.rs"]
mod acceptor;

#[guard_metrics]
fn metrics() -> &'static str {
    "# TYPE example_up gauge\nexample_up 1\n"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let guard = MetricsGuard::from_env()?;
    for warning in guard.guard().warnings() {
        eprintln!("warning: {warning}");
    }
    let routes = guard
        .protect(warp::path!("metrics"), warp::get().map(metrics))
        // Not a `&'static str`: the compiler fails to see that a task with that in it can be spawned.
        .or(warp::path::end().map(|| "Hello. My metrics are none of your business.\n".to_owned()));
    let warp = warp::service(routes);

    let tls = acceptor::acceptor()?;
    let port = env::var("PORT").map_or(Ok(8443), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on https://{}", listener.local_addr()?);
    loop {
        let (stream, address) = listener.accept().await?;
        let (tls, warp) = (tls.clone(), warp.clone());
        tokio::spawn(async move {
            let Some((stream, peer)) = acceptor::handshake(tls, stream, address).await else { return };
            let with_peer = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer.clone());
                warp.clone().call(request)
            });
            if let Err(error) =
                Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), with_peer).await
            {
                eprintln!("{address}: {error}");
            }
        });
    }
}
