//! The policy, and the one verb: [`Guard::check`].
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use metrics_guard_core::{Guard, Key};
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
//!
//! fn metrics(guard: &Guard, request: &Request<()>) -> Response<String> {
//!     match guard.check(request) {
//!         Ok(authorized) => {
//!             let mut response = Response::new("up 1\n".to_owned());
//!             authorized.forbid_storing(response.headers_mut());
//!             response
//!         }
//!         Err(denied) => denied.into_response(),
//!     }
//! }
//!
//! let guard = Guard::new(Key::new(secret)?);
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//! assert_eq!(metrics(&guard, &scrape).body(), "up 1\n");
//!
//! let stranger = Request::get("/metrics").body(())?;
//! assert_eq!(metrics(&guard, &stranger).status(), StatusCode::UNAUTHORIZED);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{borrow::Cow, sync::Arc};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, CACHE_CONTROL},
};

use crate::{
    config::Settings,
    credentials::{Scratch, Sources},
    denied::Denied,
    error::{ConfigError, Place, Problem, Warning},
    key::{KeyRing, MAX_KEYS},
    query,
    request::RequestHead,
};

/// The policy: which keys are accepted, and where a request may present one.
///
/// Cheap to clone, and one guard serves all threads: a check allocates nothing and takes no lock.
///
/// It decides on the key alone. It does not see who else can reach the port, or whether the connection is encrypted:
/// over plain HTTP, whoever reads the traffic reads the key.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Policy>);

#[derive(Debug)]
struct Policy {
    // None: disabled.
    keys: Option<KeyRing>,
    sources: Sources,
    warnings: Vec<Warning>,
}

impl Guard {
    /// A guard that takes `keys` from `X-Metrics-Key` and from `Authorization`, and not from the query.
    pub fn new(keys: impl Into<KeyRing>) -> Guard {
        Guard::builder(keys).build()
    }

    /// A guard to be adjusted.
    pub fn builder(keys: impl Into<KeyRing>) -> GuardBuilder {
        GuardBuilder::with(keys.into())
    }

    /// A guard as the environment describes it.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `METRICS_VERIFICATION_KEY` | the key |
    /// | `METRICS_VERIFICATION_KEY_FILE` | or the path of a file with one to four keys, one a line |
    /// | `METRICS_VERIFICATION_HEADER` | the field that presents the key, instead of `X-Metrics-Key` |
    /// | `METRICS_VERIFICATION_QUERY` | the name of a query parameter that may present it; unset: none may |
    /// | `METRICS_VERIFICATION_DISABLED` | `true`: everyone passes |
    ///
    /// Prefer the file: a process's environment can be read by its user, and is inherited by its children.
    ///
    /// # Errors
    ///
    /// Without a usable key, and for every setting that cannot be used as it is: see [`Problem`]. A service that gets
    /// an error here must not start.
    pub fn from_env() -> Result<Guard, ConfigError> {
        Settings::from_env().guard()
    }

    /// A guard that lets everyone pass: the open mode of the reference middleware, under a name that says so.
    #[must_use]
    pub fn disabled() -> Guard {
        GuardBuilder::disabled().build()
    }

    /// Decides on a request: the key that it presents against the keys that are accepted.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use metrics_guard_core::{Denied, Guard, Key};
    ///
    /// fn metrics(guard: &Guard, parts: &http::request::Parts) -> Result<Response<String>, Denied> {
    ///     let authorized = guard.check(parts)?;
    ///     let mut response = Response::new("up 1\n".to_owned());
    ///     authorized.forbid_storing(response.headers_mut());
    ///     Ok(response)
    /// }
    ///
    /// # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
    /// let guard = Guard::new(Key::new(secret)?);
    /// let (scrape, ()) = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?.into_parts();
    /// assert!(metrics(&guard, &scrape).is_ok());
    ///
    /// let (stranger, ()) = Request::get("/metrics").body(())?.into_parts();
    /// assert!(metrics(&guard, &stranger).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Denied`], whose [`reason`](Denied::reason) is for the operator. Answer with
    /// [`into_response`](Denied::into_response), and let no other route answer instead.
    pub fn check(&self, head: &impl RequestHead) -> Result<Authorized, Denied> {
        let Some(keys) = &self.0.keys else {
            return Ok(Authorized::WITHOUT_A_KEY);
        };
        let mut scratch = Scratch::new();
        let presented = self.0.sources.presented(head, &mut scratch)?;
        let verdict = keys.compare(presented);
        // From here on the verdict is public.
        if bool::from(verdict.found) {
            Ok(Authorized { labels: keys.labels(), index: verdict.index })
        } else {
            Err(Denied::WRONG)
        }
    }

