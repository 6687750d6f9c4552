//! Servers that remember what they are asked, in this process: Rocket, Warp, axum and hyper, in clear and behind TLS, each
//! with one handler at a guarded path and at an open one; and one of bytes alone, to see what a scraper sends to anybody.

use std::{
    convert::Infallible,
    future::{Future, ready},
    io::{Cursor, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request as AxumRequest, State},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use http::{
    Request, Response, Version,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{
    body::{Body, Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use metrics_guard_core::{Guard, Key, guard_metrics};
use metrics_guard_rocket::MetricsGuard as RocketGuard;
use metrics_guard_tests::{
    KEY,
    certificates::{Authority, Validity},
};
use metrics_guard_tower::MetricsGuardLayer;
use metrics_guard_warp::MetricsGuard as WarpGuard;
use rocket::{
    async_trait,
    config::{LogLevel, Shutdown},
    fairing::AdHoc,
    figment::Figment,
    request::{FromRequest, Outcome},
    response::{self, Responder},
    routes,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;
use warp::{Filter, Rejection, Reply, filters::path::FullPath};

/// Where the guard is.
pub(super) const GUARDED: &str = "/metrics";

/// Where it is not.
pub(super) const OPEN: &str = "/open";

/// The name of the server that has neither a framework nor a guard.
pub(super) const PLAIN: &str = "plain";

/// A request, as a handler saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// Rocket does not tell its handlers.
    pub(super) version: Option<Version>,
    /// The field lines, as far as a framework keeps what they were: hyper, which is under all of them, gives names in lower
    /// case, and puts lines of one name together.
    pub(super) lines: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn field(&self, name: &str) -> &str {
        let line = self.lines.iter().find(|(line, _)| line.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// HTTP/1.1 must have that line; in HTTP/2, what it would say is in `:authority`.
    pub(super) fn has_host(&self) -> bool {
        self.lines.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"))
    }

    /// The field lines without those of `name`, in an order and a case that do not depend on the server.
    pub(super) fn lines_but(&self, name: &str) -> Vec<(String, String)> {
        let lines = self.lines.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let mut lines: Vec<_> = lines.filter(|(line, _)| line != name).collect();
        lines.sort();
        lines
    }

    fn of<B>(request: &Request<B>) -> Seen {
        Seen {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            version: Some(request.version()),
            lines: lines(request.headers()),
        }
    }
}

fn lines(fields: &http::HeaderMap) -> Vec<(String, String)> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    fields.iter().map(line).collect()
}

/// The forms in which metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    OpenMetrics,
    Protobuf,
}

impl Form {
    /// Its name, which its one sample tells.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Form::Text => "text",
            Form::OpenMetrics => "openmetrics",
            Form::Protobuf => "protobuf",
        }
    }

    /// The one that `accept` names first: scrapers write first what they want most.
    pub(super) fn wanted(accept: &str) -> Form {
        match accept.split([';', ',']).next() {
            Some("application/vnd.google.protobuf") => Form::Protobuf,
            Some("application/openmetrics-text") => Form::OpenMetrics,
            _ => Form::Text,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Form::Text => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// The gauge `representation`, with this form and `encoding` as labels.
    fn write(self, encoding: &str) -> Vec<u8> {
        let form = self.name();
        let text = format!("# TYPE representation gauge\nrepresentation{{of=\"{form}\",encoding=\"{encoding}\"}} 1\n");
        match self {
            Form::Text => text.into_bytes(),
            Form::OpenMetrics => format!("{text}# EOF\n").into_bytes(),
            Form::Protobuf => {
                // io.prometheus.client, metrics.proto: MetricFamily { name: 1, type: 3, metric: 4 }, Metric { label: 1,
                // gauge: 2 }, LabelPair { name: 1, value: 2 }, Gauge { value: 1 }.
                let label = |name: &str, value: &str| field(1, [field(1, name), field(2, value)].concat());
                let mut value = vec![1 << 3 | 1]; // a double
                value.extend(1_f64.to_le_bytes());
                let metric = [label("of", form), label("encoding", encoding), field(2, &value)].concat();
                let gauge = vec![3 << 3, 1]; // a number
                let family = [field(1, "representation"), gauge, field(4, &metric)].concat();
                [vec![length(&family)], family].concat()
            }
        }
    }
}

/// A field of protobuf that has a length: a string, or a message.
fn field(number: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [&[number << 3 | 2, length(value)], value].concat()
}

fn length(bytes: &[u8]) -> u8 {
    let length = u8::try_from(bytes.len()).unwrap();
    assert!(length < 0x80, "the length takes a second byte");
    length
}

/// What the handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) content_type: &'static str,
    pub(super) encoding: Option<&'static str>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// What is wanted by who sends `accept` and `accept_encoding`.
    pub(super) fn to(accept: &str, accept_encoding: &str) -> Answer {
        let form = Form::wanted(accept);
        let content_type = form.content_type();
        if accept_encoding.split(',').any(|coding| coding.trim() == "gzip") {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(&form.write("gzip")).unwrap();
            Answer { content_type, encoding: Some("gzip"), body: gzip.finish().unwrap() }
        } else {
            Answer { content_type, encoding: None, body: form.write("identity") }
        }
    }

    fn into_response<B: From<Vec<u8>>>(self) -> Response<B> {
        let mut response = Response::builder().header(CONTENT_TYPE, self.content_type);
        if let Some(encoding) = self.encoding {
            response = response.header(CONTENT_ENCODING, encoding);
        }
        response.body(self.body.into()).unwrap()
    }

    fn into_bytes(self) -> Vec<u8> {
        let encoding = self.encoding.map(|encoding| format!("Content-Encoding: {encoding}\r\n")).unwrap_or_default();
        let (content_type, length) = (self.content_type, self.body.len());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{encoding}Content-Length: {length}\r\n\
            Connection: close\r\n\r\n"
        );
        [head.into_bytes(), self.body].concat()
    }
}

/// The handler: the same on each server, and at both paths.
#[derive(Clone)]
struct Handler {
    guard: Guard,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Handler {
    fn new() -> Handler {
        // With a parameter to look for, it also reads queries, and in Rocket rewrites those with the key.
        let guard = Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().build();
        Handler { guard, seen: Arc::default() }
    }

    fn answer(&self, seen: Seen) -> Answer {
        let answer = Answer::to(seen.field("accept"), seen.field("accept-encoding"));
        self.seen.lock().unwrap().push(seen);
        answer
    }
}

/// A server that is up.
pub(super) struct Listening {
    pub(super) name: &'static str,
    pub(super) has_tls: bool,
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Listening {
    /// What its handler has seen at this path, with this query.
    pub(super) fn seen(&self, path: &str, query: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.path == path && seen.query == query).cloned().collect()
    }

    /// What it has seen in all.
    pub(super) fn all_seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Servers, which end with this value.
pub(super) struct Servers {
    runtime: Option<Runtime>,
    pub(super) listening: Vec<Listening>,
}

impl Servers {
    /// Rocket, Warp, axum and hyper, in clear and with a certificate of `authority`; and a plain one.
    pub(super) fn start(folder: &Path, authority: &Authority) -> Servers {
        let mut servers = Servers { runtime: Some(Runtime::new().unwrap()), listening: Vec::new() };
        let identity = authority.issue(folder, "server", &["localhost"], Validity::Current).unwrap();
        let files = [&identity.certificate, &identity.key].map(|path| path.to_str().unwrap());
        for tls in [None, Some(files)] {
            servers.start_rocket(tls);
            servers.start_warp(tls);
            servers.start_axum(tls);
            servers.start_hyper(tls);
        }
        let handler = Handler::new();
        let seen = Arc::clone(&handler.seen);
        servers.start_plain(PLAIN, seen, move |seen| handler.answer(seen).into_bytes());
        servers
    }

    /// One that answers with the bytes that `answer` makes.
    pub(super) fn of_bytes(answer: impl Fn(Seen) -> Vec<u8> + Clone + Send + 'static) -> Servers {
        let mut servers = Servers { runtime: Some(Runtime::new().unwrap()), listening: Vec::new() };
        servers.start_plain(PLAIN, Arc::default(), answer);
        servers
    }

    /// The one with that name.
    pub(super) fn plain(&self) -> &Listening {
        self.listening.iter().find(|server| server.name == PLAIN).unwrap()
    }

    fn start_plain(
        &mut self,
        name: &'static str,
        seen: Arc<Mutex<Vec<Seen>>>,
        answer: impl Fn(Seen) -> Vec<u8> + Clone + Send + 'static,
    ) {
        let listener = self.listen(name, false, seen);
        self.runtime().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = answer.clone();
                tokio::spawn(async move { converse(stream, answer).await });
            }
        });
    }

    fn start_hyper(&mut self, tls: Option<[&str; 2]>) {
        let handler = Handler::new();
        let listener = self.listen("hyper", tls.is_some(), Arc::clone(&handler.seen));
        self.runtime().spawn(serve(listener, tls.map(acceptor), move |request: Request<Incoming>| {
            let response = match request.uri().path() {
                GUARDED => in_hyper(&handler.guard, &handler, &request),
                _ => handler.answer(Seen::of(&request)).into_response(),
            };
            ready(Ok::<Response<Full<Bytes>>, Infallible>(response))
        }));
    }

    fn start_warp(&mut self, tls: Option<[&str; 2]>) {
        let handler = Handler::new();
        let listener = self.listen("warp", tls.is_some(), Arc::clone(&handler.seen));
        let warp = warp::service(in_warp(handler));
        self.runtime().spawn(serve(listener, tls.map(acceptor), move |mut request: Request<Incoming>| {
            // Warp has no filter for it.
            let version = request.version();
            request.extensions_mut().insert(version);
            warp.clone().call(request)
        }));
    }

    fn start_axum(&mut self, tls: Option<[&str; 2]>) {
        let handler = Handler::new();
        let listener = self.listen("axum", tls.is_some(), Arc::clone(&handler.seen));
        let axum = in_axum(handler);
        self.runtime().spawn(serve(listener, tls.map(acceptor), move |request: Request<Incoming>| {
            axum.clone().call(request) // always ready
        }));
    }

    fn start_rocket(&mut self, tls: Option<[&str; 2]>) {
        let handler = Handler::new();
        let seen = Arc::clone(&handler.seen);
        let (up, is_up) = mpsc::channel();
        let config = rocket::Config {
            port: 0,
            log_level: LogLevel::Off,
            // Who interrupts the tests means them.
            shutdown: Shutdown { ctrlc: false, signals: [].into(), ..Shutdown::default() },
            ..rocket::Config::release_default()
        };
        // It offers HTTP/2 too, by its feature `http2`, which comes with `rocket_prometheus` here.
        let mut figment = Figment::from(config);
        if let Some([certificate, key]) = tls {
            figment = figment.merge(("tls.certs", certificate)).merge(("tls.key", key));
        }
        let rocket = rocket::custom(figment)
            .attach(RocketGuard::with(handler.guard.clone()))
            .manage(handler)
            .mount("/", routes![in_rocket::guarded, in_rocket::open])
            .attach(AdHoc::on_liftoff("address", move |rocket| {
                up.send((rocket.config().address, rocket.config().port).into()).unwrap();
                Box::pin(ready(()))
            }));
        self.runtime().spawn(async { rocket.launch().await.map(drop).unwrap() });
        let address = is_up.recv_timeout(Duration::from_secs(30)).unwrap();
        self.listening.push(Listening { name: "rocket", has_tls: tls.is_some(), address, seen });
    }

    fn listen(&mut self, name: &'static str, has_tls: bool, seen: Arc<Mutex<Vec<Seen>>>) -> TcpListener {
        let listener = self.runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        self.listening.push(Listening { name, has_tls, address, seen });
        listener
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // without waiting for connections that scrapers keep
        }
    }
}

