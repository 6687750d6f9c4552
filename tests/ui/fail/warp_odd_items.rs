// Cases 74 and 75, an argument of another framework, and an attribute on a parameter.
use metrics_guard_warp::guard_metrics;

#[guard_metrics]
struct Metrics;

#[guard_metrics(guard = GUARD)]
fn metrics() -> &'static str {
    "up 1"
}

#[guard_metrics]
#[guard_metrics]
fn twice() -> &'static str {
    "up 1"
}

#[guard_metrics]
fn attributed(#[cfg(test)] _word: String) -> &'static str {
    "up 1"
}

fn main() {}
