// Each adapter, and the core with its feature `macros`, re-exports its own macro as `guard_metrics`. This selects the
// framework, and the path of the types that the expansion names.
//
// `args` and `handler` parse. Then a module of `frameworks` validates and expands. `framework`, `attributes` and `nested` hold
// the code that these modules share.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod args;
mod attributes;
mod framework;
mod frameworks;
mod handler;
mod nested;

use proc_macro::TokenStream;

use frameworks::{actix, axum, request, rocket, warp};

/// Guards the Rocket route below it: the guard checks each request before any other part of the route runs.
///
/// Put the attribute **above** Rocket's. It makes the guard's proof, `Authorized`, the first parameter of the handler. Rocket
/// therefore runs the check before any other request guard, and does not launch without a `MetricsGuard` fairing.
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
/// - `crate = path`: the path of `metrics_guard_rocket`, if the dependency is renamed or re-exported.
/// - `route_attr = name`: the name of a route attribute that is imported under another name (`use rocket::get as fetch`).
///
/// # Compile errors
///
/// The attribute is a compile error if it could not guard the route: below the route attribute or without one, given twice,
/// on a method, or on an item that is not a function.
///
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies only to the body and runs after the check. It can be above or
/// below the route attribute. This attribute guarantees nothing about a macro above it, which has already run. Put
/// attributes that describe the handler, such as `#[utoipa::path]` and `#[openapi]`, above it.
///
/// # Limits
///
/// - An attribute macro below that exports or registers the function exposes the body without the check. Examples are
///   `#[ctor]` and the route attribute of another framework. This attribute rejects such macros by a list of names, and
///   cannot recognise others. Put them above.
/// - On an associated function without `self`, Rocket's own attribute fails, because a route cannot be in an `impl`.
/// - Under a condition, such as `#[cfg_attr(feature = "x", guard_metrics)]`, the attribute guards only if the condition
///   holds. Write it unconditionally.
/// - A handler without this attribute that takes an `Option<Authorized>` or `Result<Authorized, _>` is not guarded.
/// - Every route of the same path needs the attribute: for example, `#[head("/metrics")]` needs it too. The HEAD that Rocket
///   derives from a guarded GET is guarded.
/// - A test cannot call the handler directly, because only a check makes the proof. Send a request with `rocket::local`.
#[proc_macro_attribute]
pub fn guard_metrics_rocket(args: TokenStream, item: TokenStream) -> TokenStream {
    rocket::FRAMEWORK.expand(args.into(), item.into()).into()
}

/// Guards a function that takes a request: the body runs only if the guard allows the request.
///
/// The function can be a method, and can be `async`. It returns a `Response<B>` where `B: Default`, a `Result` of it, a
/// `Pin<Box<dyn Future>>` or a `Ready` of either, or another type that implements `Answer`. A response to an allowed request
/// gets `Cache-Control: no-store`, unless it has a `Cache-Control`.
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
/// - `guard = expression`, required: a `Guard`, a reference to one, or a value that dereferences to one. It can name `self`
///   and the parameters.
/// - `request = name`: the parameter that is the request, if its type is named neither `Request` nor `Parts`, or if two
///   parameters have such a type.
/// - `denied = path`: a function from `Denied` to the return type, for a type that does not implement `Answer`. The attribute
///   then adds no `Cache-Control` to the responses.
/// - `crate = path`: the path of `metrics_guard_core`, if the dependency is renamed or re-exported.
///
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies only to the body and runs after the check:
///
/// ```text
/// #[guard_metrics(guard = GUARD)] // first
/// #[cached::proc_macro::once(time = 15)]
/// #[tracing::instrument(skip(request))]
/// fn metrics(request: &Request<()>) -> Response<String> { .. }
/// ```
///
/// - `#[tracing::instrument]` records the parameters. Without `skip(request)` or `skip_all` it logs the request's headers,
///   including the key.
/// - This attribute guarantees nothing about a macro **above** it, which has already run. A cache there can serve a response
///   that no check allowed.
/// - A body that uses `self` or `Self` cannot move to an inner function, so an attribute macro below is a compile error. Put
///   a cache on a function that this one calls.
/// - Put `#[async_trait]` on the `impl`, and this attribute on its methods.
/// - Put attributes that describe or register the function, such as `#[utoipa::path]`, above this one.
///
/// # Limits
///
/// - An attribute macro below that exports or registers the function exposes the body without the check. Examples are
///   `#[ctor]` and the route attribute of another framework. This attribute rejects such macros by a list of names, and
///   cannot recognise others. Put them above.
/// - The attribute guards only this function. Another function that serves the same metrics needs it too.
/// - The check runs after the server has built the parameters. If one of them holds the request's body, the server has
///   already read that body.
/// - The return type cannot be an `impl Trait`, because the attribute must name the type to build a rejection.
/// - The borrow of the guard expression ends after the check and before the body.
#[proc_macro_attribute]
pub fn guard_metrics_request(args: TokenStream, item: TokenStream) -> TokenStream {
    request::FRAMEWORK.expand(args.into(), item.into()).into()
}

