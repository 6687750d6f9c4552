//! Decides what a message may show of a value that an operator wrote, because any such value can be a misplaced key.
//!
//! Messages, events, metric labels and `Debug` show a configured path by [`shown`], and a configured name by [`shown_name`].
//! The value is judged as the operator wrote it, before it is joined with a folder or resolved.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fmt,
    path::{self, Path, PathBuf},
    sync::Arc,
};

use crate::limits::MIN_LEN;

/// The maximum length of a path segment or a name that is too short for a key.
const MAX_LEN: usize = MIN_LEN - 1;

/// Returns whether `value` is a path or a reference to a secret: it contains `/`, and each of its segments is `.`, `..`,
/// `~` or 1 to 15 characters of `[a-z0-9._-]`.
pub(crate) fn is_path(value: &str) -> bool {
    value.contains('/') && value.split('/').all(is_plain)
}

/// Returns what a message may show of `value`, such as a path. Returns `None` if it must show nothing.
///
/// A value without `/` is hidden, even if a file of that name exists. In other values, `…` replaces each segment that
/// could be a key or a part of one. If there is such a segment, and the value does not begin like a path (`/`, `.`, `~`), `…`
/// replaces all segments, because a base64 key has short parts between slashes.
#[must_use]
pub fn shown(value: &str) -> Option<String> {
    let may_show = is_path(value) || value.starts_with(['/', '.', '~']);
    let replaced = |segment| -> &str {
        let is_shown = str::is_empty(segment) || may_show && is_plain(segment);
        if is_shown { segment } else { "…" }
    };
    value.contains('/').then(|| value.split('/').map(replaced).collect::<Vec<_>>().join("/"))
}

/// Returns what a message may show of `name`, the name of a field, a header, a parameter or a variable. If it is 1 to 15
/// characters of `[A-Za-z0-9_-]`, it is shown as a whole, and otherwise as `…`.
#[must_use]
pub fn shown_name(name: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if (1..=MAX_LEN).contains(&name.len()) && name.bytes().all(is_plain) { name } else { "…" }
}

/// The path of a key file. `Display` and `Debug` show its [`label`](ShownPath::label). If the label has gaps, they show the
/// setting too.
// Shared, so that errors and warnings stay small.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ShownPath(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    path: PathBuf,
    shown: Option<String>,
    setting: Cow<'static, str>,
}

impl ShownPath {
    /// Makes the path of a key file. An operator wrote `written` at the place `setting`, and it means `path`.
    pub(crate) fn new(written: &OsStr, path: PathBuf, setting: impl Into<Cow<'static, str>>) -> ShownPath {
        ShownPath(Arc::new(Parts { path, shown: shown(&written.to_string_lossy()), setting: setting.into() }))
    }

    pub(crate) fn absolute(&self) -> ShownPath {
        let Parts { path, shown, setting } = &*self.0;
        let path = path::absolute(path).unwrap_or_else(|_| path.clone());
        ShownPath(Arc::new(Parts { path, shown: shown.clone(), setting: setting.clone() }))
    }

    /// Returns `path` with the same setting: this path, or a folder that the system looks it up in.
    #[cfg(unix)]
    pub(crate) fn with_path(&self, path: PathBuf) -> ShownPath {
        if path == self.0.path {
            self.clone()
        } else {
            ShownPath::new(&path.clone().into_os_string(), path, self.0.setting.clone())
        }
    }

    /// Returns the path itself. If an operator put a key in the place of the path, it holds that key: do not log it.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the path as the operator wrote it, with `…` for each segment that could be a key. For a value without `/`,
    /// which could be a key as a whole, it returns the name of the setting instead.
    #[must_use]
    pub(crate) fn label(&self) -> &str {
        self.0.shown.as_deref().unwrap_or(&self.0.setting)
    }
}

impl fmt::Display for ShownPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An operator may not find the setting by a path with gaps.
        if self.0.shown.as_ref().is_some_and(|shown| shown.contains('…')) {
            write!(f, "{}, ", self.0.setting)?;
        }
        f.write_str(self.label())
    }
}

impl fmt::Debug for ShownPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns whether a message may show `segment`. An empty segment is in front of a leading `/` or between two slashes.
fn is_plain(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    segment == "~" || segment.len() <= MAX_LEN && segment.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::{ShownPath, is_path, shown, shown_name};

    #[test]
    fn shows_paths_and_replaces_segments_that_could_be_keys() {
        let key = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
        for (value, expected) in [
            ("/run/secrets/metrics_key", Some("/run/secrets/metrics_key")),
            ("./accepted_keys", Some("./accepted_keys")),
            ("~/keys/../k", Some("~/keys/../k")),
            ("accepted_keys", None),
            ("", None),
            (key, None),
            (&*format!("./{key}"), Some("./…")),
            (&*format!("keys/{key}"), Some("…/…")),
            ("Zk/7yh2mvx0lr4/TtBw8+", Some("…/…/…")),
            ("/Zk/7yh2mvx0lr4/TtBw8+", Some("/…/7yh2mvx0lr4/…")),
            (&*format!("/{key}\n"), Some("/…")),
            (&*format!("\"/{key}\""), Some("…/…")),
            ("/etc/MyService/key", Some("/etc/…/key")),
        ] {
            assert_eq!(shown(value).as_deref(), expected, "{value:?}");
            assert_eq!(is_path(value), expected == Some(value), "{value:?}");
        }
    }

    #[test]
    fn shows_names_that_are_too_short_for_a_key() {
        for name in ["kye", "CLIENT_NAMES", "key-file", "KeyFileStatus", "fifteen_letters"] {
            assert_eq!(shown_name(name), name);
        }
        for name in ["", "sixteen__letters", "a.b", "a/b", "k\u{1b}ye", "schlüssel", "KEY:c2Vj"] {
            assert_eq!(shown_name(name), "…", "{name:?}");
        }
    }

    #[test]
    fn shows_the_setting_in_place_of_a_path_that_could_be_a_key() {
        let path = |written: &str| ShownPath::new(written.as_ref(), "/app/7d1f0c5b9a3e48f2".into(), "KEY_FILE");
        for (written, label, displayed) in [
            ("./keys", "./keys", "./keys"),
            ("keys", "KEY_FILE", "KEY_FILE"),
            ("./7d1f0c5b9a3e48f2", "./…", "KEY_FILE, ./…"),
        ] {
            let path = path(written);
            assert_eq!(path.label(), label);
            assert_eq!((path.to_string(), format!("{path:?}")), (displayed.to_owned(), displayed.to_owned()));
        }
    }
}
