//! Defines the guard: its policy, and [`Guard::check`].

use std::{borrow::Cow, sync::Arc};

use http::HeaderName;

use crate::{
    access::Access,
    authorized::Authorized,
    credentials::{Sources, query},
    denied::Denied,
    error::{ConfigError, Origin},
    keys::ring::KeyRing,
    keys::watch::{KeyFileStatus, Keys},
    problem,
    request::RequestHead,
    telemetry::{Check, Telemetry},
    warning::Warning,
};

/// Checks requests by one policy: the accepted keys, where a request may present one, and which clients are allowed.
///
/// A clone is cheap, and all threads can share a guard. A check takes no lock, and allocates nothing except one small slot at
/// the first check of each thread. (Observers and the features `metrics` and `tracing` can lock and allocate. The first
/// rejection because the server provides no [`Peer`](crate::Peer) queues a [warning](crate::GuardBuilder::on_warning).)
///
/// A guard from a key file follows that file: see [`reload`](Guard::reload).
///
/// A guard does not see whether the connection is encrypted. Over plain HTTP, an attacker who reads the traffic gets the key.
#[doc = ""]
#[doc = include_str!("../docs/pictures/request.svg")]
#[derive(Debug, Clone)]
pub struct Guard(pub(crate) Arc<Policy>);

#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) name: Box<str>,
    pub(crate) access: Access<Arc<Keys>>,
    pub(crate) sources: Sources,
    pub(crate) header_origin: Option<Origin>,
    pub(crate) query_origin: Option<Origin>,
    // Has no listeners until `build` replaces it.
    pub(crate) telemetry: Telemetry,
    pub(crate) warnings: Vec<Warning>,
}

impl Guard {
    /// Checks a request: whether its client is allowed, and whether the key that it presents is accepted.
    ///
    /// The client is checked before the key, so a client that is not allowed learns nothing about its key.
    ///
    /// ```
    /// use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
    /// use metrics_guard_core::{Denied, Guard, Key};
    ///
    /// fn metrics(guard: &Guard, parts: &http::request::Parts) -> Result<Response<String>, Denied> {
    ///     let authorized = guard.check(parts)?;
    ///     let mut response = Response::new("up 1\n".to_owned());
    ///     response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    ///     authorized.set_no_store(response.headers_mut());
    ///     Ok(response)
    /// }
    ///
    /// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
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
    /// [`Denied`], whose [`reason`](Denied::reason) is for the operator. Respond with
    /// [`into_response`](Denied::into_response), and let no other route respond instead.
    ///
    /// The guard contains a panic of an [observer](crate::GuardBuilder::observe), a recorder or a subscriber, and the outcome
    /// stays. It does not contain a panic of `head`. An observer that blocks delays its own request and all others on that
    /// thread.
    pub fn check(&self, head: &impl RequestHead) -> Result<Authorized, Denied> {
        let outcome = self.decide(head);
        if !self.0.telemetry.ignores_checks() {
            let result = outcome.as_ref().map_err(|denied| *denied);
            self.0.telemetry.checked(Check::new(result, head.peer()));
        }
        outcome
    }

    #[inline(never)]
    fn decide(&self, head: &impl RequestHead) -> Result<Authorized, Denied> {
        let Policy { access, sources, telemetry, .. } = &*self.0;
        let Some(keys) = access.admit(head, |warning| telemetry.warn(warning))? else {
            return Ok(Authorized::WITHOUT_A_KEY);
        };
        let (matches, labels) = sources.judged(head, |key| keys.compare(key))?;
        // From here on, the verdict is public.
        if bool::from(matches.any()) { Ok(Authorized { matches, labels }) } else { Err(Denied::WRONG) }
    }
}

