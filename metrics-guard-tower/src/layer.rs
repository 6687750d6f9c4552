//! Provides the guard as a tower layer: a rejected request does not reach the service.

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

/// Guards every path and method of a service, or [one path](MetricsGuardLayer::only_path) of it.
///
/// With axum, add the layer to the route of the metrics, after its handlers:
/// `get(metrics).layer(MetricsGuardLayer::new(guard))`. The guard then runs before axum looks at the method, so that it also
/// guards the 405. Anything added to the route after the layer is **not** guarded: `.post(..)`, `.fallback(..)`,
/// `.merge(..)`, and a later `method_not_allowed_fallback` of the router, which replaces the 405.
///
/// [`Router::layer`] guards the routes and the fallback that the router has *at that moment*, and none that are added later.
/// [`Router::route_layer`] does not guard the fallback. The `route_layer` of a `MethodRouter` does not guard methods without
/// a handler either. For tonic, and for hyper with tower, add the layer to the service.
///
/// [`Router::layer`]: https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer
/// [`Router::route_layer`]: https://docs.rs/axum/0.8/axum/struct.Router.html#method.route_layer
///
/// A layer around the guard can replace a rejection, or respond without the guard. Put the guard **outside** of a layer that
/// responds to the metrics' path itself, stores responses, or changes the path.
///
/// The guard uses the client's address from a [`Peer`](crate::Peer) in the request's extensions, or, with the feature `axum`,
/// a `ConnectInfo<SocketAddr>` or, without that, a `MockConnectInfo<SocketAddr>`, and no other `ConnectInfo`. Without one of
/// these, a guard with networks or client names rejects every request.
///
/// # Bodies without a default
///
/// The response to a rejected request has the body type of the service, so that `axum::serve` and tower's
/// `option_layer` accept a guarded app as they accept the app. Its body is the [`Default`] of that type. Some bodies have
/// none: those of tower-http's `TraceLayer` and `ResponseBodyTimeoutLayer`, and hyper's `Incoming`, which a proxy passes on.
/// The guard compiles around them if the body is boxed. axum boxes the body in each call of `.layer`, so add the guard in a
/// separate call:
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
/// Around another service, or in a `ServiceBuilder`, put a layer that boxes the body directly after the guard:
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
    /// Creates a layer from this guard.
    #[must_use]
    pub const fn new(guard: Guard) -> MetricsGuardLayer {
        MetricsGuardLayer { guard, only: None }
    }

    /// Guards only `path` and all paths below it, in every spelling. Each further call adds a path.
    ///
    /// Requests for other paths get no check, no observation and no `Cache-Control`. One layer around a whole app therefore
    /// guards the endpoint of a library:
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
    /// [`GuardedPath`] lists the spellings, and the cases that it does not cover, such as symbolic links. Put the layer around
    /// services that rewrite paths, because it reads the path that it receives. axum's `nest` removes its prefix. In a nested
    /// router, the layer therefore checks the rest of the path and, with the feature `axum`, the `OriginalUri`, and guards
    /// the request if one of them is covered. The layer guards the same requests around tower-http's `NormalizePath` and
    /// inside it.
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

/// Guards a service. A [`MetricsGuardLayer`] makes it.
///
/// This service is ready when the inner service is. A rejected request therefore also waits for the inner service, and keeps
/// what the inner service reserved until this service is used again or dropped. Put a limit in front of the guard, or clone
/// the service for each request, as axum, tonic and hyper-util do.
///
/// A rejected request does not reach the inner service. The rejection has an empty body: the default of the body type.
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

/// A body type with a default, which is the body of a rejection.
///
/// Each type with a [`Default`] implements this trait. The bodies of tower-http's `TraceLayer` and
/// `ResponseBodyTimeoutLayer`, and hyper's `Incoming`, have no default. The page of the
/// [layer](MetricsGuardLayer#bodies-without-a-default) has instructions for them.
#[diagnostic::on_unimplemented(
    message = "`MetricsGuardLayer` cannot build a rejection with a body of type `{Self}`",
    label = "the response body of this service has no `Default`",
    note = "in an axum router, call `.layer` once for each layer: `.layer(TraceLayer::new_for_http()).layer(MetricsGuardLayer::new(guard))`",
    note = "around another service, put a layer that boxes the body directly after the guard: `MapResponseBodyLayer::new(BodyExt::boxed_unsync)`"
)]
pub trait EmptyBody: Default {}

#[diagnostic::do_not_recommend] // because the compiler would suggest `Default` for a type that the user cannot change
impl<B: Default> EmptyBody for B {}

/// Returns the URI before axum's `nest` removed its prefix.
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
            authorized: Option<Authorized>, // `None` if the layer does not guard the path
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
