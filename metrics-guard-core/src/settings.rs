//! Builds a guard from settings in the environment and in files, or returns an error with an instruction.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::Path,
};

use zeroize::Zeroizing;

use crate::{
    builder::{GuardBuilder, guard_name},
    error::{ConfigError, Origin},
    guard::Guard,
    keys::key::Key,
    near_names::{bare, is_docker_link},
    problem,
    setting_names::{NearName, PREFIX, SETTINGS, assigned, by_near_name, by_variable, variable},
    shown::{ShownPath, shown_name},
    warning,
};

/// The settings of a guard that is not built yet, each with its origin. `Debug` shows no value.
#[derive(Debug, Default)]
pub struct Settings {
    key: Option<Found<Zeroizing<Vec<u8>>>>,
    key_file: Option<Found<ShownPath>>,
    header: Option<Found<OsString>>,
    query: Option<Found<OsString>>,
    networks: Option<Found<Vec<String>>>,
    client_names: Option<Found<Vec<String>>>,
    disabled: Option<Found<OsString>>,
    /// The first error of a variable or of an empty value. `builder` returns it before all others.
    error: Option<ConfigError>,
    /// Whether the environment has any setting, or a name that is close to one.
    is_set: bool,
    /// The prefix of the variables. `None` for settings of an adapter.
    prefix: Option<Box<str>>,
}

impl Guard {
    /// Builds the guard that the environment describes.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `METRICS_VERIFICATION_KEY` | the key |
    /// | `METRICS_VERIFICATION_KEY_FILE` | or the path of a file with one to four keys, one per line, which the guard follows |
    /// | `METRICS_VERIFICATION_HEADER` | the header that presents the key, instead of `X-Metrics-Key` |
    /// | `METRICS_VERIFICATION_QUERY` | the name of a query parameter that presents it; unset: none |
    /// | `METRICS_VERIFICATION_NETWORKS` | the networks of allowed clients, such as `10.0.0.0/8, fd00::/8`; unset: all |
    /// | `METRICS_VERIFICATION_CLIENT_NAMES` | names of which a client certificate must have one; unset: no certificate is required |
    /// | `METRICS_VERIFICATION_DISABLED` | `true`: the guard allows every request |
    ///
    /// Prefer the file, because other processes of the same user can read a process's environment, and its children inherit it.
    ///
    /// Any other name with that prefix is an error, and so is a name that is close to one of these. See [`Settings::from_env`].
    ///
    /// # Errors
    ///
    /// [`MissingKey`](crate::ConfigErrorKind::MissingKey) without a key, and most other [kinds](crate::ConfigErrorKind) for a
    /// key or a setting that is unusable. A service that gets an error here must not start.
    pub fn from_env() -> Result<Guard, ConfigError> {
        GuardBuilder::from_env().map(GuardBuilder::build)
    }

    /// Builds the guard that [`from_env`](Guard::from_env) builds, or an open guard if no variable configures one. Use it in
    /// programs that other operators run, because an update that adds the guard must not stop their services.
    ///
    /// The guard is open only if no variable that begins with `METRICS_VERIFICATION_`, and no variable with a close name, is
    /// set. An empty variable counts as set. Variables of Kubernetes service links do not count. An open guard allows every
    /// request, and warns of that at each start.
    ///
    /// # Errors
    ///
    /// The errors of [`from_env`](Guard::from_env), if a variable is set.
    pub fn from_env_or_open() -> Result<Guard, ConfigError> {
        GuardBuilder::from_env_or_open().map(GuardBuilder::build)
    }
}

impl GuardBuilder {
    /// Begins to build the guard that [`Guard::from_env`] builds, so that the program can adjust it.
    ///
    /// # Errors
    ///
    /// As for [`Guard::from_env`].
    pub fn from_env() -> Result<GuardBuilder, ConfigError> {
        Settings::from_env().builder()
    }

    /// Begins to build the guard that [`Guard::from_env_or_open`] builds, so that the program can adjust it.
    ///
    /// # Errors
    ///
    /// As for [`Guard::from_env_or_open`].
    pub fn from_env_or_open() -> Result<GuardBuilder, ConfigError> {
        let settings = Settings::from_env();
        let warning = warning::open(variable(PREFIX, "key_file"));
        if settings.is_set { settings.builder() } else { Ok(GuardBuilder::disabled_with(warning)) }
    }

