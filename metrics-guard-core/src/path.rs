//! Decides whether the path of a request leads to a guarded path, because servers disagree on how a path is spelled.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{error::ConfigError, problem};

/// The characters that end a name in a segment: a parameter, an NTFS stream, an encoded query or a fragment follows them.
const ENDS: [char; 4] = [';', ':', '?', '#'];

/// A guarded path: one path and all paths below it, in every spelling that a server could read as one of them.
///
/// The adapters use it for Warp's `gate_path` and tower's `only_path`. In a custom server, check the requests that it
/// [covers](GuardedPath::covers).
///
/// ```
/// use http::{Request, StatusCode};
/// use metrics_guard_core::{Denied, Guard, GuardedPath, Key};
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
///
/// let (guard, metrics) = (Guard::new(Key::new(secret)?), GuardedPath::new("/metrics")?);
/// let is_allowed = |request: &Request<()>| !metrics.covers(request.uri().path()) || guard.check(request).is_ok();
///
/// assert!(is_allowed(&Request::get("//%6detrics").header("X-Metrics-Key", secret).body(())?));
/// assert!(!is_allowed(&Request::get("//%6detrics").body(())?));
/// assert!(is_allowed(&Request::get("/other").body(())?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A spelling is read in these steps. The guarded path itself is read in the same way, except that a `;` or `:` is a part of
/// a name there.
///
/// 1. The path is percent-decoded until no escape is left. A path that then has a NUL or is not UTF-8 is always covered.
/// 2. `\` counts as `/`. Empty segments and `.` do not count.
/// 3. White space and control characters around a segment and dots at its end do not count, nor does anything from a `;`,
///    `:`, `?` or `#` on. Names are compared without the case of ASCII letters. The Kelvin sign counts as `k`, and the long s
///    as `s`.
/// 4. The path is covered if it begins with the segments of the guarded path. Other segments may come before and between
///    them if the path has a `..`, because servers differ in which `..` they resolve: `/metrics/../other` and
///    `/other/../metrics` are both covered. They may also come behind a segment with a `;`, `:`, `?` or `#`, because servers
///    differ in where a parameter ends.
///
/// # Not covered
///
/// - **Another name in the file system:** a symbolic or hard link, a short name of Windows, or a name with other characters
///   that the file system folds or ignores. Do not serve a folder with such names of the metrics.
/// - **Spellings that few servers know:** `%u006d` for a letter, and `//host/metrics` where a server reads a host.
/// - **Another path to the same content:** a folder for its `index.html`, a file with or without the extension that the
///   server adds, a compressed variant (`/metrics.gz`), a route of another name. Guard each of these paths.
#[derive(Clone)]
pub struct GuardedPath(Arc<[Box<str>]>);

impl GuardedPath {
    /// Guards `path` and all paths below it. `/` covers every path.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) if the path does not begin with `/`, or if none of its
    /// segments counts, as in `/;metrics`. Also if it contains a query, a fragment, `..`, a NUL, invalid UTF-8, or a wildcard
    /// or parameter of a router (`*`, `{..}`, `<..>`, `/:`). Most of these would guard nothing, or every path.
    pub fn new(path: &str) -> Result<GuardedPath, ConfigError> {
        let names = names(path).ok_or_else(|| problem::invalid_path().at("GuardedPath::new"))?;
        Ok(GuardedPath(names.into()))
    }

    /// Returns whether a server could read `path` as the guarded path, or as one below it.
    ///
    /// `path` is the path of the request target as the server received it, without the query: for `http`,
    /// `request.uri().path()`. The time is linear in its length. Reading a path without `%` allocates nothing.
    #[must_use]
    pub fn covers(&self, path: impl AsRef<[u8]>) -> bool {
        let path = decoded(path.as_ref());
        match std::str::from_utf8(&path) {
            Ok(path) if !path.contains('\0') => self.is_in(path),
            _ => true,
        }
    }