    /// What is accepted, but should be seen to: log these when the service starts.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// The name of the field that presents a key, beside `Authorization`.
    #[must_use]
    pub fn header_name(&self) -> &HeaderName {
        &self.0.sources.field
    }

    /// The query parameter that may present a key, if one may.
    #[must_use]
    pub fn query_parameter(&self) -> Option<&str> {
        self.0.sources.parameter.as_deref()
    }

    /// `query` without the parameters that may present a key: what an access log may show. Borrowed if it had none.
    ///
    /// The names are compared exactly, as a check does: a key under a mistyped name stays.
    #[must_use]
    pub fn redacted_query<'q>(&self, query: &'q str) -> Cow<'q, str> {
        match self.query_parameter() {
            Some(parameter) => query::without(query, parameter.as_bytes()),
            None => Cow::Borrowed(query),
        }
    }
}

/// Adjusts where a [`Guard`] looks for a key. From [`Guard::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct GuardBuilder(Policy);

impl GuardBuilder {
    /// Reads the key from the field `name` instead of `X-Metrics-Key`. `Authorization` is read besides.
    ///
    /// # Errors
    ///
    /// [`Problem::FieldName`] if `name` is not a field name (RFC 9110, section 5.1), or is `Authorization` itself.
    pub fn header(self, name: &str) -> Result<GuardBuilder, ConfigError> {
        self.header_found_at(Place::Argument("GuardBuilder::header"), name)
    }

    /// Reads the key from the query parameter `name` as well, where no field presents one.
    ///
    /// A key in a query shows in scrapers' status pages, in access logs and in proxies. Prefer a field.
    ///
    /// The query ends at a `#`, which [`http::Uri`] cuts off with what follows: `?key=K#x` presents `K`.
    ///
    /// # Errors
    ///
    /// [`Problem::ParameterName`] if `name` is empty or has other characters than `A-Z a-z 0-9 - . _ ~`.
    pub fn query(self, name: &str) -> Result<GuardBuilder, ConfigError> {
        self.query_found_at(Place::Argument("GuardBuilder::query"), name)
    }

    /// The guard.
    pub fn build(self) -> Guard {
        Guard(Arc::new(self.0))
    }

    pub(crate) fn with(mut keys: KeyRing) -> GuardBuilder {
        let warnings = keys.take_warnings();
        GuardBuilder(Policy { keys: Some(keys), sources: Sources::default(), warnings })
    }

    pub(crate) fn disabled() -> GuardBuilder {
        GuardBuilder(Policy { keys: None, sources: Sources::default(), warnings: vec![Warning::Disabled] })
    }

    pub(crate) fn header_found_at(mut self, place: Place, name: &str) -> Result<GuardBuilder, ConfigError> {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(field) if field != AUTHORIZATION => self.0.sources.field = field,
            _ => return Err(ConfigError::new(place, Problem::FieldName)),
        }
        Ok(self)
    }

    pub(crate) fn query_found_at(mut self, place: Place, name: &str) -> Result<GuardBuilder, ConfigError> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_unreserved) {
            return Err(ConfigError::new(place, Problem::ParameterName));
        }
        self.0.sources.parameter = Some(name.into());
        Ok(self)
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        self.0.warnings.push(warning);
    }
}

/// The proof that a guard let a request pass.
///
/// Only [`Guard::check`] makes one: a function that takes an `Authorized` cannot be reached by way of a request that
/// was not checked. It says nothing about a later request; do not keep it.
///
/// ```compile_fail,E0451
/// let forged = metrics_guard_core::Authorized { labels: [""; 4], index: 0 };
/// ```
#[derive(Debug)]
#[must_use = "this is the proof that a handler should ask for"]
pub struct Authorized {
    labels: [&'static str; MAX_KEYS],
    // Out of range where no key was asked for.
    index: u8,
}

impl Authorized {
    const WITHOUT_A_KEY: Authorized = Authorized { labels: [""; MAX_KEYS], index: u8::MAX };

    /// The label of the key that the request presented; none if the guard is [disabled](Guard::disabled).
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        self.labels.get(usize::from(self.index)).copied()
    }

    /// Adds `Cache-Control: no-store` to the `fields` of the answer, unless they have a `Cache-Control`.
    ///
    /// A shared cache may store what a field such as `X-Metrics-Key` opened, and hand it to anyone: only
    /// `Authorization` forbids that by itself (RFC 9111, section 3.5).
    pub fn forbid_storing(&self, fields: &mut HeaderMap) {
        if !fields.contains_key(CACHE_CONTROL) {
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}
