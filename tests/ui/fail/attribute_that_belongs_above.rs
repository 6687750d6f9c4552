// Attributes that hand the function to others, or describe it, below the attribute of each framework.
use cached::proc_macro::{once as export, once as get, once as http_server, once as openapi};
use http::{Request, Response};
use metrics_guard_core::guard_metrics;

#[guard_metrics(guard = GUARD)]
#[get]
fn route_of_another_framework(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = GUARD)]
#[http_server]
fn served(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[guard_metrics(guard = GUARD)]
#[cfg_attr(all(), export)]
fn exported(_request: &Request<()>) -> Response<()> {
    Response::new(())
}

#[metrics_guard_tower::guard_metrics]
#[utoipa::path(get, path = "/metrics")]
async fn of_axum() {}

#[metrics_guard_rocket::guard_metrics]
#[openapi]
#[rocket::get("/metrics")]
fn of_rocket() {}

fn main() {}
