//! From the environment and files to a guard, or to an error that says what to do.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Place, Problem, Setting, Settings};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let mut settings = Settings::default();
//! settings.set(Setting::Key, Place::Field("key in app.toml".into()), secret.into())?;
//! settings.set(Setting::Header, Place::Field("header in app.toml".into()), "X-Scrape-Key".into())?;
//! let guard = settings.guard()?;
//!
//! let scrape = Request::get("/metrics").header("X-Scrape-Key", secret).body(())?;
//! assert!(guard.check(&scrape).is_ok());
//!
//! let stranger = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//! assert!(guard.check(&stranger).is_err());
//!
//! let error = Settings::default().guard().unwrap_err();
//! assert_eq!(*error.problem(), Problem::NoKey);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Component, Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    error::{ConfigError, Place, Problem},
    guard::{Guard, GuardBuilder},
    key::Key,
    slots::MIN_LEN,
};

/// How the variables begin, and no other may.
const PREFIX: &str = "METRICS_VERIFICATION_";

/// What can be set from outside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// The one accepted key.
    Key,
    /// The path of a file with the accepted keys, one a line. Blank lines do not count. The guard follows it.
    KeyFile,
    /// The name of the field that presents a key, instead of `X-Metrics-Key`.
    Header,
    /// The name of the query parameter that may present a key.
    Query,
    /// The networks that may ask, with commas between them. Not set: all may.
    Networks,
    /// The names of which a client certificate must have one, with commas between them. Not set: no certificate is asked
    /// for.
    ClientNames,
    /// `true`: everyone passes. `false`: as if not set.
    Disabled,
}

impl Setting {
    /// All settings.
    pub const ALL: &'static [Setting] = &[
        Setting::Key,
        Setting::KeyFile,
        Setting::Header,
        Setting::Query,
        Setting::Networks,
        Setting::ClientNames,
        Setting::Disabled,
    ];

    /// The environment variable that sets it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Setting::Key => "METRICS_VERIFICATION_KEY",
            Setting::KeyFile => "METRICS_VERIFICATION_KEY_FILE",
            Setting::Header => "METRICS_VERIFICATION_HEADER",
            Setting::Query => "METRICS_VERIFICATION_QUERY",
            Setting::Networks => "METRICS_VERIFICATION_NETWORKS",
            Setting::ClientNames => "METRICS_VERIFICATION_CLIENT_NAMES",
            Setting::Disabled => "METRICS_VERIFICATION_DISABLED",
        }
    }

    /// The name that it has in a configuration file.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Setting::Key => "key",
            Setting::KeyFile => "key_file",
            Setting::Header => "header",
            Setting::Query => "query",
            Setting::Networks => "networks",
            Setting::ClientNames => "client_names",
            Setting::Disabled => "disabled",
        }
    }

    /// The setting that this environment variable sets.
    #[must_use]
    pub fn by_variable(name: &str) -> Option<Setting> {
        Setting::ALL.iter().copied().find(|setting| setting.variable() == name)
    }

    /// The setting that has this name in a configuration file.
    #[must_use]
    pub fn by_field(name: &str) -> Option<Setting> {
        Setting::ALL.iter().copied().find(|setting| setting.field() == name)
    }
}

/// Settings on their way to a [`Guard`]: each remembers where it was found, so that an error can say so. `Debug` shows
/// that place alone.
#[derive(Debug, Default)]
pub struct Settings {
    key: Option<Found<Zeroizing<Vec<u8>>>>,
    key_file: Option<Found<PathBuf>>,
    header: Option<Found<OsString>>,
    query: Option<Found<OsString>>,
    networks: Option<Found<OsString>>,
    client_names: Option<Found<OsString>>,
    disabled: Option<Found<OsString>>,
    /// What the environment has that there is no guard with.
    error: Option<ConfigError>,
}

struct Found<T> {
    place: Place,
    value: T,
}

/// Not the value: it is the key, or may be by mistake.
impl<T> fmt::Debug for Found<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Settings {
    /// The settings that the environment holds, by the names in [`Setting::variable`]. Another name that begins like those
    /// is an error of the guard: a layer must not be missing because its name was mistyped.
    #[must_use]
    pub fn from_env() -> Settings {
        let mut settings = Settings::default();
        for (name, value) in std::env::vars_os() {
            // What is not text is no setting's name, and can begin like one.
            let mut name = name.to_string_lossy().into_owned();
            // There, the case does not count.
            if cfg!(windows) {
                name.make_ascii_uppercase();
            }
            if !name.starts_with(PREFIX) {
                continue;
            }
            let set = match Setting::by_variable(&name) {
                // An environment can hold a name twice.
                Some(setting) => settings.set(setting, Place::Variable(setting.variable().into()), value),
                None => Err(ConfigError::new(Place::Variable(shown(name).into()), Problem::UnknownField)),
            };
            if let Err(error) = set {
                settings.error.get_or_insert(error);
            }
        }
        settings
    }

