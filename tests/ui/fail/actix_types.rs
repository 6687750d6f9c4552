// Apps without the guard, an attribute in the wrong place, and handlers that actix-web does not accept.
use actix_web::{App, get, get as read, web};
use metrics_guard_actix::{Guard, guard_metrics};

#[guard_metrics]
#[get("/metrics")]
async fn metrics() -> &'static str {
    "up 1"
}

#[guard_metrics]
async fn without_a_route() -> &'static str {
    "up 1"
}

#[get("/metrics")]
#[guard_metrics]
async fn below_the_route() -> &'static str {
    "up 1"
}

#[guard_metrics]
#[read("/metrics")]
async fn route_under_another_name() -> &'static str {
    "up 1"
}

#[guard_metrics]
fn not_async() -> &'static str {
    "up 1"
}

#[guard_metrics]
async fn no_response() -> u64 {
    1
}

#[guard_metrics]
async fn no_extractor(_: u64) -> &'static str {
    "up 1"
}

#[guard_metrics]
#[get("/metrics")]
async fn generic<T: Default>() -> String {
    String::new()
}

struct Metrics;

impl Metrics {
    #[guard_metrics]
    #[get("/metrics")]
    async fn with_self() -> String {
        let _: Self;
        String::new()
    }
}

struct Generic<T>(T);

impl<T> Generic<T> {
    #[guard_metrics]
    async fn associated() -> &'static str {
        "up 1"
    }
}

fn main() {
    let guard = Guard::disabled();
    let _ = App::new().service(metrics);
    let _ = App::new().service(metrics());
    let _ = App::new().service(without_a_route(&guard));
    let _ = App::new().route("/metrics", web::get().to(without_a_route));
    let _ = App::new().route("/metrics", web::get().to(metrics(&guard)));
}
