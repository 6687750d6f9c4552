//! Configures the guard at ignition, and writes its responses.

use std::{fmt, io::Cursor};

use http::header::CACHE_CONTROL;
use metrics_guard_core::{ConfigError, ConfigErrorKind, Denied, Guard, GuardBuilder};
use rocket::{
    Build, Config, Request, Response, Rocket, Route, error, error_,
    fairing::{self, Fairing, Info, Kind},
    figment::Figment,
    http::{ContentType, Status, uri::Origin},
    warn, warn_,
};

use crate::{
    config,
    guard::{Managed, Verdict},
    mount::Mount,
    redact::Redact,
};

/// Attaches a [`Guard`] to Rocket: `rocket::build().attach(MetricsGuard::fairing())`.
///
/// Attach only one. If there are several, Rocket keeps the last, and does not mount the routes of the others.
#[derive(Debug, Clone)]
#[must_use = "a guard does nothing until it is attached"]
pub struct MetricsGuard {
    // If `None`, the function `builder` builds the guard from Rocket's configuration.
    guard: Option<Guard>,
    builder: fn(&Figment) -> Result<GuardBuilder, ConfigError>,
    mounts: Vec<Mount>,
}

impl MetricsGuard {
    /// Returns a fairing that builds the guard at ignition, from the environment and Rocket's configuration.
    ///
    /// [`Guard::from_env`] explains the settings. A variable `METRICS_VERIFICATION_X` there is the field `x` in Rocket.toml, or
    /// in `ROCKET_METRICS_GUARD={key_file="..."}`:
    ///
    /// ```toml
    /// [default.metrics_guard]
    /// key_file = "accepted_keys" # or `key`
    /// header = "X-Scrape-Key"
    /// query = "metrics_key"
    /// networks = ["10.0.0.0/8", "fd00::/8"]
    /// client_names = ["prometheus.example"]
    /// disabled = false
    /// ```
    ///
    /// A relative `key_file` in Rocket.toml begins at the folder of that file, and elsewhere at the working directory. The fields
    /// `networks` and `client_names` can also be lists.
    ///
    /// Prefer `key_file` to `key`. Other users must not be able to read or write a Rocket.toml that has `key`. The guard does
    /// not check the rights of that file, and Rocket prints the line of a syntax error in it before any fairing runs.
    ///
    /// A setting with a value in both places is an error. Without a usable key, the launch fails and the log has the reason.
    /// The log also has later problems of the key file.
    ///
    /// A name that is close to one of these stops the launch, because Rocket would ignore it. Examples are `[metrics_guard]`
    /// without `default.`, `[default.metrics-guard]`, and variables such as `ROCKET_METRICS_GUARD_NETWORKS`. The fairing
    /// checks all profiles, and the log has the right name.
    pub fn fairing() -> MetricsGuard {
        MetricsGuard { guard: None, builder: MetricsGuard::builder, mounts: Vec::new() }
    }

    /// Returns a fairing that builds the guard of [`fairing`](MetricsGuard::fairing), or an open guard if nothing configures
    /// one. Use it in programs that other operators run, because an update that adds the guard must not stop their services.
    ///
    /// The guard is open only if [`Guard::from_env_or_open`] would be open, and no profile has the table `metrics_guard`. An
    /// empty table counts, and so do one in a variable such as `ROCKET_METRICS_GUARD` and one in a Rocket.toml that the
    /// program does not read. An open guard allows every request, and the log has a warning at each start.
    pub fn fairing_or_open() -> MetricsGuard {
        MetricsGuard { builder: MetricsGuard::builder_or_open, ..MetricsGuard::fairing() }
    }

    /// Returns a fairing that uses a guard that the program built. The fairing reads neither the environment nor Rocket's
    /// configuration. The guard's warnings are in Rocket's log only if its [`on_warning`](crate::GuardBuilder::on_warning)
    /// writes them there.
    pub fn with(guard: Guard) -> MetricsGuard {
        MetricsGuard { guard: Some(guard), ..MetricsGuard::fairing() }
    }

    /// Begins to build the guard that [`fairing`](MetricsGuard::fairing) builds, from the environment and `figment`. Use it to
    /// adjust the guard in code, or to find configuration errors before the launch.
    ///
    /// ```
    /// # use metrics_guard_rocket::{ConfigError, MetricsGuard};
    /// # fn app() -> Result<rocket::Rocket<rocket::Build>, ConfigError> {
    /// let figment = rocket::Config::figment();
    /// let guard = MetricsGuard::builder(&figment)?
    ///     .observe(|check| println!("{} {}", check.outcome(), check.key())) // rather count it
    ///     .build();
    /// let app = rocket::custom(figment).attach(MetricsGuard::with(guard));
    /// # Ok(app)
    /// # }
    /// # assert!(app().is_err(), "no key is configured");
    /// ```
    ///
    /// # Errors
    ///
    /// - [`DuplicateSetting`](crate::ConfigErrorKind::DuplicateSetting) for a setting that has a value in both
    /// - [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) for a value of the wrong type
    /// - [`UnknownSetting`](crate::ConfigErrorKind::UnknownSetting) for names in Rocket's configuration and in the environment
    ///   that are close to ours
    /// - [`UnusableFile`](crate::ConfigErrorKind::UnusableFile) if Rocket's configuration has wrong syntax, or if there is no
    ///   file that `ROCKET_CONFIG` names
    pub fn builder(figment: &Figment) -> Result<GuardBuilder, ConfigError> {
        config::builder(figment, false)
    }

