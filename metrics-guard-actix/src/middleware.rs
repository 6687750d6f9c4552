//! Provides the guard as middleware: a rejected request does not reach the service.

use std::{
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
};
use metrics_guard_core::{ConfigError, Guard, GuardedPath};
use pin_project_lite::pin_project;

use crate::{
    check::{check, set_no_store},
    refusal::Refusal,
};

/// Guards a route, a resource, a scope or a whole app, or [one path](MetricsGuard::only_path) of it.
#[derive(Debug, Clone)]
pub struct MetricsGuard {
    guard: Option<Guard>, // only `registered` makes one without a guard
    only: Option<Arc<[GuardedPath]>>,
}

impl MetricsGuard {
    /// Creates middleware from this guard.
    #[must_use]
    pub const fn new(guard: Guard) -> MetricsGuard {
        MetricsGuard::of(Some(guard))
    }

    pub(crate) const fn of(guard: Option<Guard>) -> MetricsGuard {
        MetricsGuard { guard, only: None }
    }

    /// Guards only `path` and all paths below it, in every spelling. Each further call adds a path.
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

/// Guards a service. A [`MetricsGuard`] makes it.
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
            Ok(_) => ResponseFuture { state: State::Called { future: self.inner.call(request), is_guarded } },
            Err(refusal) => ResponseFuture { state: State::Denied { refusal } },
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
