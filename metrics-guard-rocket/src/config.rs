//! Rocket's configuration and the environment -> a guard.
//!
//! The table `metrics_guard` has the fields that [`Setting::field`] names, each a string but `disabled`, and lists also as
//! arrays of strings. Values are looked at by hand: the errors that serde derives print the value that they stumble over, which may be the key.

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
        let Some(setting) = Setting::ALL.into_iter().find(|setting| setting.field() == name) else {
            return Err(ConfigError::new(place, Problem::UnknownField));
        };
        let Some(text) = text(figment, setting, value) else {
            return Err(ConfigError::new(place, Problem::NotAString));
        };
        settings.set(setting, place, text)?;
    }
    Ok(settings)
}

/// The field, and the file or the variables that it stands in.
fn place(figment: &Figment, field: &str, value: &Value) -> Place {
    let field = format!("`{TABLE}.{field}`");
    Place::Field(match figment.get_metadata(value.tag()) {
        Some(metadata) => match &metadata.source {
            Some(source) => format!("{field} in {source}").into(),
            None => format!("{field} in {}", metadata.name).into(),
        },
        None => field.into(),
    })
}

fn text(figment: &Figment, setting: Setting, value: Value) -> Option<OsString> {
    match (setting, value) {
        // Like the other paths in Rocket.toml: relative to that file, not to where the service was started.
        (Setting::KeyFile, Value::String(..)) => {
            let path: RelativePathBuf = figment.extract_inner(&format!("{TABLE}.{}", setting.field())).ok()?;
            Some(path.relative().into())
        }
        (Setting::Disabled, Value::Bool(_, disabled)) => Some(disabled.to_string().into()),
        (Setting::Networks | Setting::ClientNames, Value::Array(_, entries)) => {
            let entries = entries.into_iter().map(Value::into_string).collect::<Option<Vec<_>>>()?;
            Some(entries.join(",").into())
        }
        (_, Value::String(_, text)) => Some(text.into()),
        _ => None,
    }
}
