//! Rocket with its metrics on a listener of their own, guarded all the same.
//!
//! ```text
//! METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run -p metrics-guard-rocket --example internal
//! ```
//!
//! The page is where Rocket's configuration says. The metrics are at `METRICS_ADDRESS` (127.0.0.1; a scraper on another
//! machine needs an address of an internal network) and `METRICS_PORT` (9100), and not on the public listener. The guard
//! checks the key there too, because reaching the listener does not make a client a scraper.

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
    // Both ignite before either launches, so that a wrong setting of one keeps the other from serving.
    let (public, internal) = (public.ignite().await?, internal.ignite().await?);
    try_join!(public.launch(), internal.launch())?;
    Ok(())
}
