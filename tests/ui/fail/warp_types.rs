// Case 75: routes that forget the guard or the attribute, code that unlocks a handler, a method, and an output that is no
// reply.
use std::{future::Future, pin::Pin};

use metrics_guard_warp::{Locked, MetricsGuard, guard_metrics};
use warp::Filter;

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1"
}

struct App;

impl App {
    #[guard_metrics]
    fn method(&self) {}
}

type Answer = Pin<Box<dyn Future<Output = String> + Send>>;

// The attribute sees only the name of the type, which does not say that it is a future.
#[guard_metrics]
fn future_under_another_name() -> Answer {
    Box::pin(async { String::new() })
}

async fn by_map() {
    warp::serve(warp::path!("metrics").map(metrics)).run(([127, 0, 0, 1], 0)).await;
}

fn by_then() {
    let _ = warp::service(warp::path!("metrics").then(metrics));
}

fn protected(guard: MetricsGuard) {
    let _ = guard.protect(warp::path!("metrics"), warp::get().map(|| "up 1"));
    let _ = guard.protect(warp::path!("future"), warp::get().map(future_under_another_name));
}

fn unlocked() {
    let locked = metrics();
    locked.unlock(todo!());
    let Locked(_body) = metrics();
}

fn main() {}
