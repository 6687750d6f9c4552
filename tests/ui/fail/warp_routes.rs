// Routes that forget the guard, or the attribute.
use metrics_guard_warp::{MetricsGuard, guard_metrics};
use warp::{Filter, Rejection};

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1"
}

#[guard_metrics]
async fn may_reject() -> Result<&'static str, Rejection> {
    Ok("up 1")
}

async fn by_map() {
    warp::serve(warp::path!("metrics").map(metrics)).run(([127, 0, 0, 1], 0)).await;
}

fn by_then() {
    let _ = warp::service(warp::path!("metrics").then(metrics));
}

fn by_and_then() {
    let _ = warp::service(warp::path!("metrics").and_then(may_reject));
}

fn by_a_second_route(guard: MetricsGuard) {
    let guarded = guard.protect(warp::path!("metrics"), warp::get().map(metrics));
    let _ = warp::test::request().reply(&guarded.or(warp::path!("metrics2").map(metrics)));
}

fn without_the_attribute(guard: MetricsGuard) {
    let _ = guard.protect(warp::path!("metrics"), warp::get().map(|| "up 1"));
}

fn main() {}