    fn is_in(&self, path: &str) -> bool {
        let mut missing = &*self.0;
        let (mut is_direct, mut has_up, mut has_end) = (true, false, false);
        for text in texts(path) {
            match (segment(text), missing) {
                (Some(Segment::Up), _) => has_up = true,
                (Some(Segment::Name(text)), [name, rest @ ..]) if is_named(text, name) => missing = rest,
                // Behind a `;`, a server that decodes later can read this segment as a part of the parameter.
                (Some(Segment::Name(_)), [_, ..]) => is_direct &= has_end,
                (Some(Segment::Name(_)), []) | (None, _) => {}
            }
            has_end |= text.contains(ENDS);
        }
        // Servers resolve different `..`. The remaining segments are always some of these, in this order.
        missing.is_empty() && (is_direct || has_up)
    }
}

/// Shows no path, because the argument can be a misplaced key.
impl fmt::Debug for GuardedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedPath").finish_non_exhaustive()
    }
}

/// Returns the folded names of a guarded path. Returns `None` if the path is invalid.
fn names(path: &str) -> Option<Vec<Box<str>>> {
    let path = decoded(path.as_bytes());
    let path = std::str::from_utf8(&path).ok().filter(|path| path.starts_with('/'))?;
    if path.contains(['\0', '?', '#', '*', '{', '}', '<', '>']) || path.contains("/:") {
        return None;
    }
    let name = |segment| match segment {
        Segment::Name(text) => Some(text.trim_end_matches(is_padding).chars().map(folded).collect()),
        Segment::Up => None,
    };
    let names: Vec<_> = texts(path).filter_map(segment).map(name).collect::<Option<_>>()?;
    // No segment of `/;metrics` counts, so it would guard every path.
    (!names.is_empty() || texts(path).all(|text| text.is_empty() || text == ".")).then_some(names)
}

