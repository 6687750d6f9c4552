// Routers whose state has no guard.
use std::net::SocketAddr;

use axum::{Extension, Router, extract::State, routing::get};
use metrics_guard_tower::{Authorized, Guard, guard_metrics};

#[derive(Clone)]
struct App;

#[guard_metrics]
async fn metrics() {}

#[guard_metrics]
async fn with_state(State(_): State<App>) {}

async fn extractor(_: Authorized) {}

async fn index(State(_): State<App>) {}

fn forgotten() -> Router {
    Router::new().route("/metrics", get(metrics))
}

fn an_extension_instead(guard: Guard) -> Router {
    Router::new().route("/metrics", get(metrics)).layer(Extension(guard))
}

async fn forgotten_where_served(listener: tokio::net::TcpListener) {
    let app = Router::<Guard>::new().route("/metrics", get(metrics));
    let _ = axum::serve(listener, app);
}

async fn forgotten_where_served_with_addresses(listener: tokio::net::TcpListener) {
    let app = Router::new().route("/metrics", get(metrics));
    let _ = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
}

fn main() {
    let _: Router = Router::new().route("/metrics", get(metrics)).with_state(());
    let _: Router = Router::new().route("/metrics", get(metrics)).with_state(App);
    let _: Router = Router::new().route("/metrics", get(extractor)).with_state(App);
    let _: Router = Router::new().route("/metrics", get(with_state)).with_state(App);
    let _ = Router::<App>::new().route("/metrics", get(extractor));
    let _: Router = Router::new().route("/metrics", get(metrics)).route("/", get(index)).with_state(App);
}
