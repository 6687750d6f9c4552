//! Accepts and serves connections so that no client can stop the server, fill its log or keep its file descriptors: a
//! module of each example, by a link.
//!
//! hyper, `axum::serve` and `warp::serve` set no such limits: a client that sends half a request, or reads no response,
//! keeps its descriptor for ever. With enough of them, the server accepts no scraper any more.

use std::{
    convert::Infallible,
    error::Error,
    fmt::Display,
    future::{Ready, ready},
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, LazyLock},
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
use metrics_guard_core::Peer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::output::{Limit, Lines};

/// How long a client may send requests on one connection. An idle connection is then closed, and a response that is on
/// its way is the last one: the client opens a new connection for its next request.
const OPEN: Duration = Duration::from_secs(2);

/// How long the client then has to read that response. Prometheus, too, waits ten seconds for all of it by default.
const CLOSING: Duration = Duration::from_secs(10);

/// How long the server waits after an error of `accept`, which would come again at once as long as no descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves all connections to `listener` for ever, each of them for twelve seconds at most. `open` performs the TLS
/// handshake, if there is one; `answer` gets each request with the client's [`Peer`] among its extensions.
pub(crate) async fn serve<O, I, A, F, B>(
    listener: TcpListener,
    open: impl Fn(TcpStream, SocketAddr) -> O,
    answer: A,
) -> !
where
    O: Future<Output = io::Result<(I, Peer)>> + Send + 'static,
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(connections()));
    loop {
        // Further clients wait in the system's queue, where they take no descriptor of this process.
        let slot = Arc::clone(&slots).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, address)) => {
                let (opening, answer) = (open(stream, address), answer.clone());
                tokio::spawn(async move {
                    if let Err(error) = converse(opening, answer).await {
                        report(&format_args!("{address}: {error}"));
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                report(&format_args!("cannot accept a connection: {error}"));
                sleep(PAUSE).await;
            }
        }
    }
}

/// The `open` of a server without TLS.
pub(crate) fn plain(stream: TcpStream, address: SocketAddr) -> Ready<io::Result<(TcpStream, Peer)>> {
    ready(Ok((stream, Peer::new(address))))
}

async fn converse<I, F, B>(
    opening: impl Future<Output = io::Result<(I, Peer)>>,
    answer: impl Fn(Request<Incoming>) -> F,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
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

/// How many connections are served at a time: half of what the process may open, because the key file and all else need
/// descriptors too.
fn connections() -> usize {
    #[cfg(unix)]
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let descriptors: Option<u64> = None;
    descriptors.map_or(512, |descriptors| (descriptors / 2).clamp(1, 512) as usize)
}

/// Prints an error of a connection, ten a minute at most, because a client can cause any number of them.
fn report(error: &dyn Display) {
    static REPORTS: LazyLock<Lines> = LazyLock::new(|| Lines::to(io::stderr()));
    static LIMIT: Limit = Limit::a_minute(10);
    REPORTS.push(Some(&LIMIT), &error.to_string());
}
