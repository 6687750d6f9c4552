//! A flood: a million wrong keys, each another, against each server as it is deployed. All of them are refused, right keys
//! are answered all along, the memory stays what it was, and the log gets its ten events a minute.
//!
//! `.ci/run flood` (on Linux, which tells a process's memory)
//!
//! Rocket's own log is off: at any other level it has two lines for each request that a request guard refuses, be that
//! guard whose it may. So what is counted is what the library writes, and the example.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions
#![allow(missing_docs)] // a program

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use base64ct::{Base64, Encoding};
use libtest_mimic::{Arguments, Failed, Trial};
use metrics_guard_tests::{
    numbered_key,
    process::Process,
    server::{Profile, Server},
    wire::{exchange, read_one, with_bearer},
};

/// Enough for all that a server sets up as it goes: threads, buffers, the series of its counters.
const WARM_UP: u32 = 50_000;
const FLOOD: u32 = 1_000_000;

// Several, and long batches: a server that does not send small segments at once waits for the client's word after each.
const CONNECTIONS: u32 = 16;
const BATCH: u32 = 500;

/// What the memory may grow by, in KiB: two bytes for each request of the flood.
const GROWTH: u64 = 2048;

/// What may be in the log, in bytes: what the example says at its start, and the events.
const AT_START: u64 = 2048;
const EVENT: u64 = 256;
const EVENTS_A_MINUTE: u64 = 10;

const PATIENCE: Duration = Duration::from_secs(300);

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = Server::ALL.map(|server| {
        let trial = Trial::test(server.name(), move || run(server));
        trial.with_ignored_flag(true).with_kind("builds and floods for minutes: .ci/run flood")
    });
    libtest_mimic::run(&arguments, trials.into()).exit();
}

fn run(server: Server) -> Result<(), Failed> {
    let program = server.build(Profile::Release)?;
    let start = Instant::now();
    let environment = [("ROCKET_LOG_LEVEL", "off"), ("METRICS_VERIFICATION_QUERY", "key")];
    let (running, key) = server.start_without_a_key(&program, &environment)?;
    let subject = Subject { address: running.address, key };

    subject.flood(0..WARM_UP)?;
    let before = resident(&running.process)?;
    let begin = Instant::now();
    let answered = subject.flood(WARM_UP..WARM_UP + FLOOD)?;
    let took = begin.elapsed().as_secs();
    let after = resident(&running.process)?;

    let log = running.process.output();
    let events = log.lines().filter(|line| line.contains("metrics denied")).count() as u64;
    println!(
        "{}: {FLOOD} refused in {took} s, {answered} right keys answered meanwhile; \
         memory {before} KiB before, {after} KiB after; log {} bytes, {events} events",
        server.name(),
        log.len(),
    );

    let refused = subject.ask()?.lines().find_map(|line| {
        line.strip_prefix(r#"metrics_guard_checks_total{key="",outcome="wrong"} "#)?.parse::<u32>().ok()
    });
    assert_eq!(refused, Some(WARM_UP + FLOOD), "refusals of wrong keys, as the guard counts them");
    assert!(answered >= 10, "right keys were hardly answered");
    assert!(after < before + GROWTH, "the memory grows");
    let most = EVENTS_A_MINUTE * (start.elapsed().as_secs() / 60 + 1);
    assert!((1..=most).contains(&events), "{events} events, and not 1 to {most}");
    assert!((log.len() as u64) < AT_START + most * EVENT, "the log grows");
    Ok(())
}

/// The memory that a process holds, in KiB.
fn resident(process: &Process) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse().ok());
    size.ok_or_else(|| io::Error::other(status))
}

/// A server, and the key that it accepts.
struct Subject {
    address: SocketAddr,
    key: String,
}

impl Subject {
    /// Presents these wrong keys over several connections, and the right one over others meanwhile; how often that one.
    fn flood(&self, numbers: Range<u32>) -> Result<u32, Box<dyn Error + Send + Sync>> {
        let share = (numbers.end - numbers.start) / CONNECTIONS;
        thread::scope(|scope| {
            let shares = (0..CONNECTIONS).map(|index| numbers.start + index * share);
            let wrong: Vec<_> =
                shares.map(|first| scope.spawn(move || flood(self.address, first..first + share))).collect();
            let mut answered = 0;
            while !wrong.iter().all(thread::ScopedJoinHandle::is_finished) {
                self.ask()?;
                answered += 1;
                thread::sleep(Duration::from_millis(100));
            }
            wrong.into_iter().try_for_each(|connection| connection.join().unwrap())?;
            Ok(answered)
        })
    }

    /// The metrics, for the right key.
    fn ask(&self) -> io::Result<String> {
        let response = exchange(self.address, &with_bearer("/metrics", &self.key))?;
        if response.status == 200 { Ok(response.text()) } else { Err(io::Error::other(format!("{response:?}"))) }
    }
}

/// Presents these keys in batches, each over a connection of its own, and compares the answers with the first.
fn flood(server: SocketAddr, numbers: Range<u32>) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = connect(server)?;
    stream.write_all(wrong(numbers.start).as_bytes())?;
    let refusal = Refusal::from(read_one(&mut stream)?)?;
    for first in (numbers.start + 1..numbers.end).step_by(BATCH as usize) {
        let mut stream = connect(server)?; // because the examples close a connection after five seconds
        let batch = first..numbers.end.min(first + BATCH);
        let mut answers = vec![0; batch.len() * refusal.bytes.len()];
        stream.write_all(batch.map(wrong).collect::<String>().as_bytes())?;
        stream.read_exact(&mut answers)?;
        if let Some(other) = answers.chunks(refusal.bytes.len()).find(|answer| !refusal.is_the_same_as(answer)) {
            return Err(io::Error::other(format!("not that refusal: {:?}", String::from_utf8_lossy(other))));
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

/// A request that presents the wrong key of this number, in one of the ways that there are.
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

/// A refusal as it is sent, and where in it the date stands, which is all that may differ in another.
struct Refusal {
    bytes: Vec<u8>,
    date: Range<usize>,
}

impl Refusal {
    fn from(bytes: Vec<u8>) -> io::Result<Refusal> {
        const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let name = b"\r\ndate: ";
        let date = bytes.windows(name.len()).position(|window| window == name).map(|at| at + name.len());
        match date {
            Some(date) if bytes.starts_with(b"HTTP/1.1 401 ") => Ok(Refusal { bytes, date: date..date + DATE.len() }),
            _ => Err(io::Error::other(format!("not a refusal: {:?}", String::from_utf8_lossy(&bytes)))),
        }
    }

    fn is_the_same_as(&self, answer: &[u8]) -> bool {
        let Range { start, end } = self.date;
        answer[..start] == self.bytes[..start] && answer[end..] == self.bytes[end..]
    }
}
