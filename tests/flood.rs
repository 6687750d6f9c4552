//! Floods a server with a million different wrong keys. The server rejects all of them and serves the right key meanwhile. Its
//! memory does not grow, and the log gets ten events a minute.
//!
//! `.ci/run flood` (on Linux, because the test reads the memory of a process in /proc)
//!
//! One server is enough, because all adapters use the same guard, and the catalogue compares the responses of the servers.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use base64ct::{Base64, Encoding};
use metrics_guard_tests::{
    KEY, numbered_key,
    process::Process,
    servers::Server,
    wire::{exchange, read_one, with_bearer},
};

/// Requests after which a server has created all its threads, buffers and series.
const WARM_UP: u32 = 50_000;
const FLOOD: u32 = 1_000_000;

// Several connections and long batches, because a server that delays small segments waits for an acknowledgement after each.
const CONNECTIONS: u32 = 16;
const BATCH: u32 = 100;

/// The allowed growth of the memory, in KiB: two bytes for each request of the flood.
const GROWTH: u64 = 2048;

/// The allowed size of the log, in bytes: the lines of the start, and the events.
const AT_START: u64 = 2048;
const EVENT: u64 = 256;
const EVENTS_A_MINUTE: u64 = 10;

const PATIENCE: Duration = Duration::from_secs(300);

#[test]
#[ignore = "floods for a minute: .ci/run flood"]
fn rejects_a_million_wrong_keys_without_growing_memory_or_log() {
    let start = Instant::now();
    let environment = [("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_QUERY", "key")];
    let running = Server::named("axum").unwrap().start(&environment).unwrap();
    let address = running.address;

    present(address, 0..WARM_UP).unwrap();
    let before = resident(&running.process).unwrap();
    let begin = Instant::now();
    let answered = present(address, WARM_UP..WARM_UP + FLOOD).unwrap();
    let took = begin.elapsed().as_secs();
    let after = resident(&running.process).unwrap();

    let log = running.process.output();
    let events = log.lines().filter(|line| line.contains("request rejected")).count() as u64;
    println!(
        "{FLOOD} rejected in {took} s, {answered} right keys answered meanwhile; \
         memory {before} KiB before, {after} KiB after; log {} bytes, {events} events",
        log.len(),
    );

    let series = r#"metrics_guard_checks_total{guard="metrics",outcome="wrong",key=""} "#;
    let metrics = ask(address).unwrap();
    let rejected = metrics.lines().find_map(|line| line.strip_prefix(series)?.parse().ok());
    assert_eq!(rejected, Some(WARM_UP + FLOOD), "wrong keys in the guard's counter");
    assert!(answered >= 10, "too few responses to the right key");
    assert!(after < before + GROWTH, "the memory grows");
    let most = EVENTS_A_MINUTE * (start.elapsed().as_secs() / 60 + 1);
    assert!((1..=most).contains(&events), "{events} events; 1 to {most} are expected");
    assert!((log.len() as u64) < AT_START + most * EVENT, "the log grows");
}

/// Returns the resident memory of a process, in KiB.
fn resident(process: &Process) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
    size.ok_or_else(|| io::Error::other(status))
}

/// Presents these wrong keys over several connections, and the right key over others. Returns the number of right keys.
fn present(server: SocketAddr, numbers: Range<u32>) -> io::Result<u32> {
    let share = (numbers.end - numbers.start) / CONNECTIONS;
    thread::scope(|scope| {
        let shares = (0..CONNECTIONS).map(|index| numbers.start + index * share);
        let wrong: Vec<_> = shares.map(|first| scope.spawn(move || flood(server, first..first + share))).collect();
        let mut answered = 0;
        while !wrong.iter().all(thread::ScopedJoinHandle::is_finished) {
            ask(server)?;
            answered += 1;
            thread::sleep(Duration::from_millis(100));
        }
        wrong.into_iter().try_for_each(|connection| connection.join().unwrap())?;
        Ok(answered)
    })
}

/// Returns the metrics, with the right key.
fn ask(server: SocketAddr) -> io::Result<String> {
    let response = exchange(server, &with_bearer("/metrics", KEY))?;
    if response.status == 200 { Ok(response.text()) } else { Err(io::Error::other(format!("{response:?}"))) }
}

/// Presents these keys in batches with one connection each, and compares the responses with the first.
fn flood(server: SocketAddr, numbers: Range<u32>) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = connect(server)?;
    stream.write_all(wrong(numbers.start).as_bytes())?;
    let rejection = Rejection::from(read_one(&mut stream)?)?;
    for first in (numbers.start + 1..numbers.end).step_by(BATCH as usize) {
        let mut stream = connect(server)?; // because the server closes a connection after two seconds
        let batch = first..numbers.end.min(first + BATCH);
        let mut answers = vec![0; batch.len() * rejection.bytes.len()];
        stream.write_all(batch.map(wrong).collect::<String>().as_bytes())?;
        stream.read_exact(&mut answers)?;
        if let Some(other) = answers.chunks(rejection.bytes.len()).find(|answer| !rejection.is_the_same_as(answer)) {
            return Err(io::Error::other(format!("not the same rejection: {:?}", String::from_utf8_lossy(other))));
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// Returns a request that presents the wrong key of this number, in one of the four ways.
fn wrong(number: u32) -> String {
    let key = numbered_key(number);
    let (query, line) = match number % 4 {
        0 => (String::new(), format!("X-Metrics-Key: {key}")),
        1 => (String::new(), format!("Authorization: Bearer {key}")),
        2 => (String::new(), format!("Authorization: Basic {}", Base64::encode_string(format!("u:{key}").as_bytes()))),
        _ => (format!("?key={key}"), "Accept: */*".to_owned()),
    };
    format!("GET /metrics{query} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n")
}

/// The bytes of a rejection, and the position of the date in it. Other rejections may only have another date.
struct Rejection {
    bytes: Vec<u8>,
    date: Range<usize>,
}

impl Rejection {
    fn from(bytes: Vec<u8>) -> io::Result<Rejection> {
        const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let name = b"\r\ndate: ";
        let date = bytes.windows(name.len()).position(|window| window == name).map(|at| at + name.len());
        match date {
            Some(date) if bytes.starts_with(b"HTTP/1.1 401 ") => Ok(Rejection { bytes, date: date..date + DATE.len() }),
            _ => Err(io::Error::other(format!("not a rejection: {:?}", String::from_utf8_lossy(&bytes)))),
        }
    }

    fn is_the_same_as(&self, answer: &[u8]) -> bool {
        let Range { start, end } = self.date;
        answer[..start] == self.bytes[..start] && answer[end..] == self.bytes[end..]
    }
}
