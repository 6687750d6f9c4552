//! Measures what a check costs, and checks the goals: `cargo bench -p metrics-guard-core`.
//!
//! Each row is a check of one request with ten headers, or nine if none of them presents a key. Times are medians of
//! ratios, measured in turn within one run, because a bare time depends mostly on the machine. Callgrind counts
//! instructions, and memcheck counts allocations. Without valgrind or Go, the bench reports what it could not measure.

#![allow(clippy::unwrap_used)] // a bench that cannot go on can only panic

use std::collections::HashMap;

use cases::FLOOR;
use measure::{Case, Measured, measure, median, shown};

mod cases;
mod goals;
mod measure;
mod reference;

fn main() {
    let cases = cases::all();
    if let Some(rows) = measure(&cases) {
        report(&cases, &rows);
    }
}

fn report(cases: &[Case], rows: &HashMap<&str, Measured>) {
    let floor = &rows[FLOOR];
    println!("| check | instructions | x the floor | time, x the floor |\n|---|---|---|---|");
    for row in cases.iter().map(|case| &rows[case.name]) {
        let count = row.instructions.map_or("?".to_owned(), |count| count.to_string());
        println!("| {} | {count} | {} | {:.2} |", row.name, shown(row.instructions_over(floor)), row.time_over(floor));
    }
    println!();
    goals::report(rows);
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
