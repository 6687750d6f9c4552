// Case 74: twice, and once in the wrong place.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[get("/metrics")]
#[guard_metrics]
fn metrics() {}

fn main() {}
