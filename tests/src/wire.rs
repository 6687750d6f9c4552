//! A client that sends the bytes of an HTTP/1.1 request unchanged, even if they are malformed. It sends the same requests in
//! HTTP/2, if that can express them.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

/// A response as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// The header lines in their order, with names in lower case.
    pub fields: Vec<(String, String)>,
    /// What comes after the head, as text.
    pub body: String,
}

impl Response {
    /// Returns the value of the first header line with this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// Returns a request from its parts. The server closes the connection after it.
pub fn request(method: &str, target: &str, lines: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").into_bytes();
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Returns a request for `path` that presents `key` as a bearer token.
pub fn with_bearer(path: &str, key: &str) -> Vec<u8> {
    request("GET", path, &[format!("Authorization: Bearer {key}").as_bytes()])
}

/// Requests `path` in HTTP/1.0, because in HTTP/1.1 a scraper would send a long response in chunks.
pub fn get(server: SocketAddr, path: &str) -> io::Result<Response> {
    exchange(server, format!("GET {path} HTTP/1.0\r\nHost: scraper\r\n\r\n").as_bytes())
}

/// The time within which a server must respond.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `request` and reads until the server closes the connection.
pub fn exchange(server: SocketAddr, request: &[u8]) -> io::Result<Response> {
    converse(connect(server)?, request)
}

pub(crate) fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

pub(crate) fn converse(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Response> {
    // A server that rejects a request half-way stops reading. Then its response counts, not the error of the write.
    let sent = stream.write_all(request);
    let mut received = Vec::new();
    let read = stream.read_to_end(&mut received);
    if received.is_empty() {
        sent?;
        read?;
    }
    parse(&received)
}

/// Sends `request`, which is written as for [`exchange`], over HTTP/2 without TLS. Returns none if HTTP/2 cannot express it.
///
/// White space around a value is sent unchanged, except one space after the colon, which HTTP/1.1 does not count as part of the
/// value.
pub fn exchange_h2(server: SocketAddr, request: &[u8]) -> Option<io::Result<Response>> {
    let request = to_h2(request)?;
    Some(run(async { converse_h2(tokio::net::TcpStream::connect(server).await?, request).await }))
}

/// Runs a conversation, for at most ten seconds.
pub(crate) fn run<T>(conversation: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(PATIENCE, conversation).await? })
}

/// The limit of a head. Servers accept header lists of 16 KiB by default.
const MAX_H2_HEAD: usize = 12 * 1024;

/// Returns a request of HTTP/2, or none if HTTP/2 cannot express it.
pub fn to_h2(request: &[u8]) -> Option<http::Request<Full<Bytes>>> {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").filter(|end| *end < MAX_H2_HEAD)?;
    let (head, body) = (&request[..end], Full::from(request[end + 4..].to_vec()));
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let start = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = start.strip_suffix(" HTTP/1.1")?.split_once(' ')?;
    let path = target.strip_prefix("http://localhost").unwrap_or(target);
    let mut request = http::Request::builder().method(method).uri(format!("http://localhost{path}")).body(body).ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = http::HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = &line[colon + 1..];
        let value = http::HeaderValue::from_bytes(value.strip_prefix(b" ").unwrap_or(value)).ok()?;
        if name != http::header::HOST && name != http::header::CONNECTION && name != http::header::CONTENT_LENGTH {
            request.headers_mut().append(name, value);
        }
    }
    Some(request)
}

/// Sends `request` over an open connection.
pub(crate) async fn converse_h2<S>(stream: S, request: http::Request<Full<Bytes>>) -> io::Result<Response>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let opened = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut client, connection) = opened.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let (head, body) = client.send_request(request).await.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let fields = head.headers.iter().map(|(name, value)| field(name.as_str(), value.as_bytes()));
    Ok(Response { status: head.status.as_u16(), fields: fields.collect(), body: text(&body) })
}

fn parse(bytes: &[u8]) -> io::Result<Response> {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut lines);
    match head.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => Ok(Response {
            status: head.code.unwrap(),
            fields: head.headers.iter().map(|line| field(line.name, line.value)).collect(),
            body: text(&bytes[len..]),
        }),
        _ => Err(io::Error::other(format!("not a response: {:?}", text(bytes)))),
    }
}

fn field(name: &str, value: &[u8]) -> (String, String) {
    (name.to_ascii_lowercase(), text(value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
