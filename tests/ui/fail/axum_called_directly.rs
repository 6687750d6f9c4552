// The handler, called as a function, and a proof that is made up.
use metrics_guard_tower::{Authorized, guard_metrics};

#[guard_metrics]
async fn metrics() -> &'static str {
    "up 1"
}

async fn test() {
    metrics().await;
    metrics(Authorized(())).await;
}

fn main() {}
