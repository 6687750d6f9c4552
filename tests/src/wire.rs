//! HTTP/1.1 as bytes: what is sent is what was written, well-formed or not.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A response as it was received.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The field lines in their order, the names in lower case.
    pub fields: Vec<(String, String)>,
    /// All after the head.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first field line with this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?}", self.status, self.fields, self.text())
    }
}

/// A request from its parts, on a connection that the server closes after it.
#[must_use]
pub fn request(method: &str, target: &str, lines: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n").into_bytes();
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Sends `request` and reads until the server closes the connection.
///
/// # Errors
///
/// If the server cannot be reached, does not answer within ten seconds, or answers with something else than HTTP.
pub fn exchange(server: SocketAddr, request: &[u8]) -> io::Result<Response> {
    let timeout = Some(Duration::from_secs(10));
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(timeout)?;
    stream.set_write_timeout(timeout)?;
    // A server that refuses a request half-way stops reading: its answer counts, not our error.
    let sent = stream.write_all(request);
    let mut received = Vec::new();
    let read = stream.read_to_end(&mut received);
    if received.is_empty() {
        sent?;
        read?;
    }
    parse(&received)
}

fn parse(bytes: &[u8]) -> io::Result<Response> {
    let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut lines);
    match head.parse(bytes).map_err(|error| invalid(error.to_string()))? {
        httparse::Status::Complete(len) => Ok(Response {
            status: head.code.unwrap_or_default(),
            fields: (head.headers.iter())
                .map(|line| (line.name.to_ascii_lowercase(), String::from_utf8_lossy(line.value).into_owned()))
                .collect(),
            body: bytes[len..].to_vec(),
        }),
        httparse::Status::Partial => Err(invalid(format!("half a response: {:?}", String::from_utf8_lossy(bytes)))),
    }
}
