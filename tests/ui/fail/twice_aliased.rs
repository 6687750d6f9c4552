// Case 74: twice, under another name.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

use guard_metrics as closed;

#[guard_metrics]
#[closed]
#[get("/metrics")]
fn metrics() {}

fn main() {}
