//! A small service whose `/metrics` is closed to everyone but the holder of the key.
//!
//! ```text
//! cargo run -p metrics-guard-rocket --example metrics
//! ```
//!
//! `GET /` and `GET /fibonacci/<n>` are public, `GET /metrics` is guarded. It listens as Rocket does (`ROCKET_PORT`,
//! `ROCKET_ADDRESS`) and takes its key as every service with `MetricsGuard::fairing()` does. Only where none is
//! configured, and only since this is an example, it makes one for the run and prints what uses it.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use metrics_guard_rocket::{MetricsGuard, Problem, guard_metrics};
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};
use rocket::{
    Config, Data, Request, Response, State,
    fairing::{AdHoc, Fairing, Info, Kind},
    get,
    http::ContentType,
    routes,
};

#[get("/")]
fn index() -> &'static str {
    "Hello. My metrics are none of your business.\n"
}

#[get("/fibonacci/<n>")]
fn fibonacci(n: u8) -> String {
    let (last, _) = (0..n).fold((0_u128, 1_u128), |(a, b), _| (b, a.wrapping_add(b)));
    format!("{last}\n")
}

#[guard_metrics]
#[get("/metrics")]
fn metrics(instruments: &State<Instruments>) -> Result<(ContentType, String), String> {
    instruments.scrapes.inc();
    // Prometheus 3 refuses a scrape without a content type that it knows.
    let text = ContentType::new("text", "plain").with_params([("version", "0.0.4"), ("charset", "utf-8")]);
    let body = TextEncoder::new().encode_to_string(&instruments.registry.gather());
    body.map(|body| (text, body)).map_err(|error| error.to_string())
}

#[rocket::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let instruments = Instruments::new()?;
    let mut figment = Config::figment();
    let mut key_for_this_run = None;
    // Whatever else is wrong with the configuration, the fairing says so and refuses the launch.
    if MetricsGuard::from_figment(&figment).is_err_and(|error| *error.problem() == Problem::NoKey) {
        let key = format!("{:032x}{:032x}", random()?, random()?);
        figment = figment.merge(("metrics_guard.key", &key));
        key_for_this_run = Some(key);
    }

    let rocket = rocket::custom(figment)
        .manage(instruments.clone())
        .attach(instruments)
        .mount("/", routes![index, fibonacci, metrics])
        .attach(MetricsGuard::fairing())
        .attach(AdHoc::on_liftoff("How to use", |rocket| {
            Box::pin(async move {
                if let Some(key) = key_for_this_run {
                    print_how_to_use(&key, rocket.config());
                }
            })
        }));
    rocket.launch().await?;
    Ok(())
}

fn random() -> Result<u128, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

fn print_how_to_use(key: &str, config: &Config) {
    let reachable = if config.address.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { config.address };
    let address = SocketAddr::new(reachable, config.port);
    println!(
        r#"
No key is configured, so this example made one, for this run alone.

A scrape by hand, in another terminal:

    curl -H 'X-Metrics-Key: {key}' http://{address}/metrics

By Prometheus, with the key in a file:

    (umask 077; echo {key} > metrics_key)

    scrape_configs:
      - job_name: example
        authorization:
          credentials_file: metrics_key
        static_configs:
          - targets: ["{address}"]

To keep a key, set METRICS_VERIFICATION_KEY_FILE to the path of its file before the start.
"#
    );
}

/// What the service counts of itself.
#[derive(Clone)]
struct Instruments {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    scrapes: IntCounter,
}

impl Instruments {
    fn new() -> prometheus::Result<Instruments> {
        let instruments = Instruments {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new("http_requests_total", "Requests by route and status."),
                &["method", "route", "status"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new("http_request_duration_seconds", "Time from a request's arrival to its response."),
                &["method", "route"],
            )?,
            scrapes: IntCounter::new("metrics_scrapes_total", "Scrapes that the guard let pass.")?,
        };
        instruments.registry.register(Box::new(instruments.requests.clone()))?;
        instruments.registry.register(Box::new(instruments.durations.clone()))?;
        instruments.registry.register(Box::new(instruments.scrapes.clone()))?;
        #[cfg(target_os = "linux")]
        {
            let process = prometheus::process_collector::ProcessCollector::for_self();
            instruments.registry.register(Box::new(process))?;
        }
        Ok(instruments)
    }
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
        let method = request.method().as_str();
        // The route and not the path: who asks for ever new paths must not fill the memory.
        let route = request.route().map_or("none", |route| route.uri.as_str());
        self.durations.with_label_values(&[method, route]).observe(arrival.elapsed().as_secs_f64());
        self.requests.with_label_values(&[method, route, &response.status().code.to_string()]).inc();
    }
}
