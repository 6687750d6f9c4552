//! Checks a Rocket request: the request guard returns the proof, or an error.

use std::{
    borrow::Cow,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::HeaderName;
use metrics_guard_core::{Denied, Guard, Peer, RequestHead};
use rocket::{
    Either, Ignite, Rocket, Sentinel, error, error_,
    http::Status,
    request::{FromRequest, Outcome, Request},
};
use zeroize::Zeroizing;

use crate::redact::Received;

/// Proves that the check allowed the request. It is a request guard.
///
/// `#[guard_metrics]` adds it to a handler. Write the parameter yourself to read [`key`](Authorized::key).
///
/// Only the check makes one. It implements [`Sentinel`], so that Rocket does not launch with a route that takes it and
/// without the [`MetricsGuard`](crate::MetricsGuard) fairing. Rocket's launch error then lists this type once for each such
/// route.
///
/// A rejection is final, because it is an error and never a forward. The fairing replaces the response of a catcher, and of a
/// handler that takes an `Option<Authorized>`, although that handler does run. To allow a request for another reason than a
/// key, keep a clone of the [`Guard`] and call its `check`.
///
/// ```
/// use metrics_guard_rocket::{Authorized, Guard, Key, MetricsGuard};
/// use rocket::{get, http::{Header, Status}, local::blocking::Client, routes};
///
/// // `#[guard_metrics]` adds this parameter. Written in code, it shows which key the request used.
/// #[get("/metrics")]
/// fn metrics(authorized: Authorized) -> &'static str {
///     authorized.key().unwrap_or("none")
/// }
///
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
/// # let config = rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::debug_default() };
/// let guard = Guard::new(Key::new(secret)?.with_label("autumn"));
/// let app = rocket::custom(config).mount("/", routes![metrics]).attach(MetricsGuard::with(guard));
/// let client = Client::untracked(app)?;
///
/// let scrape = client.get("/metrics").header(Header::new("Authorization", format!("Bearer {secret}"))).dispatch();
/// assert_eq!(scrape.into_string().as_deref(), Some("autumn"));
///
/// let stranger = client.get("/metrics").header(Header::new("Authorization", "Bearer guess")).dispatch();
/// assert_eq!(stranger.status(), Status::Unauthorized);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a handler must take this proof as a parameter"]
pub struct Authorized(metrics_guard_core::Authorized);

impl Authorized {
    /// Returns the label of the key that the request presented. Returns `None` if the guard requires no key, because it
    /// is [disabled](Guard::disabled) or requires only a [certificate](Guard::builder_with_client_names).
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        self.0.key()
    }
}

/// The reason why there is no proof. Rocket logs it with every rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The guard rejected the request.
    Denied(Denied),
    /// There is no guard, because no [`MetricsGuard`](crate::MetricsGuard) is attached. The response is a 500.
    ///
    /// Rocket detects this at launch, except for a route whose handler is wrapped in another handler.
    NoFairing,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Denied(denied) => denied.fmt(f),
            Refusal::NoFairing => f.write_str(
                "no `MetricsGuard` fairing is attached; attach one: `rocket::build().attach(MetricsGuard::fairing())`",
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// The guard in Rocket's managed state. The type is private, so that only the fairing can put a guard there.
pub(crate) struct Managed(pub(crate) Guard);

/// The result of the check, which the fairing reads when the response exists.
///
/// The fairing takes the verdict out, because clones of a local request share one cache. A later response must not follow an
/// earlier verdict.
#[derive(Default)]
pub(crate) struct Verdict(Mutex<Option<Result<(), Denied>>>);

impl Verdict {
    pub(crate) fn take(request: &Request<'_>) -> Option<Result<(), Denied>> {
        Verdict::of(request).take()
    }

    fn set(request: &Request<'_>, verdict: Result<(), Denied>) {
        *Verdict::of(request) = Some(verdict);
    }

    fn of<'r>(request: &'r Request<'_>) -> MutexGuard<'r, Option<Result<(), Denied>>> {
        request.local_cache(Verdict::default).0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Authorized {
    type Error = Refusal;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        let Some(Managed(guard)) = request.rocket().state() else {
            return Outcome::Error((Status::InternalServerError, Refusal::NoFairing));
        };
        let peer = peer(guard, request).await;
        let received = guard.query_parameter().map(|_| Received::of(request));
        let checked = guard.check(&Head { request, received, peer });
        Verdict::set(request, checked.as_ref().map(|_| ()).map_err(|denied| *denied));
        match checked {
            Ok(authorized) => Outcome::Success(Authorized(authorized)),
            // This is an error, because after a forward the next matching route would respond.
            Err(denied) => Outcome::Error((Status::new(denied.status().as_u16()), Refusal::Denied(denied))),
        }
    }
}

/// Joins the proof and another request guard, and runs them in this order.
///
/// The attribute uses it where an additional parameter would exceed clippy's limit. It does not implement [`Sentinel`], so
/// that Rocket finds those of both types.
#[derive(Debug)]
pub struct Both<A, G>(pub A, pub G);

#[rocket::async_trait]
impl<'r, G: FromRequest<'r>> FromRequest<'r> for Both<Authorized, G> {
    type Error = Either<Refusal, G::Error>;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        match Authorized::from_request(request).await {
            Outcome::Success(authorized) => {
                let guard = G::from_request(request).await;
                guard.map(|guard| Both(authorized, guard)).map_error(|(status, error)| (status, Either::Right(error)))
            }
            Outcome::Error((status, refusal)) => Outcome::Error((status, Either::Left(refusal))),
            Outcome::Forward(status) => Outcome::Forward(status),
        }
    }
}

