//! hyper behind TLS by tokio-rustls, with a page, a counter of its visits, and `/metrics` for holders of the key.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout tls_key.pem -out tls_cert.pem
//! TLS_CERT_FILE=tls_cert.pem TLS_KEY_FILE=tls_key.pem METRICS_VERIFICATION_KEY_FILE=accepted_keys \
//!     cargo run -p metrics-guard-core --features macros --example hyper_tls
//! ```
//!
//! It listens on 127.0.0.1, at `PORT`. To require a client certificate for the metrics, set `TLS_CLIENT_CA_FILE` to the CA
//! that signed it, and `METRICS_VERIFICATION_CLIENT_NAMES` to a name in it, here prometheus.example (OpenSSL 3):
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=clients -keyout ca_key.pem -out ca.pem
//! openssl req -newkey rsa:2048 -nodes -subj /CN=prometheus -addext subjectAltName=DNS:prometheus.example \
//!     -keyout client_key.pem -out client.csr
//! openssl x509 -req -in client.csr -CA ca.pem -CAkey ca_key.pem -days 30 -copy_extensions copy -out client_cert.pem
//! ```

use std::{
    env,
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use metrics_guard_core::{ClientName, Guard, Peer, guard_metrics};
use prometheus::{IntCounter, TEXT_FORMAT, TextEncoder, register_int_counter};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};
use webpki::EndEntityCert;

#[derive(Clone)]
struct Service {
    guard: Guard,
    visits: IntCounter,
}

impl Service {
    fn answer(&self, request: &Request<Incoming>) -> http::Result<Response<String>> {
        match request.uri().path() {
            "/metrics" => self.metrics(request),
            "/" => {
                self.visits.inc();
                Ok(Response::new("hello\n".to_owned()))
            }
            _ => Response::builder().status(StatusCode::NOT_FOUND).body(String::new()),
        }
    }

    #[guard_metrics(guard = self.guard)]
    fn metrics(&self, request: &Request<Incoming>) -> http::Result<Response<String>> {
        match TextEncoder::new().encode_to_string(&prometheus::gather()) {
            Ok(metrics) => Response::builder().header(CONTENT_TYPE, TEXT_FORMAT).body(metrics),
            Err(_) => Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(String::new()),
        }
    }
}

/// TLS with the certificate in `TLS_CERT_FILE` and its private key in `TLS_KEY_FILE`.
///
/// With `TLS_CLIENT_CA_FILE`, a client can send a certificate that a CA in this file signed. The guard requires it, and for
/// the metrics only. A certificate that fails the verification ends the handshake.
fn acceptor() -> Result<TlsAcceptor, Box<dyn Error>> {
    let file = |variable| env::var(variable).map_err(|_| format!("set {variable} to the path of a PEM file"));
    let certificates = CertificateDer::pem_file_iter(file("TLS_CERT_FILE")?)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(file("TLS_KEY_FILE")?)?;
    let config = match env::var_os("TLS_CLIENT_CA_FILE") {
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in CertificateDer::pem_file_iter(authorities)? {
                roots.add(authority?)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build()?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
        None => ServerConfig::builder().with_no_client_auth(),
    };
    Ok(TlsAcceptor::from(Arc::new(config.with_single_cert(certificates, key)?)))
}

/// The client's address, and the names in its certificate, which the handshake verified.
fn peer(address: SocketAddr, stream: &TlsStream<TcpStream>) -> Peer {
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates().and_then(<[_]>::first).map(EndEntityCert::try_from);
    let names = certificate.iter().flatten().flat_map(|certificate| {
        let dns_names = certificate.valid_dns_names().map(ClientName::dns);
        dns_names.chain(certificate.valid_uri_names().map(ClientName::uri))
    });
    // Without a certificate, the list is empty, so that the guard does not warn that the server provides no names.
    Peer::new(address).with_names(names)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let visits = register_int_counter!("visits_total", "Requests for the page.")?;
    let service = Service { guard: Guard::from_env()?, visits };
    let tls = acceptor()?;
    let port = env::var("PORT").map_or(Ok(8443), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on https://{}", listener.local_addr()?);
    let slots = Arc::new(Semaphore::new(32)); // concurrent connections, fewer than the files that the process may open
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let Ok((stream, address)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await; // no file descriptor is free; `?` would end the server
            continue;
        };
        let (tls, service) = (tls.clone(), service.clone());
        let connection = async move {
            let stream = tls.accept(stream).await?;
            let peer = peer(address, &stream);
            let service = service_fn(|mut request| {
                request.extensions_mut().insert(peer.clone());
                let answer = service.answer(&request);
                async { answer }
            });
            http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        };
        tokio::spawn(async move {
            // The handshake and one request have ten seconds together, because a client can stop in either. A client can cause
            // any number of errors, so limit the lines if you log them.
            let _ = timeout(Duration::from_secs(10), connection).await;
            drop(slot);
        });
    }
}
