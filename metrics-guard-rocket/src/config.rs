//! Builds a guard from Rocket's configuration and the environment.
//!
//! The table `metrics_guard` has the fields that [`SETTINGS`](metrics_guard_core::adapter::SETTINGS) lists. This module reads
//! values without serde's derived errors, because these print the value, which can be the key.

use std::{
    collections::HashSet,
    env, fs,
    path::{Path, PathBuf},
};

use metrics_guard_core::{
    ConfigError, ConfigErrorKind, GuardBuilder,
    adapter::{NearName, SETTINGS, Settings, is_close, shown, shown_name, unknown},
};
use rocket::figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Env, Format, Toml},
    value::{Dict, Value, magic::RelativePathBuf},
};

const TABLE: &str = "metrics_guard";

/// The variable that Rocket reads for the table, in any case, also with a dot and a field after it.
const READ: &str = "rocket_metrics_guard";

/// Begins to build the guard that the environment and `figment` describe. The guard is open if `or_open` and nothing
/// configures one.
pub(crate) fn builder(figment: &Figment, or_open: bool) -> Result<GuardBuilder, ConfigError> {
    let mut settings = Settings::from_env();
    check_variables()?;
    check_inline_tables()?;
    let has_unread_file = check_config_file(figment)?;
    let has_table = check_names(figment)?;
    add_fields(&mut settings, figment)?;
    // A table that this figment does not read, or of a profile that is not selected, is also meant for the guard.
    let has_variable = env::vars_os().any(|(name, _)| is_read(&name.to_string_lossy()));
    if or_open && !(has_unread_file || has_table || has_variable) {
        return GuardBuilder::from_env_or_open();
    }
    settings.builder()
}

fn add_fields(settings: &mut Settings, figment: &Figment) -> Result<(), ConfigError> {
    let fields = match figment.find_value(TABLE) {
        Ok(Value::Dict(_, fields)) => fields,
        Ok(other) => {
            let text = "must be a table; write fields such as `key_file` into it";
            return Err(ConfigError::new(ConfigErrorKind::InvalidSetting, origin(figment, TABLE, &other), text));
        }
        Err(_) => return Ok(()), // there is no table
    };
    for (name, value) in fields {
        let origin = origin(figment, &format!("{TABLE}.{name}"), &value);
        match (&*name, value) {
            ("key_file", Value::String(..)) => set_key_file(settings, figment, origin)?,
            (_, Value::String(_, text)) => settings.set(&name, origin, text)?,
            ("header" | "query" | "disabled", Value::Bool(_, value)) => {
                settings.set(&name, origin, value.to_string())?;
            }
            (_, Value::Array(_, entries)) => {
                settings.set_list(&name, origin, Some(entries.into_iter().map(Value::into_string).collect()))?;
            }
            _ => settings.set_list(&name, origin, None)?,
        }
    }
    Ok(())
}

/// Sets the key file. Like other paths in Rocket.toml, it is relative to that file and not to the working directory.
fn set_key_file(settings: &mut Settings, figment: &Figment, origin: String) -> Result<(), ConfigError> {
    let path: Result<RelativePathBuf, _> = figment.extract_inner(&format!("{TABLE}.key_file"));
    let Ok(path) = path else { return settings.set_list("key_file", origin, None) };
    let file = path.metadata_path().unwrap_or(Path::new(""));
    let folder = if file.is_dir() { file } else { file.parent().unwrap_or(file) };
    settings.set_key_file(origin, path.original().as_os_str(), folder)
}

/// Rejects variables whose names are close to a setting or the table, because Rocket ignores them.
fn check_variables() -> Result<(), ConfigError> {
    for (name, value) in env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if let Some(near) = near_variable(&name, &value) {
            let table = near.is_table.then(|| "ROCKET_METRICS_GUARD".to_owned());
            let variable = |setting: &str| format!("METRICS_VERIFICATION_{}", setting.to_uppercase());
            let right_name = table.or(near.setting.map(variable));
            return Err(unknown(right_name, near.shown));
        }
    }
    Ok(())
}

