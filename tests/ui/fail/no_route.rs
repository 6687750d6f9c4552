// Case 73: no route at all.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
fn metrics() {}

fn main() {}
