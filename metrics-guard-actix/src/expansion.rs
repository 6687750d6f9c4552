//! The items that expansions of the attribute name, so that the user needs no dependency on their crates.

use std::{
    cell::RefCell,
    future::{Ready, ready},
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, Responder,
    dev::{self, AppService},
    web::Payload,
};
pub use actix_web::{Handler, HttpResponse, dev::HttpServiceFactory};
use metrics_guard_core::Guard;
pub use metrics_guard_core::expansion::run_future;

use crate::{
    check::{check, set_no_store},
    middleware::{AllowedByRoute, MetricsGuard},
    refusal::Refusal,
};

/// The parameters of a handler that [`handler`] returns.
pub type Request = (HttpRequest, Payload);

/// The result of a handler that [`handler`] returns.
pub type Response = Result<HttpResponse, Refusal>;

/// Returns a handler that checks the request before it extracts a parameter of `handler`.
pub fn handler<H, A>(guard: &Guard, handler: H) -> impl Handler<Request, Output = Response> + use<H, A>
where
    H: Handler<A, Output: Responder>,
    A: FromRequest,
{
    let guard = guard.clone();
    move |request: HttpRequest, payload: Payload| {
        let (checked, handler) = (check(Some(&guard), &request), handler.clone());
        async move {
            let _authorized = checked?;
            let mut response = Allowed(request, payload.into_inner()).run(handler).await;
            set_no_store(response.headers_mut());
            Ok(response)
        }
    }
}

/// A request that the guard has allowed. As an extractor, it requires the middleware of [`registered`]. The handler of a route
/// takes it, because a route attribute that is not actix-web's can ignore the middleware.
#[expect(missing_debug_implementations, reason = "the payload of actix-web has none")]
pub struct Allowed(HttpRequest, dev::Payload);

impl Allowed {
    /// Extracts the parameters of `handler`, and runs it.
    pub async fn run<H, A>(self, handler: H) -> HttpResponse
    where
        H: Handler<A, Output: Responder>,
        A: FromRequest,
    {
        let Allowed(request, mut payload) = self;
        match A::from_request(&request, &mut payload).await {
            Ok(parameters) => handler.call(parameters).await.respond_to(&request).map_into_boxed_body(),
            Err(error) => HttpResponse::from_error(error.into() as Error),
        }
    }
}

impl FromRequest for Allowed {
    type Error = Refusal;
    type Future = Ready<Result<Allowed, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let proof = request.extensions_mut().remove::<AllowedByRoute>();
        ready(match proof {
            Some(AllowedByRoute) => Ok(Allowed(request.clone(), payload.take())),
            None => Err(Refusal::no_guard()),
        })
    }
}

thread_local! {
    static REGISTERED: RefCell<Option<Guard>> = const { RefCell::new(None) };
}

/// Returns `services` with the guard. Their route attributes call [`registered`].
pub fn service<S: HttpServiceFactory>(guard: &Guard, services: S) -> impl HttpServiceFactory + use<S> {
    Guarded { guard: guard.clone(), services }
}

/// A route attribute generates a type without fields, which cannot carry a guard. So the guard waits here while actix-web
/// registers the route, on this thread and in one call.
struct Guarded<S> {
    guard: Guard,
    services: S,
}

impl<S: HttpServiceFactory> HttpServiceFactory for Guarded<S> {
    fn register(self, service: &mut AppService) {
        let outer = REGISTERED.replace(Some(self.guard));
        self.services.register(service);
        REGISTERED.set(outer);
    }
}

/// Returns the guard of the route that is being registered, as middleware. Without one, the middleware rejects every request.
#[must_use]
pub fn registered() -> MetricsGuard {
    MetricsGuard::of_route(REGISTERED.with_borrow(Clone::clone))
}
