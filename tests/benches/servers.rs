//! Measures the CPU time that a guard costs a server. Each framework serves one page under wrk, guarded and unguarded.
//!
//! `cargo bench -p metrics-guard-tests --bench servers` (on Linux, with wrk; five minutes), or only one with `-- axum`
//!
//! In each round, three new processes serve in turns: an unguarded server, the guarded server, and another unguarded server.
//! The difference between the two unguarded ones is the control. A difference that is not greater is noise, for example of the
//! memory layout. Pages and requests are the same. All requests present the key, which unguarded servers ignore. Servers have
//! one thread, so that no thread waits for another, and no CPU time is lost when a thread ends. The core has its features
//! `metrics` and `tracing`, without a recorder or subscriber.

#![allow(missing_docs)] // a program

use std::{env, fmt, fs, io, process::Command};

use metrics_guard_tests::{
    KEY,
    servers::{Failure, PAGE, Running, Server},
    wire::{exchange, request},
};

const ROUNDS: usize = 20;
const CONNECTIONS: &str = "8";
const SECONDS: &str = "1";

/// The number of requests to a new process before the measurement.
const WARM_UP: usize = 200;

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--bench"] => compare(Server::ALL),
        [name, "--bench"] => compare(&[Server::named(name)?]),
        _ => Ok(()), // a test run, for which this takes too long
    }
}

/// The CPU time of a server's requests, as multiples of an unguarded server's, from all rounds.
#[derive(Default)]
struct Ratios {
    guarded: Vec<f64>,
    unguarded: Vec<f64>,
}

fn compare(servers: &[Server]) -> Result<(), Failure> {
    Command::new("wrk").arg("-v").output().map_err(|error| format!("wrk (`apt-get install wrk`): {error}"))?;
    let mut ratios: Vec<_> = servers.iter().map(|server| (*server, Ratios::default())).collect();
    for round in 0..ROUNDS {
        for (server, ratios) in &mut ratios {
            let [open, closed, other] = [false, true, false].map(|is_guarded| start(*server, is_guarded));
            let subjects = [open?, closed?, other?];
            let mut costs = [0.0; 3];
            for index in ORDERS[round % ORDERS.len()] {
                costs[index] = cost(&subjects[index])?;
            }
            let [unguarded, guarded, again] = costs;
            ratios.guarded.push(guarded / unguarded);
            ratios.unguarded.push(again / unguarded);
        }
    }
    println!("CPU time of a request, as a multiple of the unguarded server's: median (its 95 % interval)\n");
    println!("| server | guarded | at most | unguarded, another process |\n|---|---|---|---|");
    for (server, ratios) in ratios {
        let (guarded, control, most) = (Median::of(ratios.guarded), Median::of(ratios.unguarded), server.cost_limit());
        // Only an interval above the limit proves that the limit is missed.
        let missed = if guarded.low > most { " MISSED" } else { "" };
        println!("| {} | {guarded} | {most}{missed} | {control} |", server.name());
    }
    Ok(())
}

/// All orders, so that each process has each place, before and after each other process.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]];

/// The median and its 95 % interval, from the distribution of as many coin tosses.
struct Median {
    middle: f64,
    low: f64,
    high: f64,
}

impl Median {
    fn of(mut values: Vec<f64>) -> Median {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let low = n / 2 - 1 - n.isqrt();
        Median {
            middle: f64::midpoint(values[(n - 1) / 2], values[n / 2]),
            low: values[low],
            high: values[n - 1 - low],
        }
    }
}

impl fmt::Display for Median {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} ({:.4} to {:.4})", self.middle, self.low, self.high)
    }
}

fn start(server: Server, is_guarded: bool) -> io::Result<Running> {
    let running = server.start_page(is_guarded)?;
    let request = request("GET", "/metrics", &[format!("X-Metrics-Key: {KEY}").as_bytes()]);
    for _ in 0..WARM_UP {
        let response = exchange(running.address, &request)?;
        if response.body != *PAGE {
            return Err(io::Error::other(format!("not the page: {response:?}")));
        }
    }
    Ok(running)
}

/// Returns the CPU time of a request, in nanoseconds.
fn cost(server: &Running) -> Result<f64, Failure> {
    let before = cpu_time(server)?;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", CONNECTIONS, "--duration", SECONDS])
        .args(["--header", &format!("X-Metrics-Key: {KEY}"), &format!("http://{}/metrics", server.address)])
        .output()?;
    let took = cpu_time(server)? - before;
    let report = String::from_utf8_lossy(&output.stdout);
    let requests = report.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse::<f64>().ok());
    match requests {
        Some(requests) if !report.contains("Non-2xx") && !report.contains("Socket errors") => Ok(took / requests),
        _ => Err(format!("wrk: {report}").into()),
    }
}

/// Returns the CPU time of all threads so far, in nanoseconds.
fn cpu_time(server: &Running) -> Result<f64, Failure> {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{}/task", server.process.id()))? {
        let statistics = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += statistics.split(' ').next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(sum)
}
