//! Guards third-party routes: puts a handler with the check around the handler of each.

use std::fmt;

use metrics_guard_core::adapter::shown;
use rocket::{
    Build, Data, Request, Rocket, Route,
    http::{ext::IntoOwned, uri::Origin},
    request::Outcome,
    route::{self, Handler},
    warn,
};

use crate::guard::Authorized;

/// Guarded routes, and the base at which ignition mounts them.
#[derive(Clone)]
pub(crate) struct Mount {
    base: Base,
    routes: Vec<Route>,
}

impl Mount {
    pub(crate) fn new<'a, B>(base: B, routes: Vec<Route>) -> Mount
    where
        B: TryInto<Origin<'a>> + Clone + fmt::Display,
        B::Error: fmt::Display,
    {
        Mount { base: Base::new(base), routes: routes.into_iter().map(guarded).collect() }
    }

    pub(crate) fn on(&self, rocket: Rocket<Build>) -> Rocket<Build> {
        let mut base = self.base.clone();
        if let Ok(origin) = &mut base.origin {
            // Rocket's own warning would show the query, which can be a misplaced key.
            if origin.query().is_some() {
                warn!("metrics-guard: the query in the route base '{}' is ignored. Remove it.", base.shown);
                origin.clear_query();
            }
        }
        rocket.mount(base, self.routes.clone())
    }
}

/// Shows no base, because the argument can be a misplaced key.
impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").finish_non_exhaustive()
    }
}

/// The base that the caller gave, parsed once. Rocket logs an invalid base and panics, as in its own `mount`. The log shows
/// `…` in place of what could be a key.
#[derive(Clone)]
struct Base {
    shown: String,
    origin: Result<Origin<'static>, String>,
}

impl Base {
    fn new<'a, B>(base: B) -> Base
    where
        B: TryInto<Origin<'a>> + Clone + fmt::Display,
        B::Error: fmt::Display,
    {
        let shown = shown(&base.to_string()).unwrap_or_else(|| "…".to_owned());
        Base { shown, origin: base.try_into().map(IntoOwned::into_owned).map_err(|error| error.to_string()) }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl TryFrom<Base> for Origin<'static> {
    type Error = String;

    fn try_from(base: Base) -> Result<Origin<'static>, String> {
        base.origin
    }
}

/// Returns `route` with the check before its handler.
fn guarded(mut route: Route) -> Route {
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
