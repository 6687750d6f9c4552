//! What operators see: each outcome of a check, and what becomes of the key file.
//!
//! By a function of one's own, with [`GuardBuilder::observe`](crate::GuardBuilder::observe) and
//! [`Guard::on_warning`](crate::Guard::on_warning); with the feature `metrics` as metrics, with `tracing` as events.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
//!
//! let seen = Arc::new(Mutex::new(Vec::new()));
//! let log = Arc::clone(&seen);
//! let guard = Guard::builder(Key::new(secret)?)
//!     .observe(move |outcome| {
//!         log.lock().unwrap().push(match outcome {
//!             Ok(authorized) => authorized.key().unwrap_or("no key"),
//!             Err(denied) => denied.reason().as_str(),
//!         });
//!     })
//!     .build();
//!
//! assert!(guard.check(&Request::get("/metrics").header("X-Metrics-Key", secret).body(())?).is_ok());
//! assert!(guard.check(&Request::get("/metrics").body(())?).is_err());
//! assert_eq!(*seen.lock().unwrap(), ["current", "missing"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

#[cfg(feature = "metrics")]
use crate::counters;
#[cfg(feature = "tracing")]
use crate::events;
use crate::{denied::Denied, error::Warning, guard::Authorized, reload::KeyFile, request::Peer};

type Observer = Box<dyn Fn(Result<&Authorized, Denied>) + Send + Sync>;

/// Those who are told of each check of one guard.
#[derive(Default)]
pub(crate) struct Observers {
    functions: Vec<Observer>,
    #[cfg(feature = "tracing")]
    limit: events::Limit,
}

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Fn(Result<&Authorized, Denied>) + Send + Sync + 'static) {
        self.functions.push(Box::new(observer));
    }

    #[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
    pub(crate) fn tell(&self, outcome: Result<&Authorized, Denied>, peer: Option<&Peer>) {
        #[cfg(feature = "metrics")]
        counters::count(outcome);
        #[cfg(feature = "tracing")]
        if let Err(denied) = outcome {
            self.limit.denied(denied, peer);
        }
        for observer in &self.functions {
            observer(outcome);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observers({})", self.functions.len())
    }
}

/// Tells of a warning, if there is a feature that does.
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn warning(warning: &Warning) -> bool {
    #[cfg(feature = "tracing")]
    events::warning(warning);
    cfg!(feature = "tracing")
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

/// Tells that the keys of a key file have changed.
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn new_keys(file: &KeyFile) {
    #[cfg(feature = "tracing")]
    events::new_keys(file);
}