/// Decodes `path` until no escape is left. This includes escapes that another escape is a part of, as in `%256d`.
///
/// The order of decoding makes no difference, because two escapes never overlap. So one pass is enough, and its time is linear:
/// each step adds a byte of `path`, or removes two.
fn decoded(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.contains(&b'%') {
        return Cow::Borrowed(path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    for &byte in path {
        decoded.push(byte);
        while let Some(byte) = escape_at_end(&decoded) {
            decoded.truncate(decoded.len() - 3);
            decoded.push(byte);
        }
    }
    Cow::Owned(decoded)
}

fn escape_at_end(path: &[u8]) -> Option<u8> {
    let [.., b'%', high, low] = *path else { return None };
    let digit = |digit| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// A segment that counts.
enum Segment<'p> {
    Name(&'p str),
    /// `..`, or more dots, which some systems read as `..`.
    Up,
}

fn texts(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\'])
}

/// Returns the segment. Returns `None` if it does not count.
fn segment(text: &str) -> Option<Segment<'_>> {
    let name = text.split(ENDS).next().unwrap_or_default();
    if name.trim_matches(is_padding).is_empty() {
        return (name.matches('.').count() > 1).then_some(Segment::Up);
    }
    Some(Segment::Name(text.trim_start_matches(is_blank)))
}

/// Returns whether `segment` has this folded name, and nothing behind it that counts.
fn is_named(segment: &str, name: &str) -> bool {
    let mut rest = segment.chars();
    name.chars().all(|expected| rest.next().map(folded) == Some(expected))
        && rest.as_str().trim_start_matches(is_padding).chars().next().is_none_or(|next| ENDS.contains(&next))
}

/// Folds the case of a character, if its simple case folding is ASCII.
const fn folded(char: char) -> char {
    match char {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        _ => char.to_ascii_lowercase(),
    }
}

fn is_blank(char: char) -> bool {
    char.is_whitespace() || char.is_control()
}

/// Returns whether a character at the end of a name does not count. Windows drops dots and spaces there.
fn is_padding(char: char) -> bool {
    char == '.' || is_blank(char)
}

#[cfg(test)]
mod tests {
    use super::{GuardedPath, decoded};
    use crate::error::ConfigErrorKind;

    fn metrics() -> GuardedPath {
        GuardedPath::new("/metrics").unwrap()
    }

    #[test]
    fn covers_every_spelling_of_the_path_and_of_the_paths_below_it() {
        for (how, paths) in [
            ("slashes", "/metrics /metrics/ /metrics/x //metrics /metrics//x ///metrics// metrics"),
            ("case", "/METRICS /Metrics/x /%4detrics /metric\u{17f} /metric%c5%bf /metric%25c5%bf"),
            ("an escape", "/%6detrics /%6Detrics /%6d%65%74%72%69%63%73 /%6detrics%2fx %2fmetrics /metrics%2f.."),
            (
                "an escape of an escape",
                "/%256detrics /%25256detrics /metrics%252fx /%%36detrics /%6%64etrics /%2%35%36%64etrics",
            ),
            ("one dot", "/./metrics /././metrics/. /%2e/metrics /.%2f/metrics /.;x/metrics"),
            (
                "two dots",
                "/x/../metrics /x/%2e%2e/metrics /%2e%2e/../metrics /x/y/.././../metrics /x/..;a/metrics /x/...%20/metrics",
            ),
            (
                "two dots behind an escape",
                "/x/..%2fmetrics /x%2f..%2fmetrics /x%2f%2e%2e%2fmetrics /metrics/..%2fother",
            ),
            (
                "two dots that a server keeps",
                "/metrics/.. /metrics/../other /x/../metrics/%252e%252e /x/%252e%252e/../metrics",
            ),
            (
                "backslashes",
                r"\metrics /\metrics \x\..\metrics /metrics\..\other /%5cmetrics /%255cmetrics /metrics%5cx",
            ),
            ("parameters", r"/metrics;x=1 /metrics;x=1/y /metrics%3bx=1 /;x/metrics /;x\y/metrics /;x%2fy/metrics"),
            ("queries and fragments", "/metrics?x /metrics%3fx /metrics%253fx /metrics#x /metrics%23x"),
            (
                "white space",
                "/metrics%20 /%20metrics /metrics%20/x /metrics%0a /metrics%1b /metrics%c2%a0 /%20/metrics",
            ),
            (
                "Windows",
                "/metrics. /metrics... /metrics.%20.;x /metrics::$DATA /metrics%3a:$DATA /metrics::$INDEX_ALLOCATION/x",
            ),
        ] {
            for path in paths.split(' ') {
                assert!(metrics().covers(path), "{how}: {path}");
            }
        }
    }

    #[test]
    fn does_not_cover_other_paths() {
        for path in [
            "/ // * . /.. /other /../other /other/.. /%2e%2e/metricsx /localhost:9090",
            "/metricsx /metrics-x /metrics.txt /metrics.x. /metrics%20x /metrics% /metric /metric/s /xmetrics /.metrics",
            "/x/metrics /x//metrics /x/%6detrics /x/./metrics /x;/metrics /x;y/metrics /x%3f/metrics /%d0%ba/metrics",
            "/metr%2fics /metr%20ics /%zzmetrics /%u006detrics /+metrics /\u{ff4d}etrics /\u{43c}\u{435}\u{442}\u{440}",
        ]
        .iter()
        .flat_map(|paths| paths.split(' '))
        .chain([""])
        {
            assert!(!metrics().covers(path), "{path}");
        }
    }

    /// A server that decodes once, and then resolves only the `..` that it sees, ends at the guarded path.
    #[test]
    fn covers_paths_with_dots_that_only_some_servers_resolve() {
        let deep = GuardedPath::new("/internal/metrics").unwrap();
        for path in [
            "/internal/metrics",
            "/internal/x/../metrics",
            "/internal/%252e%252e/../metrics",
            "/x/../internal/./y/../metrics/z",
            "/internal//../metrics",
            "/internal/metrics/%2e%2e/%2e%2e/x",
            "/internal/..;/metrics",
            "/internal;x=%2f../metrics",
            r"/internal;x=\y/metrics",
        ] {
            assert!(deep.covers(path), "{path}");
        }
        for path in ["/internal", "/metrics", "/internal/x/metrics", "/metrics/../internal", "/x/internal/metrics"] {
            assert!(!deep.covers(path), "{path}");
        }
    }

    #[test]
    fn covers_paths_with_a_nul_or_invalid_utf_8() {
        let nul = "/%00 /other%00 /%2500 /x/metrics%00.txt /\0";
        let invalid = "/%ff /%25ff /%c0%af /%c0%ae/x /%e0%80%af /%ed%a0%80 /%f4%90%80%80 /x/%80";
        for path in [nul, invalid].iter().flat_map(|paths| paths.split(' ')) {
            assert!(metrics().covers(path), "{path}");
        }
        assert!(metrics().covers(b"/\xff"));
        assert!(!metrics().covers(b"/caf\xc3\xa9") && !metrics().covers("/caf%c3%a9"));
    }

    #[test]
    fn decodes_the_guarded_path_like_the_path_of_a_request() {
        for path in "/metrics/ //metrics /./metrics /METRICS /%6detrics /%256Detrics /metrics. /metrics%0a".split(' ') {
            let guarded = GuardedPath::new(path).unwrap();
            assert!(
                guarded.covers("/metrics") && guarded.covers("//%6DETRICS/x") && !guarded.covers("/other"),
                "{path:?}"
            );
        }
        assert!(
            GuardedPath::new("/keys").unwrap().covers("/\u{212a}eys")
                && GuardedPath::new("/\u{212a}eys").unwrap().covers("/KEYS")
        );
        for path in ["/v1:metrics", "/v1;metrics", "/ſtats.json", "/100%", "/a b"] {
            let guarded = GuardedPath::new(path).unwrap();
            assert!(guarded.covers(path) && guarded.covers(path.to_uppercase()) && !guarded.covers("/v1"), "{path}");
        }
        for path in ["/", "//", "/.", "/%2f"] {
            let guarded = GuardedPath::new(path).unwrap();
            for path in ["/", "", "*", "/x", "/metrics", "/..", "/%ff"] {
                assert!(guarded.covers(path), "{path}");
            }
        }
    }

    #[test]
    fn rejects_an_invalid_guarded_path() {
        for path in [
            "metrics * http://localhost/metrics localhost:9090/metrics /metrics?x /metrics#x /metrics%3fx",
            r"\metrics /metrics/* /metrics/{*rest} /metrics/<rest..> /:name/metrics",
            "/;metrics /; /.;x /;/ //;x/. /%3bmetrics /%20 /%20/ /%09",
            "/x/../metrics /.. /%2e%2e /... /metrics%00 /%ff",
        ]
        .iter()
        .flat_map(|paths| paths.split(' '))
        .chain(["", " /metrics"])
        {
            let error = GuardedPath::new(path).unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::InvalidSetting, "{path:?}");
            assert!(error.to_string().starts_with("GuardedPath::new: invalid path; "), "{path:?}: {error}");
        }
    }

    #[test]
    fn decodes_nested_escapes_of_a_long_path() {
        let nested = format!("/%{}6detrics", "25".repeat(32 * 1024));
        assert!(metrics().covers(&nested));
        // The digits of the innermost escape are escapes themselves, and so on.
        let mut twofold = "%6d".to_owned();
        while twofold.len() < 32 * 1024 {
            twofold = twofold.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        }
        assert_eq!(*decoded(twofold.as_bytes()), *b"m");
        assert!(metrics().covers(format!("/{twofold}etrics")));
        assert!(!metrics().covers("/%".repeat(32 * 1024)));
    }

    #[test]
    fn debug_and_errors_hide_the_path() {
        let key = "7d1f0c5b9a3e48f2";
        assert_eq!(format!("{:?}", GuardedPath::new(&format!("/{key}")).unwrap()), "GuardedPath { .. }");
        assert!(!GuardedPath::new(key).unwrap_err().to_string().contains(&key[..6]));
    }
}
