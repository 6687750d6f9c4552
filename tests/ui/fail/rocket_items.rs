// Case 75: items that cannot be a Rocket route, and parameters that it cannot have. Rocket reports the errors in `Associated`.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
mod module {
    #[rocket::get("/metrics")]
    fn metrics() {}
}

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
fn reserved_name(__metrics_guard_authorized: u8) {}

#[guard_metrics]
#[get("/metrics/<__metrics_guard_authorized>")]
fn reserved_name_in_the_path_alone() {}

fn main() {}
