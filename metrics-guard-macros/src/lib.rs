//! The `#[guard_metrics]` attribute of metrics-guard.
//!
//! Use it through an adapter: each re-exports its own entry of this crate as `guard_metrics`, and so fixes the
//! framework and the path of the types that the expansion names.
//!
//! `args` and `handler` parse; then a module for each framework validates and writes; `expand` holds what they share.

#![forbid(unsafe_code)]

mod args;
mod expand;
mod handler;
mod rocket;

use proc_macro::TokenStream;

/// Guards the Rocket route below it: a request without an accepted key is answered 401 before anything else of the
/// route runs.
///
/// The attribute stands **above** Rocket's, and makes the guard's proof, `Authorized`, the first parameter of the
/// handler. Rocket then asks for the proof before it looks at any other parameter, and refuses to launch if no
/// `MetricsGuard` fairing is attached.
///
/// ```
/// # use metrics_guard_rocket as _;
/// use metrics_guard_rocket::{Guard, Key, MetricsGuard, guard_metrics};
/// use rocket::{get, http::{Header, Status}, local::blocking::Client, routes};
///
/// #[guard_metrics]
/// #[get("/metrics")]
/// fn metrics() -> &'static str {
///     "up 1\n"
/// }
///
/// # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
/// # let config = rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::debug_default() };
/// let guard = Guard::new(Key::new(secret)?);
/// let app = rocket::custom(config).mount("/", routes![metrics]).attach(MetricsGuard::with(guard));
/// let client = Client::untracked(app)?;
///
/// let scrape = client.get("/metrics").header(Header::new("X-Metrics-Key", secret)).dispatch();
/// assert_eq!(scrape.into_string().as_deref(), Some("up 1\n"));
///
/// let stranger = client.get("/metrics").dispatch();
/// assert_eq!(stranger.status(), Status::Unauthorized);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Arguments
///
/// - `crate = path`: where `metrics_guard_rocket` is, if the dependency is renamed or re-exported.
/// - `route_attr = name`: the name that a route attribute goes by here, if it was imported under another
///   (`use rocket::get as fetch`).
///
/// # Compile errors
///
/// Where it could not guard, it does not compile: below the route attribute, without one, given twice, on something
/// else than a function, on a method.
///
/// # Limits
///
/// - Behind a condition (`#[cfg_attr(feature = "x", guard_metrics)]`) it guards when the condition holds, and only
///   then. Write it unconditionally.
/// - A handler that asks for `Option<Authorized>` or `Result<Authorized, _>` itself, without this attribute, decides
///   for itself and is not guarded.
/// - A second route for the same path is a second way in: `#[head("/metrics")]` needs the attribute too, while the
///   HEAD that Rocket derives from a guarded GET is guarded.
/// - The handler cannot be called directly, since nobody can make the proof: test it through
///   `rocket::local`.
#[proc_macro_attribute]
pub fn guard_metrics_rocket(args: TokenStream, item: TokenStream) -> TokenStream {
    rocket::expand(args.into(), item.into()).into()
}
