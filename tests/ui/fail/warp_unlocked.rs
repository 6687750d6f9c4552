// A handler without the attribute.
use metrics_guard_warp::MetricsGuard;
use warp::Filter;

fn routes(guard: MetricsGuard) {
    let _ = guard.protect(warp::path!("metrics"), warp::get().map(|| "up 1"));
}

fn main() {}
