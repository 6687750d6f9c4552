//! What a check costs, beside what one would write or take instead: `cargo bench -p metrics-guard-core`.
//!
//! Each row is a whole check of one request with ten fields, or nine if it presents nothing in one. Times are medians of
//! ratios, measured in turn within one run: a bare time says more of the machine than of the code. Instructions are counted
//! by callgrind, which gives the same number each time. It wants valgrind and Go, and says so if one is missing.

#![allow(clippy::unwrap_used)] // a bench that cannot go on has nobody to tell it to

use std::{
    collections::HashMap,
    env,
    process::{Command, ExitCode},
    time::Instant,
};

use cases::{Case, FLOOR};

mod cases;
mod goals;
mod reference;

/// How often each case is timed, and for how many checks each time.
const ROUNDS: usize = 301;
const CHECKS: u32 = 1000;

/// What was measured of one row.
struct Measured {
    name: &'static str,
    instructions: Option<u64>,
    /// Nanoseconds a check, for each round: only their ratios are shown.
    times: Vec<f64>,
}

fn main() -> ExitCode {
    let cases = cases::all();
    match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [run, name, times] if run == "--run" => {
            let case = cases.iter().find(|case| case.name == name).unwrap();
            (case.run)(times.parse().unwrap());
        }
        _ => report(&cases),
    }
    ExitCode::SUCCESS
}

fn report(cases: &[Case]) {
    let times = timed(cases);
    let rows: HashMap<_, _> = cases
        .iter()
        .zip(times)
        .map(|(case, times)| (case.name, Measured { name: case.name, instructions: instructions(case.name), times }))
        .collect();
    let floor = &rows[FLOOR];
    println!("| check | instructions | x the floor | time, x the floor |\n|---|---|---|---|");
    for row in cases.iter().map(|case| &rows[case.name]) {
        let count = row.instructions.map_or("?".to_owned(), |count| count.to_string());
        println!("| {} | {count} | {} | {:.2} |", row.name, shown(row.instructions_over(floor)), row.time_over(floor));
    }
    println!();
    goals::report(&rows);
}

fn shown(ratio: Option<f64>) -> String {
    ratio.map_or("not measured".to_owned(), |ratio| format!("{ratio:.2}"))
}

impl Measured {
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    fn instructions_over(&self, other: &Measured) -> Option<f64> {
        Some(self.instructions? as f64 / other.instructions? as f64)
    }

    fn time_over(&self, other: &Measured) -> f64 {
        median(self.times.iter().zip(&other.times).map(|(ours, theirs)| ours / theirs).collect())
    }
}

/// Times all cases in turn, beginning each round with another one.
fn timed(cases: &[Case]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for round in 0..ROUNDS {
        for place in 0..cases.len() {
            let index = (place + round) % cases.len();
            let start = Instant::now();
            (cases[index].run)(CHECKS);
            times[index].push(start.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS));
        }
    }
    times
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The instructions of one check: what twice as many cost more, so that the start of the program does not count.
fn instructions(name: &str) -> Option<u64> {
    let once = counted(name, CHECKS)?;
    let twice = counted(name, 2 * CHECKS)?;
    Some((twice - once) / u64::from(CHECKS))
}

fn counted(name: &str, checks: u32) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args(["--run", name, &checks.to_string()])
        .output()
        .inspect_err(|_| eprintln!("no instructions of {name}: install valgrind"))
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = String::from_utf8(output.stderr).unwrap();
    let (_, count) = report.rsplit_once("Collected : ").unwrap();
    count.split_whitespace().next().unwrap().parse().ok()
}
