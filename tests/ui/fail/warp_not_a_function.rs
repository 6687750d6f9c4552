// Case 75, and arguments of another framework, and case 74.
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

fn main() {}
