// Routers without a guard, handlers that axum does not accept, and a layer around a body without a default.
use std::{future::Future, pin::Pin};

use axum::{Router, extract::State, http::Method, routing::get};
use metrics_guard_tower::{Authorized, Guard, MetricsGuardLayer, guard_metrics};
use tower_http::trace::TraceLayer;

#[derive(Clone)]
struct App;

#[guard_metrics]
async fn metrics() {}

#[guard_metrics]
async fn with_state(State(_): State<App>) {}

async fn index(State(_): State<App>) {}

type Answer = Pin<Box<dyn Future<Output = String> + Send>>;

// The attribute sees only the name of the type, which does not say that it is a future.
#[guard_metrics]
fn future_under_another_name() -> Answer {
    Box::pin(async { String::new() })
}

#[guard_metrics]
async fn body_first(_body: String, _method: Method) {}

async fn optional_proof(_: Option<Authorized>) -> &'static str {
    "up 1, with or without a key"
}

async fn forgotten_state(listener: tokio::net::TcpListener) {
    let app = Router::new().route("/metrics", get(metrics));
    let _ = axum::serve(listener, app);
}

fn main() {
    let _: Router = Router::new().route("/metrics", get(metrics)).route("/", get(index)).with_state(App);
    let _: Router = Router::new().route("/metrics", get(with_state)).with_state(App);
    let _: Router<Guard> = Router::new().route("/1", get(body_first)).route("/2", get(optional_proof));
    let _ = metrics(Authorized(()));
    let layers = (MetricsGuardLayer::new(Guard::disabled()), TraceLayer::new_for_http());
    let _: Router = Router::new().route("/", get(async || "up 1")).layer(layers);
}
