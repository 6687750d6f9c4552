// A second route to the same handler, without the guard.
use metrics_guard_warp::{MetricsGuard, guard_metrics};
use warp::Filter;

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1"
}

fn routes(guard: MetricsGuard) {
    let guarded = guard.protect(warp::path!("metrics"), warp::get().map(metrics));
    let _ = warp::test::request().reply(&guarded.or(warp::path!("metrics2").map(metrics)));
}

fn main() {}
