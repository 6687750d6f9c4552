//! Warp behind TLS, which it has none of itself: tokio-rustls in front of `warp::service`.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -keyout tls_key.pem -out tls_cert.pem
//! TLS_CERT_FILE=tls_cert.pem TLS_KEY_FILE=tls_key.pem METRICS_VERIFICATION_KEY_FILE=metrics_key \
//!     cargo run -p metrics-guard-warp --example tls
//! ```
//!
//! Warp does not see the socket here, so `warp::addr::remote` knows no address: it is handed on among the request's
//! extensions, as a `Peer`, where the guard looks for it first.

use std::{env, error::Error, net::Ipv4Addr, sync::Arc};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use metrics_guard_warp::{MetricsGuard, Peer, guard_metrics};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tower_service::Service as _;
use warp::Filter;

#[guard_metrics]
fn metrics() -> &'static str {
    "# TYPE up gauge\nup 1\n"
}

fn tls() -> Result<TlsAcceptor, Box<dyn Error>> {
    let file = |variable| env::var(variable).map_err(|_| format!("set {variable} to the path of a PEM file"));
    let certificates = CertificateDer::pem_file_iter(file("TLS_CERT_FILE")?)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(file("TLS_KEY_FILE")?)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
    // Prometheus speaks HTTP/2 where it is offered.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
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

    let tls = tls()?;
    let port = env::var("PORT").map_or(Ok(8443), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on https://{}", listener.local_addr()?);
    loop {
        let (stream, address) = listener.accept().await?;
        let (tls, warp) = (tls.clone(), warp.clone());
        tokio::spawn(async move {
            // A client that does not get through the handshake has no request to be answered.
            let Ok(stream) = tls.accept(stream).await else { return };
            let with_peer = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Peer::at(address));
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
