//! The proof that a request was let pass.
//!
//! ```
//! use http::{HeaderMap, Request};
//! use metrics_guard_core::{Authorized, Guard, Key};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! // Nobody calls it without having asked a guard.
//! fn metrics(authorized: &Authorized) -> (HeaderMap, String) {
//!     let mut fields = HeaderMap::new();
//!     authorized.set_no_store(&mut fields);
//!     (fields, format!("up{{key=\"{}\"}} 1\n", authorized.key().unwrap_or_default()))
//! }
//!
//! let guard = Guard::new(Key::new(secret)?.with_label("autumn"));
//!
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//! let (fields, body) = metrics(&guard.check(&scrape)?);
//! assert_eq!(body, "up{key=\"autumn\"} 1\n");
//! assert_eq!(fields["Cache-Control"], "no-store");
//!
//! // There is no proof to call it with.
//! let stranger = Request::get("/metrics").body(())?;
//! assert!(guard.check(&stranger).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};

use crate::{keys::slots::Matches, limits::MAX_KEYS};

/// The proof that a guard let a request pass.
///
/// Only [`Guard::check`](crate::Guard::check) makes one: a function that takes an `Authorized` cannot be reached by way of a
/// request that was not checked. It says nothing about a later request; do not keep it.
///
/// ```compile_fail,E0451
/// let forged = metrics_guard_core::Authorized { matches: 1, labels: 0 };
/// ```
#[must_use = "this is the proof that a handler should ask for"]
pub struct Authorized {
    // None where no key was asked for.
    pub(crate) matches: Matches,
    pub(crate) labels: &'static [&'static str; MAX_KEYS],
}

impl Authorized {
    pub(crate) const WITHOUT_A_KEY: Authorized = Authorized { matches: Matches::NONE, labels: &[""; MAX_KEYS] };

    /// For an answer to the same request that is not ready yet.
    #[cfg(feature = "macros")]
    pub(crate) const fn copy(&self) -> Authorized {
        Authorized { matches: self.matches, labels: self.labels }
    }

    /// The label of the key that the request presented; none if the guard asks for no key, since it is
    /// [disabled](crate::Guard::disabled) or requires only a [certificate](crate::Guard::builder_with_client_names).
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        self.matches.slot().map(|slot| self.labels[slot])
    }

    /// Adds `Cache-Control: no-store` to the `fields` of the answer, unless they have a `Cache-Control`.
    ///
    /// A shared cache may store what a field such as `X-Metrics-Key` opened, and hand it to anyone: only
    /// `Authorization` forbids that by itself (RFC 9111, section 3.5).
    pub fn set_no_store(&self, fields: &mut HeaderMap) {
        if !fields.contains_key(CACHE_CONTROL) {
            // `insert` panics where there is no room for one more: at 24 576 fields.
            let _ = fields.try_insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized").field("key", &self.key()).finish()
    }
}
