//! Serves a page with Rocket, counts its visits, and guards `/metrics` with a key.
//!
//! ```text
//! METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run -p metrics-guard-rocket --example metrics
//! ```
//!
//! Rocket's configuration sets where it listens: `ROCKET_ADDRESS`, `ROCKET_PORT`, and `ROCKET_TLS` with `--features mtls`.
//! If `tls.mutual` is set, `METRICS_VERIFICATION_CLIENT_NAMES` requires a client certificate for the metrics.

use std::error::Error;

use metrics_guard_rocket::{MetricsGuard, guard_metrics};
use prometheus::{IntCounter, TextEncoder, register_int_counter};
use rocket::{State, get, http::Status, routes};

#[get("/")]
fn page(visits: &State<IntCounter>) -> &'static str {
    visits.inc();
    "hello\n"
}

#[guard_metrics]
#[get("/metrics")]
fn metrics() -> Result<String, Status> {
    TextEncoder::new().encode_to_string(&prometheus::gather()).map_err(|_| Status::InternalServerError)
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let visits = register_int_counter!("visits_total", "Requests for the page.")?;
    let rocket = rocket::build().manage(visits).mount("/", routes![page, metrics]).attach(MetricsGuard::fairing());
    rocket.launch().await?;
    Ok(())
}
