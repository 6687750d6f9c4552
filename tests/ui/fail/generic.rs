// Case 75: generic over a type.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics]
#[get("/metrics")]
fn metrics<T: Default>() {
    drop(T::default());
}

fn main() {}
