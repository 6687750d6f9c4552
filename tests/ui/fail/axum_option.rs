// A proof that need not be there.
use axum::{Router, routing::get};
use metrics_guard_tower::{Authorized, Guard};

async fn metrics(authorized: Option<Authorized>) -> &'static str {
    if authorized.is_some() { "up 1" } else { "up 1, for everybody" }
}

fn main() {
    let _: Router<Guard> = Router::new().route("/metrics", get(metrics));
}
