//! hyper behind TLS, by tokio-rustls. With client certificates, if asked for.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout tls_key.pem -out tls_cert.pem
//! TLS_CERT_FILE=tls_cert.pem TLS_KEY_FILE=tls_key.pem METRICS_VERIFICATION_KEY_FILE=accepted_keys \
//!     cargo run -p metrics-guard-core --features macros --example hyper_tls
//! ```
//!
//! To let only a Prometheus with a certificate of its own ask, set `TLS_CLIENT_CA_FILE` to the CA that signed it, and
//! `METRICS_VERIFICATION_CLIENT_NAMES` to a name in it; shared/acceptor.rs says how to make both.

use std::{env, error::Error, future::ready, net::Ipv4Addr};

use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use metrics_guard_core::{Guard, GuardBuilder, guard_metrics};
use service::Instruments;
use tokio::net::TcpListener;

#[path = "shared/acceptor.rs"]
mod acceptor;
#[path = "shared/connections.rs"]
#[allow(dead_code)] // it has more for the examples without TLS
mod connections;
#[path = "shared/output.rs"]
mod output;
#[path = "shared/service.rs"]
#[allow(dead_code)] // it has more for the examples without TLS
mod service;

#[derive(Clone)]
struct Service {
    guard: Guard,
    instruments: Instruments,
}

impl Service {
    fn answer<B>(&self, request: &Request<B>) -> Response<String> {
        match request.uri().path() {
            "/metrics" => self.metrics(request),
            "/" => Response::new(service::INDEX.to_owned()),
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    #[guard_metrics(guard = self.guard)]
    fn metrics<B>(&self, request: &Request<B>) -> Response<String> {
        let Ok(metrics) = self.instruments.scrape() else { return status(StatusCode::INTERNAL_SERVER_ERROR) };
        let mut answer = Response::new(metrics);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(service::METRICS_TYPE));
        answer
    }
}

fn status(status: StatusCode) -> Response<String> {
    let mut answer = Response::default();
    *answer.status_mut() = status;
    answer
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let instruments = Instruments::new()?;
    let (guard, key_for_this_run) = instruments.guard(GuardBuilder::from_env(), service::with_key)?;
    let tls = acceptor::acceptor()?;
    let port = env::var("PORT").map_or(Ok(8443), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    service::announce(key_for_this_run.as_deref(), "https", listener.local_addr()?);
    let service = Service { guard, instruments };
    let handshake = |stream, address| acceptor::handshake(tls.clone(), stream, address);
    connections::serve(listener, handshake, move |request| ready(Ok(service.answer(&request)))).await
}
