// Case 74: twice.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[guard_metrics]
#[get("/metrics")]
fn metrics() {}

fn main() {}
