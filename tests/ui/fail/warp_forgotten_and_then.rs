// A route that forgets the guard, as handlers that may reject are mounted otherwise.
use metrics_guard_warp::guard_metrics;
use warp::{Filter, Rejection};

#[guard_metrics]
async fn metrics() -> Result<&'static str, Rejection> {
    Ok("up 1")
}

fn routes() {
    let _ = warp::service(warp::path!("metrics").and_then(metrics));
}

fn main() {}
