//! Routes that somebody else wrote, closed by a handler around theirs.
//!
//! ```
//! use metrics_guard_rocket::{Guard, Key, MetricsGuard};
//! use rocket::{get, http::{Header, Status}, local::blocking::Client, routes};
//!
//! #[get("/")]
//! fn theirs() -> &'static str {
//!     "up 1\n"
//! }
//!
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # let config = rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::debug_default() };
//! let guard = MetricsGuard::with(Guard::new(Key::new(secret)?)).mount("/metrics", routes![theirs]);
//! let client = Client::untracked(rocket::custom(config).attach(guard))?;
//!
//! let scrape = client.get("/metrics").header(Header::new("X-Metrics-Key", secret)).dispatch();
//! assert_eq!(scrape.into_string().as_deref(), Some("up 1\n"));
//!
//! let stranger = client.get("/metrics").dispatch();
//! assert_eq!(stranger.status(), Status::Unauthorized);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use rocket::{
    Data, Request, Route,
    request::Outcome,
    route::{self, Handler},
};

use crate::guard::Authorized;

/// `route`, asked for only with an accepted key.
pub(crate) fn guarded(mut route: Route) -> Route {
    route.handler = Box::new(Guarded(route.handler));
    route
}

#[derive(Clone)]
struct Guarded(Box<dyn Handler>);

#[rocket::async_trait]
impl Handler for Guarded {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> route::Outcome<'r> {
        match request.guard::<Authorized>().await {
            Outcome::Success(_) => self.0.handle(request, data).await,
            Outcome::Error((status, _)) | Outcome::Forward(status) => route::Outcome::Error(status),
        }
    }
}
