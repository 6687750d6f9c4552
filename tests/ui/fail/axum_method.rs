// A method.
use metrics_guard_tower::guard_metrics;

struct Service;

impl Service {
    #[guard_metrics]
    async fn metrics(&self) -> &'static str {
        "up 1"
    }
}

fn main() {}
