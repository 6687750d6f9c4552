// Case 75: functions that cannot be an axum handler, and a state that cannot provide a guard.
use std::sync::Arc;

use axum::extract::FromRef;
use metrics_guard_tower::{Guard, guard_metrics};

struct A;

// None of these three types is the user's. (In another file, this would change how the compiler infers a router's state.)
impl FromRef<Arc<A>> for Guard {
    fn from_ref(_: &Arc<A>) -> Guard {
        Guard::disabled()
    }
}

impl A {
    #[guard_metrics]
    async fn method(&self) {}
}

#[guard_metrics]
unsafe fn not_safe() {}

#[guard_metrics]
extern "C" fn foreign() {}

#[guard_metrics]
async fn attribute_on_a_parameter(#[cfg(any())] _: A) {}

// As many as axum takes: the proof would be one more.
#[guard_metrics]
fn sixteen(_: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A, _: A) {}

fn main() {}
