// What is locked cannot be unlocked by hand.
use metrics_guard_warp::{Locked, guard_metrics};

#[guard_metrics]
fn metrics() -> &'static str {
    "up 1"
}

fn main() {
    let locked = metrics();
    locked.unlock(todo!());
    let Locked(_body) = metrics();
}