/// Rejects a field that the variables for the table set twice, because Rocket silently uses one of the two. Rocket reads
/// these variables in any case.
fn check_inline_tables() -> Result<(), ConfigError> {
    let mut origins: Vec<(&str, String)> = Vec::new();
    for (name, value) in env::vars_os() {
        let (name, value) = (name.to_string_lossy().trim().to_owned(), value.to_string_lossy());
        let lower_case = name.to_ascii_lowercase();
        let fields = match lower_case.strip_prefix(READ) {
            Some("") => fields(&value),
            Some(field) => vec![field.trim_start_matches('.').to_owned()],
            None => continue,
        };
        for setting in fields.iter().filter_map(|field| SETTINGS.into_iter().find(|setting| setting == field)) {
            if let Some((_, former)) = origins.iter().find(|(former, _)| *former == setting) {
                let text = format!("set here and in {former}; remove one of the two");
                let origin = format!("`{setting}` in {name}");
                return Err(ConfigError::new(ConfigErrorKind::DuplicateSetting, origin, text));
            }
            origins.push((setting, name.clone()));
        }
    }
    Ok(())
}

/// Returns the names of the fields in an inline table, with repetitions.
fn fields(table: &str) -> Vec<String> {
    let (mut fields, mut name) = (Vec::new(), String::new());
    let (mut depth, mut in_value, mut in_quotes, mut is_escaped) = (0_u32, false, false, false);
    for letter in table.chars() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if in_quotes => is_escaped = true,
            '"' => in_quotes = !in_quotes,
            '{' | '[' if !in_quotes => depth += 1,
            '}' | ']' if !in_quotes => depth = depth.saturating_sub(1),
            _ if depth > 1 => {}
            ',' if !in_quotes => (in_value, name) = (false, String::new()),
            '=' if !in_quotes && !in_value => {
                in_value = true;
                fields.push(name.trim().to_owned());
            }
            _ => name.push(letter),
        }
    }
    fields
}

const FILE: &str = "Rocket.toml";

/// Rejects a `ROCKET_CONFIG` that names no file, and a file whose name is close to `Rocket.toml`. Rocket would ignore both,
/// and the settings in the file. Returns whether there is a `Rocket.toml` with our table that the program does not read.
fn check_config_file(figment: &Figment) -> Result<bool, ConfigError> {
    const NAME: &str = "ROCKET_CONFIG";
    // Rocket also searches the parent folders for a relative path.
    let folder = env::current_dir().unwrap_or_default();
    let find = |path: &str| -> Vec<PathBuf> {
        let files = folder.ancestors().map(|folder| folder.join(path));
        files.filter(|file| !path.is_empty() && file.is_file()).collect()
    };
    let Some(path) = Env::var(NAME) else {
        let files = find(FILE);
        if files.is_empty() {
            check_near_files(figment, &folder)?;
        }
        return Ok(files.iter().any(|file| has_unread_table(figment, file)));
    };
    if !find(&path).is_empty() {
        return Ok(false);
    }
    let origin = shown_file(&path).map_or(NAME.to_owned(), |path| format!("{NAME}, {path}"));
    let text = "there is no file at this path; correct the path, such as ./Rocket.toml";
    Err(ConfigError::new(ConfigErrorKind::UnusableFile, origin, text))
}

/// Rejects a file with our table whose name is close to `Rocket.toml`, unless the program itself reads it.
fn check_near_files(figment: &Figment, folder: &Path) -> Result<(), ConfigError> {
    for entry in folder.ancestors().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let is_near = is_close(text.strip_suffix(".txt").unwrap_or(&text), "rockettoml");
        if is_near && has_unread_table(figment, &entry.path()) {
            let origin = text.escape_debug().to_string();
            let text = "Rocket does not read this file; rename it to Rocket.toml";
            return Err(ConfigError::new(ConfigErrorKind::UnknownSetting, origin, text));
        }
    }
    Ok(())
}

/// Returns whether `path` is a file with our table that the program does not read.
fn has_unread_table(figment: &Figment, path: &Path) -> bool {
    let mut read = figment.metadata().filter_map(|metadata| metadata.source.as_ref()?.file_path());
    if read.any(|read| read.file_name() == path.file_name()) || !path.is_file() {
        return false;
    }
    let profiles = fs::read_to_string(path).ok().and_then(|text| Toml::string(&text).nested().data().ok());
    let is_table = |name: &String| NearName::of(name, "", &[]).is_some_and(|near| near.is_table);
    profiles.iter().flat_map(|profiles| profiles.values()).flat_map(Dict::keys).any(is_table)
}

