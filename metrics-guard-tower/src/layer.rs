//! The guard as a tower layer: what it refuses does not reach the service.
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::Request;
//! use metrics_guard_tower::{Guard, Key, MetricsGuardLayer};
//! use tower::ServiceExt;
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # tokio::runtime::Runtime::new()?.block_on(async {
//!
//! let guard = Guard::new(Key::new(secret)?);
//! let app = Router::new().route("/metrics", get(|| async { "up 1\n" }).layer(MetricsGuardLayer::new(guard)));
//!
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(Body::empty())?;
//! assert_eq!(app.clone().oneshot(scrape).await?.status(), 200);
//!
//! let stranger = Request::get("/metrics").body(Body::empty())?;
//! assert_eq!(app.oneshot(stranger).await?.status(), 401);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response, Uri};
use metrics_guard_core::{Authorized, ConfigError, Denied, Guard, GuardedPath};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::head::Head;

/// Puts a [`Guard`] in front of a service, whatever path and method it is asked for, or in front of
/// [one path](MetricsGuardLayer::only_path) of it.
///
/// With axum, layer the one route, and last: `get(metrics).layer(MetricsGuardLayer::new(guard))`. There it comes before the
/// method is looked at, also where the answer would be a 405. Open is what is added to a route after the layer (`.post(..)`,
/// `.fallback(..)`, `.merge(..)`), and what the router's `method_not_allowed_fallback`, called later, puts in the place of
/// the 405. [`Router::layer`] guards all routes that the router has *at that moment*, and its fallback; a route or a fallback
/// that is added afterwards is open. [`Router::route_layer`] leaves out the fallback, and that of a `MethodRouter` also the
/// methods that the route does not have. For tonic, and for hyper by way of tower, layer the service.
///
/// [`Router::layer`]: https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer
/// [`Router::route_layer`]: https://docs.rs/axum/0.8/axum/struct.Router.html#method.route_layer
///
/// The guard uses the client's address from a [`Peer`](crate::Peer) in the request's extensions, or, with the feature `axum`,
/// a `ConnectInfo<SocketAddr>`, else a `MockConnectInfo<SocketAddr>`, and no other `ConnectInfo`. Without one of these, a
/// guard with networks or client names rejects every request.
///
/// # Bodies without a default
///
/// The answer to a rejected request has the response body type of the service, so that `axum::serve` and tower's
/// `option_layer` accept a guarded app as they accept the app. Its body is the [`Default`] of that type. Some bodies have
/// none: those of tower-http's `TraceLayer` and `ResponseBodyTimeoutLayer`, and hyper's `Incoming`, which a proxy passes on.
/// The guard compiles around them if the body is boxed. axum boxes the body in each call of `.layer`, so give the guard a
/// call of its own:
///
/// ```
/// use axum::{Router, routing::get};
/// use metrics_guard_tower::{Guard, MetricsGuardLayer};
/// use tower_http::trace::TraceLayer;
///
/// fn app(guard: Guard) -> Router {
///     let app = Router::new().route("/metrics", get(|| async { "up 1\n" }));
///     app.layer(TraceLayer::new_for_http()).layer(MetricsGuardLayer::new(guard)) // the guard is the outer one
/// }
/// ```
///
/// On one route, the first call is `.layer::<_, Infallible>(TraceLayer::new_for_http())`, because the compiler does not find
/// the error type of a route between two layers.
///
/// Around another service, or in a `ServiceBuilder`, put a layer that boxes the body right behind the guard:
///
/// ```
/// use http::{Request, Response};
/// use http_body_util::BodyExt;
/// use hyper::body::Incoming; // without a default
/// use metrics_guard_tower::{Guard, MetricsGuardLayer};
/// use tower::{Layer, Service};
/// use tower_http::map_response_body::MapResponseBodyLayer;
///
/// fn guarded<S>(guard: Guard, proxy: S) -> impl Service<Request<Incoming>>
/// where
///     S: Service<Request<Incoming>, Response = Response<Incoming>>,
/// {
///     (MetricsGuardLayer::new(guard), MapResponseBodyLayer::new(BodyExt::boxed_unsync)).layer(proxy)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct MetricsGuardLayer {
    guard: Guard,
    only: Option<Arc<[GuardedPath]>>,
}

impl MetricsGuardLayer {
    /// A layer of this guard.
    #[must_use]
    pub const fn new(guard: Guard) -> MetricsGuardLayer {
        MetricsGuardLayer { guard, only: None }
    }