/// Locks a Warp handler: it does nothing until a guard unlocks it, and a route without the guard does not compile.
///
/// Write the handler as without the attribute, `async` or not. Its parameters are those that its filters extract. It returns
/// a `Reply` or a `Result<_, Rejection>`. Pass it to `MetricsGuard::protect`.
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
/// - `crate = path`: the path of `metrics_guard_warp`, if the dependency is renamed or re-exported.
///
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies only to the body and runs after the check. This attribute
/// guarantees nothing about a macro above it, which has already run. Put attributes that describe the handler, such as
/// `#[utoipa::path]`, above it.
///
/// # Limits
///
/// - Under a condition, such as `#[cfg_attr(feature = "x", guard_metrics)]`, the handler is locked only if the condition
///   holds. Write the attribute unconditionally.
/// - The handler's future must be `Send`, because Warp requires this of every future.
/// - An attribute macro below that exports or registers the function exposes the body without the check. Examples are
///   `#[ctor]` and the route attribute of another framework. This attribute rejects such macros by a list of names, and
///   cannot recognise others. Put them above.
/// - The attribute moves the body to an inner function if another attribute macro is below, or if the return type is, for
///   example, `impl Stream<Item = ..>`. There, the body of an associated function cannot name `Self`.
/// - Add the handler to a route with `map`, even if it is `async`. `then` and `and_then` do not compile.
#[proc_macro_attribute]
pub fn guard_metrics_warp(args: TokenStream, item: TokenStream) -> TokenStream {
    warp::FRAMEWORK.expand(args.into(), item.into()).into()
}

/// Guards an axum handler: the guard in the router's state checks each request before any other part of the handler runs.
///
/// Write the handler as without the attribute, with the extractors that it needs and any return type that axum accepts. It
/// need not be `async` if it awaits nothing. A response to an allowed request gets `Cache-Control: no-store`, unless it has a
/// `Cache-Control`.
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
/// - `crate = path`: the path of `metrics_guard_tower`, if the dependency is renamed or re-exported.
///
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies only to the body and runs after the check. This attribute
/// guarantees nothing about a macro above it, which has already run. Put attributes that describe the handler, such as
/// `#[utoipa::path]`, above it, and axum's `#[debug_handler]` below it.
///
/// `#[tracing::instrument]` needs `skip_all`, or `skip` with each `Request` and `HeaderMap`. Otherwise it logs their headers,
/// including the key.
///
/// # Limits
///
/// - The attribute guards only this handler. Other methods of the path have other handlers, and every client gets the 405 for
///   a method without a handler. A `MetricsGuardLayer`, last on the route, guards all of these.
/// - A test cannot call the handler directly, because only a check makes the proof. Send a request to its router.
/// - If the router's state has no guard, the compiler expects a `Guard` and finds that state, or reports that the function is
///   not a `Handler`. Implement `FromRef` of the state for `Guard`.
/// - axum-extra's `typed_get` expects the path as the first parameter, which is the proof here. Write
///   `.route(MetricsPath::PATH, get(metrics))`.
/// - A return type that borrows from the parameters by a named lifetime does not compile. Write `'static`, because axum
///   requires it.
/// - An attribute macro below that exports or registers the function exposes the body without the check. Examples are
///   `#[ctor]` and the route attribute of another framework. This attribute rejects such macros by a list of names, and
///   cannot recognise others. Put them above.
/// - The attribute moves the body to an inner function if another attribute macro is below, or if the return type is, for
///   example, `impl Stream<Item = ..>`. There, the body of an associated function cannot name `Self`.
#[proc_macro_attribute]
pub fn guard_metrics_axum(args: TokenStream, item: TokenStream) -> TokenStream {
    axum::FRAMEWORK.expand(args.into(), item.into()).into()
}