    /// Adds a setting found at `place`.
    ///
    /// # Errors
    ///
    /// [`Problem::GivenTwice`] if it is there already: neither place has precedence over the other.
    pub fn set(&mut self, setting: Setting, place: Place, value: OsString) -> Result<(), ConfigError> {
        match self.put(setting, place.clone(), value) {
            Some(other) => Err(ConfigError::new(place, Problem::GivenTwice(other))),
            None => Ok(()),
        }
    }

    /// Replaces a setting, and tells where the former value was found.
    fn put(&mut self, setting: Setting, place: Place, value: OsString) -> Option<Place> {
        let slot = match setting {
            Setting::Key => {
                let value = Zeroizing::new(value.into_encoded_bytes());
                return self.key.replace(Found { place, value }).map(|former| former.place);
            }
            Setting::KeyFile => {
                let value = PathBuf::from(value);
                return self.key_file.replace(Found { place, value }).map(|former| former.place);
            }
            Setting::Header => &mut self.header,
            Setting::Query => &mut self.query,
            Setting::Networks => &mut self.networks,
            Setting::ClientNames => &mut self.client_names,
            Setting::Disabled => &mut self.disabled,
        };
        slot.replace(Found { place, value }).map(|former| former.place)
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
        let mut builder = if self.is_disabled()? { GuardBuilder::disabled() } else { self.keys()? };
        if let Some(Found { place, value }) = self.header {
            // What is not text is not a name either.
            builder = builder.header_found_at(place, value.to_str().unwrap_or_default())?;
        }
        if let Some(Found { place, value }) = self.query {
            builder = builder.query_found_at(place, value.to_str().unwrap_or_default())?;
        }
        if let Some(Found { place, value }) = self.networks {
            builder = builder.networks_found_at(place, entries(&value))?;
        }
        if let Some(Found { place, value }) = self.client_names {
            builder = builder.client_names_found_at(place, entries(&value))?;
        }
        Ok(builder)
    }

    fn keys(&self) -> Result<GuardBuilder, ConfigError> {
        match (&self.key, &self.key_file) {
            (Some(key), Some(file)) => {
                Err(ConfigError::new(key.place.clone(), Problem::GivenTwice(file.place.clone())))
            }
            (Some(key), None) => Ok(Guard::builder(Key::found_at(key.place.clone(), &key.value)?)),
            (None, Some(Found { place, value: path })) => Guard::builder_from_file(path).map_err(|error| {
                // Whoever sets the path to the key itself must not find it in the log.
                if is_plainly_a_path(path) { error } else { ConfigError::new(place.clone(), error.problem().clone()) }
            }),
            (None, None) => Err(ConfigError::new(Place::Variable(Setting::Key.variable().into()), Problem::NoKey)),
        }
    }

    fn is_disabled(&self) -> Result<bool, ConfigError> {
        match &self.disabled {
            None => Ok(false),
            Some(Found { value, .. }) if value == "false" => Ok(false),
            Some(Found { value, .. }) if value == "true" => Ok(true),
            Some(Found { place, .. }) => Err(ConfigError::new(place.clone(), Problem::NotTrueOrFalse)),
        }
    }
}

/// The name of a variable that is not known, or its beginning: `METRICS_VERIFICATION_KEY:` and the key, with a colon where
/// a `=` should be, is a name too if there is another `=` in the key.
fn shown(name: String) -> String {
    let is_plain = |word: &str| word.len() < MIN_LEN && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if name.split('_').all(is_plain) { name } else { format!("{PREFIX}..") }
}

/// The entries of a list with commas. A blank list has none; what is not text becomes an entry that nothing accepts.
fn entries(list: &OsStr) -> Vec<String> {
    let list = list.to_string_lossy();
    if list.trim().is_empty() { Vec::new() } else { list.split(',').map(str::to_owned).collect() }
}

/// Whether a path can be shown without fear that it is a key: it is there, or the folder is that it would be in. The
/// root and `.` are in every path, and prove nothing.
fn is_plainly_a_path(path: &Path) -> bool {
    let is_named = |folder: &Path| folder.components().any(|part| matches!(part, Component::Normal(_)));
    path.exists() || path.parent().is_some_and(|folder| is_named(folder) && folder.is_dir())
}
