// A state in an `Arc`: neither `FromRef` nor `Arc` nor `Guard` is the user's, so that no guard can be had from it.
use std::sync::Arc;

use axum::{Router, extract::FromRef, routing::get};
use metrics_guard_tower::{Guard, guard_metrics};

struct App {
    guard: Guard,
}

impl FromRef<Arc<App>> for Guard {
    fn from_ref(app: &Arc<App>) -> Guard {
        app.guard.clone()
    }
}

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1"
}

fn main() {
    let app = Arc::new(App { guard: Guard::disabled() });
    let _: Router = Router::new().route("/metrics", get(metrics)).with_state(app);
}
