//! The guard as an axum extractor: a handler that asks for the proof cannot run without it.
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::Request;
//! use metrics_guard_tower::{Authorized, Guard, Key};
//! use tower::ServiceExt;
//!
//! // With the proof as a part of the answer, no shared cache may store it.
//! async fn metrics(authorized: Authorized) -> (Authorized, &'static str) {
//!     (authorized, "up 1\n")
//! }
//!
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let guard = Guard::new(Key::new(secret)?);
//! let app = Router::new().route("/metrics", get(metrics)).with_state(guard);
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

use std::{convert::Infallible, error::Error, fmt};

use axum::{
    extract::{FromRef, FromRequestParts},
    response::{IntoResponse, IntoResponseParts, Response, ResponseParts},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE, request::Parts};
use metrics_guard_core::{Denied, Guard};

use crate::head::Head;

/// The proof that a request was checked and let pass, by the [`Guard`] in the router's state.
///
/// Nobody else can make one, so that a handler that takes it is guarded in every route. Let it be the first parameter, and
/// nothing of the request is read before the check. A router whose state has no guard does not compile: the state is a
/// `Guard`, or a type of which one can be had by [`FromRef`].
///
/// The answer is the handler's own. Against shared caches, make the proof a part of it, `(authorized, body)`, as
/// [`#[guard_metrics]`](crate::guard_metrics) does by itself: it adds `Cache-Control: no-store` to an answer that has no
/// `Cache-Control` yet. A cache may else keep what a field such as `X-Metrics-Key` opened, and hand it to others (RFC 9111,
/// section 3.5).
///
/// It guards by itself alone. A `Result<Authorized, Refusal>`, which axum makes an extractor of, and others that hold one as
/// `Either` of axum-extra does, let the handler run for everyone, and decide itself. An `Option<Authorized>` is none.
#[derive(Debug)]
#[must_use = "this is the proof that a handler should ask for"]
pub struct Authorized(metrics_guard_core::Authorized);

impl Authorized {
    /// The label of the key that the request presented; none if the guard asks for no key, since it is
    /// [disabled](Guard::disabled) or requires only a [certificate](Guard::builder_with_client_names).
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        self.0.key()
    }

    /// Adds `Cache-Control: no-store` to an answer that has no `Cache-Control`, where it cannot be a part of it.
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

/// The answer to a request that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "a refused request must be answered with the refusal"]
pub struct Refusal(Denied);

impl Refusal {
    /// Why, for a log. The client is not told.
    pub const fn denied(self) -> Denied {
        self.0
    }
}

/// For a handler that asks a guard itself, and answers as the others do.
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

/// What a handler under `#[guard_metrics]` answers.
pub fn unstored(authorized: &Authorized, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    authorized.set_no_store(response.headers_mut());
    response
}
