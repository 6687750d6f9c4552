// A route that forgets the guard.
use metrics_guard_warp::guard_metrics;
use warp::Filter;

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1"
}

async fn serve() {
    warp::serve(warp::path!("metrics").map(metrics)).run(([127, 0, 0, 1], 0)).await;
}

fn main() {}
