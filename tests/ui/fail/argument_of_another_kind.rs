// A string where a path belongs, and a path where a name does.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics(crate = "metrics_guard_rocket")]
#[get("/metrics")]
fn metrics() {}

#[guard_metrics(route_attr = rocket::get)]
#[get("/metrics")]
fn more_metrics() {}

fn main() {}
