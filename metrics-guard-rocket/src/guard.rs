//! The request guard: a Rocket request -> the core's check -> the proof, or an error.
//!
//! ```
//! use metrics_guard_rocket::{Authorized, Guard, Key, MetricsGuard};
//! use rocket::{get, http::{Header, Status}, local::blocking::Client, routes};
//!
//! // By hand, what `#[guard_metrics]` writes; here to see which key was used.
//! #[get("/metrics")]
//! fn metrics(authorized: Authorized) -> &'static str {
//!     authorized.key().unwrap_or("none")
//! }
//!
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # let config = rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::debug_default() };
//! let guard = Guard::new(Key::new(secret)?.with_label("autumn"));
//! let app = rocket::custom(config).mount("/", routes![metrics]).attach(MetricsGuard::with(guard));
//! let client = Client::untracked(app)?;
//!
//! let scrape = client.get("/metrics").header(Header::new("Authorization", format!("Bearer {secret}"))).dispatch();
//! assert_eq!(scrape.into_string().as_deref(), Some("autumn"));
//!
//! let stranger = client.get("/metrics").header(Header::new("Authorization", "Bearer guess")).dispatch();
//! assert_eq!(stranger.status(), Status::Unauthorized);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

/// The proof that a request was let pass, as a request guard.
///
/// `#[guard_metrics]` adds it to a handler. Ask for it by hand to read [`key`](Authorized::key).
///
/// It has no other constructor, and implements [`Sentinel`]: a route that asks for it does not launch without the
/// [`MetricsGuard`](crate::MetricsGuard) fairing.
///
/// A refusal is final: it is an error and never a forward, and the fairing answers it whatever a catcher, or a handler
/// that asked for an `Option<Authorized>`, said in the meantime. That handler does run, though. To let a request pass
/// for another reason than a key, keep a clone of the [`Guard`] and ask it.
///
/// Where it is missing, Rocket's launch error lists the guard once for each route that asks for it.
#[derive(Debug)]
#[must_use = "this is the proof that a handler should ask for"]
pub struct Authorized(metrics_guard_core::Authorized);

impl Authorized {
    /// The label of the key that the request presented; none if the guard asks for no key, since it is
    /// [disabled](Guard::disabled) or requires only a [certificate](Guard::builder_with_client_names).
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        self.0.key()
    }
}

/// Why there is no proof. Rocket logs it with every refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The guard refused the request.
    Denied(Denied),
    /// There is no guard, since no [`MetricsGuard`](crate::MetricsGuard) is attached. The answer is a 500.
    ///
    /// Rocket finds this out at launch, except for routes that somebody wrapped in a handler of their own.
    NoFairing,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Denied(denied) => denied.fmt(f),
            Refusal::NoFairing => {
                f.write_str("no guard is attached, so attach one: `rocket::build().attach(MetricsGuard::fairing())`")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// The guard in Rocket's managed state. Private to the crate, so that only the fairing can put one there.
pub(crate) struct Managed(pub(crate) Guard);

/// What the guard said of a request, for the fairing to act on once the response is there.
///
/// Taken, not kept: clones of one local request share their cache, and no response may follow an earlier verdict.
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
            // An error and not a forward, which would let the next matching route answer.
            Err(denied) => Outcome::Error((Status::new(denied.status().as_u16()), Refusal::Denied(denied))),
        }
    }
}

/// The proof and another request guard as one, asked for in this order.
///
/// The attribute joins them where one more parameter would be too many for clippy. This is no [`Sentinel`], so that Rocket
/// looks at both types.
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

/// Returns the client at the socket's address, which is `remote`: `client_ip` trusts a header that any client can send.
#[cfg_attr(not(feature = "mtls"), allow(unused_variables, clippy::unused_async))]
async fn peer(guard: &Guard, request: &Request<'_>) -> Peer {
    const ADVICE: &str = "let Rocket listen on TCP, because a Unix socket has no addresses; with `rocket::local`, give the \
                          request an address: `client.get(\"/metrics\").remote(address)`";
    let peer = request.remote().map_or(const { Peer::unknown(ADVICE, ADVICE) }, Peer::new);
    #[cfg(feature = "mtls")]
    if guard.requires_client_name() {
        let certificate = request.guard::<rocket::mtls::Certificate<'_>>().await.succeeded();
        return peer.with_names(certificate.iter().flat_map(crate::mtls::names));
    }
    peer
}

/// A Rocket request, as the core sees one.
///
/// Rocket drops field values that are not UTF-8 before anyone can see them. Such a line is absent here: it is refused
/// alone, and beside a good one the good one is the first.
struct Head<'r, 'c> {
    // Two lifetimes, because Rocket 0.5.1 does not shorten that of a request.
    request: &'r Request<'c>,
    received: Option<MutexGuard<'r, Option<Zeroizing<String>>>>,
    peer: Peer,
}

impl RequestHead for Head<'_, '_> {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        // Not `get`, which hashes the name by SipHash. Each value is borrowed from the request.
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
            error!("A route has `#[guard_metrics]`, but no guard is attached.");
            error_!("Attach one: `rocket::build().attach(MetricsGuard::fairing())`.");
        }
        is_unguarded
    }
}
