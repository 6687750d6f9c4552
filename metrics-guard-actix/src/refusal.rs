//! The error of a request that gets no proof, and its response.

use std::{error::Error, fmt, sync::Once};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header::ContentType},
};
use metrics_guard_core::Denied;

/// The reason why there is no proof, as an actix-web error. Its response has the guard's status and headers.
///
/// [`MetricsGuard`](crate::MetricsGuard) returns it as an `Err`, because middleware that answers `/metrics` itself replaces
/// the body of every `Ok`, and passes on an `Err`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The guard rejected the request.
    Denied(Denied),
    /// No guard has checked the request: the app has none in its data, or a route attribute of another crate ignored the
    /// guard. The response is a 500.
    NoGuard,
}

impl Refusal {
    /// Logs the missing guard, once for each process, because any client can cause it.
    pub(crate) fn no_guard() -> Refusal {
        static LOGGED: Once = Once::new();
        LOGGED.call_once(|| {
            if log::log_enabled!(log::Level::Error) {
                log::error!("metrics-guard: {}", Refusal::NoGuard);
            } else {
                eprintln!("metrics-guard: {}", Refusal::NoGuard);
            }
        });
        Refusal::NoGuard
    }
}

/// Converts a rejection, for a handler that calls a guard and responds like the extractor.
impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Refusal {
        Refusal::Denied(denied)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Denied(denied) => denied.fmt(f),
            Refusal::NoGuard => f.write_str(
                "no guard has checked the requests to this handler, so they get 500; for `Authorized`, add the guard: \
                 `App::new().app_data(guard.clone())`; for `#[guard_metrics]`, use a route attribute of actix-web, such as \
                 `#[get(\"/metrics\")]`",
            ),
        }
    }
}

impl Error for Refusal {}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Refusal::Denied(denied) => {
                StatusCode::from_u16(denied.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Refusal::NoGuard => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Refusal::Denied(denied) => {
                for (name, value) in denied.into_response::<()>().headers() {
                    response.insert_header((name.as_str(), value.as_bytes()));
                }
                response.insert_header(ContentType::plaintext()).body(denied.body())
            }
            Refusal::NoGuard => response.finish(),
        }
    }
}