impl Guard {
    /// Reads the key file now and makes its keys active.
    ///
    /// A thread of the guard reads the path every two seconds. It activates new keys after 0.1 s without a change. The guard
    /// follows the path, so it notices a renamed file or a changed symbolic link. A single file that is mounted into a
    /// container (`subPath`) never changes there, so mount its folder. A forked process does not have the thread, so build the
    /// guard after the fork.
    ///
    /// Call this when the file is completely written. It waits for the file system.
    ///
    /// ```
    /// use std::fs;
    /// use http::Request;
    /// use metrics_guard_core::Guard;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("accepted_keys");
    /// # let random = || Ok::<_, getrandom::Error>(&*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak());
    /// # let (old, new) = (random()?, random()?);
    ///
    /// fs::write(&path, old)?;
    /// let guard = Guard::builder_from_key_file(&path)?.build();
    /// let scrape = Request::get("/metrics").header("X-Metrics-Key", new).body(())?;
    /// assert!(guard.check(&scrape).is_err());
    ///
    /// fs::write(&path, format!("{new}\n{old}\n"))?;
    /// guard.reload()?; // or wait for three seconds
    /// assert_eq!(guard.check(&scrape)?.key(), Some("current"));
    ///
    /// // A problem of the file leaves the active keys as they are.
    /// fs::remove_file(&path)?;
    /// assert!(guard.reload().is_err());
    /// assert!(guard.key_file().unwrap().problem().is_some());
    /// assert!(guard.check(&scrape).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - The errors of [`builder_from_key_file`](Guard::builder_from_key_file)
    /// - [`UnusableFile`](crate::ConfigErrorKind::UnusableFile) if a new key is a prefix of a longer key that the file held
    ///   before, because the file then looks truncated
    /// - [`Unsupported`](crate::ConfigErrorKind::Unsupported) if the guard has no key file or requires no key
    ///
    /// [`KeyFileStatus::problem`] returns an error of the file too. A [warning](crate::GuardBuilder::on_warning) follows,
    /// unless the file already had this problem. After an error, and after an operator deletes the file, the guard keeps the
    /// active keys. To revoke a key, write a file without it.
    pub fn reload(&self) -> Result<(), ConfigError> {
        self.keys_for("Guard::reload")?.reload()
    }

    /// Replaces the active keys by `keys`. A check that has begun to compare ends with the old keys, which are overwritten when
    /// the last such check ends.
    ///
    /// If the guard follows a key file, `keys` stay active until the keys in that file change, or until
    /// [`reload`](Guard::reload). The guard may not have seen a change of the last two seconds yet. It keeps the keys of the
    /// file in memory, to notice a change.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ConfigErrorKind::Unsupported) if the guard requires no key.
    pub fn replace(&self, keys: impl Into<KeyRing>) -> Result<(), ConfigError> {
        self.keys_for("Guard::replace")?.replace(keys.into());
        Ok(())
    }

    /// Returns the state of the key file that the guard follows, as the guard last saw it.
    #[must_use]
    pub fn key_file(&self) -> Option<KeyFileStatus> {
        self.0.access.keys()?.file()
    }

    /// Returns the warnings that `build` reported. [`on_warning`](crate::GuardBuilder::on_warning) also gets later ones.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// Returns the name of the header that presents a key, beside `Authorization`.
    #[must_use]
    pub fn header_name(&self) -> &HeaderName {
        &self.0.sources.field
    }

    /// Returns the name of the query parameter that presents a key, if one is configured.
    #[must_use]
    pub fn query_parameter(&self) -> Option<&str> {
        self.0.sources.parameter.as_deref()
    }

    /// Returns whether the guard is disabled and allows every request.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.0.access.is_open()
    }

    /// Returns whether the guard uses the [`Peer`](crate::Peer) of a request: for a check, an observer, or the feature
    /// `tracing`. If not, a server need not provide it.
    #[must_use]
    pub fn reads_peer(&self) -> bool {
        self.0.access.reads_peer() || self.0.telemetry.wants_peer()
    }

    /// Returns whether a check reads the names in client certificates. If not, a server need not extract them.
    #[must_use]
    pub fn requires_client_name(&self) -> bool {
        !self.is_disabled() && self.0.access.names().is_some()
    }

    /// Returns `query` without the parameters that present a key, so that an access log can show it. Borrowed if it has none.
    ///
    /// The names are compared exactly after percent-decoding, so a key under a mistyped name stays. Parameters of this name
    /// that a check ignores as malformed are removed too.
    #[must_use]
    pub fn redacted_query<'q>(&self, query: &'q str) -> Cow<'q, str> {
        match self.query_parameter() {
            Some(parameter) => query::without(query, parameter.as_bytes()),
            None => Cow::Borrowed(query),
        }
    }

    fn keys_for(&self, function: &'static str) -> Result<&Keys, ConfigError> {
        let keys = self.0.access.keys().map(Arc::as_ref);
        keys.ok_or_else(|| problem::no_use_for_keys().at(function))
    }
}
