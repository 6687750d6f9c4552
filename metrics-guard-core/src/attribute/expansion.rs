//! The functions that expansions of `#[guard_metrics]` call. Only the macro calls these.

/// Runs `body`. The macro calls this and not the closure itself, because a closure that is called at once cannot return a
/// borrow of what it captures.
pub fn run<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// Runs `body`, which returns a future of an `A`.
pub fn run_future<A, F: Future<Output = A>>(body: impl FnOnce() -> F) -> F {
    body()
}

/// Returns None, so that a block of the expansion has the type `R`.
#[must_use]
pub fn none<R>() -> Option<R> {
    None
}
