// The same name in the path alone.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[get("/metrics/<__metrics_guard_authorized>")]
fn metrics() {}

fn main() {}
