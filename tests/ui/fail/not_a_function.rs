// Case 75: not a function.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[get("/metrics")]
struct Metrics;

fn main() {}
