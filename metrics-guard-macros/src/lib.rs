// Each adapter, and the core with its feature `macros`, re-exports its own entry as `guard_metrics`, and so fixes the
// framework and the path of the types that the expansion names.
//
// `args` and `handler` parse; then a module of `frameworks` validates and writes. `framework`, `attributes` and `nested` hold
// what those share.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod args;
mod attributes;
mod framework;
mod frameworks;
mod handler;
mod nested;

use proc_macro::TokenStream;

use frameworks::{axum, request, rocket, warp};

/// Guards the Rocket route below it: a request that the guard refuses is answered before anything else of the
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
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
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
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies to the body alone and runs behind the check. It may stand above
/// or below the route attribute. An attribute macro above this one has already run, and this attribute promises nothing about
/// it. `#[utoipa::path]`, `#[openapi]` and others that describe the handler go above.
///
/// # Limits
///
/// - An attribute macro below that exports the function or registers it, as `#[ctor]` or another framework's route attribute
///   does, hands out the body without the check. This attribute rejects such macros by a list of names, and cannot recognise
///   others. Put them above.
/// - An associated function without `self` gets Rocket's own errors: a route cannot stand in an `impl`.
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
    rocket::FRAMEWORK.expand(args.into(), item.into()).into()
}

/// Guards a function that takes a request: one that the guard refuses is answered, and the body does not run.
///
/// The function may be a method, and may be `async`. It returns a `Response<B>` whose body has a default, a `Result` of
/// one, a `Pin<Box<dyn Future>>` or a `Ready` of either, or another type that `Answer` is implemented for. An answer to an
/// accepted key gets `Cache-Control: no-store`, unless it has a `Cache-Control`.
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use metrics_guard_core::{Guard, Key, guard_metrics};
///
/// struct Service {
///     guard: Guard,
/// }
///
/// impl Service {
///     #[guard_metrics(guard = self.guard)]
///     fn metrics<B>(&self, request: Request<B>) -> Response<String> {
///         Response::new("up 1\n".to_owned())
///     }
/// }
///
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
/// let service = Service { guard: Guard::new(Key::new(secret)?) };
///
/// let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
/// assert_eq!(service.metrics(scrape).body(), "up 1\n");
///
/// let stranger = Request::get("/metrics").body(())?;
/// assert_eq!(service.metrics(stranger).status(), StatusCode::UNAUTHORIZED);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Arguments
///
/// - `guard = expression`, always: a `Guard`, a reference to one, or what dereferences to one. It may name `self` and the
///   parameters.
/// - `request = name`: the parameter that is the request, if its type is called neither `Request` nor `Parts`, or if
///   there are two such parameters.
/// - `denied = path`: a function from `Denied` to the return type, if a refusal cannot be made of that otherwise. The
///   answers to accepted keys are then the function's own, and get no `Cache-Control` from here.
/// - `crate = path`: where `metrics_guard_core` is, if the dependency is renamed or re-exported.
///
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies to the body alone and runs behind the check:
///
/// ```text
/// #[guard_metrics(guard = GUARD)] // first
/// #[cached::proc_macro::once(time = 15)]
/// #[tracing::instrument(skip(request))]
/// fn metrics(request: &Request<()>) -> Response<String> { .. }
/// ```
///
/// - `#[tracing::instrument]` records the parameters. Without `skip(request)` or `skip_all` it logs the request's header
///   fields, and with them the key.
/// - An attribute macro **above** this one has already run, and this attribute promises nothing about it. A cache there can
///   serve an answer that no check allowed.
/// - In a function that uses `self` or `Self`, the body cannot be moved, so an attribute macro below is a compile error. Cache
///   in a function that this one calls.
/// - `#[async_trait]` stands on the `impl`, and this attribute on its methods.
/// - `#[utoipa::path]` and others that describe the function, or hand it to a server, go above.
///
/// # Limits
///
/// - An attribute macro below that exports the function or registers it, as `#[ctor]` or another framework's route attribute
///   does, hands out the body without the check. This attribute rejects such macros by a list of names, and cannot recognise
///   others. Put them above.
/// - It guards this function. A server that reaches the same metrics by another one has another way in.
/// - Parameters are made before the check: a body that was read to make one has been read.
/// - The return type must have a name: of an `impl Trait` no refusal can be made.
/// - What the guard expression borrows is given back before the body runs, but not before the check.
#[proc_macro_attribute]
pub fn guard_metrics_request(args: TokenStream, item: TokenStream) -> TokenStream {
    request::FRAMEWORK.expand(args.into(), item.into()).into()
}

