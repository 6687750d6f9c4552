// Case 73: in the wrong order.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[get("/metrics")]
#[guard_metrics]
fn metrics() {}

fn main() {}
