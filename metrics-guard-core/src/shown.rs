//! Decides what a message may show of a value that an operator wrote, because any such value can be a misplaced key.
//!
//! Every message, event, metric label and `Debug` of this project that repeats a configured value uses [`shown`]. The
//! value is judged as the operator wrote it, before it is joined with a folder or resolved.

/// A path segment of at most this length is no key: the shortest key has 16 bytes.
const MAX_SEGMENT_LEN: usize = 15;

/// Returns whether `value` is a path or a reference to a secret: it contains `/`, and each of its segments is `.`, `..`,
/// `~` or 1 to 15 characters of `[a-z0-9._-]`.
pub(crate) fn is_path(value: &str) -> bool {
    value.contains('/') && segments(value).all(is_plain)
}

/// Returns what a message may show of `value`, or `None` if it must show nothing.
///
/// A value without `/` is hidden, also if a file of that name exists. In other values, `…` replaces each segment that
/// could be a key or a part of one.
pub(crate) fn shown(value: &str) -> Option<String> {
    let shown =
        |segment: &str| if segment.is_empty() || is_plain(segment) { segment.to_owned() } else { "…".to_owned() };
    value.contains('/').then(|| value.split('/').map(shown).collect::<Vec<_>>().join("/"))
}

/// The segments of a value, without the empty ones in front of a leading `/` and between two of them.
fn segments(value: &str) -> impl Iterator<Item = &str> {
    value.split('/').filter(|segment| !segment.is_empty())
}

fn is_plain(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    segment == "~" || segment.len() <= MAX_SEGMENT_LEN && segment.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::{is_path, shown};

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
            (&*format!("keys/{key}"), Some("keys/…")),
            (&*format!("/{key}\n"), Some("/…")),
            (&*format!("\"/{key}\""), Some("…/…")),
            ("/etc/MyService/key", Some("/etc/…/key")),
        ] {
            assert_eq!(shown(value).as_deref(), expected, "{value:?}");
            assert_eq!(is_path(value), expected == Some(value), "{value:?}");
        }
    }
}
