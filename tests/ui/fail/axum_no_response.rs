// A handler that returns what is no response, and one with the body before another extractor.
use axum::{Router, http::Method, routing::get};
use metrics_guard_tower::{Guard, guard_metrics};

#[guard_metrics]
async fn metrics() -> u64 {
    1
}

#[guard_metrics]
async fn body_first(_body: String, _method: Method) -> &'static str {
    "up 1"
}

fn main() {
    let _: Router<Guard> = Router::new().route("/metrics", get(metrics)).route("/", get(body_first));
}
