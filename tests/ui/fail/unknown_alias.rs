// A route attribute by another name, which is not said.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

use get as fetch;

#[guard_metrics]
#[fetch("/metrics")]
fn metrics() {}

fn main() {}
