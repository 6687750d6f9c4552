// A guard around a layer whose body has no default, in one call of `.layer` and around a service.
use axum::{Router, body::Body, extract::Request, routing::get};
use metrics_guard_tower::{Guard, MetricsGuardLayer};
use tower::{Layer, Service};
use tower_http::trace::TraceLayer;

fn in_one_call(guard: Guard) -> Router {
    let layers = (MetricsGuardLayer::new(guard), TraceLayer::new_for_http());
    Router::new().route("/metrics", get(|| async { "up 1\n" })).layer(layers)
}

fn around_a_service(guard: Guard, app: Router) -> impl Service<Request<Body>> {
    MetricsGuardLayer::new(guard).layer(TraceLayer::new_for_http().layer(app))
}

fn main() {
    let _ = (in_one_call, around_a_service);
}
