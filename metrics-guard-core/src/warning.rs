//! Defines conditions that an operator should review, found when a guard is built or later.

use std::fmt;

use crate::{error::messages, problem::OUTPUT};

/// A condition that the guard accepts but the operator should review.
///
/// As text, it names the place of the condition, its meaning, and one action. It never contains a key.
///
/// ```
/// use http::Request;
/// use metrics_guard_core::{Guard, Key};
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
///
/// let guard = Guard::new(Key::new(&secret[..16])?);
/// assert!(guard.warnings()[0].to_string().contains("fewer than 32 characters"));
/// assert!(guard.check(&Request::get("/").header("X-Metrics-Key", &secret[..16]).body(())?).is_ok());
/// assert!(guard.check(&Request::get("/").body(())?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Warning(String);

impl Warning {
    fn new(text: String) -> Warning {
        Warning(text)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// The examples are those of docs/guide/troubleshooting.md.
messages! { Warning:
    disabled(origin = "METRICS_VERIFICATION_DISABLED"),
        "{origin}: the guard is disabled, so EVERYONE can read what it should protect; configure a key, for example in a \
         key file, then remove this setting";
    open(variable = "METRICS_VERIFICATION_KEY_FILE"),
        "{variable}: no variable configures the guard, so EVERYONE can read what it should protect; write {OUTPUT} \
         to a file, and set this variable to its path";
    short_key(origin = "METRICS_VERIFICATION_KEY", least = 32),
        "{origin}: the key has fewer than {least} characters; replace it at the next rotation by {OUTPUT}";
    same_key(origin = "./accepted_keys, line 2"),
        "{origin}: this key repeats an earlier one; write the new key in its place, or remove it";
    split_key(path = "./accepted_keys"),
        "{path}: the lines look like one base64 value that was broken into lines, and each line is accepted as a key; \
         make keys of one line, such as {OUTPUT}";
    readable_by_all(path = "./accepted_keys"),
        "{path}: every user of this machine can read the key file; make the service's user its owner and remove \
         the right of others, for example with `chmod o-rwx`, or in Kubernetes set `fsGroup` and `defaultMode: 0440`";
    writable_by_others(path = "./accepted_keys"),
        "{path}: a user other than root and the service's user owns this path or can write it, and so can add a key; \
         remove that right, for example with `chmod go-w` or `chown -h root`";
    stale(error = "./accepted_keys: .."),
        "{error}. The active keys do not change until the key file is usable.";
    not_followed(path = "./accepted_keys", reason = std::io::ErrorKind::WouldBlock),
        "{path}: cannot start the thread that follows the key file ({reason}); raise the limit of threads, for example \
         `TasksMax=` of systemd, and restart the service";
    all_addresses(origin = "METRICS_VERIFICATION_NETWORKS"),
        "{origin}: the networks together allow every public IPv4 or every public IPv6 address; list those of the \
         scrapers, or unset it";
    no_peer(origin = "METRICS_VERIFICATION_NETWORKS", advice = "put a `Peer` into the request's extensions: `request.extensions_mut().insert(Peer::new(address))`"),
        "{origin}: the server did not provide the client's address or the names in its certificate, so every request \
         may be rejected; {advice}";
    dropped(count = 3),
        "{count} warnings or key file events were dropped, because a warning hook, a subscriber, a recorder or the \
         standard error blocked; unblock it, for example free the disk of the log";
}
