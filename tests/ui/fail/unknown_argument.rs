// An argument that Rocket's handlers do not have.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics(guard = GUARD)]
#[get("/metrics")]
fn metrics() {}

fn main() {}
