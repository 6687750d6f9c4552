//! Routes of Rocket.

use std::{collections::HashMap, path::PathBuf};

use metrics_guard_rocket::{MetricsGuard, guard_metrics};
use rocket::{
    State,
    config::{Config, LogLevel},
    delete, get,
    http::{Header, Method, Status},
    local::asynchronous::Client,
    options, patch, post, put,
    response::Responder,
    route, routes, uri,
};

use crate::{GUARD, assert_guarded, path_of};

#[guard_metrics]
#[route(GET, uri = "/route")]
const fn by_route() -> &'static str {
    "ran"
}

/// A doc comment above.
#[guard_metrics]
/// One between.
#[rocket::head("/qualified")]
/// And one below.
#[allow(clippy::missing_const_for_fn)]
pub(crate) fn qualified() -> &'static str {
    "ran"
}

#[guard_metrics]
#[put("/async")]
async fn asynchronous<'r>() -> impl Responder<'r, 'static> {
    rocket::tokio::task::yield_now().await;
    "ran"
}

#[guard_metrics]
#[delete("/path/<id>/<rest..>?<flag>&<others..>")]
fn path_and_query(id: &str, rest: PathBuf, flag: bool, others: HashMap<String, String>) -> Option<&'static str> {
    (id == "id" && rest.ends_with("rest") && flag && others.contains_key("others")).then_some("ran")
}

#[guard_metrics]
#[cfg_attr(all(), get("/seven/<a>/<b>/<c>/<d>/<e>/<f>/<g>"))]
const fn seven_parameters(a: &str, b: &str, c: &str, d: &str, e: &str, f: &str, g: &str) -> &'static str {
    let _ = (a, b, c, d, e, f, g);
    "ran"
}

mod alias {
    pub(crate) use rocket::get as fetch;
}
use alias::fetch;

mod vendored {
    pub(crate) use metrics_guard_rocket as guard;
}

#[metrics_guard_rocket::guard_metrics(crate = crate::rocket::vendored::guard, route_attr = fetch,)]
#[fetch("/arguments")]
const fn arguments() -> &'static str {
    "ran"
}

/// A macro can pass a whole item, or every fragment of a route.
macro_rules! item {
    ($item:item) => {
        #[guard_metrics]
        $item
    };
}
item! {
    #[post("/item", data = "<data>")]
    fn from_item(data: String) -> String {
        data + "ran"
    }
}

macro_rules! fragments {
    ($krate:path, $meta:meta, $vis:vis $name:ident($parameter:ident: $guard:ty) -> $type:ty, $body:block) => {
        #[guard_metrics(crate = $krate)]
        #[$meta]
        $vis fn $name($parameter: $guard) -> $type $body
    };
}
fragments!(::metrics_guard_rocket, patch("/fragments"), pub(crate) from_fragments(state: &State<String>) -> &str, {
    state.as_str()
});

/// Has lifetimes, and names that look like those of the expansion.
#[guard_metrics]
#[options("/shadow/<authorized>")]
fn shadow<'r>(authorized: &'r str, origin: &'r rocket::http::uri::Origin<'r>) -> Option<&'static str>
where
    'r: 'r,
{
    struct Authorized;
    let _ = Authorized;
    origin.path().ends_with(authorized).then_some("ran")
}

/// Attributes of other crates above and below the route attribute.
pub(crate) mod attributes {
    use cached::proc_macro::cached;
    use metrics_guard_rocket::{Authorized, guard_metrics};
    use rocket::{get, http::Status};

    use crate::fresh;

    #[guard_metrics]
    #[get("/cached/<ran>?<by_path>")]
    #[cached(key = "String", convert = "{ ran.to_owned() }", result = true)]
    pub(super) async fn by_path<'r>(ran: &'r str, by_path: Option<u8>) -> Result<String, Status> {
        let _ = by_path;
        Ok(fresh(ran))
    }

    #[guard_metrics]
    #[tracing::instrument(skip_all)]
    #[get("/seven/<a>/<b>/<c>/<d>/<e>/<f>")]
    pub(super) fn seven(mut authorized: Authorized, a: &str, b: &str, c: &str, d: &str, e: &str, f: &str) -> String {
        let taken = &mut authorized;
        let _ = (a, b, c, d, e, f);
        taken.key().map_or_else(String::new, |label| label.replace("current", "ran"))
    }
}

/// Makes an `allow` in an expansion an error. Rocket's own attributes allow some lints, so this module cannot forbid all.
pub mod forbidden {
    // Single lints follow their groups, because an `allow` is only a warning where the group is forbidden last.
    #![forbid(clippy::complexity, clippy::correctness, clippy::pedantic, clippy::perf, clippy::suspicious)]
    #![forbid(clippy::too_many_arguments, clippy::unused_async)]

    use std::path::PathBuf;

    use metrics_guard_rocket::guard_metrics;
    use rocket::{State, get, http::Method};

    /// Has an attribute that may be a macro.
    #[guard_metrics]
    #[get("/forbidden")]
    #[rustfmt::skip]
    #[must_use]
    pub async fn awaiting() -> &'static str {
        rocket::tokio::task::yield_now().await;
        "ran"
    }

    /// Has the proof and another request guard as one parameter.
    #[guard_metrics]
    #[get("/joined/<rest..>?<b>")]
    pub fn seven(
        rest: PathBuf,
        mut b: Option<u8>,
        ran: &State<String>,
        method: Method,
        c: Method,
        d: Method,
        e: Method,
    ) -> String {
        assert_eq!([method, c], [d, e]);
        b = b.map(|b| b + 1);
        let _ = (rest, b);
        ran.to_string()
    }
}

#[rocket::async_test]
async fn each_route_is_guarded() {
    let config = Config { log_level: LogLevel::Off, ..Config::debug_default() };
    let rocket = rocket::custom(config)
        .mount("/", routes![by_route, qualified, asynchronous, path_and_query, seven_parameters, arguments, from_item])
        .mount("/", routes![from_fragments, shadow, attributes::by_path, attributes::seven])
        .mount("/", routes![forbidden::awaiting, forbidden::seven])
        .manage("ran".to_owned())
        .attach(MetricsGuard::with(GUARD.clone()));
    let client = Client::untracked(rocket).await.unwrap();

    assert_guarded("Unauthorized\n", async |key| {
        let mut answers = Vec::new();
        for route in client.rocket().routes() {
            let mut request = client.req(route.method, path_of(&route.uri.to_string()));
            if let Some(key) = key {
                request.add_header(Header::new("X-Metrics-Key", key.to_owned()));
            }
            let response = request.dispatch().await;
            let status = response.status();
            let stored = response.headers().get_one("Cache-Control").unwrap_or_default().to_owned();
            let body = match (route.method, status) {
                (Method::Head, Status::Ok) => "ran".to_owned(),
                (Method::Head, _) => "Unauthorized\n".to_owned(),
                _ => response.into_string().await.unwrap_or_default(),
            };
            let answer = http::Response::builder().status(status.code).header("Cache-Control", stored);
            answers.push((route.to_string(), answer.body(body).unwrap()));
        }
        answers
    })
    .await;
    assert_eq!(uri!(by_route).to_string(), "/route");
}
