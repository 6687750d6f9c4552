//! Measures the benches of a check and of the tower layer: in turns, in one process after another, and with valgrind.

use std::{collections::HashMap, env, process::Command, time::Instant};

use http::{Request, request::Builder};

/// The number of processes that time each case.
const PROCESSES: usize = 31;
/// The number of rounds in each process.
const ROUNDS: usize = 10;
/// The number of checks in each round.
const CHECKS: u32 = 1000;

/// Returns the head of a scrape as Prometheus sends it through a proxy: nine headers, none of which presents a key.
pub(crate) fn scrape(target: &str) -> Builder {
    Request::get(target)
        .header("host", "orders.internal:8080")
        .header("user-agent", "Prometheus/3.5.0")
        .header("accept", "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
        .header("accept-encoding", "gzip")
        .header("x-prometheus-scrape-timeout-seconds", "10")
        .header("x-forwarded-for", "192.0.2.7")
        .header("x-forwarded-proto", "https")
        .header("x-request-id", "5c1d7c1e-62a5-4c5e-9d7c-0b8e2f6a1d34")
        .header("via", "1.1 gateway")
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Runs the check this many times.
    pub(crate) run: Box<dyn Fn(u32)>,
}

/// The measurements of one case.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) instructions: Option<u64>,
    /// Nanoseconds per check, for each round. Only their ratios are shown.
    pub(crate) times: Vec<f64>,
}

/// Measures all cases. Returns None if this process was started to run some of them, or to print the instructions of each for
/// `tests/accept`.
pub(crate) fn measure(cases: &[Case]) -> Option<HashMap<&'static str, Measured>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [RUN, name, times] => {
            let case = cases.iter().find(|case| case.name == name).unwrap();
            (case.run)(times.parse().unwrap());
            None
        }
        [TIME] => {
            time(cases);
            None
        }
        [COUNT, ..] => {
            for Case { name, .. } in cases {
                println!("{} {name}", instructions(name).unwrap());
            }
            None
        }
        _ => {
            let rows = cases
                .iter()
                .zip(timed(cases))
                .map(|(Case { name, .. }, times)| (*name, Measured { name, instructions: instructions(name), times }));
            Some(rows.collect())
        }
    }
}

const RUN: &str = "--run";
const TIME: &str = "--time";
const COUNT: &str = "--count";

/// Returns the times of each case, from many processes. The places in memory are fixed when a process starts, and can matter
/// more than the check that is measured.
fn timed(cases: &[Case]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(PROCESSES * ROUNDS); cases.len()];
    for _ in 0..PROCESSES {
        let output = Command::new(env::current_exe().unwrap()).arg(TIME).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for round in String::from_utf8(output.stdout).unwrap().lines() {
            for (times, time) in times.iter_mut().zip(round.split(' ')) {
                times.push(time.parse().unwrap());
            }
        }
    }
    times
}

/// Times all cases in turn and prints one line per round. Each round begins with another case. The first round does not count.
fn time(cases: &[Case]) {
    for round in 0..=ROUNDS {
        let mut times = vec![String::new(); cases.len()];
        for place in 0..cases.len() {
            let index = (place + round) % cases.len();
            let start = Instant::now();
            (cases[index].run)(CHECKS);
            times[index] = (start.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS)).to_string();
        }
        if round > 0 {
            println!("{}", times.join(" "));
        }
    }
}

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Returns the number that valgrind prints after `label`, for one check of the case. It is the additional cost of twice as many
/// checks, so that the start of the program does not count. It is rounded, because the places in memory cost a few
/// instructions in all.
pub(crate) fn twice(name: &str, tool: &[&str], label: &str) -> Option<u64> {
    let once = counted(name, CHECKS, tool, label)?;
    let twice = counted(name, 2 * CHECKS, tool, label)?;
    Some((twice - once + u64::from(CHECKS / 2)) / u64::from(CHECKS))
}

fn counted(name: &str, checks: u32, tool: &[&str], label: &str) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(tool)
        .arg(env::current_exe().unwrap())
        .args([RUN, name, &checks.to_string()])
        .output()
        .inspect_err(|_| eprintln!("nothing of {name} is counted: install valgrind"))
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = String::from_utf8(output.stderr).unwrap();
    let (_, count) = report.rsplit_once(label).unwrap();
    count.split_whitespace().next().unwrap().replace(',', "").parse().ok()
}

fn instructions(name: &str) -> Option<u64> {
    twice(name, &["--tool=callgrind", "--callgrind-out-file=/dev/null"], "Collected : ")
}

pub(crate) fn shown(number: Option<f64>) -> String {
    number.map_or("not measured".to_owned(), |number| format!("{number:.2}"))
}

/// Prints a row of the goals. The two decimals that it shows decide, because counts differ by a few instructions with the
/// layout of memory.
pub(crate) fn goal(what: &str, other: &str, by: &str, most: f64, measured: Option<f64>) {
    let missed = if measured.is_some_and(|measured| measured >= most + 0.005) { ": missed" } else { "" };
    println!("| {what} | {other} | {by} | {most} | {}{missed} |", shown(measured));
}

/// Counts the allocations of one run of the case.
#[allow(clippy::cast_precision_loss)] // far below 2^52
pub(crate) fn allocations(name: &str) -> Option<f64> {
    twice(name, &["--tool=memcheck", "--leak-check=no"], "total heap usage: ").map(|count| count as f64)
}
