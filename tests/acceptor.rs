//! TLS for the examples whose server has none of itself, and what it knows of the other end: a module of each, by
//! a link.
//!
//! A certificate for the server, a CA for clients, and a client's certificate with a name, to try it with (OpenSSL 3):
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
//!     -keyout tls_key.pem -out tls_cert.pem
//! openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=clients -keyout ca_key.pem -out ca.pem
//! openssl req -newkey rsa:2048 -nodes -subj /CN=prometheus -addext subjectAltName=DNS:prometheus.example \
//!     -keyout client_key.pem -out client.csr
//! openssl x509 -req -in client.csr -CA ca.pem -CAkey ca_key.pem -days 30 -copy_extensions copy -out client_cert.pem
//! ```

use std::{env, error::Error, io, net::SocketAddr, sync::Arc};

use metrics_guard_core::{ClientName, Peer};
use tokio::net::TcpStream;
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

/// An acceptor with the certificate in `TLS_CERT_FILE` and its key in `TLS_KEY_FILE`. With `TLS_CLIENT_CA_FILE`, clients
/// may show a certificate that a CA in that file has signed.
///
/// May, and not must: the guard says who must, and only for the metrics. A certificate that is shown and is not good ends
/// the handshake.
pub(crate) fn acceptor() -> Result<TlsAcceptor, Box<dyn Error>> {
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
    let mut config = config.with_single_cert(certificates, key)?;
    // Prometheus speaks HTTP/2 where it is offered.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Performs the TLS handshake. The peer has the names in the client certificate, which the handshake has verified.
///
/// The caller limits its time, because a client may never go on with it.
pub(crate) async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> io::Result<(TlsStream<TcpStream>, Peer)> {
    let stream = tls.accept(stream).await?;
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates().and_then(<[_]>::first).map(EndEntityCert::try_from);
    // An empty list without a certificate, so that the guard does not warn that the server provides no names.
    let peer = Peer::new(address).with_names(certificate.iter().flatten().flat_map(names));
    Ok((stream, peer))
}

fn names(certificate: &EndEntityCert<'_>) -> impl Iterator<Item = ClientName> {
    let dns_names = certificate.valid_dns_names().map(ClientName::dns);
    dns_names.chain(certificate.valid_uri_names().map(ClientName::uri))
}
