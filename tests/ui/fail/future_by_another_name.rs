// Handlers that return a future, whose type does not say so: the attribute sees the name alone.
use std::{future::Future, pin::Pin};

use axum::{Router, routing::get};
use metrics_guard_tower::Guard;
use metrics_guard_warp::MetricsGuard;
use warp::Filter;

type Answer = Pin<Box<dyn Future<Output = String> + Send>>;

#[metrics_guard_tower::guard_metrics]
fn of_axum() -> Answer {
    Box::pin(async { String::new() })
}

#[metrics_guard_warp::guard_metrics]
fn of_warp() -> Answer {
    Box::pin(async { String::new() })
}

fn main() {
    let _: Router<Guard> = Router::new().route("/metrics", get(of_axum));
    let guard = MetricsGuard::from_env().unwrap();
    let _ = guard.protect(warp::path!("metrics"), warp::get().map(of_warp));
}
