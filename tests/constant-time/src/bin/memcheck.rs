//! Counts memcheck's reports about comparisons and whole checks with marked keys. `tests/constant_time.rs` runs this program.
//!
//! The output has one line for each subject, with tabs between the values.
//!
//! - `memcheck comparisons`: the comparison, the reports of all calls whose verdict is not used, and the maximal number of
//!   reports of a call whose caller branches on the verdict.
//! - `memcheck checks`: the source of the key, the number of checks whose verdict depends on the keys, the reports of all
//!   checks, and the maximal number of one check.

use std::{env, hint::black_box};

use metrics_guard_constant_time::{
    but,
    comparisons::{ByteLoop, Comparison, Equal, Product, ShortCircuit, SubtleOnSlices, WithoutBarriers},
    guard, keys,
    sources::SOURCES,
    valgrind::{declare_public, is_memcheck, mark, marked, reports, unreported},
};
use metrics_guard_core::{Guard, Key};

/// The lengths of accepted keys. Some are equal, because different lengths alone could decide a comparison.
const LENS: [&[usize]; 5] = [&[32; 4], &[16, 33, 47, 64], &[24], &[256; 4], &[17, 256]];

fn main() {
    assert!(is_memcheck(), "run this program with memcheck");
    match env::args().nth(1).as_deref() {
        Some("comparisons") => {
            show::<Product>();
            show::<WithoutBarriers>();
            show::<Equal>();
            show::<ByteLoop>();
            show::<ShortCircuit>();
            show::<SubtleOnSlices>();
        }
        Some("checks") => checks(),
        _ => panic!("write comparisons or checks as the argument"),
    }
}

/// Returns a wrong key of each length, and each key: unchanged, and with its first, a middle or its last byte changed.
fn presented(keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (1..=256).map(|len| vec![b'A'; len]).collect();
    for key in keys {
        all.push(key.clone());
        all.extend([0, key.len() / 2, key.len() - 1].map(|place| but(key.clone(), place)));
    }
    all
}

#[inline(never)]
fn out_of_line<C: Comparison>(comparison: &C, presented: &[u8]) -> bool {
    comparison.has(presented)
}

#[inline(never)]
fn branching<C: Comparison>(comparison: &C, presented: &[u8]) -> u16 {
    if comparison.has(presented) { black_box(200) } else { black_box(401) }
}

fn show<C: Comparison>() {
    let (mut of_calls, mut of_a_branch) = (0, 0);
    for lens in LENS {
        let keys = keys(lens);
        let comparison = Box::new(C::with(&keys));
        // Marked after it is built, because the build may read the keys.
        comparison.mark();
        for presented in presented(&keys) {
            let before = reports();
            let verdict = out_of_line(black_box(&*comparison), black_box(&presented));
            of_calls += reports() - before;
            declare_public(&verdict);
            assert_eq!(black_box(verdict), keys.contains(&presented), "{}", C::NAME);

            let before = reports();
            let status = branching(black_box(&*comparison), black_box(&presented));
            of_a_branch = of_a_branch.max(reports() - before);
            declare_public(&status);
            assert_eq!(black_box(status) == 200, keys.contains(&presented), "{}", C::NAME);
        }
    }
    println!("{}\t{of_calls}\t{of_a_branch}", C::NAME);
}

fn checks() {
    for (name, source) in SOURCES {
        let (mut expected, mut reported, mut most) = (0, 0, 0);
        for lens in LENS {
            let keys = keys(lens);
            let guard = guard_with_marks(&keys);
            for presented in presented(&keys) {
                let request = source(&presented);
                let before = reports();
                let verdict = black_box(&guard).check(black_box(&request)).is_ok();
                let reports_of_it = reports() - before;
                declare_public(&verdict);
                assert_eq!(black_box(verdict), keys.contains(&presented), "{name}");
                // A presented key that is longer than each key differs from the padding, for any key, and so without a report.
                let depends_on_keys = presented.len() >= 16 && keys.iter().any(|key| key.len() >= presented.len());
                expected += usize::from(depends_on_keys);
                reported += reports_of_it;
                most = most.max(reports_of_it);
            }
        }
        println!("{name}\t{expected}\t{reported}\t{most}");
    }
}

/// Builds a guard from marked keys, so that all its copies of them are marked too.
fn guard_with_marks(keys: &[Vec<u8>]) -> Guard {
    // A guard reads its keys when it is built.
    unreported(|| {
        guard(keys.iter().map(|key| {
            let bytes = key.clone();
            mark(&bytes[..]);
            Key::new(&bytes[..marked(key.len())]).expect("a key")
        }))
    })
}
