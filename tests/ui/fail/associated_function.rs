// Case 75: no method to be seen, and no place for a route: the errors are Rocket's.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

struct Service;

impl Service {
    #[guard_metrics]
    #[get("/metrics")]
    fn metrics() {}
}

fn main() {}