    /// Guards `path` and all paths below it, in every spelling, and lets requests for other paths through untouched: without
    /// a check, an observation or `Cache-Control`. Called again, it adds a path.
    ///
    /// So one layer around a whole app guards the endpoint of a library, whatever serves it:
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, body::Body, routing::get};
    /// use http::Request;
    /// use metrics_guard_tower::{Guard, Key, MetricsGuardLayer};
    /// use tower::{Layer, ServiceExt};
    ///
    /// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let app = Router::new().route("/", get(|| async { "hello\n" })).fallback(|| async { "up 1\n" }); // or a `ServeDir`
    /// let app = MetricsGuardLayer::new(Guard::new(Key::new(secret)?)).only_path("/metrics")?.layer(app);
    ///
    /// let scrape = Request::get("/metrics").header("X-Metrics-Key", secret).body(Body::empty())?;
    /// assert_eq!(app.clone().oneshot(scrape).await?.status(), 200);
    ///
    /// let stranger = Request::get("//%6detrics").body(Body::empty())?;
    /// assert_eq!(app.clone().oneshot(stranger).await?.status(), 401);
    ///
    /// let visitor = Request::get("/").body(Body::empty())?;
    /// assert_eq!(app.oneshot(visitor).await?.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`GuardedPath`] lists the spellings, and what is not covered, such as symbolic links. The layer sees the path as it is
    /// where the layer is, so put it outside of what rewrites paths. axum's `nest` removes its prefix: in a nested router,
    /// the layer guards a request if the rest of its path is covered or, with the feature `axum`, its `OriginalUri`. Around
    /// tower-http's `NormalizePath` or inside of it, the layer guards the same requests.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) if no request can have this path.
    pub fn only_path(self, path: &str) -> Result<MetricsGuardLayer, ConfigError> {
        let path = GuardedPath::new(path)?;
        let only = self.only.iter().flat_map(|paths| &**paths).cloned().chain([path]).collect();
        Ok(MetricsGuardLayer { only: Some(only), ..self })
    }
}

impl<S> Layer<S> for MetricsGuardLayer {
    type Service = MetricsGuardService<S>;

    fn layer(&self, inner: S) -> MetricsGuardService<S> {
        MetricsGuardService { guard: self.guard.clone(), only: self.only.clone(), inner }
    }
}

/// A service behind a [`MetricsGuardLayer`].
///
/// Its readiness is that of the inner service: a refusal waits for it too, and keeps what was reserved by it until this
/// service is asked again or dropped. So put a limit in front of the guard, or clone the service for each request, as axum,
/// tonic and hyper-util do. A refused request is answered without it: a refusal has an empty body, the
/// default of the response's body type.
#[derive(Debug, Clone)]
pub struct MetricsGuardService<S> {
    guard: Guard,
    only: Option<Arc<[GuardedPath]>>,
    inner: S,
}

impl<S> MetricsGuardService<S> {
    fn guards<Q>(&self, request: &Request<Q>) -> bool {
        let Some(paths) = &self.only else { return true };
        let original = original_uri(request.extensions());
        [Some(request.uri()), original]
            .into_iter()
            .flatten()
            .any(|uri| paths.iter().any(|path| path.covers(uri.path())))
    }
}

/// A body of responses that has a default, which is the body of a refusal.
///
/// Each type with a [`Default`] has it. Those of tower-http's `TraceLayer` and `ResponseBodyTimeoutLayer`, and of a proxy that
/// passes on what hyper receives, have none. The [layer](MetricsGuardLayer#bodies-without-a-default) says what to do.
#[diagnostic::on_unimplemented(
    message = "`MetricsGuardLayer` cannot build a rejection with a body of type `{Self}`",
    label = "the response body of this service has no `Default`",
    note = "in an axum router, call `.layer` once for each layer: `.layer(TraceLayer::new_for_http()).layer(MetricsGuardLayer::new(guard))`",
    note = "around another service, put a layer that boxes the body directly after the guard: `MapResponseBodyLayer::new(BodyExt::boxed_unsync)`"
)]
pub trait EmptyBody: Default {}

#[diagnostic::do_not_recommend] // or the compiler would ask for the `Default` of a type that its reader cannot change
impl<B: Default> EmptyBody for B {}

/// The URI before axum's `nest` removed its prefix.
#[cfg(feature = "axum")]
fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<axum::extract::OriginalUri>().map(|original| &original.0)
}

#[cfg(not(feature = "axum"))]
const fn original_uri(_: &Extensions) -> Option<&Uri> {
    None
}

impl<S, Q, B> Service<Request<Q>> for MetricsGuardService<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    B: EmptyBody,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> ResponseFuture<S::Future> {
        let check = || self.guard.check(&Head::new(&request, request.extensions()));
        match self.guards(&request).then(check).transpose() {
            Ok(authorized) => ResponseFuture { state: State::Called { future: self.inner.call(request), authorized } },
            Err(denied) => ResponseFuture { state: State::Denied { denied } },
        }
    }
}

pin_project! {
    /// The future of a [`MetricsGuardService`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum State<F> {
        Called {
            #[pin]
            future: F,
            authorized: Option<Authorized>, // none if the path is not guarded
        },
        Denied {
            denied: Denied,
        },
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: EmptyBody,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Called { future, authorized } => {
                let mut outcome = future.poll(cx);
                if let (Some(authorized), Poll::Ready(Ok(response))) = (authorized, &mut outcome) {
                    authorized.set_no_store(response.headers_mut()); // unless the service set a Cache-Control
                }
                outcome
            }
            Projected::Denied { denied } => Poll::Ready(Ok(denied.into_response())),
        }
    }
}