/// As the examples behind TLS have it, whose acceptor takes its files from the environment.
fn acceptor([certificate, key]: [&str; 2]) -> TlsAcceptor {
    let certificates = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Answers each request by `answer`, in HTTP/1.1 or HTTP/2.
async fn serve<A, F, B>(listener: TcpListener, tls: Option<TlsAcceptor>, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, answer) = (tls.clone(), service_fn(answer.clone()));
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            // A connection that breaks has no request that is missed: the tests wait for what is seen.
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => builder.serve_connection(TokioIo::new(stream), answer).await,
                    Err(_) => Ok(()),
                },
                None => builder.serve_connection(TokioIo::new(stream), answer).await,
            };
        });
    }
}

#[guard_metrics(guard = guard)]
fn in_hyper<B>(guard: &Guard, handler: &Handler, request: &Request<B>) -> Response<Full<Bytes>> {
    handler.answer(Seen::of(request)).into_response()
}

fn in_warp(handler: Handler) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    #[metrics_guard_warp::guard_metrics]
    #[allow(clippy::needless_pass_by_value)] // Warp hands it over
    fn guarded(handler: Handler, seen: Seen) -> Response<Vec<u8>> {
        handler.answer(seen).into_response()
    }
    let guard = WarpGuard::with(handler.guard.clone());
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let seen = warp::any()
        .map(move || handler.clone())
        .and(warp::method())
        .and(warp::path::full())
        .and(query)
        .and(warp::ext::get::<Version>())
        .and(warp::header::headers_cloned())
        .map(|handler, method: http::Method, path: FullPath, query, version, fields| {
            let (method, path) = (method.to_string(), path.as_str().to_owned());
            (handler, Seen { method, path, query, version: Some(version), lines: lines(&fields) })
        })
        .untuple_one();
    let open = warp::path!("open")
        .and(seen.clone())
        .map(|handler: Handler, seen| handler.answer(seen).into_response::<Vec<u8>>());
    guard.protect(warp::path!("metrics"), seen.map(guarded)).or(open)
}