    /// Begins to build a second guard in one process, from its own variables. With the prefix `PPROF_GUARD_`, these are
    /// `PPROF_GUARD_KEY_FILE`, `PPROF_GUARD_KEY` and so on, with the meanings that [`Guard::from_env`] lists.
    ///
    /// The [name](GuardBuilder::name) of the guard is the prefix in lower case and without the `_` at its end, such as
    /// `pprof_guard`. Use a second guard with a layer, with `protect`, or with [`Guard::check`], because the attribute of a
    /// framework uses the guard in the framework's state.
    ///
    /// Another variable with the prefix, in any case, is an error, unless it is one of a Kubernetes service link. So no prefix
    /// may be the beginning of another prefix. A misspelled prefix is not recognised, so its variables have no effect.
    ///
    /// # Errors
    ///
    /// As for [`Guard::from_env`]. Also if `prefix` is not up to 65 upper-case letters, digits and `_`, with `_` last, or if it
    /// contains `METRICS_VERIFICATION_`, is a part of it, or is close to it.
    pub fn from_env_with_prefix(prefix: &str) -> Result<GuardBuilder, ConfigError> {
        let is_allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let name = prefix.strip_suffix('_').unwrap_or_default().to_ascii_lowercase();
        if !prefix.bytes().all(is_allowed) || guard_name(&name).is_err() || NearName::can_begin_with(prefix) {
            return Err(problem::invalid_prefix().at("GuardBuilder::from_env_with_prefix"));
        }
        Settings::from_env_behind(prefix).builder()?.name(&name)
    }
}

struct Found<T> {
    origin: Origin,
    value: T,
}

/// Hides the value, because it is the key, or could be by mistake.
impl<T> fmt::Debug for Found<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl Settings {
    /// Reads the settings in the environment, by the names of its variables.
    ///
    /// Any other name that begins with `METRICS_VERIFICATION_`, in any case, is an error of the guard, so that no layer is
    /// missing because its name was mistyped. A name that is close to a setting's, such as `METRIC_VERIFICATION_KEY`,
    /// `METRICSVERIFICATIONKEY`, `METRICS_GUARD_KEY` or `export METRICS_VERIFICATION_KEY`, is an error too. Two kinds of
    /// variables do not count: those that Kubernetes makes for a Service, such as `METRICS_VERIFICATION_SERVICE_HOST`, and
    /// those that Docker makes for a linked container, such as `METRICS_VERIFICATION_ENV_PATH`.
    #[must_use]
    pub fn from_env() -> Settings {
        Settings::from_env_behind(PREFIX)
    }

    /// Reads the settings in the environment variables that begin with `prefix`.
    fn from_env_behind(prefix: &str) -> Settings {
        let mut settings = Settings { prefix: Some(prefix.into()), ..Settings::default() };
        for (name, value) in std::env::vars_os() {
            // A name that is not text is not a setting, but can begin like one.
            let mut name = name.to_string_lossy().into_owned();
            // On Windows, the case of a variable's name does not count.
            if cfg!(windows) {
                name.make_ascii_uppercase();
            }
            let set = match by_variable(prefix, &name) {
                // An environment can have a name twice.
                Some(setting) => settings.set(setting, name, value),
                None => match misspelled(prefix, &name, &value.to_string_lossy()) {
                    Some(judged) => judged,
                    None => {
                        // Docker may have passed on a variable of a linked container that was meant for this guard.
                        let begins = name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
                        settings.is_set |= begins && is_docker_link(&name, &value.to_string_lossy());
                        continue;
                    }
                },
            };
            settings.is_set = true;
            if let Err(error) = set {
                settings.error.get_or_insert(error);
            }
        }
        settings
    }

