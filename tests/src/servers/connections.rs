//! Connections with TLS and limits, for the servers that have neither. With 64 file descriptors, they survive clients that send
//! half a request or read no response.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use metrics_guard_core::{ClientName, Peer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};
use webpki::EndEntityCert;

use super::under_test::{Failure, Tls, announce};

/// The number of connections that are served at a time. Further clients wait in the system's queue.
const CONNECTIONS: usize = 32;

/// The time for which a client can send requests on one connection. The current response is then the last one.
const OPEN: Duration = Duration::from_secs(2);

/// The time that the client then has to read that response.
const CLOSING: Duration = Duration::from_secs(10);

/// The number of connection errors that are printed, because a client can cause any number of them.
const ERRORS: usize = 20;

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
    let acceptor = tls.map(acceptor).transpose()?;
    let listener = listener().await?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let Ok((stream, address)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await; // without a pause, the error would repeat at once
            continue;
        };
        let opening = open(acceptor.clone(), stream, address);
        let answer = answer.clone();
        tokio::spawn(async move {
            static PRINTED: AtomicUsize = AtomicUsize::new(0);
            if let Err(error) = converse(opening, answer).await
                && PRINTED.fetch_add(1, Relaxed) < ERRORS
            {
                eprintln!("{address}: {error}");
            }
            drop(slot);
        });
    }
}

async fn converse<F, B>(
    opening: impl Future<Output = io::Result<(Stream, Peer)>>,
    answer: impl Fn(Request<Incoming>) -> F,
) -> Result<(), Failure>
where
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Failure>> + Send + 'static,
{
    let end = Instant::now() + OPEN;
    let Ok(opened) = timeout_at(end, opening).await else { return Ok(()) };
    let (stream, peer) = opened?;
    let service = service_fn(move |mut request| {
        request.extensions_mut().insert(peer.clone());
        answer(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(OPEN);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    if let Ok(ended) = timeout_at(end, connection.as_mut()).await {
        return ended;
    }
    connection.as_mut().graceful_shutdown();
    timeout(CLOSING, connection).await.unwrap_or(Ok(()))
}

/// A connection with TLS or without.
type Stream = Pin<Box<dyn ReadWrite>>;

trait ReadWrite: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> ReadWrite for S {}

/// Performs the TLS handshake, if the server has TLS. The `Peer` has the names in the verified certificate.
async fn open(tls: Option<TlsAcceptor>, stream: TcpStream, address: SocketAddr) -> io::Result<(Stream, Peer)> {
    let Some(tls) = tls else { return Ok((Box::pin(stream), Peer::new(address))) };
    let stream = tls.accept(stream).await?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().map(EndEntityCert::try_from).transpose().map_err(io::Error::other)?;
    let peer = Peer::new(address).with_names(certificate.iter().flat_map(|certificate| {
        let dns_names = certificate.valid_dns_names().map(ClientName::dns);
        dns_names.chain(certificate.valid_uri_names().map(ClientName::uri))
    }));
    Ok((Box::pin(stream), peer))
}

fn acceptor(tls: Tls) -> Result<TlsAcceptor, Failure> {
    let certificates = CertificateDer::pem_file_iter(tls.certificate)?.collect::<Result<Vec<_>, _>>()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(tls.authority)?)?;
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build()?;
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    let mut config = config.with_single_cert(certificates, PrivateKeyDer::from_pem_file(tls.key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
