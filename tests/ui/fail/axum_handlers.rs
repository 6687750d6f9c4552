// Handlers that axum does not accept, and calls without a proof.
use std::{future::Future, pin::Pin};

use axum::{Router, http::Method, routing::get};
use metrics_guard_tower::{Authorized, Guard, guard_metrics};

type Answer = Pin<Box<dyn Future<Output = String> + Send>>;

// The attribute sees only the name of the type, which does not say that it is a future.
#[guard_metrics]
fn future_under_another_name() -> Answer {
    Box::pin(async { String::new() })
}

#[guard_metrics]
async fn number() -> u64 {
    1
}

#[guard_metrics]
async fn body_first(_body: String, _method: Method) {}

async fn optional_proof(_: Option<Authorized>) -> &'static str {
    "up 1, with or without a key"
}

#[guard_metrics]
async fn metrics() {}

async fn called_directly() {
    metrics().await;
    metrics(Authorized(())).await;
}

fn main() {
    let _: Router<Guard> = Router::new()
        .route("/1", get(future_under_another_name))
        .route("/2", get(number))
        .route("/3", get(body_first))
        .route("/4", get(optional_proof));
}