    /// Adds the setting `name`, one of [`SETTINGS`](crate::adapter::SETTINGS). `origin` is the place where an operator finds
    /// it, such as `` `key` in app.toml``. It contains no value, because that could be a key. An empty value is an error of the
    /// guard.
    ///
    /// # Errors
    ///
    /// - [`UnknownSetting`](crate::ConfigErrorKind::UnknownSetting) if no setting has this name; the text contains a close one,
    ///   if there is one
    /// - [`DuplicateSetting`](crate::ConfigErrorKind::DuplicateSetting) if the setting already has a value, because no origin
    ///   has precedence
    pub fn set(
        &mut self,
        name: &str,
        origin: impl Into<Origin>,
        value: impl Into<OsString>,
    ) -> Result<(), ConfigError> {
        let (origin, value) = (known(name, origin)?, value.into());
        if self.note_if_empty(name, &origin, &value) {
            return Ok(());
        }
        match name {
            "key" => put(&mut self.key, origin, Zeroizing::new(value.into_encoded_bytes())),
            "key_file" => self.set_key_file(origin, &value, Path::new("")),
            "header" => put(&mut self.header, origin, value),
            "query" => put(&mut self.query, origin, value),
            "networks" => put(&mut self.networks, origin, entries(&value)),
            "client_names" => put(&mut self.client_names, origin, entries(&value)),
            "disabled" => put(&mut self.disabled, origin, value),
            _ => Err(unknown(None, origin)),
        }
    }

    /// Adds the setting `name` with a value that is not text: a list, with `None` for each entry that is not text, or `None`
    /// for a value of another type.
    ///
    /// # Errors
    ///
    /// As for [`set`](Settings::set), and [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) if the setting does not
    /// accept such a value.
    pub fn set_list(
        &mut self,
        name: &str,
        origin: impl Into<Origin>,
        list: Option<Vec<Option<String>>>,
    ) -> Result<(), ConfigError> {
        let origin = known(name, origin)?;
        match (name, list) {
            ("networks", Some(list)) => put(&mut self.networks, origin.clone(), strings(list, &origin)?),
            ("client_names", Some(list)) => put(&mut self.client_names, origin.clone(), strings(list, &origin)?),
            ("networks", None) => Err(problem::not_a_list("10.0.0.0/8").at(origin)),
            ("client_names", None) => Err(problem::not_a_list("prometheus.example").at(origin)),
            ("disabled", _) => Err(problem::not_true_or_false().at(origin)),
            ("key", Some(_)) => Err(problem::several_keys().at(origin)),
            _ => Err(problem::not_a_string().at(origin)),
        }
    }

    /// Adds the setting `key_file`, a path that begins at `folder` if it is relative. Messages show the path as the operator
    /// wrote it, and hide each part that could be a key.
    ///
    /// # Errors
    ///
    /// As for [`set`](Settings::set).
    pub fn set_key_file(
        &mut self,
        origin: impl Into<Origin>,
        written: &OsStr,
        folder: &Path,
    ) -> Result<(), ConfigError> {
        let origin = origin.into();
        if self.note_if_empty("key_file", &origin, written) {
            return Ok(());
        }
        let path = ShownPath::new(written, folder.join(written), origin.to_string());
        put(&mut self.key_file, origin, path)
    }

    /// Stores the error of an empty value, which is reported first, because the operator meant to set a value.
    fn note_if_empty(&mut self, name: &str, origin: &Origin, value: &OsStr) -> bool {
        let is_empty = value.to_string_lossy().trim().is_empty();
        // Without one of these four, the guard can allow more clients, so no message advises only to unset it.
        let problem = || match name {
            "key" => problem::blank(),
            "key_file" => problem::empty_path(),
            "networks" => problem::no_network(),
            "client_names" => problem::no_client_name(),
            _ => problem::empty(),
        };
        is_empty.then(|| self.error.get_or_insert_with(|| problem().at(origin.clone()))).is_some()
    }

