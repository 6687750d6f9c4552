// Case 75: a method.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

struct Service;

impl Service {
    #[guard_metrics]
    #[get("/metrics")]
    fn metrics(&self) {}
}

fn main() {}
