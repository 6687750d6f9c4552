// Cases 73 to 75: items that cannot be a Rocket route, and the attribute below the route attribute, without one, or twice.
// Rocket reports the errors in `Associated`.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[get("/metrics")]
struct Metrics;

impl Metrics {
    #[guard_metrics]
    #[get("/metrics")]
    fn method(&self) {}
}

struct Associated;

impl Associated {
    #[guard_metrics]
    #[get("/metrics")]
    fn metrics() {}
}

#[guard_metrics]
#[get("/metrics")]
fn generic<T: Default>() {
    drop(T::default());
}

#[guard_metrics]
#[get("/metrics/<__metrics_guard_authorized>")]
fn reserved_name() {}

#[get("/metrics")]
#[guard_metrics]
fn below_the_route() {}

#[guard_metrics]
fn without_a_route() {}

#[guard_metrics]
#[guard_metrics]
#[get("/metrics")]
fn twice() {}

fn main() {}
