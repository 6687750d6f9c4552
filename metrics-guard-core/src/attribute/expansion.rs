//! The function that expansions of `#[guard_metrics]` call. Only the macro calls it.

/// Runs `body`, which returns a future of an `A`.
pub fn run_future<A, F: Future<Output = A>>(body: impl FnOnce() -> F) -> F {
    body()
}
