//! Defines the proof that the guard allowed a request.

use std::fmt;

use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};

use crate::{keys::slots::Matches, limits::MAX_KEYS};

/// The proof that the guard allowed a request.
///
/// Only [`Guard::check`](crate::Guard::check) makes one, so only a caller whose check succeeded can call a function that
/// takes an `Authorized`. It proves nothing about another request, so do not keep it.
///
/// ```
/// use http::{HeaderMap, Request};
/// use metrics_guard_core::{Authorized, Guard, Key};
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
///
/// // Only a caller whose check succeeded can call this function.
/// fn metrics(authorized: &Authorized) -> (HeaderMap, String) {
///     let mut fields = HeaderMap::new();
///     authorized.set_no_store(&mut fields);
///     (fields, format!("up{{key=\"{}\"}} 1\n", authorized.key().unwrap_or_default()))
/// }
///
/// let guard = Guard::new(Key::new(secret)?.with_label("autumn"));
///
/// let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
/// let (fields, body) = metrics(&guard.check(&scrape)?);
/// assert_eq!(body, "up{key=\"autumn\"} 1\n");
/// assert_eq!(fields["Cache-Control"], "no-store");
///
/// // A rejected request gets no proof.
/// let stranger = Request::get("/metrics").body(())?;
/// assert!(guard.check(&stranger).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0451
/// let forged = metrics_guard_core::Authorized { matches: todo!(), labels: todo!() };
/// ```
#[must_use = "a handler must take this proof as a parameter"]
pub struct Authorized {
    // `Matches::NONE` if the guard requires no key.
    pub(crate) matches: Matches,
    pub(crate) labels: &'static [&'static str; MAX_KEYS],
}

impl Authorized {
    pub(crate) const WITHOUT_A_KEY: Authorized = Authorized { matches: Matches::NONE, labels: &[""; MAX_KEYS] };

    /// Returns the label of the key that the request presented. Returns `None` if the guard requires no key, because it
    /// is [disabled](crate::Guard::disabled) or requires only a [certificate](crate::Guard::builder_with_client_names).
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        self.matches.slot().map(|slot| self.labels[slot])
    }

    /// Adds `Cache-Control: no-store` to the `headers` of the response, unless they have a `Cache-Control`.
    ///
    /// A shared cache may store a response to `X-Metrics-Key` and send it to any client. Only `Authorization` forbids that
    /// (RFC 9111, section 3.5).
    pub fn set_no_store(&self, headers: &mut HeaderMap) {
        // A response has few headers, so comparing their names costs less than hashing one name.
        if headers.keys().all(|name| name != CACHE_CONTROL) {
            // `insert` panics if there is no room for another header, at 24 576 headers.
            let _ = headers.try_insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized").field("key", &self.key()).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};

    use super::Authorized;

    #[test]
    fn adds_no_store_unless_the_response_has_a_cache_control() {
        let mut headers = HeaderMap::new();
        Authorized::WITHOUT_A_KEY.set_no_store(&mut headers);
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        Authorized::WITHOUT_A_KEY.set_no_store(&mut headers);
        assert_eq!(headers[CACHE_CONTROL], "private");
    }
}
