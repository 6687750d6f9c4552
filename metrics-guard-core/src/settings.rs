//! From the environment and files to a guard, or to an error that says what to do.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{ConfigErrorKind, Origin, Setting, Settings};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let mut settings = Settings::default();
//! settings.set(Setting::Key, Origin::new("`key` in app.toml"), secret.into())?;
//! settings.set(Setting::Header, Origin::new("`header` in app.toml"), "X-Scrape-Key".into())?;
//! let guard = settings.guard()?;
//!
//! let scrape = Request::get("/metrics").header("X-Scrape-Key", secret).body(())?;
//! assert!(guard.check(&scrape).is_ok());
//!
//! let stranger = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//! assert!(guard.check(&stranger).is_err());
//!
//! let error = Settings::default().guard().unwrap_err();
//! assert_eq!(error.kind(), ConfigErrorKind::MissingKey);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
    names::bare,
    problem,
    setting::{Meaning, NearName, PREFIX, Setting, assigned},
    shown::{ShownPath, shown_name},
    warning,
};

/// Settings on their way to a [`Guard`]: each remembers where it was found, so that an error can say so. `Debug` shows
/// that place alone.
#[derive(Debug, Default)]
pub struct Settings {
    key: Option<Found<Zeroizing<Vec<u8>>>>,
    key_file: Option<Found<ShownPath>>,
    header: Option<Found<OsString>>,
    query: Option<Found<OsString>>,
    networks: Option<Found<OsString>>,
    client_names: Option<Found<OsString>>,
    disabled: Option<Found<OsString>>,
    /// What the environment has that there is no guard with.
    error: Option<ConfigError>,
    /// Whether there is any setting, or a name that is close to one.
    is_set: bool,
    /// With what the variables begin, if not with [`PREFIX`].
    prefix: Option<Box<str>>,
}

impl Guard {
    /// A guard as the environment describes it.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `METRICS_VERIFICATION_KEY` | the key |
    /// | `METRICS_VERIFICATION_KEY_FILE` | or the path of a file with one to four keys, one a line, which is followed |
    /// | `METRICS_VERIFICATION_HEADER` | the field that presents the key, instead of `X-Metrics-Key` |
    /// | `METRICS_VERIFICATION_QUERY` | the name of a query parameter that may present it; unset: none may |
    /// | `METRICS_VERIFICATION_NETWORKS` | the networks that may ask, such as `10.0.0.0/8, fd00::/8`; unset: all may |
    /// | `METRICS_VERIFICATION_CLIENT_NAMES` | names of which a client certificate must have one; unset: none is asked for |
    /// | `METRICS_VERIFICATION_DISABLED` | `true`: everyone passes |
    ///
    /// Prefer the file: a process's environment can be read by its user, and is inherited by its children.
    ///
    /// A misspelled variable is an error: each other name with that prefix, and names close to these. See
    /// [`Settings::from_env`].
    ///
    /// # Errors
    ///
    /// Without a usable key, and for every setting that cannot be used as it is: see [`Problem`]. A service that gets
    /// an error here must not start.
    pub fn from_env() -> Result<Guard, ConfigError> {
        Settings::from_env().guard()
    }

    /// Builds the guard that [`from_env`](Guard::from_env) builds, or an open guard if no variable configures one. It is for
    /// programs that other operators run, because an update that brings the guard must not stop their services.
    ///
    /// The guard is open only if no variable that begins with `METRICS_VERIFICATION_`, and no variable with a close name, is
    /// set. An empty variable is set. Variables of Kubernetes service links do not count. An open guard allows every
    /// request, and warns of that at each start.
    ///
    /// # Errors
    ///
    /// As for [`from_env`](Guard::from_env), once a variable is set.
    pub fn from_env_or_open() -> Result<Guard, ConfigError> {
        Settings::from_env().builder_or_open().map(GuardBuilder::build)
    }
}

impl GuardBuilder {
    /// Begins the guard that [`Guard::from_env`] builds, so that the program can adjust it.
    ///
    /// # Errors
    ///
    /// As for [`Guard::from_env`].
    pub fn from_env() -> Result<GuardBuilder, ConfigError> {
        Settings::from_env().builder()
    }