/// Locks a Warp handler: it does nothing until a guard unlocks it, and a route that forgets the guard does not compile.
///
/// Write the handler as without the attribute, `async` or not, with the parameters that its filters extract, returning
/// a `Reply` or a `Result<_, Rejection>`, and hand it to `MetricsGuard::protect`.
///
/// ```
/// use metrics_guard_warp::{Guard, Key, MetricsGuard, guard_metrics};
/// use warp::{Filter, Reply, http::StatusCode};
///
/// #[guard_metrics]
/// async fn metrics(format: String) -> impl Reply {
///     format!("up 1 as {format}\n")
/// }
///
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let guard = MetricsGuard::with(Guard::new(Key::new(secret)?));
/// let handler = warp::get().and(warp::path::param()).map(metrics);
/// let routes = guard.protect(warp::path("metrics"), handler);
///
/// let scrape = warp::test::request().path("/metrics/text").header("X-Metrics-Key", secret).reply(&routes).await;
/// assert_eq!(scrape.body(), "up 1 as text\n");
///
/// let stranger = warp::test::request().path("/metrics/text").reply(&routes).await;
/// assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
/// # Ok::<(), metrics_guard_warp::ConfigError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Arguments
///
/// - `crate = path`: where `metrics_guard_warp` is, if the dependency is renamed or re-exported.
///
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies to the body alone and runs behind the check. One above it has
/// already run, and this attribute promises nothing about it. `#[utoipa::path]` and others that describe the handler go above.
///
/// # Limits
///
/// - Behind a condition (`#[cfg_attr(feature = "x", guard_metrics)]`) the handler is locked when the condition holds,
///   and only then. Write it unconditionally.
/// - The handler's future must be `Send`, as Warp asks of all.
/// - An attribute macro below that exports the function or registers it, as `#[ctor]` or another framework's route attribute
///   does, hands out the body without the check. This attribute rejects such macros by a list of names, and cannot recognise
///   others. Put them above.
/// - If another attribute macro is below, or the return type is one such as `impl Stream<Item = ..>`, the attribute moves the
///   body into an inner function. There, the body of an associated function cannot name `Self`.
/// - It goes into a route by `map`, `async` or not: there is nothing in it for `then` and `and_then`.
#[proc_macro_attribute]
pub fn guard_metrics_warp(args: TokenStream, item: TokenStream) -> TokenStream {
    warp::FRAMEWORK.expand(args.into(), item.into()).into()
}

/// Guards an axum handler: a request that the guard in the router's state refuses is answered before anything else of the
/// handler runs.
///
/// Write the handler as without the attribute, with the extractors that it needs, returning whatever axum takes for an
/// answer; one that awaits nothing need not be `async`. An answer to an accepted key gets `Cache-Control: no-store`, unless
/// it has a `Cache-Control`.
///
/// ```
/// use axum::{Router, body::Body, extract::{FromRef, State}, response::IntoResponse, routing::get};
/// use http::Request;
/// use metrics_guard_tower::{Guard, Key, guard_metrics};
/// use tower::ServiceExt;
///
/// #[derive(Clone)]
/// struct App {
///     guard: Guard,
///     up: u8,
/// }
///
/// impl FromRef<App> for Guard { // or `#[derive(FromRef)]` on `App`, with axum's feature `macros`
///     fn from_ref(app: &App) -> Guard {
///         app.guard.clone()
///     }
/// }
///
/// #[guard_metrics]
/// fn metrics(State(app): State<App>) -> impl IntoResponse {
///     format!("up {}\n", app.up)
/// }
///
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let app = App { guard: Guard::new(Key::new(secret)?), up: 1 };
/// let app = Router::new().route("/metrics", get(metrics)).with_state(app);
///
/// let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(Body::empty())?;
/// assert_eq!(app.clone().oneshot(scrape).await?.status(), 200);
///
/// let stranger = Request::get("/metrics").body(Body::empty())?;
/// assert_eq!(app.oneshot(stranger).await?.status(), 401);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Arguments
///
/// - `crate = path`: where `metrics_guard_tower` is, if the dependency is renamed or re-exported.
///
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies to the body alone and runs behind the check. One above it has
/// already run, and this attribute promises nothing about it. `#[utoipa::path]` and others that describe the handler go above,
/// axum's `#[debug_handler]` goes below. `#[tracing::instrument]` needs `skip_all`, or at least to skip a `Request` or
/// `HeaderMap`: it logs their fields, and with them the key.
///
/// # Limits
///
/// - It guards this handler. Another method of the path is another handler; what the path answers to a method that it does
///   not have (405) is answered to everyone. A `MetricsGuardLayer`, last on the route, guards those too.
/// - The handler cannot be called directly, since nobody can make the proof: test it through its router.
/// - Where the router's state has no guard, the compiler says that it expected a `Guard` and found that state, or that the
///   function is no `Handler`: implement `FromRef` of the state for `Guard`.
/// - axum-extra's `typed_get` wants the path as the first parameter, which is the proof here. Write
///   `.route(MetricsPath::PATH, get(metrics))`.
/// - An answer that borrows from the parameters by a named lifetime does not compile: write `'static` in its place, which is
///   what axum takes.
/// - An attribute macro below that exports the function or registers it, as `#[ctor]` or another framework's route attribute
///   does, hands out the body without the check. This attribute rejects such macros by a list of names, and cannot recognise
///   others. Put them above.
/// - If another attribute macro is below, or the return type is one such as `impl Stream<Item = ..>`, the attribute moves the
///   body into an inner function. There, the body of an associated function cannot name `Self`.
#[proc_macro_attribute]
pub fn guard_metrics_axum(args: TokenStream, item: TokenStream) -> TokenStream {
    axum::FRAMEWORK.expand(args.into(), item.into()).into()
}
