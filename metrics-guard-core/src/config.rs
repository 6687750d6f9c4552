//! From the environment and files to a guard, or to an error that says what to do.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Place, Problem, Setting, Settings};
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
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
    borrow::Cow,
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    guard::{Guard, GuardBuilder},
    key::{Key, KeyRing, MAX_KEYS, MAX_LEN},
};

/// What can be set from outside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// The one accepted key.
    Key,
    /// The path of a file with the accepted keys, one a line. Blank lines do not count.
    KeyFile,
    /// The name of the field that presents a key, instead of `X-Metrics-Key`.
    Header,
    /// The name of the query parameter that may present a key.
    Query,
    /// `true`: everyone passes. `false`: as if not set.
    Disabled,
}

impl Setting {
    /// All settings.
    pub const ALL: [Setting; 5] = [Setting::Key, Setting::KeyFile, Setting::Header, Setting::Query, Setting::Disabled];

    /// The environment variable that sets it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Setting::Key => "METRICS_VERIFICATION_KEY",
            Setting::KeyFile => "METRICS_VERIFICATION_KEY_FILE",
            Setting::Header => "METRICS_VERIFICATION_HEADER",
            Setting::Query => "METRICS_VERIFICATION_QUERY",
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
            Setting::Disabled => "disabled",
        }
    }
}

/// Settings on their way to a [`Guard`]: each remembers where it was found, so that an error can say so.
#[derive(Default)]
pub struct Settings {
    key: Option<Found<Zeroizing<Vec<u8>>>>,
    key_file: Option<Found<PathBuf>>,
    header: Option<Found<OsString>>,
    query: Option<Found<OsString>>,
    disabled: Option<Found<OsString>>,
}

struct Found<T> {
    place: Place,
    value: T,
}

impl Settings {
    /// The settings that the environment holds, by the names in [`Setting::variable`].
    #[must_use]
    pub fn from_env() -> Settings {
        let mut settings = Settings::default();
        for setting in Setting::ALL {
            if let Some(value) = std::env::var_os(setting.variable()) {
                settings.put(setting, Place::Variable(setting.variable()), value);
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
        match setting {
            Setting::Key => {
                let value = Zeroizing::new(value.into_encoded_bytes());
                self.key.replace(Found { place, value }).map(|former| former.place)
            }
            Setting::KeyFile => {
                let value = PathBuf::from(value);
                self.key_file.replace(Found { place, value }).map(|former| former.place)
            }
            Setting::Header => self.header.replace(Found { place, value }).map(|former| former.place),
            Setting::Query => self.query.replace(Found { place, value }).map(|former| former.place),
            Setting::Disabled => self.disabled.replace(Found { place, value }).map(|former| former.place),
        }
    }

    /// The guard that the settings describe.
    ///
    /// # Errors
    ///
    /// See [`Problem`]. Without a key that can be used there is no guard, unless `disabled` says so.
    pub fn guard(self) -> Result<Guard, ConfigError> {
        if self.is_disabled()? {
            return Ok(Guard::disabled());
        }
        let (keys, warning) = match (self.key, self.key_file) {
            (Some(key), Some(file)) => {
                return Err(ConfigError::new(key.place, Problem::GivenTwice(file.place)));
            }
            (Some(key), None) => (Key::found_at(key.place, &key.value)?.into(), None),
            (None, Some(file)) => read_key_file(file)?,
            (None, None) => {
                return Err(ConfigError::new(Place::Variable(Setting::Key.variable()), Problem::NoKey));
            }
        };

        let mut builder = GuardBuilder::with(Some(keys));
        if let Some(Found { place, value }) = self.header {
            // What is not text is not a name either.
            builder = builder.header_found_at(place, value.to_str().unwrap_or_default())?;
        }
        if let Some(Found { place, value }) = self.query {
            builder = builder.query_found_at(place, value.to_str().unwrap_or_default())?;
        }
        if let Some(warning) = warning {
            builder.warn(warning);
        }
        Ok(builder.build())
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

/// Four keys of 256 bytes, with room for line ends and blank lines.
const MAX_FILE_LEN: usize = 2 * MAX_KEYS * MAX_LEN;

fn read_key_file(Found { place, value: path }: Found<PathBuf>) -> Result<(KeyRing, Option<Warning>), ConfigError> {
    let (text, warning) = read_bounded(&path).map_err(|problem| {
        // Whoever sets the path to the key itself must not find it in the log.
        let place = if is_plainly_a_path(&path) { Place::File(path.clone()) } else { place };
        ConfigError::new(place, problem)
    })?;

    let mut keys = Vec::with_capacity(MAX_KEYS);
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            keys.push(Key::found_at(Place::Line(path.clone(), index + 1), line)?);
        }
    }
    let file = Place::File(path);
    if keys.is_empty() {
        return Err(ConfigError::new(file, Problem::Blank));
    }
    Ok((KeyRing::found_at(&file, keys)?, warning))
}

/// The content of the file at `path`: of a regular file alone, since a pipe or a device could keep us waiting.
fn read_bounded(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Option<Warning>), Problem> {
    let unreadable = |error: io::Error| Problem::Unreadable(error.kind());
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Problem::NotAFile);
    }
    // Room for more than is kept, so that the buffer does not move and leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * MAX_FILE_LEN));
    let limit = MAX_FILE_LEN as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text)).map_err(unreadable)?;
    if text.len() > MAX_FILE_LEN {
        return Err(Problem::FileTooLarge);
    }
    let warning = is_readable_by_all(&metadata).then(|| Warning::ReadableByAll(path.to_owned()));
    Ok((text, warning))
}

