//! Provides the guard as middleware: a rejected request does not reach the service.

use std::{
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use metrics_guard_core::{ConfigError, Guard, GuardedPath};
use pin_project_lite::pin_project;

use crate::{
    check::{check, set_no_store},
    refusal::Refusal,
};

/// Guards a route, a resource, a scope or a whole app, or [one path](MetricsGuard::only_path) of it.
///
/// Pass it to `wrap`. The last `wrap` is the outermost and runs first. Make it the guard, so that a rejected request reaches no
/// other middleware. The order of `wrap`, `route` and `service` does not matter:
///
/// - `App::wrap` guards every request.
/// - `Scope::wrap` guards every path below that of the scope, also without a route. It does not guard services beside the scope.
/// - `Resource::wrap` guards every method. It does not guard another resource with the same path.
/// - `Route::wrap` guards the handler. It does not guard other routes of the resource, or its response to other methods. Call
///   `wrap` after `to`, because the other order panics.
///
/// A rejection is an `Err` with a [`Refusal`], which the server converts into the response. `Logger` does not log it. Middleware
/// outside of the guard can replace the response. Middleware that serves metrics and is outside of the guard must get the `Err`:
/// see the section about actix-web-prom in the crate's documentation.
///
/// An allowed response gets `Cache-Control: no-store`, unless it has a `Cache-Control`. Otherwise, a shared cache may store the
/// response to a key in `X-Metrics-Key`, for example, and serve it to other clients (RFC 9111, section 3.5).
///
/// ```
/// use actix_web::{App, test, web};
/// use metrics_guard_actix::{Guard, Key, MetricsGuard};
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
/// let guard = MetricsGuard::new(Guard::new(Key::new(&secret)?));
/// let internal = web::scope("/internal").route("/metrics", web::get().to(|| async { "up 1\n" })).wrap(guard);
/// let app = test::init_service(App::new().service(internal)).await;
///
/// let scrape = test::TestRequest::get().uri("/internal/metrics").insert_header(("X-Metrics-Key", secret));
/// let allowed = test::try_call_service(&app, scrape.to_request()).await;
/// assert!(allowed.is_ok_and(|response| response.status() == 200));
///
/// let stranger = test::TestRequest::get().uri("/internal/metrics");
/// let rejected = test::try_call_service(&app, stranger.to_request()).await; // `call_service` would panic
/// assert!(rejected.is_err_and(|error| error.error_response().status() == 401));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MetricsGuard {
    guard: Option<Guard>, // `None` only for a route whose attribute was called without a guard
    only: Option<Arc<[GuardedPath]>>,
    is_of_route: bool,
}

/// The proof, in the data of the request, that the guard of a route attribute has allowed it.
pub(crate) struct AllowedByRoute;

impl MetricsGuard {
    /// Creates middleware from this guard.
    #[must_use]
    pub const fn new(guard: Guard) -> MetricsGuard {
        MetricsGuard { guard: Some(guard), only: None, is_of_route: false }
    }

    pub(crate) const fn of_route(guard: Option<Guard>) -> MetricsGuard {
        MetricsGuard { guard, only: None, is_of_route: true }
    }

    /// Guards only `path` and all paths below it, in every spelling that [`GuardedPath`] lists. Each further call adds a path.
    ///
    /// The guard compares the path as received, as middleware outside of the guard has rewritten it, and without the prefix of
    /// the scopes around it. It does not see what middleware inside makes of the path.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](crate::ConfigErrorKind::InvalidSetting) if no request can have this path.
    pub fn only_path(self, path: &str) -> Result<MetricsGuard, ConfigError> {
        let path = GuardedPath::new(path)?;
        let only = self.only.iter().flat_map(|paths| &**paths).cloned().chain([path]).collect();
        Ok(MetricsGuard { only: Some(only), ..self })
    }

    /// Compares the path as received, and as a `NormalizePath` outside or the scope around the guard left it.
    fn guards(&self, request: &ServiceRequest) -> bool {
        let Some(paths) = &self.only else { return true };
        let matched = request.match_info();
        let seen = [request.path(), matched.as_str(), matched.unprocessed()];
        seen.iter().any(|seen| paths.iter().any(|path| path.covers(seen)))
    }
}

impl<S, B> Transform<S, ServiceRequest> for MetricsGuard
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = MetricsGuardService<S>;
    type InitError = ();
    type Future = Ready<Result<MetricsGuardService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(MetricsGuardService { middleware: self.clone(), inner }))
    }
}

/// Checks each request before it calls the service inside. A [`MetricsGuard`] makes it.
#[derive(Debug)]
pub struct MetricsGuardService<S> {
    middleware: MetricsGuard,
    inner: S,
}

impl<S, B> Service<ServiceRequest> for MetricsGuardService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> ResponseFuture<S::Future> {
        let is_guarded = self.middleware.guards(&request);
        let check = || check(self.middleware.guard.as_ref(), request.request());
        match is_guarded.then(check).transpose() {
            Ok(_) => {
                if self.middleware.is_of_route {
                    request.extensions_mut().insert(AllowedByRoute);
                }
                ResponseFuture { state: State::Called { future: self.inner.call(request), is_guarded } }
            }
            Err(refusal) => ResponseFuture { state: State::Denied { refusal } },
        }
    }
}

pin_project! {
    /// The response of a [`MetricsGuardService`], or its rejection.
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
            is_guarded: bool,
        },
        Denied {
            refusal: Refusal,
        },
    }
}

impl<F, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Result<ServiceResponse<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Called { future, is_guarded } => {
                let mut outcome = future.poll(cx);
                if let (true, Poll::Ready(Ok(response))) = (*is_guarded, &mut outcome) {
                    set_no_store(response.headers_mut());
                }
                outcome
            }
            Projected::Denied { refusal } => Poll::Ready(Err((*refusal).into())),
        }
    }
}
