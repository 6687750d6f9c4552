//! Serves a page with actix-web over TLS (rustls), counts its visits, and guards `/metrics` with a key.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout tls_key.pem -out tls_cert.pem
//! TLS_CERT_FILE=tls_cert.pem TLS_KEY_FILE=tls_key.pem METRICS_VERIFICATION_KEY_FILE=accepted_keys \
//!     cargo run -p metrics-guard-actix --example actix_tls
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

use std::{any::Any, env, error::Error, net::Ipv4Addr, sync::Arc, time::Duration};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    App, HttpServer, dev::Extensions, error::ErrorInternalServerError, get, http::KeepAlive, rt::net::TcpStream, web,
};
use metrics_guard_actix::{ClientName, Guard, Peer, guard_metrics};
use prometheus::{IntCounter, TextEncoder, register_int_counter};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use webpki::EndEntityCert;

#[guard_metrics]
#[get("/metrics")]
async fn metrics() -> actix_web::Result<String> {
    TextEncoder::new().encode_to_string(&prometheus::gather()).map_err(ErrorInternalServerError)
}

#[get("/")]
async fn page(visits: web::Data<IntCounter>) -> &'static str {
    visits.inc();
    "hello\n"
}

/// Returns TLS with the certificate in `TLS_CERT_FILE` and its private key in `TLS_KEY_FILE`.
///
/// With `TLS_CLIENT_CA_FILE`, a client can send a certificate that a CA in this file signed. Only the guard requires it, for
/// the metrics. A certificate that fails the verification ends the handshake.
fn tls() -> Result<ServerConfig, Box<dyn Error>> {
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
    Ok(config.with_single_cert(certificates, key)?)
}

/// Stores the client's address, and the names in its certificate, which the handshake verified.
fn remember_client(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else { return };
    let (socket, connection) = stream.get_ref();
    let Ok(address) = socket.peer_addr() else { return };
    let certificate = connection.peer_certificates().and_then(<[_]>::first).map(EndEntityCert::try_from);
    let names = certificate.iter().flatten().flat_map(|certificate| {
        let dns_names = certificate.valid_dns_names().map(ClientName::dns);
        dns_names.chain(certificate.valid_uri_names().map(ClientName::uri))
    });
    // Without a certificate, the list is empty, so that the guard does not warn that the server provides no names.
    data.insert(Peer::new(address).with_names(names));
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let visits = web::Data::new(register_int_counter!("visits_total", "Requests for the page.")?);
    let guard = Guard::from_env()?;
    let tls = tls()?;
    let port = env::var("PORT").map_or(Ok(8443), |port| port.parse())?;
    let app = move || App::new().app_data(visits.clone()).service(metrics(&guard)).service(page);
    let server = HttpServer::new(app)
        .on_connect(remember_client) // before `bind`: actix-web ignores it afterwards
        .workers(2)
        .max_connections(16) // of each worker; in all, fewer than the files that the process may open
        // The handshake has ten seconds, and the header of a request too, because a client can stop in either.
        .tls_handshake_timeout(Duration::from_secs(10))
        .keep_alive(KeepAlive::Disabled)
        .client_request_timeout(Duration::from_secs(10))
        .bind_rustls_0_23((Ipv4Addr::LOCALHOST, port), tls)?;
    for address in server.addrs() {
        println!("listening on https://{address}");
    }
    server.run().await?;
    Ok(())
}
