//! Runs the reference middleware, in Go: see `benches/reference`.

use std::{collections::HashMap, process::Command};

use crate::measure::median;

pub(crate) const HEADER: &str = "reference in Go, header";
pub(crate) const WRONG: &str = "reference in Go, wrong key";
pub(crate) const QUERY: &str = "reference in Go, query";

/// Nanoseconds per check, by row.
pub(crate) struct Reference(HashMap<&'static str, Vec<f64>>);

impl Reference {
    pub(crate) fn measure() -> Option<Reference> {
        let output = Command::new("go")
            .args(["test", "-run", "-", "-bench", ".", "-count", "5"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/reference"))
            .output()
            .inspect_err(|_| eprintln!("no times of the reference: install Go (Debian: golang-go)"))
            .ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut times: HashMap<_, Vec<_>> = HashMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            // BenchmarkHeader-2   15668356   69.67 ns/op   0 B/op   0 allocs/op
            let columns: Vec<_> = line.split_whitespace().collect();
            if let [name, _, time, "ns/op", ..] = columns[..] {
                let row = match name.split('-').next().unwrap() {
                    "BenchmarkHeader" => HEADER,
                    "BenchmarkWrong" => WRONG,
                    "BenchmarkQuery" => QUERY,
                    other => unreachable!("{other}"),
                };
                times.entry(row).or_default().push(time.parse().unwrap());
            }
        }
        Some(Reference(times))
    }

    pub(crate) fn time(&self, row: &str) -> f64 {
        median(self.0[row].clone())
    }
}
