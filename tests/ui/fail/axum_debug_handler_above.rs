// axum's own attribute above ours, where it counts the parameters without the proof. Below ours, it does what it should.
use axum::{debug_handler, extract::State};
use metrics_guard_tower::{Guard, guard_metrics};

#[debug_handler]
#[guard_metrics]
async fn above() -> &'static str {
    "up 1"
}

#[debug_handler]
#[guard_metrics]
async fn above_with_state(_: State<Guard>) -> &'static str {
    "up 1"
}

#[guard_metrics]
#[debug_handler]
async fn below(_: State<Guard>) -> &'static str {
    "up 1"
}

fn main() {}
