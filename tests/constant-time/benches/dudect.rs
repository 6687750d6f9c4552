//! Whether the time of a comparison tells anything of the accepted keys, statistically (the way of dudect):
//! `cargo bench -p metrics-guard-constant-time --bench dudect`. A |t| far above 5 is a difference; beside it, the same for comparisons that
//! leak. What it gave is in `metrics-guard-core/docs/constant-time.md`.
//!
//! It times the comparison, and not a whole check: two requests in memory differ by more than what is looked for.
//!
//! Each measurement has two classes of which the keys, or what is presented, differ in one way. It is advice and no proof,
//! since clocks are coarse and machines noisy: the proof is `tests/constant_time.rs`.

use std::hint::black_box;

use dudect_bencher::{BenchRng, Class, CtRunner, ctbench_main, rand::RngExt};
use metrics_guard_constant_time::{
    but,
    comparisons::{ByteLoop, Comparison, Equal, Product, ShortCircuit, SubtleOnSlices},
    key, keys,
};

/// Of both classes together: a million of each, and some more since chance decides.
const SAMPLES: usize = 2_100_000;

/// Accepted keys and what is presented to them, by class.
type Classes = [(Vec<Vec<u8>>, Vec<u8>); 2];

/// Times what `run` does with the one or the other of `subjects`, both of which are in the cache.
fn time<T>(runner: &mut CtRunner, rng: &mut BenchRng, subjects: &[T; 2], run: impl Fn(&T) -> bool) {
    for _ in 0..SAMPLES {
        let is_right = rng.random::<bool>();
        black_box(run(&subjects[0]) ^ run(&subjects[1]));
        let subject = black_box(&subjects[usize::from(is_right)]);
        runner.run_one(if is_right { Class::Right } else { Class::Left }, || run(subject));
    }
}

#[inline(never)]
fn has<C: Comparison>((comparison, presented): &(C, Vec<u8>)) -> bool {
    comparison.has(presented)
}

fn comparison<C: Comparison>(runner: &mut CtRunner, rng: &mut BenchRng, classes: Classes) {
    time(runner, rng, &classes.map(|(keys, presented)| (C::with(&keys), presented)), has);
}

fn four(len: usize) -> Vec<Vec<u8>> {
    keys(&[len; 4])
}

/// No difference: what the machine and this harness add.
fn none() -> Classes {
    [(four(32), key(9, 32)), (four(32), key(9, 32))]
}

/// Nothing matches, or all but the last byte.
fn prefix() -> Classes {
    [(four(256), but(key(0, 256), 0)), (four(256), but(key(0, 256), 255))]
}

/// Accepted keys of another length than what is presented, or of the same.
fn length() -> Classes {
    [(four(48), key(9, 32)), (four(32), key(9, 32))]
}

/// The first key matches, or the last.
fn place() -> Classes {
    [(four(32), key(0, 32)), (four(32), key(3, 32))]
}

/// One key or four.
fn number() -> Classes {
    [(four(32)[..1].to_vec(), key(9, 32)), (four(32), key(9, 32))]
}

/// A key that is accepted, or one of the same form that is not.
fn verdict() -> Classes {
    [(four(32), key(0, 32)), (four(32), but(key(0, 32), 31))]
}

macro_rules! benches {
    ($($name:ident: $how:expr, $classes:ident;)*) => {
        $(fn $name(runner: &mut CtRunner, rng: &mut BenchRng) {
            $how(runner, rng, $classes());
        })*
        ctbench_main!($($name),*);
    };
}

benches! {
    comparison_none: comparison::<Product>, none;
    comparison_prefix: comparison::<Product>, prefix;
    comparison_length: comparison::<Product>, length;
    comparison_place: comparison::<Product>, place;
    comparison_number: comparison::<Product>, number;
    comparison_verdict: comparison::<Product>, verdict;
    control_prefix: comparison::<ByteLoop>, prefix;
    control_prefix_equal: comparison::<Equal>, prefix;
    control_length: comparison::<SubtleOnSlices>, length;
    control_place: comparison::<ShortCircuit>, place;
    control_number: comparison::<Equal>, number;
    control_verdict: comparison::<ByteLoop>, verdict;
}
