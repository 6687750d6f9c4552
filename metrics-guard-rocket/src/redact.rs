//! Keeps a key in the query out of Rocket's log.
//!
//! Rocket logs the URI of every request, and in release builds at least those of each HEAD and each 404. This fairing first
//! removes the key's parameter from the URI, and stores the query for the guard. No fairing sees the URIs that Rocket logs
//! while it reads the head of a request: those with unknown methods, and those that it cannot parse.

use std::{
    borrow::Cow,
    sync::{Mutex, MutexGuard, PoisonError},
};

use metrics_guard_core::Guard;
use rocket::{
    Data, Orbit, Request, Rocket,
    fairing::{Fairing, Info, Kind},
    http::uri::Origin,
    warn, warn_,
};
use zeroize::Zeroizing;

/// The fairing, attached only if the guard accepts a key in the query.
pub(crate) struct Redact(pub(crate) Guard);

#[rocket::async_trait]
impl Fairing for Redact {
    fn info(&self) -> Info {
        Info { name: "Metrics Guard: no key in the log", kind: Kind::Liftoff | Kind::Request }
    }

    async fn on_liftoff(&self, rocket: &Rocket<Orbit>) {
        let Some(parameter) = self.0.query_parameter() else { return };
        for route in rocket.routes().filter(|route| reads(route.uri.query(), parameter)) {
            // The warning hides the parameter's name, because an operator can set a key in its place.
            warn!("metrics-guard: the route {route} reads the guard's query parameter, which the guard removes.");
            warn_!("Choose another query parameter for the guard, for example METRICS_VERIFICATION_QUERY=metrics_key.");
        }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        let (received, uri) = match request.uri().query().map(|query| (query, self.0.redacted_query(query.as_str()))) {
            Some((query, Cow::Owned(rest))) => {
                (Some(Zeroizing::new(query.as_str().to_owned())), Some(with_query(request.uri(), &rest)))
            }
            _ => (None, None),
        };
        // This also stores that there is none, because a clone of a local request still has the query of the first one.
        *Received::of(request) = received;
        if let Some(uri) = uri {
            request.set_uri(uri);
        }
    }
}

/// Returns whether a route with this `query` declares `parameter`, as `<parameter>` or as `parameter=value`.
fn reads(query: Option<&str>, parameter: &str) -> bool {
    let name = |part: &str| part.split('=').next().is_some_and(|name| name.trim_matches(['<', '>']) == parameter);
    query.is_some_and(|query| query.split('&').any(name))
}

fn with_query<'u>(uri: &Origin<'u>, query: &str) -> Origin<'u> {
    let mut bare = uri.clone();
    bare.clear_query();
    if query.is_empty() {
        return bare;
    }
    // hyper accepts characters that Rocket's parser rejects. The query is then dropped, because it could hold the key.
    Origin::parse_owned(format!("{}?{query}", bare.path())).unwrap_or(bare)
}

/// The query as received, if the fairing removed a part of it from the URI.
#[derive(Default)]
pub(crate) struct Received(Mutex<Option<Zeroizing<String>>>);

impl Received {
    pub(crate) fn of<'r>(request: &'r Request<'_>) -> MutexGuard<'r, Option<Zeroizing<String>>> {
        request.local_cache(Received::default).0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::reads;

    #[test]
    fn recognises_a_route_that_declares_the_parameter() {
        for query in ["<key>", "a=b&<key>", "<key>&<rest..>", "key=fixed"] {
            assert!(reads(Some(query), "key"), "{query}");
        }
        for query in [None, Some(""), Some("<keys>"), Some("<form..>"), Some("a=key"), Some("KEY=1")] {
            assert!(!reads(query, "key"), "{query:?}");
        }
    }
}
