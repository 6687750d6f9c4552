// Items that cannot be an actix-web handler, and arguments and attributes that do not guard one.
use actix_web::{get, get as fetch};
use metrics_guard_actix::guard_metrics;

#[guard_metrics]
#[get("/metrics")]
struct Metrics;

impl Metrics {
    #[guard_metrics]
    #[get("/metrics")]
    async fn method(&self) -> &'static str {
        "up 1"
    }
}

#[guard_metrics]
unsafe fn not_safe() {}

#[guard_metrics]
#[get("/metrics")]
extern "C" fn foreign() {}

#[guard_metrics]
#[guard_metrics]
#[get("/metrics")]
async fn twice() -> &'static str {
    "up 1"
}

#[guard_metrics(path = "/metrics")]
#[get("/metrics")]
async fn unknown_argument() -> &'static str {
    "up 1"
}

#[guard_metrics(guard = GUARD)]
#[get("/metrics")]
async fn guard_as_an_argument() -> &'static str {
    "up 1"
}

#[guard_metrics]
#[fetch("/metrics")]
async fn route_under_another_name() -> &'static str {
    "up 1"
}

#[guard_metrics]
async fn attribute_on_a_parameter(#[cfg(any())] _: String) -> &'static str {
    "up 1"
}

fn main() {}
