// Code that unlocks a handler itself, and outputs that are not a reply.
use std::{future::Future, pin::Pin};

use metrics_guard_warp::{Locked, MetricsGuard, Outcome, guard_metrics};
use warp::{Filter, Rejection, reply::Response};

type Answer = Pin<Box<dyn Future<Output = String> + Send>>;

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1"
}

fn unlocked() {
    let locked = metrics();
    locked.unlock(todo!());
    let Locked(_body) = metrics();
}

#[guard_metrics]
fn number() -> u64 {
    1
}

// The attribute sees only the name of the type, which does not say that it is a future.
#[guard_metrics]
fn future_under_another_name() -> Answer {
    Box::pin(async { String::new() })
}

fn routes(guard: MetricsGuard) {
    let _ = guard.protect(warp::path!("number"), warp::get().map(number));
    let _ = guard.protect(warp::path!("future"), warp::get().map(future_under_another_name));
}

struct Mine;

impl Outcome<()> for Mine {
    fn into_result<S>(self, _: S) -> Result<Response, Rejection> {
        Ok(Response::default())
    }
}

struct Another;

impl Outcome<()> for Another {}

fn main() {}
