//! How the benches of a check and of the tower layer measure: in turns within one run, and under valgrind.

use std::{collections::HashMap, env, process::Command, time::Instant};

/// How often each case is timed, and for how many checks each time.
const ROUNDS: usize = 301;
const CHECKS: u32 = 1000;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Checks so many times.
    pub(crate) run: Box<dyn Fn(u32)>,
}

/// What was measured of one case.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) instructions: Option<u64>,
    /// Nanoseconds a check, for each round: only their ratios are shown.
    pub(crate) times: Vec<f64>,
}

/// Measures all cases; nothing if this process was started to run one of them, by [`twice`].
pub(crate) fn measure(cases: &[Case]) -> Option<HashMap<&'static str, Measured>> {
    if let [run, name, times] = env::args().skip(1).collect::<Vec<_>>().as_slice()
        && run == RUN
    {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        (case.run)(times.parse().unwrap());
        return None;
    }
    let rows = cases.iter().zip(timed(cases)).map(|(Case { name, .. }, times)| {
        let instructions = twice(name, &["--tool=callgrind", "--callgrind-out-file=/dev/null"], "Collected : ");
        (*name, Measured { name, instructions, times })
    });
    Some(rows.collect())
}

const RUN: &str = "--run";

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

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The number that valgrind says after `label`, for one check of the case: what twice as many checks cost more, so that the
/// start of the program does not count.
pub(crate) fn twice(name: &str, tool: &[&str], label: &str) -> Option<u64> {
    let once = counted(name, CHECKS, tool, label)?;
    let twice = counted(name, 2 * CHECKS, tool, label)?;
    Some((twice - once) / u64::from(CHECKS))
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

pub(crate) fn shown(number: Option<f64>) -> String {
    number.map_or("not measured".to_owned(), |number| format!("{number:.2}"))
}

/// A row of the goals.
pub(crate) fn goal(what: &str, other: &str, by: &str, most: f64, measured: Option<f64>) {
    let missed = if measured.is_some_and(|measured| measured > most) { ": missed" } else { "" };
    println!("| {what} | {other} | {by} | {most} | {}{missed} |", shown(measured));
}
