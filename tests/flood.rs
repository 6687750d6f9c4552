//! Floods servers with a million different wrong keys. A server serves the right key meanwhile. Its memory does not grow, and
//! the log gets ten events a minute.
//!
//! `.ci/run flood` (on Linux, because the test reads the memory of a process in /proc)
//!
//! Servers with their own log are left out, because such a log has lines about each request.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use base64ct::{Base64, Encoding as _};
use metrics_guard_tests::{
    KEY, numbered_key,
    process::Process,
    servers::Server,
    wire::{exchange, with_bearer},
};

/// Requests after which a server has created all its threads, buffers and series.
const WARM_UP: u32 = 48_000;
/// The wrong keys for each server. Four servers get a million.
const FLOOD: u32 = 256_000;

const CONNECTIONS: u32 = 16;
/// The requests in one write. A server that delays small segments waits for an acknowledgement after each write.
const BATCH: u32 = 100;

/// The allowed growth of the memory, in KiB: four bytes for each request of the flood.
const GROWTH: u64 = 1024;

/// The allowed size of the log, in bytes: the lines of the start, and each event.
const AT_START: u64 = 2048;
const EVENT: u64 = 256;

#[test]
#[ignore = "floods for two minutes: .ci/run flood"]
fn rejects_a_million_wrong_keys_without_growing_memory_or_log() {
    for server in Server::ALL.iter().filter(|server| !server.has_own_log()) {
        println!("{server:?}");
        flood_server(*server);
    }
}

fn flood_server(server: Server) {
    let start = Instant::now();
    let environment = [("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_QUERY", "key")];
    let running = server.start(&environment).unwrap();

    flood(running.address, 0..WARM_UP);
    let before = resident(&running.process);
    let answered = flood(running.address, WARM_UP..WARM_UP + FLOOD);
    let after = resident(&running.process);
    assert!(answered >= 10, "too few responses to the right key: {answered}");
    assert!(after < before + GROWTH, "the memory grows from {before} KiB to {after} KiB");

    let metrics = exchange(running.address, &with_bearer("/metrics", KEY)).unwrap().body;
    let series = r#"metrics_guard_checks_total{guard="metrics",outcome="wrong",key=""} "#;
    let rejected = metrics.lines().find_map(|line| line.strip_prefix(series)?.parse().ok());
    assert_eq!(rejected, Some(WARM_UP + FLOOD), "wrong keys in the guard's counter");
    let log = running.process.output();
    let most = 10 * (start.elapsed().as_secs() / 60 + 1);
    let events = log.lines().filter(|line| line.contains("request rejected")).count() as u64;
    assert!((1..=most).contains(&events), "{events} events; 1 to {most} are expected");
    assert!((log.len() as u64) < AT_START + most * EVENT, "the log grows:\n{log}");
}

/// Returns the resident memory of a process, in KiB.
fn resident(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok()).unwrap()
}

/// Presents these wrong keys over several connections, and the right key over others. Returns the number of right keys.
fn flood(server: SocketAddr, numbers: Range<u32>) -> u32 {
    let share = (numbers.end - numbers.start) / CONNECTIONS;
    thread::scope(|scope| {
        let shares = (0..CONNECTIONS).map(|index| numbers.start + index * share);
        let floods: Vec<_> = shares
            .map(|first| {
                scope.spawn(move || (first..first + share).step_by(BATCH as usize).for_each(|at| present(server, at)))
            })
            .collect();
        let mut answered = 0;
        while !floods.iter().all(thread::ScopedJoinHandle::is_finished) {
            assert_eq!(exchange(server, &with_bearer("/metrics", KEY)).unwrap().status, 200);
            answered += 1;
            thread::sleep(Duration::from_millis(100));
        }
        answered
    })
}

/// Presents a batch of wrong keys over one connection, in each of the four ways.
fn present(server: SocketAddr, first: u32) {
    let request = |number| {
        let key = numbered_key(number);
        let close = if number + 1 == first + BATCH { "Connection: close\r\n" } else { "" };
        let (query, line) = match number % 4 {
            0 => (String::new(), format!("X-Metrics-Key: {key}")),
            1 => (String::new(), format!("Authorization: Bearer {key}")),
            2 => (
                String::new(),
                format!("Authorization: Basic {}", Base64::encode_string(format!("u:{key}").as_bytes())),
            ),
            _ => (format!("?key={key}"), "Accept: */*".to_owned()),
        };
        format!("GET /metrics{query} HTTP/1.1\r\nHost: localhost\r\n{close}{line}\r\n\r\n")
    };
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all((first..first + BATCH).map(request).collect::<String>().as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 401 ").count(), BATCH as usize, "{answers}");
}