    /// Begins to build the guard that [`fairing_or_open`](MetricsGuard::fairing_or_open) builds. Use it to adjust the guard in
    /// code.
    ///
    /// # Errors
    ///
    /// The errors of [`builder`](MetricsGuard::builder), except that a missing key is no error if nothing configures the guard.
    pub fn builder_or_open(figment: &Figment) -> Result<GuardBuilder, ConfigError> {
        config::builder(figment, true)
    }

    /// Mounts `routes` at `base` behind the check. Use it for third-party routes, which cannot have `#[guard_metrics]`.
    ///
    /// ```
    /// # use metrics_guard_rocket::MetricsGuard;
    /// use rocket_prometheus::PrometheusMetrics;
    ///
    /// let prometheus = PrometheusMetrics::new();
    /// let app = rocket::build()
    ///     .attach(prometheus.clone())
    ///     .attach(MetricsGuard::fairing().mount("/metrics", prometheus));
    /// ```
    ///
    /// Do not mount them on Rocket as well, because they would be public there at another path.
    ///
    /// The arguments are those of [`Rocket::mount`]. If `base` is invalid, Rocket logs it and panics at ignition, as it does in
    /// [`Rocket::mount`].
    pub fn mount<'a, B, R>(mut self, base: B, routes: R) -> MetricsGuard
    where
        B: TryInto<Origin<'a>> + Clone + fmt::Display,
        B::Error: fmt::Display,
        R: Into<Vec<Route>>,
    {
        self.mounts.push(Mount::new(base, routes.into()));
        self
    }
}

#[rocket::async_trait]
impl Fairing for MetricsGuard {
    fn info(&self) -> Info {
        Info { name: "Metrics Guard", kind: Kind::Ignite | Kind::Singleton }
    }

    async fn on_ignite(&self, mut rocket: Rocket<Build>) -> fairing::Result {
        let configured = || -> Result<Guard, ConfigError> {
            let builder = (self.builder)(rocket.figment())?;
            Ok(builder.on_warning(|warning| warn!("metrics-guard: {warning}")).build())
        };
        let guard = match self.guard.clone().map_or_else(configured, Ok) {
            Ok(guard) => guard,
            Err(error) => {
                error!("metrics-guard: {error}");
                if error.kind() == ConfigErrorKind::MissingKey {
                    error_!("In Rocket.toml, set `key_file` in the table [default.metrics_guard] instead.");
                }
                return Err(rocket);
            }
        };
        if guard.requires_client_name() && !asks_for_certificates(rocket.figment()) {
            warn!(
                "metrics-guard: every request is rejected, because the guard requires a client certificate and Rocket \
                 requests none."
            );
            warn_!(
                "Enable the feature `mtls` of metrics-guard-rocket, and set `tls.mutual` in Rocket's configuration."
            );
        }
        if guard.query_parameter().is_some() {
            rocket = rocket.attach(Redact(guard.clone()));
        }
        for mount in &self.mounts {
            rocket = mount.on(rocket);
        }
        Ok(rocket.attach(Answer).manage(Managed(guard)))
    }
}

fn asks_for_certificates(figment: &Figment) -> bool {
    // An error here is ignored, because Rocket itself reports errors in the rest of the configuration.
    cfg!(feature = "mtls") && figment.extract::<Config>().is_ok_and(|config| config.mtls_enabled())
}

/// Writes the responses. It is attached at ignition, so that it runs after the user's response fairings and replaces what
/// they wrote for a rejected request.
struct Answer;

#[rocket::async_trait]
impl Fairing for Answer {
    fn info(&self) -> Info {
        Info { name: "Metrics Guard: responses", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        match Verdict::take(request) {
            None => {}
            // A shared cache may store a response to a key in a custom header, because only `Authorization` forbids that
            // (RFC 9111, section 3.5).
            Some(Ok(())) if has_cache_control(response) => {}
            Some(Ok(())) => {
                response.set_raw_header(CACHE_CONTROL.as_str(), "no-store");
            }
            // The rejection replaces the whole response. It could be a catcher's redirect, or come from a handler with an
            // optional proof, which could set headers or upgrade the connection.
            Some(Err(denied)) => *response = refusal(denied),
        }
    }
}

/// Compares each name, because `contains` hashes the name slowly, with `SipHash`.
fn has_cache_control(response: &Response<'_>) -> bool {
    response.headers().iter().any(|line| line.name() == CACHE_CONTROL.as_str())
}

fn refusal(denied: Denied) -> Response<'static> {
    let (head, body) = denied.into_response::<()>().map(|()| denied.body()).into_parts();
    let mut response = Response::build();
    response.status(Status::new(head.status.as_u16())).header(ContentType::Plain);
    for (name, value) in &head.headers {
        response.raw_header_adjoin(name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    response.sized_body(body.len(), Cursor::new(body)).finalize()
}
