//! What the examples of all adapters serve, so that they differ in nothing but the server: a module of
//! each, by a link, so that a packaged crate has it too.

use std::{
    error::Error,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use metrics_guard_core::{ConfigError, ConfigErrorKind, Guard, GuardBuilder, Reason, adapter::Settings};
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// The answer to `GET /`.
pub(crate) const INDEX: &str = "Hello. My metrics are none of your business.\n";

/// The type of the metrics. Prometheus 3 refuses a scrape without a type that it knows.
pub(crate) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer to `GET /fibonacci/<n>`.
pub(crate) fn fibonacci(n: u8) -> String {
    let (last, _) = (0..n).fold((0_u128, 1_u128), |(a, b), _| (b, a.wrapping_add(b)));
    format!("{last}\n")
}

/// What a service counts of itself. Clones count together. With the feature `tracing`, the guard's events are printed.
#[derive(Clone)]
pub(crate) struct Instruments {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    scrapes: IntCounter,
    // The guard at work. The core's feature `metrics` has these too, for who uses that facade.
    open: IntGauge,
    checks: IntCounterVec,
    key_file_stale: GaugeVec,
    key_file_checked: GaugeVec,
    key_file_modified: GaugeVec,
    guard: Arc<OnceLock<Guard>>,
}

impl Instruments {
    pub(crate) fn new() -> prometheus::Result<Instruments> {
        #[cfg(feature = "tracing")]
        {
            // A subscriber writes on the thread of the request, and must not wait there for somebody to read.
            let lines = Arc::new(crate::output::Lines::to(std::io::stdout()));
            tracing_subscriber::fmt().with_writer(lines).init();
        }
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
            open: IntGauge::new("metrics_guard_open", "Whether the metrics guard allows every request.")?,
            checks: IntCounterVec::new(
                Opts::new("metrics_guard_checks_total", "Checks by the metrics guard."),
                &["outcome", "key"],
            )?,
            key_file_stale: GaugeVec::new(
                Opts::new("metrics_guard_key_file_stale", "Whether the key file cannot be used as it is."),
                &["file"],
            )?,
            key_file_checked: GaugeVec::new(
                Opts::new("metrics_guard_key_file_checked_timestamp_seconds", "When the key file was last looked at."),
                &["file"],
            )?,
            key_file_modified: GaugeVec::new(
                Opts::new("metrics_guard_key_file_modified_timestamp_seconds", "When the key file was written."),
                &["file"],
            )?,
            guard: Arc::default(),
        };
        instruments.registry.register(Box::new(instruments.requests.clone()))?;
        instruments.registry.register(Box::new(instruments.durations.clone()))?;
        instruments.registry.register(Box::new(instruments.scrapes.clone()))?;
        instruments.registry.register(Box::new(instruments.open.clone()))?;
        instruments.registry.register(Box::new(instruments.checks.clone()))?;
        instruments.registry.register(Box::new(instruments.key_file_stale.clone()))?;
        instruments.registry.register(Box::new(instruments.key_file_checked.clone()))?;
        instruments.registry.register(Box::new(instruments.key_file_modified.clone()))?;
        #[cfg(target_os = "linux")]
        {
            let process = prometheus::process_collector::ProcessCollector::for_self();
            instruments.registry.register(Box::new(process))?;
        }
        Ok(instruments)
    }

    /// Counts a request. `route` is not its path, and a method that nobody knows is like any other: who asks for ever new
    /// paths by ever new methods must not fill the memory.
    pub(crate) fn observe(&self, method: &str, route: &str, status: u16, took: Duration) {
        let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
        let method = if known.contains(&method) { method } else { "other" };
        self.durations.with_label_values(&[method, route]).observe(took.as_secs_f64());
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
    }

    /// The metrics, as text.
    pub(crate) fn scrape(&self) -> prometheus::Result<String> {
        self.scrapes.inc();
        if let Some(file) = self.guard.get().and_then(Guard::key_file) {
            let path = file.label();
            let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            let is_stale = f64::from(u8::from(file.problem().is_some()));
            self.key_file_stale.with_label_values(&[path]).set(is_stale);
            self.key_file_checked.with_label_values(&[path]).set(seconds(file.checked()));
            if let Some(modified) = file.modified() {
                self.key_file_modified.with_label_values(&[path]).set(seconds(modified));
            }
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// The guard of `configured`, or if no key is configured, the one of `with_key` with a key for this run, and that key.
    /// Its checks are counted.
    pub(crate) fn guard(
        &self,
        configured: Result<GuardBuilder, ConfigError>,
        with_key: impl FnOnce(&str) -> Result<GuardBuilder, ConfigError>,
    ) -> Result<(Guard, Option<String>), Box<dyn Error>> {
        let (builder, key_for_this_run) = match configured {
            Err(error) if error.kind() == ConfigErrorKind::MissingKey => {
                let key = key_for_this_run()?;
                (with_key(&key)?, Some(key))
            }
            builder => (builder?, None),
        };
        // A series for each reason from the start: of one that begins with a flood, Prometheus would not see it rise.
        for reason in Reason::ALL {
            self.checks.with_label_values(&[reason.as_str(), ""]);
        }
        let checks = self.checks.clone();
        let guard =
            builder.observe(move |check| checks.with_label_values(&[check.outcome(), check.key()]).inc()).build();
        self.open.set(guard.is_disabled().into());
        self.guard.set(guard.clone()).map_err(|_| "these instruments have a guard already")?;
        Ok((guard, key_for_this_run))
    }
}

/// The guard that the environment describes, with this key.
#[allow(dead_code)] // Rocket has settings of its own
pub(crate) fn with_key(key: &str) -> Result<GuardBuilder, ConfigError> {
    let mut settings = Settings::from_env();
    settings.set("key", "the key for this run", key)?;
    settings.builder()
}

/// Says what a service should say when it starts: where it listens.
#[allow(dead_code)] // Rocket says it itself
pub(crate) fn announce(key_for_this_run: Option<&str>, scheme: &str, address: SocketAddr) {
    println!("listening on {scheme}://{address}");
    if let Some(key) = key_for_this_run {
        print_how_to_use(key, scheme, address);
    }
}

fn key_for_this_run() -> Result<String, Box<dyn Error>> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let digits = |byte: &u8| [byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'));
    Ok(bytes.iter().flat_map(digits).collect())
}

/// Prints how to scrape the service at `address` with that key.
pub(crate) fn print_how_to_use(key: &str, scheme: &str, address: SocketAddr) {
    println!(
        r#"
No key is configured, so this example made one, for this run alone.

Put the key into a file, in another terminal. `echo` is a part of the shell, so that no command line shows the key:

    (umask 077; echo {key} > metrics_key)

A scrape by hand:

    sed 's/^/Authorization: Bearer /' metrics_key | curl -H @- {scheme}://{address}/metrics

By Prometheus:

    scrape_configs:
      - job_name: example
        scheme: {scheme}
        follow_redirects: false
        authorization:
          credentials_file: metrics_key
        static_configs:
          - targets: ["{address}"]

To keep a key, put it into a file of the service's own as well, and set METRICS_VERIFICATION_KEY_FILE to the path of that
before the start. The service's file may hold several keys, for a rotation; the scraper's must hold one.
"#
    );
}
