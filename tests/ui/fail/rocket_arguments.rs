// Unknown, incomplete and repeated arguments of Rocket's attribute.
use metrics_guard_rocket::guard_metrics;
use rocket::get;

#[guard_metrics(crate = "metrics_guard_rocket")]
#[get("/metrics")]
fn string_instead_of_a_path() {}

#[guard_metrics(route_attr = rocket::get)]
#[get("/metrics")]
fn path_instead_of_a_name() {}

#[guard_metrics("::metrics_guard_rocket")]
#[get("/metrics")]
fn value_without_a_name() {}

#[guard_metrics(crate)]
#[get("/metrics")]
fn name_without_a_value() {}

#[guard_metrics(route_attr = fetch, route_attr = fetch)]
#[get("/metrics")]
fn repeated() {}

#[guard_metrics(guard = GUARD)]
#[get("/metrics")]
fn of_another_framework() {}

fn main() {}
