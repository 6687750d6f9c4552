// Case 75: a method.
use metrics_guard_warp::guard_metrics;

struct Service;

impl Service {
    #[guard_metrics]
    fn metrics(&self) -> &'static str {
        "up 1"
    }
}

fn main() {}