    /// Begins a second guard in one process, from variables of its own: with the prefix `PPROF_GUARD_` they are
    /// `PPROF_GUARD_KEY_FILE`, `PPROF_GUARD_KEY` and so on, with the meanings that [`Guard::from_env`] lists.
    ///
    /// The [name](GuardBuilder::name) of the guard is the prefix in lower case and without the `_` at its end, such as
    /// `pprof_guard`. Use a second guard with a layer, with `protect`, or with [`Guard::check`], because `#[guard_metrics]`
    /// uses the guard of the framework's state.
    ///
    /// Another variable with the prefix, in whatever case, is an error, unless it is one of a Kubernetes service link. So no
    /// prefix may begin another one. A misspelled prefix is not recognized, so its variables have no effect.
    ///
    /// # Errors
    ///
    /// As for [`Guard::from_env`]. Also if `prefix` is not up to 65 upper-case letters, digits and `_`, with `_` last, and
    /// if it contains `METRICS_VERIFICATION_`, is a part of it, or is close to it.
    pub fn from_env_with_prefix(prefix: &str) -> Result<GuardBuilder, ConfigError> {
        let is_allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let name = prefix.strip_suffix('_').unwrap_or_default().to_ascii_lowercase();
        if !prefix.bytes().all(is_allowed) || guard_name(&name).is_err() || NearName::can_begin_with(prefix) {
            return Err(problem::invalid_prefix().at(Origin::new("GuardBuilder::from_env_with_prefix")));
        }
        Settings::behind(prefix).builder()?.name(&name)
    }
}

struct Found<T> {
    origin: Origin,
    value: T,
}

/// Not the value: it is the key, or may be by mistake.
impl<T> fmt::Debug for Found<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.origin, f)
    }
}

impl Settings {
    /// The settings that the environment holds, by the names in [`Setting::variable`].
    ///
    /// Each other name that begins with `METRICS_VERIFICATION_`, in whatever case, is an error of the guard, so that no layer
    /// is missing because its name was mistyped. A name that is close to a setting's, such as `METRIC_VERIFICATION_KEY`,
    /// `METRICSVERIFICATIONKEY`, `METRICS_GUARD_KEY` or `export METRICS_VERIFICATION_KEY`, is an error too. Variables that
    /// Kubernetes makes for a Service, such as `METRICS_VERIFICATION_SERVICE_HOST`, do not count.
    #[must_use]
    pub fn from_env() -> Settings {
        Settings::behind(PREFIX)
    }

    /// The settings that the environment holds in variables that begin with `prefix`.
    fn behind(prefix: &str) -> Settings {
        let mut settings = Settings { prefix: Some(prefix.into()), ..Settings::default() };
        for (name, value) in std::env::vars_os() {
            // What is not text is no setting's name, and can begin like one.
            let mut name = name.to_string_lossy().into_owned();
            // There, the case does not count.
            if cfg!(windows) {
                name.make_ascii_uppercase();
            }
            let set = match Setting::by_variable(&name, prefix) {
                // An environment can hold a name twice.
                Some(setting) => settings.set(setting, Origin::new(name), value),
                None => match misspelled(&name, &value.to_string_lossy(), prefix) {
                    Some(judged) => judged,
                    None => continue,
                },
            };
            settings.is_set = true;
            if let Err(error) = set {
                settings.error.get_or_insert(error);
            }
        }
        settings
    }

    /// Adds a setting found at `place`. An empty value is an error of the guard.
    ///
    /// # Errors
    ///
    /// [`Problem::GivenTwice`] if it is there already: neither place has precedence over the other.
    pub fn set(&mut self, setting: Setting, origin: Origin, value: OsString) -> Result<(), ConfigError> {
        if self.is_empty(setting, &origin, &value) {
            return Ok(());
        }
        match setting {
            Setting::Key => put(&mut self.key, origin, Zeroizing::new(value.into_encoded_bytes())),
            Setting::KeyFile => self.set_key_file(origin, &value, Path::new("")),
            Setting::Header => put(&mut self.header, origin, value),
            Setting::Query => put(&mut self.query, origin, value),
            Setting::Networks => put(&mut self.networks, origin, value),
            Setting::ClientNames => put(&mut self.client_names, origin, value),
            Setting::Disabled => put(&mut self.disabled, origin, value),
        }
    }

    /// Adds [`Setting::KeyFile`] found at `place`, a path that begins at `folder` if it is relative. Messages show the path
    /// as it was written, and hide what could be a key: see [`ShownPath`].
    ///
    /// # Errors
    ///
    /// As for [`set`](Settings::set).
    pub fn set_key_file(&mut self, origin: Origin, written: &OsStr, folder: &Path) -> Result<(), ConfigError> {
        if self.is_empty(Setting::KeyFile, &origin, written) {
            return Ok(());
        }
        let path = ShownPath::new(written, folder.join(written), origin.to_string());
        put(&mut self.key_file, origin, path)
    }

    /// Notes that a configuration file has a place for settings, so that [`builder_or_open`](Settings::builder_or_open)
    /// builds no open guard. An adapter calls this also if that place is empty, or in a profile that is not selected.
    pub fn has_table(&mut self) {
        self.is_set = true;
    }

    /// Notes an empty value as the error. It comes before all others, because what it sets beside another place is nothing.
    fn is_empty(&mut self, setting: Setting, origin: &Origin, value: &OsStr) -> bool {
        // A key of white space has a message of its own.
        self.is_set = true;
        let is_empty = value.is_empty() || setting != Setting::Key && value.to_string_lossy().trim().is_empty();
        if is_empty {
            self.error.get_or_insert(problem::empty().at(origin.clone()));
        }
        is_empty
    }

