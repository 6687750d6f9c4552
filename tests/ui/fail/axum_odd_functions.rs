// Functions that can be no handlers.
use metrics_guard_tower::guard_metrics;

#[guard_metrics]
unsafe fn metrics() -> &'static str {
    "up 1"
}

#[guard_metrics]
extern "C" fn foreign() -> &'static str {
    "up 1"
}

#[guard_metrics]
pub unsafe extern "C" fn both() -> &'static str {
    "up 1"
}

fn main() {}