/// Returns whether Rocket reads the variable for the table: in any case, also with a dot and a field after it.
fn is_read(name: &str) -> bool {
    let lower_case = name.trim().to_ascii_lowercase();
    // After a dot without a field, figment reads the value as the whole table.
    let is_field =
        |rest: &str| rest.strip_prefix('.').is_some_and(|field| !field.is_empty() && !field.starts_with('.'));
    lower_case.strip_prefix(READ).is_some_and(|rest| rest.is_empty() || is_field(rest))
}

fn near_variable(name: &str, value: &str) -> Option<NearName> {
    if is_read(name) {
        return None;
    }
    // The core itself rejects the names of settings without `ROCKET_`.
    let is_ignored =
        |near: &NearName| if near.is_table { value.trim_start().starts_with('{') } else { near.has_prefix };
    NearName::of(name, value, &["rocket"]).filter(is_ignored)
}

/// Rejects names that are close to a setting or the table, because Rocket ignores them. Checks all profiles, because another
/// one can be selected later. Returns whether a profile has the table.
fn check_names(figment: &Figment) -> Result<bool, ConfigError> {
    let profiles = figment.data().map_err(|error| {
        // The error omits the parser's message, because that shows the line, and the line can hold the key.
        let (origin, text) = match position(&error.to_string()) {
            Some((line, column)) => (
                format!("Rocket's configuration, line {line}, column {column}"),
                "invalid TOML; correct this line, for example put strings in quotes",
            ),
            None => (
                "Rocket's configuration".to_owned(),
                "cannot be read; let the service's user read it, for example with `chown USER Rocket.toml`",
            ),
        };
        ConfigError::new(ConfigErrorKind::UnusableFile, origin, text)
    })?;
    let variables: HashSet<String> = env::vars_os().map(|(name, _)| key(&name.to_string_lossy())).collect();
    let prefixes = [&["rocket"], &known(figment)[..]].concat();
    for (profile, values) in &profiles {
        check_profile(figment, profile, values)?;
        for (name, value) in values {
            if name == TABLE {
                check_fields(figment, value)?;
                continue;
            }
            // `Env::raw()` adds all variables, and `check_variables` checks those.
            if variables.contains(name) {
                continue;
            }
            if let Some(near) = NearName::of(name, &as_variable(value), &prefixes) {
                return Err(misspelled(figment, profile, &near, value));
            }
            let of_profile = || Some((across(profile.as_str().as_str(), name, value)?, value));
            if let Some((near, value)) = within(name, value).or_else(of_profile) {
                return Err(misspelled(figment, profile, &near, value));
            }
        }
    }
    Ok(profiles.values().any(|values| values.contains_key(TABLE)))
}

/// Returns a name close to ours in the foreign table `name`, or in a table inside it.
fn within<'v>(name: &str, table: &'v Value) -> Option<(NearName, &'v Value)> {
    named(table).into_iter().find_map(|(field, value)| {
        let near = NearName::of(field, "", &[]).filter(|near| near.is_table && has_fields(value));
        let inner = near.map(|near| NearName { shown: format!("{}.{}", shown_name(name), near.shown), ..near });
        let near = inner.or_else(|| across(name, field, value));
        near.map(|near| (near, value)).or_else(|| within(field, value))
    })
}

/// Returns our name if it was split into tables, as in [default.metrics.guard]. The words must have this order, because a
/// foreign table can have them in another.
fn across(table: &str, field: &str, value: &Value) -> Option<NearName> {
    let near = NearName::of(&format!("{table}.{field}"), &as_variable(value), &[])?;
    let is_ours = if near.is_table { has_fields(value) } else { near.setting.is_some() };
    (is_ours && ["metrics", "metricsverify"].iter().any(|word| is_close(table, word))).then_some(near)
}

/// Returns whether `table` has one of our fields. A foreign table with our name has none.
fn has_fields(table: &Value) -> bool {
    named(table).into_iter().any(|(name, value)| {
        let near = NearName::of(&format!("{TABLE}_{name}"), &as_variable(value), &[]);
        near.is_some_and(|near| near.setting.is_some())
    })
}

/// Returns the fields of a table, or of all tables in an array.
fn named(value: &Value) -> Vec<(&String, &Value)> {
    match value {
        Value::Dict(_, fields) => fields.iter().collect(),
        Value::Array(_, tables) => tables.iter().filter_map(Value::as_dict).flatten().collect(),
        _ => Vec::new(),
    }
}