/// With the feature `mtls`, a guard always knows the names, so only the address can be missing.
fn advice(with_names: bool) -> &'static str {
    if with_names && !cfg!(feature = "mtls") {
        "enable the feature `mtls` of metrics-guard-rocket, and set `tls.mutual` in Rocket's configuration"
    } else {
        "let Rocket listen on TCP, because a Unix socket has no addresses; with `rocket::local`, give the request an \
         address: `client.get(\"/metrics\").remote(address)`"
    }
}

/// Returns the client with the socket's address, `remote`. Rocket's `client_ip` trusts a header that any client can send.
#[cfg_attr(not(feature = "mtls"), allow(unused_variables, clippy::unused_async))]
async fn peer(guard: &Guard, request: &Request<'_>) -> Peer {
    let peer = Peer::from_framework(request.remote(), advice);
    #[cfg(feature = "mtls")]
    if guard.requires_client_name() {
        let certificate = request.guard::<rocket::mtls::Certificate<'_>>().await.succeeded();
        return peer.with_names(certificate.iter().flat_map(crate::mtls::names));
    }
    peer
}

/// A Rocket request as the core reads it.
///
/// Rocket drops header values that are not UTF-8, so the guard does not see them. A request with only such a value is
/// rejected as one without a key. Beside it, a valid value counts as the first.
struct Head<'r, 'c> {
    // There are two lifetimes, because Rocket 0.5.1 does not shorten that of a request.
    request: &'r Request<'c>,
    received: Option<MutexGuard<'r, Option<Zeroizing<String>>>>,
    peer: Peer,
}

impl RequestHead for Head<'_, '_> {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        // This avoids `get`, because it hashes the name with SipHash. Each value is borrowed from the request.
        let lines = self.request.headers().iter().filter(|line| line.name() == name.as_str());
        lines.filter_map(|line| if let Cow::Borrowed(value) = line.value { Some(value.as_bytes()) } else { None })
    }

    fn query(&self) -> Option<&[u8]> {
        match self.received.as_deref() {
            Some(Some(received)) => Some(received.as_bytes()),
            _ => self.request.uri().query().map(|query| query.as_str().as_bytes()),
        }
    }

    fn peer(&self) -> Option<&Peer> {
        Some(&self.peer)
    }
}

impl Sentinel for Authorized {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        let is_unguarded = rocket.state::<Managed>().is_none();
        if is_unguarded {
            error!("metrics-guard: a route needs the guard, but no `MetricsGuard` fairing is attached.");
            error_!("Attach one: `rocket::build().attach(MetricsGuard::fairing())`.");
        }
        is_unguarded
    }
}