/// Guards an actix-web handler: it becomes a function from the guard to the guarded handler, so an app without a guard does
/// not compile.
///
/// Put the attribute **above** the route attribute, such as `#[get(..)]`, `#[route(..)]` or `#[routes]`, and register
/// `metrics(&guard)`. The guard is then the outermost middleware of the route. Without a route attribute, register
/// `web::get().to(metrics(&guard))`. The guard then checks each request before an extractor of the handler runs. A response to
/// an allowed request gets `Cache-Control: no-store`, unless it has a `Cache-Control`.
///
/// ```
/// # use metrics_guard_actix as _;
/// use actix_web::{App, get, test, web};
/// use metrics_guard_actix::{Guard, Key, guard_metrics};
///
/// #[guard_metrics]
/// #[get("/metrics")]
/// async fn metrics(up: web::Data<u8>) -> String {
///     format!("up {}\n", up.get_ref())
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
/// let guard = Guard::new(Key::new(secret)?);
/// let app = App::new().app_data(web::Data::new(1_u8)).service(metrics(&guard));
/// let app = test::init_service(app).await;
///
/// let scrape = test::TestRequest::with_uri("/metrics").insert_header(("X-Metrics-Key", secret));
/// assert_eq!(test::call_and_read_body(&app, scrape.to_request()).await, "up 1\n");
///
/// let stranger = test::TestRequest::with_uri("/metrics").to_request();
/// let rejected = test::try_call_service(&app, stranger).await.unwrap_err();
/// assert_eq!(rejected.error_response().status(), 401);
/// # Ok(())
/// # }
/// ```
///
/// # Arguments
///
/// - `crate = path`: the path of `metrics_guard_actix`, if the dependency is renamed or re-exported.
/// - `route_attr = name`: the name of a route attribute that is imported under another name (`use actix_web::get as fetch`).
///
/// # Other attributes
///
/// An attribute macro below this one, such as a cache, applies only to the body and runs after the check. It can be above or
/// below the route attribute. This attribute guarantees nothing about a macro above it, which has already run. Put
/// attributes that describe the handler, such as `#[utoipa::path]`, above it.
///
/// `#[tracing::instrument]` needs `skip_all`, or `skip` with each `HttpRequest`. Otherwise it logs its headers, including the
/// key.
///
/// # Limits
///
/// - The attribute guards only this handler. Other methods of the path have other handlers, and every client gets the 404 or
///   405 for a method without a handler. A `MetricsGuard`, last on a resource or scope, guards all of these.
/// - A test cannot call the handler directly. Send a request with `actix_web::test`.
/// - Without a route attribute, a rejection is the response of the handler, as seen by middleware around it. With one, it is
///   an error.
/// - The route attribute must be that of actix-web, or accept `wrap` as that does. Otherwise, each request gets a 500.
/// - With a route attribute or another attribute macro below, an associated function cannot name `Self`. In a generic `impl`,
///   no associated function can have this attribute.
/// - An attribute macro below that exports or registers the function exposes the body without the check. Examples are
///   `#[ctor]` and the route attribute of another framework. This attribute rejects such macros by a list of names, and
///   cannot recognise others. Put them above.
/// - Under a condition, such as `#[cfg_attr(feature = "x", guard_metrics)]`, the attribute guards only if the condition
///   holds. Write it unconditionally.
#[proc_macro_attribute]
pub fn guard_metrics_actix(args: TokenStream, item: TokenStream) -> TokenStream {
    actix::FRAMEWORK.expand(args.into(), item.into()).into()
}
