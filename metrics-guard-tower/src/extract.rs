//! Provides the guard as an axum extractor: a handler with the proof as a parameter runs only after the check.

use std::{convert::Infallible, error::Error, fmt};

use axum::{
    extract::{FromRef, FromRequestParts},
    response::{IntoResponse, IntoResponseParts, Response, ResponseParts},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE, request::Parts};
use metrics_guard_core::{Denied, Guard};

use crate::head::Head;

/// Proves that the [`Guard`] in the router's state allowed the request.
///
/// Only the check makes one, so a handler that takes it is guarded in every route. Make it the first parameter, so that no
/// other extractor runs before the check. A router without a guard does not compile: its state must be a `Guard`, or a type
/// that has one by [`FromRef`].
///
/// Return the proof with the response, as in `(authorized, body)`. It adds `Cache-Control: no-store` to a response without
/// `Cache-Control`. Otherwise, a shared cache may store the response to a key in `X-Metrics-Key`, for example, and serve it
/// to other clients (RFC 9111, section 3.5). With [`#[guard_metrics]`](crate::guard_metrics), this is automatic.
///
/// Only a plain `Authorized` parameter guards the handler. With a `Result<Authorized, Refusal>`, or another extractor that
/// holds one, such as `Either` of axum-extra, the handler runs for every request. An `Option<Authorized>` is not an extractor.
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use http::Request;
/// use metrics_guard_tower::{Authorized, Guard, Key};
/// use tower::ServiceExt;
///
/// // The proof in the response adds `no-store`, so that no shared cache stores the response.
/// async fn metrics(authorized: Authorized) -> (Authorized, &'static str) {
///     (authorized, "up 1\n")
/// }
///
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let guard = Guard::new(Key::new(secret)?);
/// let app = Router::new().route("/metrics", get(metrics)).with_state(guard);
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

    /// Adds `Cache-Control: no-store` to a response without `Cache-Control`. Use it if the proof cannot be a part of the
    /// response.
    pub fn set_no_store(&self, fields: &mut HeaderMap) {
        self.0.set_no_store(fields);
    }
}

impl IntoResponseParts for Authorized {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.set_no_store(parts.headers_mut());
        Ok(parts)
    }
}

impl<S> FromRequestParts<S> for Authorized
where
    Guard: FromRef<S>,
    S: Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Authorized, Refusal> {
        let verdict = Guard::from_ref(state).check(&Head::new(&*parts, &parts.extensions));
        verdict.map(Authorized).map_err(Refusal)
    }
}

/// The response to a rejected request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "this is the response to the rejected request"]
pub struct Refusal(Denied);

impl Refusal {
    /// Returns the reason, for a log. The response does not contain it.
    pub const fn denied(self) -> Denied {
        self.0
    }
}

/// Converts a rejection, for a handler that calls a guard and responds like the extractor.
impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Refusal {
        Refusal(denied)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Refusal {}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response: Response = self.0.into_response();
        *response.body_mut() = self.0.body().into();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

/// Returns the response of a handler with `#[guard_metrics]`, with `no-store` unless it has a `Cache-Control`.
pub fn unstored(authorized: &Authorized, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    authorized.set_no_store(response.headers_mut());
    response
}
