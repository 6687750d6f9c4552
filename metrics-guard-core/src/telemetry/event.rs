//! Defines the events that a guard reports: the outcome of each check, warnings, and news about the key file.

use crate::{authorized::Authorized, denied::Denied, keys::watch::KeyFileStatus, peer::Peer, warning::Warning};

/// One check, as an observer sees it.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use http::Request;
/// use metrics_guard_core::{Guard, Key};
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let log = Arc::clone(&seen);
/// let guard = Guard::builder(Key::new(secret)?)
///     .observe(move |check| log.lock().unwrap().push((check.outcome(), check.key())))
///     .build();
///
/// assert!(guard.check(&Request::get("/metrics").header("X-Metrics-Key", secret).body(())?).is_ok());
/// assert!(guard.check(&Request::get("/metrics").body(())?).is_err());
/// assert_eq!(*seen.lock().unwrap(), [("allowed", "current"), ("missing", "")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Check<'c> {
    result: Result<&'c Authorized, Denied>,
    peer: Option<&'c Peer>,
}

impl<'c> Check<'c> {
    pub(crate) fn new(result: Result<&'c Authorized, Denied>, peer: Option<&'c Peer>) -> Check<'c> {
        Check { result, peer }
    }

    /// Returns the result of the check.
    ///
    /// # Errors
    ///
    /// [`Denied`], if the check rejected the request.
    pub fn result(&self) -> Result<&'c Authorized, Denied> {
        self.result
    }

    /// Returns the client, if the server provides one. Its [address](Peer::address) can still be unknown.
    #[must_use]
    pub fn peer(&self) -> Option<&'c Peer> {
        self.peer
    }

    /// Returns the result in one lower-case word, as a metric label: `allowed`, or the [reason](crate::Reason::as_str).
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self.result {
            Ok(_) => "allowed",
            Err(denied) => denied.reason().as_str(),
        }
    }

    /// Returns the label of the key that was used, as a metric label. Empty without a key.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.result.ok().and_then(Authorized::key).unwrap_or_default()
    }
}

/// An event that a guard reports.
#[derive(Debug)]
#[cfg_attr(not(all(feature = "metrics", feature = "tracing")), allow(dead_code))] // some fields are read by one feature
pub(crate) enum Event<'c> {
    /// The guard was built. If it is open, it allows every request.
    Built { is_open: bool },
    /// A request was checked.
    Checked(Check<'c>),
    /// The operator should review something.
    Warning(Warning),
    /// The guard looked at its key file.
    KeyFileSeen(KeyFileStatus),
    /// The key file has become usable again.
    KeyFileUsable(KeyFileStatus),
    /// The keys of the key file have changed, and are active.
    NewKeys(KeyFileStatus),
}

impl Event<'_> {
    /// Returns whether any listener could want the event. The queue does not need the others.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Event::Built { .. } | Event::KeyFileSeen(_) => cfg!(feature = "metrics"),
            Event::KeyFileUsable(_) | Event::NewKeys(_) => cfg!(feature = "tracing"),
            Event::Checked(_) | Event::Warning(_) => true,
        }
    }
}
