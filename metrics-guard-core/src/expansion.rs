//! What the expansions of `#[guard_metrics]` call. Nobody else should.

/// Runs `body`. Called by what `#[guard_metrics]` writes: a closure that is called where it stands may not hand out what
/// it took in.
pub fn run<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// Runs `body`, which answers a future of an `A`.
pub fn run_future<A, F: Future<Output = A>>(body: impl FnOnce() -> F) -> F {
    body()
}

/// None. Called by what `#[guard_metrics]` writes: a block that returns what is in it has the type `R`.
#[must_use]
pub fn none<R>() -> Option<R> {
    None
}
