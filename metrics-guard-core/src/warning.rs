//! Conditions that an operator should review, found when a guard is built or later.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key, WarningKind};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let guard = Guard::new(Key::new(&secret[..16])?);
//! assert_eq!(guard.warnings()[0].kind(), WarningKind::WeakKey);
//! assert!(guard.warnings()[0].to_string().contains("fewer than 32 characters"));
//! assert!(guard.check(&Request::get("/").header("X-Metrics-Key", &secret[..16]).body(())?).is_ok());
//! assert!(guard.check(&Request::get("/").body(())?).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use crate::error::messages;

/// A condition that the guard accepts but the operator should review.
///
/// As text, it says where that is, what it means, and what to do about it. It never contains a key.
#[derive(Clone)]
pub struct Warning {
    kind: WarningKind,
    text: String,
}

/// The kinds of [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// Every request is allowed, or the allowed networks contain every public IPv4 or IPv6 address.
    Open,
    /// A key has fewer than 32 bytes, is there twice, or seems to be a part of a value that was broken into lines.
    WeakKey,
    /// Other users can read or replace the key file. Reported on Unix.
    Permissions,
    /// The key file is unusable, so the previous keys stay active; or the guard cannot follow the file.
    Stale,
    /// The server did not provide the client's address or names as a [`Peer`](crate::Peer), so the guard rejected a request.
    /// Reported once for each guard.
    NoPeer,
    /// Later warnings, and events about the key file, were dropped: a [hook](crate::GuardBuilder::on_warning), a subscriber, a
    /// recorder or the standard error blocked, and the queue was full.
    Dropped,
}

impl Warning {
    fn new(kind: WarningKind, text: String) -> Warning {
        Warning { kind, text }
    }

    /// Returns the kind of the warning.
    #[must_use]
    pub fn kind(&self) -> WarningKind {
        self.kind
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// The examples are those of docs/guide/troubleshooting.md.
messages! { Warning, WarningKind:
    disabled(origin = "METRICS_VERIFICATION_DISABLED"): Open,
        "{origin}: the guard is disabled, so EVERYONE can read the metrics; remove this to require a key";
    open(variable = "METRICS_VERIFICATION_KEY_FILE"): Open,
        "{variable}: no variable configures the guard, so EVERYONE can read the metrics; write the output of `openssl \
         rand -hex 32` to a file, and set this variable to its path";
    short_key(origin = "METRICS_VERIFICATION_KEY", least = 32): WeakKey,
        "{origin}: the key has fewer than {least} characters; `openssl rand -hex 32` makes a longer one";
    same_key(origin = "./accepted_keys, line 2"): WeakKey, "{origin}: the same key as an earlier one; it counts once";
    split_key(path = "./accepted_keys"): WeakKey,
        "{path}: the lines look like one base64 value that was broken into lines, and each line is accepted as a key; \
         make keys of one line, such as the output of `openssl rand -hex 32`";
    readable_by_all(path = "./accepted_keys"): Permissions,
        "{path}: every user of this machine can read the key file; make the user of the service its owner, then remove \
         that right, for example with `chmod o-rwx`, or in Kubernetes set `fsGroup` and `defaultMode: 0440`";
    writable_by_others(path = "./accepted_keys"): Permissions,
        "{path}: users other than root and the service's can write or own this path, and so add a key; remove that \
         right, for example with `chmod go-w`, or if another user is the owner, with `chown -h root`";
    stale(error = "./accepted_keys: the key is blank; make one with `openssl rand -hex 32`"): Stale,
        "the key file is unusable; the previous keys stay active until it is fixed: {error}";
    not_followed(path = "./accepted_keys", reason = std::io::ErrorKind::WouldBlock): Stale,
        "{path}: cannot follow the key file ({reason}); new keys need `Guard::reload` or a restart";
    all_addresses(origin = "METRICS_VERIFICATION_NETWORKS"): Open,
        "{origin}: the networks together allow every public IPv4 or every public IPv6 address; list those of the \
         scrapers, or remove the list";
    no_peer(origin = "METRICS_VERIFICATION_NETWORKS", advice = "put a `Peer` into the request's extensions: `request.extensions_mut().insert(Peer::new(address))`"): NoPeer,
        "{origin}: the server did not provide the client's address or the names in its certificate, so every request \
         may be rejected; {advice}";
    dropped(count = 3): Dropped,
        "{count} warnings or key file events were dropped, because a warning hook, a subscriber, a recorder or the \
         standard error blocked; make it return at once, then check `Guard::key_file`";
}
