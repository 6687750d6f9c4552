// A value without the argument's name.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics("::metrics_guard_rocket")]
#[get("/metrics")]
fn metrics() {}

fn main() {}