/// Returns the line and the column in a parser's message.
fn position(message: &str) -> Option<(u32, u32)> {
    let (line, rest) = message.split_once(" at line ")?.1.split_once(", column ")?;
    let column = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// Returns the name under which `Env::raw()` adds a variable to Rocket's configuration.
fn key(name: &str) -> String {
    name.trim().split('.').next().unwrap_or_default().to_ascii_lowercase()
}

/// Rejects a profile with the name of the table, and the table in a profile whose name is mistyped.
fn check_profile(figment: &Figment, profile: &Profile, values: &Dict) -> Result<(), ConfigError> {
    let Some((_, first)) = values.first_key_value() else { return Ok(()) };
    let name = profile.as_str().as_str();
    let prefixes = [&["rocket"], &known(figment)[..]].concat();
    if let Some(near) = NearName::of(name, "", &prefixes).filter(|near| near.is_table || near.setting.is_some()) {
        return Err(misspelled(figment, profile, &near, first));
    }
    let names = [&["all", "any", "every", "common", "shared", "rocket"], &known(figment)[..]].concat();
    match values.get(TABLE) {
        Some(table) if !is_known(figment, profile) && names.iter().any(|known| is_close(name, known)) => {
            let shown = format!("{}.{TABLE}", shown_name(name));
            let near = NearName { shown, setting: None, is_table: true, has_prefix: false };
            Err(misspelled(figment, profile, &near, table))
        }
        _ => Ok(()),
    }
}

fn check_fields(figment: &Figment, table: &Value) -> Result<(), ConfigError> {
    for (name, value) in table.as_dict().into_iter().flatten() {
        // figment splits a name with dots into tables, so this name can be a part of a key.
        let shown = if value.as_dict().is_some() { "…" } else { shown_name(name) };
        if !SETTINGS.contains(&&**name) {
            Settings::default().set(name, origin(figment, &format!("{TABLE}.{shown}"), value), "")?;
        }
    }
    Ok(())
}

fn misspelled(figment: &Figment, profile: &Profile, near: &NearName, value: &Value) -> ConfigError {
    let name = profile.as_str().as_str();
    let profile = if is_known(figment, profile) && shown_name(name) == name { name } else { "default" };
    let table = near.is_table.then(|| format!("[{profile}.{TABLE}]"));
    let right_name = table.or(near.setting.map(|setting| format!("`{setting}` in the table [{profile}.{TABLE}]")));
    unknown(right_name, origin(figment, &near.shown, value))
}

/// Returns the profiles that Rocket can select.
fn known(figment: &Figment) -> [&str; 5] {
    ["default", "global", "debug", "release", figment.profile().as_str().as_str()]
}

fn is_known(figment: &Figment, profile: &Profile) -> bool {
    known(figment).iter().any(|known| profile == known)
}

/// Returns a value as a variable would have it. This recognises a list of networks, and the variables that Kubernetes creates
/// for a Service with the name `rocket-metrics-guard`.
fn as_variable(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Array(_, entries) => entries.iter().map(as_variable).collect::<Vec<_>>().join(","),
        Value::Num(_, number) => {
            let positive = number.to_i128().and_then(|number| u128::try_from(number).ok());
            number.to_u128().or(positive).map(|number| number.to_string()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Returns the field, and the file or variables that set it. The caller must hide a name that could be a key.
fn origin(figment: &Figment, field: &str, value: &Value) -> String {
    match figment.get_metadata(value.tag()) {
        Some(metadata) => format!("`{field}` in {}", source(metadata)),
        None => format!("`{field}`"),
    }
}

/// Returns the source of the values, such as the path of a file. Hides the parts of a path that could be a key.
fn source(metadata: &Metadata) -> String {
    let Some(source) = &metadata.source else { return metadata.name.to_string() };
    let text = source.to_string();
    if source.file_path().is_none() {
        return text;
    }
    shown_file(&text).unwrap_or_else(|| "the file that ROCKET_CONFIG names".to_owned())
}

/// Returns the part of a configuration file's path that a message may show.
fn shown_file(path: &str) -> Option<String> {
    match path.strip_suffix(FILE) {
        Some(folder) => Some(format!("{}{FILE}", shown(folder).unwrap_or_default())),
        None => shown(path),
    }
}
