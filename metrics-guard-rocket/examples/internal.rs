//! Metrics on a listener of their own, apart from the public one, and guarded all the same.
//!
//! ```text
//! METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run -p metrics-guard-rocket --example internal
//! ```
//!
//! The public service listens where Rocket's configuration says, and has no `/metrics`. That is at `METRICS_ADDRESS`
//! (127.0.0.1; an address of an internal network lets a scraper elsewhere in), port `METRICS_PORT` (9100). The key is
//! asked for there too: whoever has got into the network, or onto the machine, is not thereby a scraper.

use std::{env, error::Error, net::IpAddr};

use metrics_guard_rocket::{MetricsGuard, guard_metrics};
use rocket::{Config, get, routes, tokio::try_join};

#[path = "shared/log.rs"]
mod bounded_log;
#[path = "shared/output.rs"]
mod output;

#[get("/")]
fn index() -> &'static str {
    "Hello. My metrics are none of your business.\n"
}

#[guard_metrics]
#[get("/metrics")]
fn metrics() -> &'static str {
    "# TYPE example_up gauge\nexample_up 1\n"
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: IpAddr = env::var("METRICS_ADDRESS").as_deref().unwrap_or("127.0.0.1").parse()?;
    let port: u16 = env::var("METRICS_PORT").as_deref().unwrap_or("9100").parse()?;
    let figment = Config::figment();
    bounded_log::init(&figment)?;
    let internal = figment.clone().merge(("address", address)).merge(("port", port));

    let public = rocket::custom(figment).mount("/", routes![index]);
    let internal = rocket::custom(internal).mount("/", routes![metrics]).attach(MetricsGuard::fairing());
    // Neither is served if the other is not fit to be.
    let (public, internal) = (public.ignite().await?, internal.ignite().await?);
    try_join!(public.launch(), internal.launch())?;
    Ok(())
}
