//! What operators see: each outcome of a check, and what is wrong with the key file.
//!
//! By a function of one's own, with [`GuardBuilder::observe`](crate::GuardBuilder::observe) and
//! [`GuardBuilder::on_warning`](crate::GuardBuilder::on_warning); with the feature `metrics` as metrics, with `tracing` as
//! events.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let seen = Arc::new(Mutex::new(Vec::new()));
//! let log = Arc::clone(&seen);
//! let guard = Guard::builder(Key::new(secret)?)
//!     .observe(move |check| log.lock().unwrap().push((check.outcome(), check.key())))
//!     .build();
//!
//! assert!(guard.check(&Request::get("/metrics").header("X-Metrics-Key", secret).body(())?).is_ok());
//! assert!(guard.check(&Request::get("/metrics").body(())?).is_err());
//! assert_eq!(*seen.lock().unwrap(), [("allowed", "current"), ("missing", "")]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

#[cfg(feature = "metrics")]
use crate::counters;
#[cfg(feature = "tracing")]
use crate::events;
use crate::{authorized::Authorized, denied::Denied, error::Warning, reload::KeyFile, request::Peer};

/// One check, as an observer sees it.
#[derive(Debug, Clone, Copy)]
pub struct Check<'c> {
    result: Result<&'c Authorized, Denied>,
    peer: Option<&'c Peer>,
}

impl<'c> Check<'c> {
    pub(crate) fn new(result: Result<&'c Authorized, Denied>, peer: Option<&'c Peer>) -> Check<'c> {
        Check { result, peer }
    }

    /// What the check returns.
    ///
    /// # Errors
    ///
    /// [`Denied`], if it refuses the request.
    pub fn result(&self) -> Result<&'c Authorized, Denied> {
        self.result
    }

    /// The other end, if the server knows it.
    #[must_use]
    pub fn peer(&self) -> Option<&'c Peer> {
        self.peer
    }

    /// The result in one lower-case word, as a metric label: `allowed`, or the [reason](crate::Reason::as_str).
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self.result {
            Ok(_) => "allowed",
            Err(denied) => denied.reason().as_str(),
        }
    }

    /// The label of the key that was used, as a metric label: empty if none was.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.result.ok().and_then(Authorized::key).unwrap_or_default()
    }
}

type Observer = Box<dyn Fn(&Check<'_>) + Send + Sync>;

/// Those who are told of each check of one guard.
#[derive(Default)]
pub(crate) struct Observers {
    functions: Vec<Observer>,
    #[cfg(feature = "tracing")]
    limit: events::Limit,
}

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Fn(&Check<'_>) + Send + Sync + 'static) {
        self.functions.push(Box::new(observer));
    }

    /// Whether nobody is told.
    #[inline]
    pub(crate) fn are_none(&self) -> bool {
        !cfg!(feature = "metrics") && !cfg!(feature = "tracing") && self.functions.is_empty()
    }

    pub(crate) fn tell(&self, check: &Check<'_>) {
        #[cfg(feature = "metrics")]
        counters::count(check);
        #[cfg(feature = "tracing")]
        if let Err(denied) = check.result {
            self.limit.denied(denied, check.peer);
        }
        for observer in &self.functions {
            observer(check);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.functions.len())
    }
}

/// Tells of a warning, and says whether anybody was told.
#[cfg(feature = "tracing")]
pub(crate) fn warning(warning: &Warning) -> bool {
    events::warning(warning)
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn warning(_: &Warning) -> bool {
    false
}

/// Tells of a guard that is there from now on.
pub(crate) fn guard(file: Option<&KeyFile>) {
    #[cfg(feature = "metrics")]
    counters::describe();
    if let Some(file) = file {
        key_file(file);
    }
}

/// Tells how a key file was found, each time that it was looked at.
#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn key_file(file: &KeyFile) {
    #[cfg(feature = "metrics")]
    counters::key_file(file);
}

/// Tells that a key file can be used again.
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn mended(file: &KeyFile) {
    #[cfg(feature = "tracing")]
    events::mended(file);
}

/// Tells that the keys of a key file have changed.
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn new_keys(file: &KeyFile) {
    #[cfg(feature = "tracing")]
    events::new_keys(file);
}