fn is_plainly_a_path(path: &Path) -> bool {
    let is_in_a_folder = || path.parent().is_some_and(Path::is_dir);
    path.exists() || is_in_a_folder()
}

#[cfg(unix)]
fn is_readable_by_all(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_readable_by_all(_: &fs::Metadata) -> bool {
    false
}

/// Where a setting was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The argument of a function of this crate.
    Argument(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A field of a configuration file, described so that its user finds it.
    Field(Cow<'static, str>),
    /// A file.
    File(PathBuf),
    /// A line of a file, the first being 1.
    Line(PathBuf, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Argument(function) => write!(f, "argument of {function}"),
            Place::Variable(name) => f.write_str(name),
            Place::Field(name) => f.write_str(name),
            Place::File(path) => write!(f, "{}", path.display()),
            Place::Line(path, line) => write!(f, "{}, line {line}", path.display()),
        }
    }
}

/// Why a guard could not be built: what is wrong, and where. It never holds a value, since that may be a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: Place,
    problem: Problem,
}

/// What is wrong with a setting. As text, it says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// There is no key at all.
    NoKey,
    /// A key, or a key file, with nothing but white space.
    Blank,
    /// A key with a byte that is not visible ASCII: scrapers could not send it.
    Unsendable,
    /// A key that documents show.
    Sample,
    /// A key of fewer than 16 bytes.
    TooShort,
    /// A key of more than 256 bytes.
    TooLong,
    /// More than four keys.
    TooManyKeys,
    /// Two keys with this label.
    SameLabel(&'static str),
    /// The same thing is set here and there.
    GivenTwice(Place),
    /// Not a field name, or one that is read anyway.
    FieldName,
    /// Not a parameter name that needs no escaping.
    ParameterName,
    /// Neither `true` nor `false`.
    NotTrueOrFalse,
    /// Not a string, in a configuration file that knows other types.
    NotAString,
    /// Not a table, in a configuration file where one is expected.
    NotATable,
    /// A field that means nothing here.
    UnknownField,
    /// A file that could not be read.
    Unreadable(io::ErrorKind),
    /// A directory, a pipe or a device where a file is expected.
    NotAFile,
    /// A file too large to be a key file.
    FileTooLarge,
}

impl ConfigError {
    /// An error of an adapter's own, about a setting that it could not hand on.
    #[must_use]
    pub fn new(place: Place, problem: Problem) -> ConfigError {
        ConfigError { place, problem }
    }

    /// Where the setting was found.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";
        match self {
            Problem::NoKey => write!(
                f,
                "no key is configured; {MAKE_ONE}, and set this variable to it, or {} to the path of a file that holds it",
                Setting::KeyFile.variable()
            ),
            Problem::Blank => write!(f, "the key is blank; {MAKE_ONE}"),
            Problem::Unsendable => write!(
                f,
                "the key has a space, a line break, a byte-order mark or another character that is not visible ASCII, \
                 and that scrapers cannot send; {MAKE_ONE}"
            ),
            Problem::Sample => write!(f, "the key is a known sample, and tried first by whoever guesses; {MAKE_ONE}"),
            Problem::TooShort => write!(f, "the key has fewer than 16 characters; {MAKE_ONE}"),
            Problem::TooLong => write!(f, "the key has more than 256 characters; {MAKE_ONE}"),
            Problem::TooManyKeys => write!(f, "more than {MAX_KEYS} keys; remove those that no scraper sends any more"),
            Problem::SameLabel(label) => write!(f, "two keys have the label `{label}`; give each its own"),
            Problem::GivenTwice(other) => write!(f, "set here and in {other}; remove one of the two"),
            Problem::FieldName => {
                f.write_str("not the name of a header field, or `Authorization`, which is read anyway; unset it for `X-Metrics-Key`")
            }
            Problem::ParameterName => {
                f.write_str("not a parameter name of letters, digits and `-._~`; unset it if the query may not hold the key")
            }
            Problem::NotTrueOrFalse => f.write_str("must be `true` or `false`"),
            Problem::NotAString => f.write_str("must be a string; put it in quotes"),
            Problem::NotATable => f.write_str("must be a table with fields such as `key_file`"),
            Problem::UnknownField => f.write_str("is not known here; remove it, or correct its name"),
            Problem::Unreadable(kind) => {
                write!(f, "the key file cannot be read ({kind}); check that it is there and that this process may read it")
            }
            Problem::NotAFile => f.write_str("a directory, a pipe or a device; the key file must be a regular file"),
            Problem::FileTooLarge => write!(
                f,
                "larger than {MAX_FILE_LEN} bytes; the key file must hold one to {MAX_KEYS} keys and nothing else"
            ),
        }
    }
}

/// What a guard puts up with, and an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The guard lets everyone pass.
    Disabled,
    /// The key found here has fewer than 32 bytes.
    ShortKey(Place),
    /// The key found here is the same as an earlier one.
    SameKey(Place),
    /// The key file can be read by every user of the machine.
    ReadableByAll(PathBuf),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Disabled => {
                f.write_str("the guard is disabled: EVERYONE can read the metrics; configure a key to close them")
            }
            Warning::ShortKey(place) => {
                write!(f, "{place}: the key has fewer than 32 characters; `openssl rand -hex 32` makes a longer one")
            }
            Warning::SameKey(place) => write!(f, "{place}: the same key as an earlier one; it counts once"),
            Warning::ReadableByAll(path) => write!(
                f,
                "{}: every user of this machine can read the key file; take that right away (`chmod o-r`)",
                path.display()
            ),
        }
    }
}
