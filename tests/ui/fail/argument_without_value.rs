// An argument without its value.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics(crate)]
#[get("/metrics")]
fn metrics() {}

fn main() {}
