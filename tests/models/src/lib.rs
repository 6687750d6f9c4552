//! Models of the core's concurrent code, for [shuttle](https://docs.rs/shuttle): `cargo test -p metrics-guard-models`.
//!
//! Shuttle runs a model many times, and all threads of a model on one thread. Before each operation of a lock, an atomic or a
//! channel it chooses the thread that continues. `build.rs` copies the core's source for the models at each build. Each model
//! runs as the core is, and again with a fault planted in the copy. The test fails if the model does not find that fault.
//!
//! The models cannot find:
//!
//! - A memory ordering that is too weak, because shuttle's atomics are sequentially consistent. Each atomic of the core is a
//!   number or a flag by itself, and guards no other memory.
//! - A fault inside `arc-swap`, because its operations are one step here.
//! - A fault that needs a timeout, because shuttle's waits have none. The models call `refresh` instead of waiting for a look
//!   at the key file.
//! - A fault of two checks that report to observers, because the models' threads share thread-locals.
//! - A failure to start a thread.
//! - A schedule that shuttle did not choose. Models of few steps run with every schedule, the others with random ones, which
//!   are the same in each run.

#![cfg(test)]
#![allow(dead_code, missing_docs, unexpected_cfgs, unused_imports)] // not all of the core is modelled

use std::{cell::Cell, panic};

use shuttle::{
    Runner,
    scheduler::{DfsScheduler, RandomScheduler, Scheduler},
};

mod instrumented;

include!(concat!(env!("OUT_DIR"), "/core/lib.rs"));

// `build.rs` appends them to the files that they model. They are named here for rustfmt.
#[cfg(any())]
mod limit;
#[cfg(any())]
mod queue;
#[cfg(any())]
mod replaced_keys;
#[cfg(any())]
mod warned_once;

thread_local!(static PLANTED: Cell<&'static str> = const { Cell::new("") });

/// Returns whether a test has planted this fault. The threads of a model are on the test's thread.
fn is_planted(fault: &str) -> bool {
    PLANTED.get() == fault
}

/// How a test chooses the schedules of a model.
#[derive(Clone, Copy)]
enum Schedules {
    All,
    Random(usize),
}

/// Runs `model` as the core is, where it must not fail, and with each of the faults, where it must fail with this text.
fn check(schedules: Schedules, model: fn(), faults: &[(&'static str, &str)]) {
    schedules.run(model);
    for (fault, expected) in faults {
        PLANTED.set(fault);
        let payload = panic::catch_unwind(|| schedules.run(model)).expect_err(fault);
        PLANTED.set("");
        let said = payload.downcast_ref::<String>().map_or("", String::as_str);
        assert!(said.contains(expected), "{fault}: {said}");
    }
}

impl Schedules {
    fn run(self, model: fn()) {
        let scheduler: Box<dyn Scheduler + Send> = match self {
            Schedules::All => Box::new(DfsScheduler::new(None, false)),
            Schedules::Random(count) => Box::new(RandomScheduler::new_from_seed(0, count)),
        };
        let mut config = shuttle::Config::default();
        config.silence_warnings = true; // about the orderings, see above
        let count = Runner::new(scheduler, config).run(model);
        println!("{count} schedules");
    }
}