    /// Returns a builder of the guard that the settings describe.
    ///
    /// # Errors
    ///
    /// If no usable key is configured, unless the guard is disabled, and if the value of a setting is unusable: see
    /// [`ConfigErrorKind`](crate::ConfigErrorKind).
    pub fn builder(self) -> Result<GuardBuilder, ConfigError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        // A disabled guard reads no keys, but still validates the settings below. `redacted_query` needs the parameter, and an
        // invalid name must fail now.
        let mut builder = match self.disabled()? {
            Some(origin) => GuardBuilder::disabled_with(warning::disabled(origin)),
            None => self.keys()?,
        };
        if let Some(Found { origin, value }) = self.header {
            // A value that is not text is not a name either.
            builder = builder.set_header(origin, value.to_str().unwrap_or_default())?;
        }
        if let Some(Found { origin, value }) = self.query {
            builder = builder.set_query(origin, value.to_str().unwrap_or_default())?;
        }
        if let Some(Found { origin, value }) = self.networks {
            builder = builder.set_networks(origin, value)?;
        }
        if let Some(Found { origin, value }) = self.client_names {
            builder = builder.set_client_names(origin, value)?;
        }
        Ok(builder)
    }

    fn keys(&self) -> Result<GuardBuilder, ConfigError> {
        let prefix = self.prefix.as_deref().unwrap_or(PREFIX);
        match (&self.key, &self.key_file) {
            (Some(key), Some(file)) => Err(problem::set_twice(&file.origin).at(key.origin.clone())),
            (Some(key), None) => Ok(Guard::builder(Key::found_at(key.origin.clone(), &key.value)?)),
            (None, Some(file)) => GuardBuilder::from_file(&file.value),
            (None, None) => Err(problem::no_key().at(variable(prefix, "key_file"))),
        }
    }

    /// Returns the place that disables the guard, if it is disabled.
    fn disabled(&self) -> Result<Option<&Origin>, ConfigError> {
        match &self.disabled {
            None => Ok(None),
            Some(Found { value, .. }) if value == "false" => Ok(None),
            Some(Found { value, origin }) if value == "true" => Ok(Some(origin)),
            Some(Found { origin, .. }) => Err(problem::not_true_or_false().at(origin.clone())),
        }
    }
}

/// Returns the origin of a setting, or an error if no setting has this name.
fn known(name: &str, origin: impl Into<Origin>) -> Result<Origin, ConfigError> {
    if SETTINGS.contains(&name) {
        return Ok(origin.into());
    }
    Err(unknown(by_near_name(name).map(|near| format!("`{near}`")), origin))
}

/// Stores a setting, unless another place has set it.
fn put<T>(slot: &mut Option<Found<T>>, origin: Origin, value: T) -> Result<(), ConfigError> {
    match slot {
        Some(former) => Err(problem::set_twice(&former.origin).at(origin)),
        None => {
            *slot = Some(Found { origin, value });
            Ok(())
        }
    }
}

/// Returns the error of a name that no setting has, with the right name if it is known.
#[must_use]
pub fn unknown(right_name: Option<String>, origin: impl Into<Origin>) -> ConfigError {
    right_name.map_or_else(problem::unknown, problem::misspelled).at(origin)
}

/// Judges a variable that is not a setting. Returns `None` for a variable of another program, an error for a misspelled
/// setting, and `Ok` for a variable that only counts as set.
fn misspelled(prefix: &str, name: &str, value: &str) -> Option<Result<(), ConfigError>> {
    let assigned = assigned(prefix, name, value).map(|setting| variable(prefix, setting));
    if let Some(variable) = assigned.filter(|variable| std::env::var_os(variable).is_none()) {
        return Some(Err(unknown(Some(variable), shown_name(name).to_owned())));
    }
    let near = NearName::of_variable(prefix, name, value)?;
    // A variable named like the table is an error if its value is an inline table, or if the name is the prefix alone.
    // Otherwise it only counts as set.
    if near.is_table && !value.trim_start().starts_with('{') && bare(name) != "metricsverification" {
        return Some(Ok(()));
    }
    let right_name = near.setting.map(|setting| variable(prefix, setting));
    Some(Err(unknown(right_name, near.shown)))
}

/// Returns the entries of a list, or an error if one is not a string.
fn strings(list: Vec<Option<String>>, origin: &Origin) -> Result<Vec<String>, ConfigError> {
    let string = |(index, entry): (usize, Option<String>)| {
        entry.ok_or_else(|| problem::entry_not_a_string(index + 1).at(origin.clone()))
    };
    list.into_iter().enumerate().map(string).collect()
}

/// Splits a list at its commas. An entry that is not text becomes one that nothing accepts.
fn entries(list: &OsStr) -> Vec<String> {
    list.to_string_lossy().split(',').map(str::to_owned).collect()
}
