// As many parameters as axum takes, of which the proof must be one.
use axum::http::Method;
use metrics_guard_tower::guard_metrics;

#[guard_metrics]
async fn metrics(
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
    _: Method,
) -> &'static str {
    "up 1"
}

fn main() {}
