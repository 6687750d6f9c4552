//! A small service whose `/metrics` is closed to everyone but the holder of the key.
//!
//! ```text
//! cargo run -p metrics-guard-rocket --example metrics
//! ```
//!
//! `GET /` and `GET /fibonacci/<n>` are public, `GET /metrics` is guarded. It listens as Rocket does (`ROCKET_PORT`,
//! `ROCKET_ADDRESS`) and takes its key as every service with `MetricsGuard::fairing()` does. Only where none is
//! configured, and only since this is an example, it makes one for the run and prints what uses it.
//!
//! With `--features mtls`, and a `tls.mutual` in Rocket's configuration, it can ask for client certificates
//! (`METRICS_VERIFICATION_CLIENT_NAMES`).

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use metrics_guard_rocket::{MetricsGuard, guard_metrics};
use rocket::{
    Config, Data, Request, Response, State,
    fairing::{AdHoc, Fairing, Info, Kind},
    get,
    http::Header,
    routes,
};
use service::Instruments;

#[path = "shared/log.rs"]
mod bounded_log;
#[path = "shared/output.rs"]
mod output;
#[path = "shared/service.rs"]
mod service;

#[get("/")]
fn index() -> &'static str {
    service::INDEX
}

#[get("/fibonacci/<n>")]
fn fibonacci(n: Option<u8>) -> Option<String> {
    n.map(service::fibonacci)
}

#[derive(rocket::Responder)]
struct Metrics(String, Header<'static>);

#[guard_metrics]
#[get("/metrics")]
fn metrics(instruments: &State<Instruments>) -> Result<Metrics, String> {
    let body = instruments.scrape().map_err(|error| error.to_string())?;
    Ok(Metrics(body, Header::new("Content-Type", service::METRICS_TYPE)))
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let figment = Config::figment();
    bounded_log::init(&figment)?;
    let instruments = Instruments::new()?;
    // Without a key for this run, and uncounted, this would be `MetricsGuard::fairing()`.
    let (guard, key_for_this_run) = instruments.guard(MetricsGuard::builder(&figment), |key| {
        MetricsGuard::builder(&figment.clone().merge(("metrics_guard.key", key)))
    })?;

    let rocket = rocket::custom(figment)
        .manage(instruments.clone())
        .attach(instruments)
        .mount("/", routes![index, fibonacci, metrics])
        .attach(MetricsGuard::with(guard))
        .attach(AdHoc::on_liftoff("How to use", |rocket| {
            Box::pin(async move {
                if let Some(key) = key_for_this_run {
                    let scheme = if rocket.config().tls_enabled() { "https" } else { "http" };
                    service::print_how_to_use(&key, scheme, reachable(rocket.config()));
                }
            })
        }));
    rocket.launch().await?;
    Ok(())
}

fn reachable(config: &Config) -> SocketAddr {
    let address = if config.address.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { config.address };
    SocketAddr::new(address, config.port)
}

struct Arrival(Instant);

#[rocket::async_trait]
impl Fairing for Instruments {
    fn info(&self) -> Info {
        Info { name: "Instruments", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        request.local_cache(|| Arrival(Instant::now()));
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let Arrival(arrival) = request.local_cache(|| Arrival(Instant::now()));
        let route = request.route().map_or("none", |route| route.uri.as_str());
        self.observe(request.method().as_str(), route, response.status().code, arrival.elapsed());
    }
}
