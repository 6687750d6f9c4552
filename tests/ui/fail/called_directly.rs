// A guarded handler that is called without a proof.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[get("/metrics")]
fn metrics() {}

fn test() {
    metrics();
}

fn main() {}
