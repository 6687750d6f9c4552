// A crate that is not there.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics(crate = ::renamed)]
#[get("/metrics")]
fn metrics() {}

fn main() {}
