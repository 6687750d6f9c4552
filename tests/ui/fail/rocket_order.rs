// Cases 73 and 74: the attribute below the route attribute, without one, or twice.
use guard_metrics as closed;
use metrics_guard_rocket::guard_metrics;
use rocket::{get, get as fetch};

#[get("/metrics")]
#[guard_metrics]
fn below_the_route() {}

#[guard_metrics]
fn without_a_route() {}

#[guard_metrics]
#[fetch("/metrics")]
fn route_under_another_name() {}

#[guard_metrics]
#[guard_metrics]
#[get("/metrics")]
fn twice() {}

#[guard_metrics]
#[get("/metrics")]
#[guard_metrics]
fn twice_around_the_route() {}

#[guard_metrics]
#[closed]
#[get("/metrics")]
fn twice_under_another_name() {}

fn main() {}
