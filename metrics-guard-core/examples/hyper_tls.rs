//! hyper behind TLS, by tokio-rustls. With client certificates, if asked for.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout tls_key.pem -out tls_cert.pem
//! TLS_CERT_FILE=tls_cert.pem TLS_KEY_FILE=tls_key.pem METRICS_VERIFICATION_KEY_FILE=metrics_key \
//!     cargo run -p metrics-guard-core --features macros --example hyper_tls
//! ```
//!
//! To let only a Prometheus with a certificate of its own ask, set `TLS_CLIENT_CA_FILE` to the CA that signed it, and
//! `METRICS_VERIFICATION_CLIENT_NAMES` to a name in it; tests/acceptor.rs says how to make both.

use std::{convert::Infallible, env, error::Error, net::Ipv4Addr};

use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use metrics_guard_core::{Guard, guard_metrics};
use tokio::net::TcpListener;

#[path = "../../tests/acceptor.rs"]
mod acceptor;

fn answer<B>(guard: &Guard, request: &Request<B>) -> Response<String> {
    match request.uri().path() {
        "/metrics" => metrics(guard, request),
        "/" => Response::new("Hello. My metrics are none of your business.\n".to_owned()),
        _ => {
            let mut answer = Response::default();
            *answer.status_mut() = StatusCode::NOT_FOUND;
            answer
        }
    }
}

#[guard_metrics(guard = guard)]
fn metrics<B>(guard: &Guard, request: &Request<B>) -> Response<String> {
    let mut answer = Response::new("# TYPE example_up gauge\nexample_up 1\n".to_owned());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    answer
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let guard = Guard::from_env()?;
    for warning in guard.warnings() {
        eprintln!("warning: {warning}");
    }
    let tls = acceptor::acceptor()?;
    let port = env::var("PORT").map_or(Ok(8443), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on https://{}", listener.local_addr()?);
    loop {
        let (stream, address) = listener.accept().await?;
        let (tls, guard) = (tls.clone(), guard.clone());
        tokio::spawn(async move {
            let Some((stream, peer)) = acceptor::handshake(tls, stream, address).await else { return };
            let with_peer = service_fn(move |mut request| {
                request.extensions_mut().insert(peer.clone());
                let answer = answer(&guard, &request);
                async { Ok::<_, Infallible>(answer) }
            });
            if let Err(error) =
                Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), with_peer).await
            {
                eprintln!("{address}: {error}");
            }
        });
    }
}
