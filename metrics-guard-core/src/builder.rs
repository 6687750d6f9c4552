//! Builds a [`Guard`] in code: the sources of the key, the allowed clients, and the listeners.

use std::{path::Path, sync::Arc};

use http::{HeaderName, header::AUTHORIZATION};

use crate::{
    access::{Access, Required, client_names::ClientNames, networks::Networks},
    credentials::Sources,
    error::{ConfigError, Origin, Problem},
    guard::{Guard, Policy},
    headers_in_use,
    keys::{file, form::has_random_part, reserve::Reserve, ring::KeyRing, watch::Keys},
    near_names::is_yes_or_no,
    problem,
    shown::ShownPath,
    telemetry::{Check, Listeners, Telemetry},
    warning::{self, Warning},
};

impl Guard {
    /// Returns a guard that accepts `keys` in `X-Metrics-Key` and in `Authorization`, and not in the query.
    #[must_use]
    pub fn new(keys: impl Into<KeyRing>) -> Guard {
        Guard::builder(keys).build()
    }

    /// Begins to build a guard that accepts `keys`.
    pub fn builder(keys: impl Into<KeyRing>) -> GuardBuilder {
        GuardBuilder::with_keys(Keys::fixed(keys.into()))
    }

    /// Begins to build a guard with the keys in the file at `path`: one to four keys, one per line. The guard follows that
    /// file.
    ///
    /// Messages show `path` as you pass it, but hide each part that could be a key: see
    /// [`KeyFileStatus::label`](crate::KeyFileStatus::label).
    ///
    /// # Errors
    ///
    /// [`UnusableFile`](crate::ConfigErrorKind::UnusableFile) if the file cannot be read. Its keys are checked as [`Key::new`]
    /// and [`KeyRing::new`] check them. A file without a key is [`InvalidKey`](crate::ConfigErrorKind::InvalidKey).
    ///
    /// [`Key::new`]: crate::Key::new
    pub fn builder_from_key_file(path: impl AsRef<Path>) -> Result<GuardBuilder, ConfigError> {
        let path = path.as_ref();
        GuardBuilder::from_file(&ShownPath::new(path.as_os_str(), path.to_owned(), "Guard::builder_from_key_file"))
    }

    /// Begins to build a guard that requires a client certificate with one of these names, and no key.
    ///
    /// The certificate is then the only check, so a CA that signs too much opens the guard. Prefer both a key and
    /// [`require_client_name`](GuardBuilder::require_client_name). The environment cannot configure this guard, because a
    /// missing key is always an error there.
    ///
    /// # Errors
    ///
    /// As for [`require_client_name`](GuardBuilder::require_client_name).
    pub fn builder_with_client_names(names: impl IntoIterator<Item: AsRef<str>>) -> Result<GuardBuilder, ConfigError> {
        let origin = Origin::from("Guard::builder_with_client_names");
        let names = ClientNames::parse(names).map_err(|problem| problem.at(origin.clone()))?;
        Ok(GuardBuilder::new(Required::Certificate((origin, names)), Vec::new()))
    }

    /// Returns a guard that allows every request. It is the open mode of the reference middleware. To adjust the guard, begin
    /// with [`GuardBuilder::disabled`].
    #[must_use]
    pub fn disabled() -> Guard {
        GuardBuilder::disabled_with(warning::disabled("Guard::disabled")).build()
    }
}

/// Sets the sources of the key, the allowed clients, and the listeners of a [`Guard`].
///
/// ```
/// use http::Request;
/// use metrics_guard_core::{Guard, Key};
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
///
/// let guard = Guard::builder(Key::new(secret)?).header("X-Scrape-Key")?.build();
///
/// let scrape = Request::get("/metrics").header("X-Scrape-Key", secret).body(())?;
/// assert!(guard.check(&scrape).is_ok());
///
/// let stranger = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
/// assert!(guard.check(&stranger).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct GuardBuilder(Policy, Listeners);

