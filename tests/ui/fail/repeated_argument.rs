// An argument twice.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics(route_attr = fetch, route_attr = fetch)]
#[get("/metrics")]
fn metrics() {}

fn main() {}