/// By the layer: the attribute is in the example behind TLS.
fn in_axum(handler: Handler) -> Router {
    async fn answer(State(handler): State<Handler>, request: AxumRequest) -> axum::response::Response {
        handler.answer(Seen::of(&request)).into_response()
    }
    let layer = MetricsGuardLayer::new(handler.guard.clone());
    Router::new().route(GUARDED, get(answer).layer(layer)).route(OPEN, get(answer)).with_state(handler)
}

mod in_rocket {
    use rocket::State;

    use super::{Answer, Handler, Seen};

    #[metrics_guard_rocket::guard_metrics]
    #[rocket::get("/metrics")]
    pub(super) fn guarded(seen: Seen, handler: &State<Handler>) -> Answer {
        handler.answer(seen)
    }

    #[rocket::get("/open")]
    pub(super) fn open(seen: Seen, handler: &State<Handler>) -> Answer {
        handler.answer(seen)
    }
}

#[async_trait]
impl<'r> FromRequest<'r> for Seen {
    type Error = Infallible;

    async fn from_request(request: &'r rocket::Request<'_>) -> Outcome<Seen, Infallible> {
        Outcome::Success(Seen {
            method: request.method().to_string(),
            path: request.uri().path().to_string(),
            query: request.uri().query().map(|query| query.to_string()).unwrap_or_default(),
            version: None,
            lines: request.headers().iter().map(|line| (line.name.to_string(), line.value.into_owned())).collect(),
        })
    }
}

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, _: &'r rocket::Request<'_>) -> response::Result<'static> {
        let mut response = rocket::Response::build();
        response.raw_header("Content-Type", self.content_type);
        if let Some(encoding) = self.encoding {
            response.raw_header("Content-Encoding", encoding);
        }
        response.sized_body(self.body.len(), Cursor::new(self.body)).ok()
    }
}

/// Reads one request, and answers it by `answer`.
async fn converse(mut stream: TcpStream, answer: impl Fn(Seen) -> Vec<u8>) {
    let mut received = Vec::new();
    let head = loop {
        match stream.read_buf(&mut received).await {
            Ok(1..) if received.len() < 64 * 1024 => {}
            _ => return, // who goes away has not asked
        }
        if let Some(head) = received.strip_suffix(b"\r\n\r\n") {
            break String::from_utf8_lossy(head).into_owned();
        }
    };
    let mut lines = head.split("\r\n");
    let mut start = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let mut next = || start.next().unwrap_or_default();
    let (method, target, version) = (next(), next(), next());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let seen = Seen {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        version: Some(if version == "HTTP/1.1" { Version::HTTP_11 } else { Version::HTTP_10 }),
        lines: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    };
    let _ = stream.write_all(&answer(seen)).await;
}
