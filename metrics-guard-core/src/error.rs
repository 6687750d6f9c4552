//! Defines the error of a guard, a key or a path that cannot be built, and of keys that cannot be reloaded or replaced.

use std::{borrow::Cow, error::Error, fmt, io, panic::AssertUnwindSafe, sync::Arc};

/// The place of a setting: the name of an environment variable, a field of a configuration file, a function, or a file and
/// its line.
pub(crate) type Origin = Cow<'static, str>;

/// Explains why a guard, a key or a path could not be built, or why keys could not be reloaded or replaced.
///
/// As text, it names the setting's [origin](ConfigError::origin), what is wrong, and how to correct that. `Debug` writes the
/// same text, because a `main` that returns the error prints it that way. The error never shows what could be a key.
///
/// [`source`](Error::source) returns the [`io::Error`] if the system could not read a file.
///
/// ```
/// use metrics_guard_core::{ConfigErrorKind, Key};
///
/// let error = Key::new("some-super-secret-key").unwrap_err();
/// assert_eq!(error.kind(), ConfigErrorKind::WeakKey);
/// assert_eq!(error.origin(), "Key::new");
/// assert!(!error.to_string().contains("some-super-secret-key"));
/// ```
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
    /// A key is unusable: blank, wrapped in other text, a template, a path, not sendable in a header, or too long. The same
    /// kind covers too many keys, and two keys with the same label.
    InvalidKey,
    /// A key is shorter than 16 bytes, a published example, or easy to guess.
    WeakKey,
    /// The value of another setting is unusable.
    InvalidSetting,
    /// No setting has this name. The text contains the name of a setting that is close, if there is one.
    UnknownSetting,
    /// A setting has two values.
    DuplicateSetting,
    /// A key file or a configuration file cannot be read or used. It may be usable later.
    UnusableFile,
    /// The guard has no keys to replace, or no key file to reload.
    Unsupported,
}

impl ConfigError {
    /// Creates an error of an [adapter](crate::adapter). `text` contains what is wrong with the setting at `origin`, one
    /// instruction and one example. Put no value into `origin` or `text`, because it could be a key.
    #[must_use]
    pub fn new(kind: ConfigErrorKind, origin: impl Into<Cow<'static, str>>, text: impl Into<String>) -> ConfigError {
        Problem::new(kind, text.into()).at(origin)
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.problem.kind
    }

    /// Returns whether both errors have the same text.
    pub(crate) fn is_same(&self, other: &ConfigError) -> bool {
        self.to_string() == other.to_string()
    }

    /// Returns the place of the setting: the name of an environment variable, a field of a configuration file, a function, or
    /// a file and its line. It shows no value except the path of a key file, in which `…` replaces each segment that could
    /// be a key.
    #[must_use]
    pub fn origin(&self) -> &str {
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
    // `io::Error` is not unwind safe, because it can box any value. This one comes from the system and boxes none.
    source: Option<Arc<AssertUnwindSafe<io::Error>>>,
}

impl Problem {
    pub(crate) fn new(kind: ConfigErrorKind, text: String) -> Problem {
        Problem { kind, text, source: None }
    }

    pub(crate) fn caused_by(self, error: io::Error) -> Problem {
        Problem { source: Some(Arc::new(AssertUnwindSafe(error))), ..self }
    }

    /// Returns the kind of the system's error, if there is one.
    pub(crate) fn cause(&self) -> Option<io::ErrorKind> {
        self.source.as_ref().map(|error| error.kind())
    }

    pub(crate) fn at(self, origin: impl Into<Origin>) -> ConfigError {
        ConfigError { origin: origin.into(), problem: self }
    }
}

/// Defines a function for each message, and for tests `all`, which returns each message with its example arguments.
macro_rules! messages {
    ($type:ident: $($name:ident($($argument:ident = $example:expr),*)$(: $kind:ident)?, $text:literal;)+) => {
        $(pub(crate) fn $name($($argument: impl std::fmt::Display),*) -> $type {
            $type::new($(ConfigErrorKind::$kind,)? format!($text))
        })+

        #[cfg(test)]
        pub(crate) fn all() -> Vec<$type> {
            vec![$($name($($example),*)),+]
        }
    };
}
pub(crate) use messages;

#[cfg(test)]
mod tests {
    use std::{error::Error, io};

    use super::{ConfigErrorKind, Problem};

    #[test]
    fn source_returns_the_error_of_the_system() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let problem = Problem::new(ConfigErrorKind::UnusableFile, String::new()).caused_by(denied());
        assert_eq!(problem.at("KEY_FILE").source().unwrap().to_string(), denied().to_string());
    }
}
