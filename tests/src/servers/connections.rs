//! Connections with TLS, for the servers that have none, and the parts that actix-web shares.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use metrics_guard_core::{ClientName, Peer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig, ServerConnection,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use webpki::EndEntityCert;

use super::under_test::{Failure, Tls, announce};

/// Binds to a port that the system chooses, and announces it.
pub(super) async fn listener() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(listener.local_addr()?);
    Ok(listener)
}

/// Serves all connections. `answer` gets each request with the client's [`Peer`] in its extensions.
pub(super) async fn serve<A, F, B>(tls: Option<Tls>, answer: A) -> Result<(), Failure>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Failure>> + Send + 'static,
{
    let acceptor = tls.map(configuration).transpose()?.map(|tls| TlsAcceptor::from(Arc::new(tls)));
    let listener = listener().await?;
    loop {
        let (stream, address) = listener.accept().await?;
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        tokio::spawn(async move {
            match open(acceptor, stream, address).await {
                Ok((stream, peer)) => {
                    let service = service_fn(move |mut request| {
                        request.extensions_mut().insert(peer.clone());
                        answer(request)
                    });
                    // This fails if the client closes the connection or sends no HTTP.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                }
                Err(error) => eprintln!("{address}: {error}"),
            }
        });
    }
}

/// A connection with TLS or without.
type Stream = Pin<Box<dyn ReadWrite>>;

trait ReadWrite: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> ReadWrite for S {}

/// Performs the TLS handshake, if the server has TLS.
async fn open(tls: Option<TlsAcceptor>, stream: TcpStream, address: SocketAddr) -> io::Result<(Stream, Peer)> {
    let Some(tls) = tls else { return Ok((Box::pin(stream), Peer::new(address))) };
    let stream = tls.accept(stream).await?;
    let peer = peer(address, stream.get_ref().1)?;
    Ok((Box::pin(stream), peer))
}

/// Returns the client with the names in its verified certificate.
pub(super) fn peer(address: SocketAddr, tls: &ServerConnection) -> io::Result<Peer> {
    let certificates = tls.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().map(EndEntityCert::try_from).transpose().map_err(io::Error::other)?;
    Ok(Peer::new(address).with_names(certificate.iter().flat_map(|certificate| {
        let dns_names = certificate.valid_dns_names().map(ClientName::dns);
        dns_names.chain(certificate.valid_uri_names().map(ClientName::uri))
    })))
}

/// Returns the configuration of a server that speaks HTTP/2 and HTTP/1.1. Client certificates are optional.
pub(super) fn configuration(tls: Tls) -> Result<ServerConfig, Failure> {
    let certificates = CertificateDer::pem_file_iter(tls.certificate)?.collect::<Result<Vec<_>, _>>()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(tls.authority)?)?;
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build()?;
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    let mut config = config.with_single_cert(certificates, PrivateKeyDer::from_pem_file(tls.key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
