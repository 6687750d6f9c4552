// A handler that returns no reply.
use metrics_guard_warp::{MetricsGuard, guard_metrics};
use warp::Filter;

#[guard_metrics]
fn metrics() -> u64 {
    1
}

fn routes(guard: MetricsGuard) {
    let _ = guard.protect(warp::path!("metrics"), warp::get().map(metrics));
}

fn main() {}
