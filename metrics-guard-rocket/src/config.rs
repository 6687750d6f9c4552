//! Rocket's configuration and the environment -> a guard.
//!
//! The table `metrics_guard` has the fields that [`Setting::field`] names: strings, but for `disabled`, and for lists, which can
//! be arrays of strings too. Values are looked at by hand: the errors that serde derives print the value that they stumble
//! over, which may be the key.
//!
//! ```
//! use metrics_guard_rocket::{MetricsGuard, guard_metrics};
//! use rocket::{figment::providers::{Format, Toml}, get, http::{Header, Status}, local::blocking::Client, routes};
//!
//! #[guard_metrics]
//! #[get("/metrics")]
//! fn metrics() -> &'static str {
//!     "up 1\n"
//! }
//!
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # let config = rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::debug_default() };
//! # let figment = rocket::Config::figment().merge(config);
//! let table = format!("[default.metrics_guard]\nkey = '{secret}'\nheader = 'X-Scrape-Key'");
//! let figment = figment.merge(Toml::string(&table).nested());
//! let client = Client::untracked(rocket::custom(figment).mount("/", routes![metrics]).attach(MetricsGuard::fairing()))?;
//!
//! let scrape = client.get("/metrics").header(Header::new("X-Scrape-Key", secret)).dispatch();
//! assert_eq!(scrape.status(), Status::Ok);
//!
//! let stranger = client.get("/metrics").header(Header::new("X-Metrics-Key", secret)).dispatch();
//! assert_eq!(stranger.status(), Status::Unauthorized);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::ffi::OsString;

use metrics_guard_core::{ConfigError, Place, Problem, Setting, Settings};
use rocket::figment::{
    Figment,
    value::{Value, magic::RelativePathBuf},
};

const TABLE: &str = "metrics_guard";

pub(crate) fn settings(figment: &Figment) -> Result<Settings, ConfigError> {
    let mut settings = Settings::from_env();
    let fields = match figment.find_value(TABLE) {
        Ok(Value::Dict(_, fields)) => fields,
        Err(error) if error.missing() => return Ok(settings),
        _ => return Err(ConfigError::new(Place::Field(format!("`{TABLE}`").into()), Problem::NotATable)),
    };
    for (name, value) in fields {
        let place = place(figment, &name, &value);
        let Some(setting) = Setting::by_field(&name) else {
            return Err(ConfigError::new(place, Problem::UnknownField));
        };
        let text = text(figment, setting, value).map_err(|problem| ConfigError::new(place.clone(), problem))?;
        settings.set(setting, place, text)?;
    }
    Ok(settings)
}

/// The field, and the file or the variables that it stands in.
fn place(figment: &Figment, field: &str, value: &Value) -> Place {
    let field = format!("`{TABLE}.{}`", field.replace(char::is_control, "?"));
    Place::Field(match figment.get_metadata(value.tag()) {
        Some(metadata) => match &metadata.source {
            Some(source) => format!("{field} in {source}").into(),
            None => format!("{field} in {}", metadata.name).into(),
        },
        None => field.into(),
    })
}

fn text(figment: &Figment, setting: Setting, value: Value) -> Result<OsString, Problem> {
    match (setting, value) {
        // Like the other paths in Rocket.toml: relative to that file, not to where the service was started.
        (Setting::KeyFile, Value::String(..)) => {
            let path: Result<RelativePathBuf, _> = figment.extract_inner(&format!("{TABLE}.{}", setting.field()));
            path.map(|path| path.relative().into()).map_err(|_| Problem::NotAString)
        }
        (Setting::Disabled, Value::Bool(_, disabled)) => Ok(disabled.to_string().into()),
        (Setting::Networks, Value::Array(_, entries)) => joined(entries, Problem::NotANetwork),
        (Setting::ClientNames, Value::Array(_, entries)) => joined(entries, Problem::NotAClientName),
        (_, Value::String(_, text)) => Ok(text.into()),
        _ => Err(Problem::NotAString),
    }
}

/// An array as the list that the environment would have. An entry with a comma would become two.
fn joined(entries: Vec<Value>, bad: impl Fn(usize) -> Problem) -> Result<OsString, Problem> {
    let mut texts = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let text = entry.into_string().ok_or(Problem::NotAString)?;
        if text.contains(',') {
            return Err(bad(index + 1));
        }
        texts.push(text);
    }
    Ok(texts.join(",").into())
}
