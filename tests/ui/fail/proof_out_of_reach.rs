// The body does not see the proof that its handler takes.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[get("/metrics")]
fn metrics() {
    let _ = __metrics_guard_authorized;
}

fn main() {}
