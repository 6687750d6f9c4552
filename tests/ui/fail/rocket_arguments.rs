// Unknown, incomplete and repeated arguments.
use metrics_guard_rocket::guard_metrics;

#[guard_metrics(crate = "metrics_guard_rocket")]
fn string_instead_of_a_path() {}

#[guard_metrics(route_attr = rocket::get)]
fn path_instead_of_a_name() {}

#[guard_metrics("::metrics_guard_rocket")]
fn value_without_a_name() {}

#[guard_metrics(crate)]
fn name_without_a_value() {}

#[guard_metrics(route_attr = fetch, route_attr = fetch)]
fn repeated() {}

#[guard_metrics(guard = GUARD)]
fn of_another_framework() {}

fn main() {}
