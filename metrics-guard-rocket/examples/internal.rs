//! Serves Rocket's metrics on a separate listener, which is guarded too.
//!
//! ```text
//! METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run -p metrics-guard-rocket --example internal
//! ```
//!
//! The page is at the address in Rocket's configuration. The metrics are only at `METRICS_ADDRESS` (default 127.0.0.1) and
//! `METRICS_PORT` (default 9100). A scraper on another machine needs an address of an internal network. The guard checks
//! the key there too, because reaching the listener does not make a client a scraper.

use std::{env, error::Error, net::IpAddr};

use metrics_guard_rocket::{MetricsGuard, guard_metrics};
use prometheus::{IntCounter, TextEncoder, register_int_counter};
use rocket::{Config, State, get, http::Status, routes, tokio::try_join};

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
    let address: IpAddr = env::var("METRICS_ADDRESS").as_deref().unwrap_or("127.0.0.1").parse()?;
    let port: u16 = env::var("METRICS_PORT").as_deref().unwrap_or("9100").parse()?;
    let internal = Config::figment().merge(("address", address)).merge(("port", port));

    let public = rocket::build().manage(visits).mount("/", routes![page]);
    let internal = rocket::custom(internal).mount("/", routes![metrics]).attach(MetricsGuard::fairing());
    // Both ignite before either launches, so that neither serves if a setting of one is wrong.
    let (public, internal) = (public.ignite().await?, internal.ignite().await?);
    try_join!(public.launch(), internal.launch())?;
    Ok(())
}
