// A parameter with the name of the proof's.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[get("/metrics/<__metrics_guard_authorized>")]
fn metrics(__metrics_guard_authorized: u8) {}

fn main() {}
