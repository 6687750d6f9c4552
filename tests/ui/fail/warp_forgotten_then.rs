// A route that forgets the guard, and takes the handler for a future.
use metrics_guard_warp::guard_metrics;
use warp::Filter;

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1"
}

fn routes() {
    let _ = warp::service(warp::path!("metrics").then(metrics));
}

fn main() {}
