//! Replaces the core's imports from `std` and `arc-swap` by types with a step of shuttle at each operation.

pub(crate) use std::*;

pub(crate) use shuttle::thread;

pub(crate) mod sync {
    pub(crate) use std::sync::*;

    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic, mpsc};
}

/// `arc_swap::ArcSwap`, with a step before each operation.
#[derive(Debug)]
pub(crate) struct ArcSwap<T>(arc_swap::ArcSwap<T>);

impl<T> ArcSwap<T> {
    pub(crate) fn from_pointee(value: T) -> ArcSwap<T> {
        ArcSwap(arc_swap::ArcSwap::from_pointee(value))
    }

    pub(crate) fn load(&self) -> arc_swap::Guard<sync::Arc<T>> {
        step();
        self.0.load()
    }

    pub(crate) fn store(&self, value: sync::Arc<T>) {
        step();
        self.0.store(value);
    }
}

impl<T> From<sync::Arc<T>> for ArcSwap<T> {
    fn from(value: sync::Arc<T>) -> ArcSwap<T> {
        ArcSwap(value.into())
    }
}

/// Lets shuttle choose the thread that continues.
pub(crate) fn step() {
    thread::sleep(time::Duration::ZERO);
}
