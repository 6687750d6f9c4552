//! Floods a server with a million different wrong keys. The server rejects all of them and serves the right key meanwhile. Its
//! memory does not grow, and the log gets ten events a minute.
//!
//! `.ci/run flood` (on Linux, because the test reads the memory of a process in /proc)
//!
//! One server is enough, because all adapters use the same guard, and the catalogue compares the responses of the servers.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use base64ct::{Base64, Encoding};
use metrics_guard_tests::{
    KEY, numbered_key,
    servers::{Running, Server},
    wire::{exchange, with_bearer},
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

#[test]
#[ignore = "floods for a minute: .ci/run flood"]
fn rejects_a_million_wrong_keys_without_growing_memory_or_log() {
    let start = Instant::now();
    let environment = [("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_QUERY", "key")];
    let running = Server::named("axum").unwrap().start(&environment).unwrap();

    present(running.address, 0..WARM_UP);
    let before = resident(&running);
    let answered = present(running.address, WARM_UP..WARM_UP + FLOOD);
    let after = resident(&running);

    let series = r#"metrics_guard_checks_total{guard="metrics",outcome="wrong",key=""} "#;
    let metrics = ask(running.address);
    let rejected = metrics.lines().find_map(|line| line.strip_prefix(series)?.parse().ok());
    assert_eq!(rejected, Some(WARM_UP + FLOOD), "wrong keys in the guard's counter");
    assert!(answered >= 10, "too few responses to the right key");
    assert!(after < before + GROWTH, "the memory grows from {before} KiB to {after} KiB");
    let log = running.process.output();
    let events = log.lines().filter(|line| line.contains("metrics denied")).count() as u64;
    let most = EVENTS_A_MINUTE * (start.elapsed().as_secs() / 60 + 1);
    assert!((1..=most).contains(&events), "{events} events; 1 to {most} are expected");
    assert!((log.len() as u64) < AT_START + most * EVENT, "the log grows to {} bytes", log.len());
}

/// Returns the resident memory of a server, in KiB.
fn resident(server: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let (_, size) = status.split_once("VmRSS:").unwrap();
    size.split_whitespace().next().unwrap().parse().unwrap()
}

/// Presents these wrong keys over several connections, and the right key over others. Returns the number of right keys.
fn present(server: SocketAddr, numbers: Range<u32>) -> u32 {
    let share = (numbers.end - numbers.start) / CONNECTIONS;
    thread::scope(|scope| {
        let shares = (0..CONNECTIONS).map(|index| numbers.start + index * share);
        let wrong: Vec<_> = shares.map(|first| scope.spawn(move || flood(server, first..first + share))).collect();
        let mut answered = 0;
        while !wrong.iter().all(thread::ScopedJoinHandle::is_finished) {
            ask(server);
            answered += 1;
            thread::sleep(Duration::from_millis(100));
        }
        answered
    })
}

/// Returns the metrics, with the right key.
fn ask(server: SocketAddr) -> String {
    let response = exchange(server, &with_bearer("/metrics", KEY)).unwrap();
    assert_eq!(response.status, 200);
    response.text()
}

/// Presents these keys over one connection, in batches. A rejection of axum has no body, so it ends with an empty line.
fn flood(server: SocketAddr, numbers: Range<u32>) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    for first in numbers.clone().step_by(BATCH as usize) {
        let batch = first..numbers.end.min(first + BATCH);
        stream.write_all(batch.clone().map(wrong).collect::<String>().as_bytes()).unwrap();
        for _ in batch {
            assert_eq!(lines.next().unwrap(), "HTTP/1.1 401 Unauthorized");
            lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        }
    }
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