impl GuardBuilder {
    /// Begins to build a guard that allows every request. Observers still see checks, and
    /// [`redacted_query`](Guard::redacted_query) still hides the parameter.
    ///
    /// ```
    /// use http::Request;
    /// use metrics_guard_core::{ConfigError, Guard, GuardBuilder, Key};
    ///
    /// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
    /// let guard = |is_open| -> Result<Guard, ConfigError> {
    ///     let builder = if is_open { GuardBuilder::disabled() } else { Guard::builder(Key::new(secret)?) };
    ///     Ok(builder.query("metrics_key")?.observe(|check| println!("{}", check.outcome())).build())
    /// };
    ///
    /// let stranger = Request::get("/metrics").body(())?;
    /// assert!(guard(false)?.check(&stranger).is_err());
    ///
    /// let disabled = guard(true)?;
    /// assert!(disabled.check(&stranger).is_ok());
    /// assert_eq!(disabled.redacted_query("metrics_key=abc&a=1"), "a=1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn disabled() -> GuardBuilder {
        GuardBuilder::disabled_with(warning::disabled("GuardBuilder::disabled"))
    }

    pub(crate) fn disabled_with(warning: Warning) -> GuardBuilder {
        GuardBuilder::new(Required::Nothing, vec![warning])
    }

    /// Sets the name of the guard. Its series have the name as the label `guard`, and its `tracing` events as the field
    /// `guard`. The default is `metrics`. A later call replaces the name.
    ///
    /// # Errors
    ///
    /// If `name` is not 1 to 64 characters of `a-z 0-9 _ -`, or if it looks like a key.
    pub fn name(mut self, name: &str) -> Result<GuardBuilder, ConfigError> {
        self.0.name = guard_name(name).map_err(|problem| problem.at("GuardBuilder::name"))?;
        Ok(self)
    }

    /// Reads the key from the header `name` instead of `X-Metrics-Key`. `Authorization` is still read.
    ///
    /// # Errors
    ///
    /// - [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) if `name` is not a header name (RFC 9110, section 5.1), has
    ///   a `_`, is a word such as `false` or `none`, or looks like a key. Also if it is `Authorization` itself, or a header of
    ///   the protocol or of proxies, such as `Host`, `Cookie` or `Forwarded`
    /// - [`DuplicateSetting`](crate::ConfigErrorKind::DuplicateSetting) if the header is already named, for example by the
    ///   environment
    pub fn header(self, name: &str) -> Result<GuardBuilder, ConfigError> {
        self.set_header("GuardBuilder::header".into(), name)
    }

    /// Reads the key from the query parameter `name` as well, if no header presents one.
    ///
    /// A key in a query is visible in scrapers' status pages, in access logs and in proxies. Prefer a header.
    ///
    /// The query ends at a `#`, because [`http::Uri`] removes the fragment: `?key=K#x` presents `K`.
    ///
    /// # Errors
    ///
    /// - [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) if `name` is empty, has other characters than
    ///   `A-Z a-z 0-9 - . _ ~`, is a word such as `false` or `none`, or looks like a key
    /// - [`DuplicateSetting`](crate::ConfigErrorKind::DuplicateSetting) if the parameter is already named, for example by the
    ///   environment
    pub fn query(self, name: &str) -> Result<GuardBuilder, ConfigError> {
        self.set_query("GuardBuilder::query".into(), name)
    }

    /// Allows only clients in these networks: `10.0.0.0/8`, `fd00::/8`, or one address. The client must present a key as well.
    /// Other clients get 403, and so does a client whose address is unknown.
    ///
    /// The guard takes the address from the server's [`Peer`](crate::Peer). It reads no header for it.
    ///
    /// # Errors
    ///
    /// - [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) for
    ///   - an empty list, because it does not mean all
    ///   - another notation, such as leading zeros or a zone (`fe80::1%eth0`)
    ///   - an address within a network, such as `10.0.0.1/8`
    ///   - `::ffff:10.0.0.0/8`, because it is `::/8`
    ///   - an address that no client has: `0.0.0.0`, `::`, broadcast and multicast
    /// - [`DuplicateSetting`](crate::ConfigErrorKind::DuplicateSetting) if there is already a list, for example from the
    ///   environment, because it would be unclear which list counts
    pub fn allow_networks(self, networks: impl IntoIterator<Item: AsRef<str>>) -> Result<GuardBuilder, ConfigError> {
        self.set_networks("GuardBuilder::allow_networks".into(), networks)
    }

    /// Allows only clients with one of these names in their certificate: DNS names or URIs (SPIFFE). The client must present a
    /// key as well. Other clients get 403.
    ///
    /// The guard takes the names from the server's [`Peer`](crate::Peer), and the server's TLS verifies the certificate. The
    /// guard reads no header for them.
    ///
    /// # Errors
    ///
    /// - [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) if the list is empty, or if an entry is neither a DNS name
    ///   nor a URI, has a `*`, or is a word such as `false` or `none`
    /// - [`DuplicateSetting`](crate::ConfigErrorKind::DuplicateSetting) if there is already a list, for example from the
    ///   environment, because it would be unclear which list counts
    pub fn require_client_name(self, names: impl IntoIterator<Item: AsRef<str>>) -> Result<GuardBuilder, ConfigError> {
        self.set_client_names("GuardBuilder::require_client_name".into(), names)
    }

    /// Calls `observer` with the outcome of each check.
    ///
    /// The observer runs on the thread of the request, and many threads call it at once. If it blocks, it delays this request
    /// and all others on that thread, so count and return. The guard contains a panic of an observer: the outcome of the check
    /// stays, and the next observer is called. All observers are called, in the order in which they were added.
    ///
    /// An observer may check a request, with this guard or another. Observers and the features `metrics` and `tracing` do not
    /// get the outcome of such a check, because reports could otherwise follow each other without end.
    ///
    /// With `panic = "abort"` in the program's profile, the guard contains nothing, and any panic ends the process.
    pub fn observe(mut self, observer: impl Fn(&Check<'_>) + Send + Sync + 'static) -> GuardBuilder {
        self.1.add_observer(observer);
        self
    }

    /// Calls `hook` with each [`Warning`]. [`build`](GuardBuilder::build) reports the first ones. The key file, new keys and a
    /// missing [`Peer`](crate::Peer) cause later ones.
    ///
    /// The guard calls all hooks, in the order in which they were added, on its own telemetry thread. The warnings wait for
    /// this thread in a queue, so no hook delays a request or a new key. A hook may call the guard, and may drop it.
    ///
    /// - If a hook blocks, 64 warnings and key file events wait. Later ones are dropped, and a warning counts them
    ///   once the hook returns.
    /// - The guard contains a panic of a hook, and calls the next hook. With `panic = "abort"` in the program's profile, the
    ///   panic ends the process.
    /// - The thread starts with the first warning or event. It ends when the guard is dropped and the queue is empty. A
    ///   thread whose hook never returns never ends.
    /// - A forked process does not have this thread, so build the guard after the fork.
    ///
    /// The feature `tracing` logs from the same thread, to the global subscriber, and `metrics` sets the gauges of the key
    /// file there, in the global recorder. Without a hook, and without a subscriber for the feature `tracing`, warnings go
    /// to the standard error.
    pub fn on_warning(mut self, hook: impl Fn(&Warning) + Send + Sync + 'static) -> GuardBuilder {
        self.1.add_hook(hook);
        self
    }

    /// Builds the guard, and reports its [warnings](GuardBuilder::on_warning). A guard with a key file follows it from now
    /// on.
    ///
    /// `build` waits until the warnings are reported, so a service that ends right afterwards has logged them. It waits for at
    /// most a second, so a log that blocks does not keep the service from starting. If the system starts no more threads,
    /// `build` reports the warnings itself, and waits as long as that takes.
    #[must_use]
    pub fn build(self) -> Guard {
        let GuardBuilder(mut policy, listeners) = self;
        policy.telemetry = Telemetry::new(&policy.name, listeners);
        if let Some(keys) = policy.access.keys() {
            keys.report_to(policy.telemetry.for_news());
            if let Err(warning) = keys.follow() {
                policy.warnings.push(warning);
            }
        }
        let file = policy.access.keys().and_then(|keys| keys.file());
        policy.telemetry.start(policy.access.is_open(), file, &policy.warnings);
        Guard(Arc::new(policy))
    }

    pub(crate) fn from_file(path: &ShownPath) -> Result<GuardBuilder, ConfigError> {
        let content = file::read(path, &mut Reserve::default())?;
        // The path is made absolute, because the program can change its working directory later.
        Ok(GuardBuilder::with_keys(Keys::of_file(path.absolute(), content)))
    }

    fn with_keys(keys: Keys) -> GuardBuilder {
        let warnings = keys.warnings();
        GuardBuilder::new(Required::Key(Arc::new(keys)), warnings)
    }

    fn new(required: Required<Arc<Keys>>, warnings: Vec<Warning>) -> GuardBuilder {
        let policy = Policy {
            name: "metrics".into(),
            access: Access::new(required),
            sources: Sources::default(),
            header_origin: None,
            query_origin: None,
            telemetry: Telemetry::default(),
            warnings,
        };
        GuardBuilder(policy, Listeners::default())
    }

    pub(crate) fn set_networks(
        mut self,
        origin: Origin,
        entries: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<GuardBuilder, ConfigError> {
        let former = self.0.access.networks.as_ref().map(|(origin, _)| origin);
        let (networks, has_all) = only(former, &origin, Networks::parse(entries))?;
        if has_all {
            self.0.warnings.push(warning::all_addresses(&origin));
        }
        self.0.access.networks = Some((origin, networks));
        Ok(self)
    }

    pub(crate) fn set_client_names(
        mut self,
        origin: Origin,
        entries: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<GuardBuilder, ConfigError> {
        let former = self.0.access.names().map(|(origin, _)| origin);
        let names = only(former, &origin, ClientNames::parse(entries))?;
        self.0.access.names_beside_key = Some((origin, names));
        Ok(self)
    }

    pub(crate) fn set_header(mut self, origin: Origin, name: &str) -> Result<GuardBuilder, ConfigError> {
        self.0.sources.field = only(self.0.header_origin.as_ref(), &origin, header(name))?;
        self.0.header_origin = Some(origin);
        Ok(self)
    }

    pub(crate) fn set_query(mut self, origin: Origin, name: &str) -> Result<GuardBuilder, ConfigError> {
        self.0.sources.parameter = Some(only(self.0.query_origin.as_ref(), &origin, parameter(name))?);
        self.0.query_origin = Some(origin);
        Ok(self)
    }
}

/// Returns the value of the setting at `origin`, unless it is unusable or the setting has a former value.
fn only<T>(former: Option<&Origin>, origin: &Origin, value: Result<T, Problem>) -> Result<T, ConfigError> {
    let value = value.and_then(|value| match former {
        Some(former) => Err(problem::set_twice(former)),
        None => Ok(value),
    });
    value.map_err(|problem| problem.at(origin.clone()))
}

/// Checks the name of the header that presents a key.
fn header(name: &str) -> Result<HeaderName, Problem> {
    const EXAMPLE: &str = "X-Scrape-Key";
    if is_yes_or_no(name) {
        return Err(problem::word_as_name(EXAMPLE));
    }
    let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| problem::invalid_header())?;
    if field == AUTHORIZATION || name.contains('_') {
        Err(problem::invalid_header())
    } else if has_random_part(name) {
        Err(problem::key_as_name(EXAMPLE))
    } else {
        headers_in_use::use_of(field.as_str()).map_or(Ok(field), |reason| Err(problem::header_in_use(reason)))
    }
}

/// Checks the name of the query parameter that presents a key.
fn parameter(name: &str) -> Result<Box<str>, Problem> {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if is_yes_or_no(name) {
        Err(problem::word_as_name("metrics_key"))
    } else if name.is_empty() || !name.bytes().all(is_unreserved) {
        Err(problem::invalid_parameter())
    } else if has_random_part(name) {
        Err(problem::key_as_name("metrics_key"))
    } else {
        Ok(name.into())
    }
}

/// Checks the name of a guard, which is a label's value.
pub(crate) fn guard_name(name: &str) -> Result<Box<str>, Problem> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    match name.len() {
        1..=64 if has_random_part(name) => Err(problem::key_as_name("metrics")),
        1..=64 if name.bytes().all(is_allowed) => Ok(name.into()),
        _ => Err(problem::invalid_guard_name()),
    }
}
