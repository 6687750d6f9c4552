//! Why a guard, a key or a path could not be built, or keys could not be replaced.
//!
//! ```
//! use metrics_guard_core::{ConfigErrorKind, Key};
//!
//! let error = Key::new("some-super-secret-key").unwrap_err();
//! assert_eq!(error.kind(), ConfigErrorKind::WeakKey);
//! assert_eq!(error.origin().to_string(), "Key::new");
//! assert!(!error.to_string().contains("some-super-secret-key"));
//! ```

use std::{borrow::Cow, error::Error, fmt, io, panic::AssertUnwindSafe, sync::Arc};

use crate::shown::ShownPath;

/// The place of a setting, as [`ConfigError::origin`] returns it.
///
/// As text, it is the name of an environment variable, a field of a configuration file, a function, or a file and its
/// line. It shows no value except the path of a key file, in which `…` replaces each segment that could be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin(Found);

#[derive(Clone, PartialEq, Eq)]
enum Found {
    Named(Cow<'static, str>),
    File(ShownPath),
    Line(ShownPath, usize),
}

impl Origin {
    /// Creates the origin of a setting that an [adapter](crate::adapter) read. An operator must find the setting by `name`,
    /// such as `` `key` in app.toml``. Do not put a value into `name`, because it could be a key.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Origin {
        Origin(Found::Named(name.into()))
    }

    pub(crate) fn file(path: &ShownPath) -> Origin {
        Origin(Found::File(path.clone()))
    }

    /// A line of a file, the first being 1.
    pub(crate) fn line(path: &ShownPath, line: usize) -> Origin {
        Origin(Found::Line(path.clone(), line))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Found::Named(name) => f.write_str(name),
            Found::File(path) => path.fmt(f),
            Found::Line(path, line) => write!(f, "{path}, line {line}"),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Explains why a guard, a key or a path could not be built, or why keys could not be reloaded or replaced.
///
/// As text, it names the setting's [origin](ConfigError::origin), what is wrong, and how to correct that. `Debug` writes the
/// same text, because a `main` that returns the error prints it that way. The error never contains a value, because that could
/// be a key.
///
/// [`source`](Error::source) returns the [`io::Error`] if the system could not read a file.
#[derive(Clone)]
pub struct ConfigError {
    origin: Origin,
    problem: Problem,
}

/// The kinds of [`ConfigError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// No key is configured.
    MissingKey,
    /// A key is unusable: blank, wrapped in other text, a template, a path, not sendable in a header, or too long. Or there are
    /// too many keys, or two with the same label.
    InvalidKey,
    /// A key is shorter than 16 bytes, a published example, or easy to guess.
    WeakKey,
    /// The value of another setting is unusable.
    InvalidSetting,
    /// A name is not that of a setting, but close to one.
    UnknownSetting,
    /// A setting has two values.
    DuplicateSetting,
    /// A key file or a configuration file cannot be read or used. It may be usable later.
    UnusableFile,
    /// The guard has no keys to replace, or no key file to reload.
    Unsupported,
}

impl ConfigError {
    /// Creates an error of an [adapter](crate::adapter). `text` says what is wrong with the setting at `origin`, gives one
    /// instruction and one example, and contains no value.
    #[must_use]
    pub fn new(kind: ConfigErrorKind, origin: Origin, text: impl Into<String>) -> ConfigError {
        Problem::new(kind, text.into()).at(origin)
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.problem.kind
    }

    /// Returns whether an operator reads the same error.
    pub(crate) fn is_same(&self, other: &ConfigError) -> bool {
        self.to_string() == other.to_string()
    }

    /// Returns the place of the setting.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.problem.text)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source.as_deref().map(|error| &**error as _)
    }
}

/// A [`ConfigError`] whose origin is not known yet.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: ConfigErrorKind,
    pub(crate) text: String,
    // An `io::Error` is not unwind safe because of what others may box in it. This one is the system's.
    source: Option<Arc<AssertUnwindSafe<io::Error>>>,
}

impl Problem {
    pub(crate) fn new(kind: ConfigErrorKind, text: String) -> Problem {
        Problem { kind, text, source: None }
    }

    pub(crate) fn caused_by(self, error: io::Error) -> Problem {
        Problem { source: Some(Arc::new(AssertUnwindSafe(error))), ..self }
    }

    /// The kind of the system's error, if there is one.
    pub(crate) fn cause(&self) -> Option<io::ErrorKind> {
        self.source.as_ref().map(|error| error.kind())
    }

    pub(crate) fn at(self, origin: Origin) -> ConfigError {
        ConfigError { origin, problem: self }
    }
}

/// Defines a function for each message, and for tests `all`, which returns each message with its example arguments.
macro_rules! messages {
    ($type:ident, $kinds:ident: $($name:ident($($argument:ident = $example:expr),*): $kind:ident, $text:literal;)+) => {
        $(pub(crate) fn $name($($argument: impl std::fmt::Display),*) -> $type {
            $type::new($kinds::$kind, format!($text))
        })+

        #[cfg(test)]
        pub(crate) fn all() -> Vec<$type> {
            vec![$($name($($example),*)),+]
        }
    };
}
pub(crate) use messages;