    /// The guard that the settings describe.
    ///
    /// # Errors
    ///
    /// See [`Problem`]. Without a key that can be used there is no guard, unless `disabled` says so.
    pub fn guard(self) -> Result<Guard, ConfigError> {
        self.builder().map(GuardBuilder::build)
    }

    /// The guard that the settings describe, still to be adjusted.
    ///
    /// # Errors
    ///
    /// As for [`guard`](Settings::guard).
    pub fn builder(self) -> Result<GuardBuilder, ConfigError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        // A disabled guard has no use for keys, but for the rest: scrapers go on sending the parameter that logs must not
        // show, and a bad name shall not come as a surprise on the day that the guard is enabled again.
        let mut builder = match self.disabled()? {
            Some(origin) => GuardBuilder::open(warning::disabled(origin)),
            None => self.keys()?,
        };
        if let Some(Found { origin, value }) = self.header {
            // What is not text is not a name either.
            builder = builder.header_found_at(origin, value.to_str().unwrap_or_default())?;
        }
        if let Some(Found { origin, value }) = self.query {
            builder = builder.query_found_at(origin, value.to_str().unwrap_or_default())?;
        }
        if let Some(Found { origin, value }) = self.networks {
            builder = builder.networks_found_at(origin, entries(&value))?;
        }
        if let Some(Found { origin, value }) = self.client_names {
            builder = builder.client_names_found_at(origin, entries(&value))?;
        }
        Ok(builder)
    }

    /// As [`builder`](Settings::builder), or an open guard if there is no setting: see [`Guard::from_env_or_open`].
    ///
    /// # Errors
    ///
    /// As for [`guard`](Settings::guard), if there is any setting.
    pub fn builder_or_open(self) -> Result<GuardBuilder, ConfigError> {
        if self.is_set { self.builder() } else { Ok(GuardBuilder::open(warning::open(Setting::KeyFile.variable()))) }
    }

    fn keys(&self) -> Result<GuardBuilder, ConfigError> {
        let prefix = self.prefix.as_deref().unwrap_or(PREFIX);
        match (&self.key, &self.key_file) {
            (Some(key), Some(file)) => Err(problem::set_twice(&file.origin).at(key.origin.clone())),
            (Some(key), None) => Ok(Guard::builder(Key::found_at(key.origin.clone(), &key.value)?)),
            (None, Some(file)) => GuardBuilder::of_file(&file.value),
            (None, None) => Err(problem::no_key(prefix).at(Origin::new(Setting::Key.variable_behind(prefix)))),
        }
    }

    /// Where the guard is disabled, if it is.
    fn disabled(&self) -> Result<Option<&Origin>, ConfigError> {
        match &self.disabled {
            None => Ok(None),
            Some(Found { value, .. }) if value == "false" => Ok(None),
            Some(Found { value, origin }) if value == "true" => Ok(Some(origin)),
            Some(Found { origin, .. }) => Err(problem::not_true_or_false().at(origin.clone())),
        }
    }
}

/// Keeps a setting, unless another place has set it.
fn put<T>(slot: &mut Option<Found<T>>, origin: Origin, value: T) -> Result<(), ConfigError> {
    match slot {
        Some(former) => Err(problem::set_twice(&former.origin).at(origin)),
        None => {
            *slot = Some(Found { origin, value });
            Ok(())
        }
    }
}

/// Judges a variable that is none of the settings', if its name begins like theirs or is close to one.
fn misspelled(name: &str, value: &str, prefix: &str) -> Option<Result<(), ConfigError>> {
    let assigned = assigned(name, value, prefix).map(|setting| setting.variable_behind(prefix));
    if let Some(variable) = assigned.filter(|variable| std::env::var_os(variable).is_none()) {
        return Some(Err(problem::misspelled(variable).at(Origin::new(shown_name(name).to_owned()))));
    }
    let NearName { shown, meaning, .. } = NearName::of_variable(name, value, prefix)?;
    let problem = match meaning {
        Meaning::Setting(setting) => problem::misspelled(setting.variable_behind(prefix)),
        Meaning::Unknown => problem::unknown(),
        // All settings at once, as Rocket takes them, or the beginning of our names alone.
        Meaning::Table if value.trim_start().starts_with('{') || bare(name) == "metricsverification" => {
            problem::unknown()
        }
        Meaning::Table => return Some(Ok(())),
    };
    Some(Err(problem.at(Origin::new(shown))))
}

/// The entries of a list with commas. A blank list has none; what is not text becomes an entry that nothing accepts.
fn entries(list: &OsStr) -> Vec<String> {
    let list = list.to_string_lossy();
    if list.trim().is_empty() { Vec::new() } else { list.split(',').map(str::to_owned).collect() }
}
