//! Provides the guard as an extractor: a handler with the proof as a parameter runs only after the check.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderMap};
use metrics_guard_core::Guard;

use crate::{
    check::{check, set_no_store},
    refusal::Refusal,
};

/// Proves that the [`Guard`] in the app's data allowed the request. It is an extractor.
///
/// Only the check makes one. Put the guard into the data of the app, or of the scope or resource with the handler:
/// `.app_data(guard.clone())`, without `web::Data`. A handler without a guard never runs: its response is a 500, and the log
/// has an error. With [`#[guard_metrics]`](crate::guard_metrics), an app without a guard does not compile.
///
/// Make it the first parameter. actix-web starts all extractors of a handler before it looks at the first result, so another
/// extractor may run for a client without a key. The attribute and [`MetricsGuard`](crate::MetricsGuard) check first.
///
/// actix-web turns the rejection into an ordinary response. So it does not close an endpoint that middleware serves at the same
/// path, such as that of actix-web-prom: use [`MetricsGuard`](crate::MetricsGuard) there.
///
/// Only a plain `Authorized` parameter guards the handler. With an `Option<Authorized>`, a `Result<Authorized, Refusal>` or an
/// `Either<Authorized, _>`, the handler can run for every request.
///
/// ```
/// use actix_web::{App, HttpResponse, test, web};
/// use metrics_guard_actix::{Authorized, Guard, Key};
///
/// async fn metrics(authorized: Authorized) -> HttpResponse {
///     let mut response = HttpResponse::Ok().body("up 1\n");
///     authorized.set_no_store(response.headers_mut()); // so that no shared cache stores the response
///     response
/// }
///
/// # #[actix_web::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
/// let guard = Guard::new(Key::new(&secret)?);
/// let app = App::new().app_data(guard).route("/metrics", web::get().to(metrics));
/// let app = test::init_service(app).await;
///
/// let scrape = test::TestRequest::get().uri("/metrics").insert_header(("X-Metrics-Key", secret));
/// assert_eq!(test::call_service(&app, scrape.to_request()).await.status(), 200);
///
/// let stranger = test::TestRequest::get().uri("/metrics");
/// assert_eq!(test::call_service(&app, stranger.to_request()).await.status(), 401);
/// # Ok(())
/// # }
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

    /// Adds `Cache-Control: no-store` to a response without `Cache-Control`. Otherwise, a shared cache may store the response
    /// to a key in `X-Metrics-Key`, for example, and serve it to other clients (RFC 9111, section 3.5).
    pub fn set_no_store(&self, headers: &mut HeaderMap) {
        set_no_store(headers);
    }
}

impl FromRequest for Authorized {
    type Error = Refusal;
    type Future = Ready<Result<Authorized, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(check(request.app_data::<Guard>(), request).map(Authorized))
    }
}
