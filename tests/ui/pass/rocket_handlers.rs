//! What must compile without a warning, and be guarded: each handler is asked without a key and with one.
//!
//! .ci/run makes every warning here an error, clippy's pedantic and nursery lints included.

#![warn(clippy::all, clippy::pedantic, clippy::nursery)]
// What clippy says of these handlers without `#[guard_metrics]` too.
#![allow(clippy::many_single_char_names, clippy::needless_pass_by_value, clippy::redundant_pub_crate)]

use std::collections::HashMap;

use metrics_guard_rocket::{Authorized, Guard, Key, MetricsGuard, guard_metrics};
use rocket::{
    Data, Request, State,
    config::{Config, LogLevel},
    data::{self, FromData, ToByteUnit},
    form::Form,
    get, head,
    http::{Header, Method, Status},
    local::blocking::Client,
    post, route, routes, uri,
};

const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";

#[guard_metrics]
#[get("/sync")]
const fn sync() -> &'static str {
    "ran"
}

#[guard_metrics]
#[get("/async")]
async fn asynchronous() -> &'static str {
    rocket::tokio::task::yield_now().await;
    "ran"
}

#[guard_metrics]
#[get("/state")]
fn state(state: &State<String>) -> String {
    state.to_string()
}

#[guard_metrics]
#[get("/path/<id>/<rest..>?<flag>&<others..>")]
fn path_and_query(
    id: u32,
    rest: std::path::PathBuf,
    flag: bool,
    others: HashMap<String, String>,
) -> Option<&'static str> {
    (id == 1 && rest.ends_with("b") && flag && others.contains_key("x")).then_some("ran")
}

#[guard_metrics]
#[post("/form", data = "<form>")]
fn form(form: Form<HashMap<String, String>>) -> Result<&'static str, Status> {
    if form.contains_key("a") { Ok("ran") } else { Err(Status::BadRequest) }
}

/// Fails the test if it is asked for: a refused request's data must stay unread.
struct Unread;

#[rocket::async_trait]
impl<'r> FromData<'r> for Unread {
    type Error = std::io::Error;

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> data::Outcome<'r, Self> {
        assert!(request.headers().contains("X-Metrics-Key"), "data was read before the guard had run");
        match data.open(1.kibibytes()).into_bytes().await {
            Ok(_) => data::Outcome::Success(Self),
            Err(error) => data::Outcome::Error((Status::BadRequest, error)),
        }
    }
}

#[guard_metrics]
#[post("/data", data = "<_data>", rank = 2)]
const fn body(_data: Unread) -> &'static str {
    "ran"
}

/// A doc comment above.
#[guard_metrics]
/// One between.
#[get("/docs")]
/// And one below.
#[allow(clippy::missing_const_for_fn)]
pub(crate) fn docs() -> &'static str {
    "ran"
}

#[guard_metrics]
#[rocket::get("/qualified")]
const fn qualified() -> &'static str {
    "ran"
}

#[guard_metrics]
#[route(GET, uri = "/route")]
const fn by_route() -> &'static str {
    "ran"
}

#[guard_metrics]
#[rocket::route(OPTIONS, uri = "/route")]
const fn by_qualified_route() -> &'static str {
    "ran"
}

#[guard_metrics]
#[head("/head")]
const fn explicit_head() -> &'static str {
    ""
}

#[guard_metrics]
#[get("/lifetimes/<name>")]
const fn lifetimes<'r>(name: &'r str, request: &'r rocket::http::uri::Origin<'r>) -> &'r str
where
    'r: 'r,
{
    let _ = request;
    name
}

#[guard_metrics]
#[get("/impl-trait")]
fn impl_trait<'r>() -> impl rocket::response::Responder<'r, 'static> {
    "ran"
}

#[guard_metrics]
#[get("/label")]
fn label(mut authorized: Authorized) -> &'static str {
    let taken = &mut authorized;
    taken.key().unwrap_or("none")
}

#[guard_metrics]
#[get("/seven/<a>/<b>/<c>/<d>/<e>/<f>/<g>")]
const fn seven_parameters(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) -> &'static str {
    let _ = (a, b, c, d, e, f, g);
    "ran"
}

#[cfg(test)]
#[guard_metrics]
#[cfg(not(test))]
#[get("/never")]
fn never() {}

#[guard_metrics]
#[cfg_attr(all(), get("/cfg-attr"))]
const fn conditional_route() -> &'static str {
    "ran"
}

mod alias {
    pub(crate) use rocket::get as fetch;
}
use alias::fetch;

#[guard_metrics(route_attr = fetch)]
#[fetch("/alias")]
const fn aliased_route() -> &'static str {
    "ran"
}

mod vendored {
    pub(crate) use metrics_guard_rocket as guard;
}

#[guard_metrics(crate = crate::vendored::guard)]
#[get("/crate-path")]
const fn crate_path() -> &'static str {
    "ran"
}

#[metrics_guard_rocket::guard_metrics(crate = vendored::guard, route_attr = fetch,)]
#[fetch("/both")]
const fn both_arguments() -> &'static str {
    "ran"
}

macro_rules! guarded {
    ($name:ident, $path:literal, $state:ty => $type:ty) => {
        #[guard_metrics]
        #[get($path)]
        fn $name(state: $state) -> $type {
            state.as_str()
        }
    };
}
guarded!(from_macro, "/macro", &State<String> => &str);

/// Whole items, and every fragment that a route can be put together from.
macro_rules! item {
    ($item:item) => {
        #[guard_metrics]
        $item
    };
}
item! {
    #[get("/item")]
    const fn from_item() -> &'static str {
        "ran"
    }
}

macro_rules! tokens {
    ($($token:tt)*) => {
        #[guard_metrics]
        $($token)*
    };
}
tokens! {
    #[post("/tokens", data = "<_data>")]
    const fn from_tokens(_data: Unread) -> &'static str {
        "ran"
    }
}

macro_rules! fragments {
    ($krate:path, $meta:meta, $vis:vis $name:ident($parameter:ident: $guard:ty) -> $type:ty, $body:block) => {
        #[guard_metrics(crate = $krate)]
        #[$meta]
        $vis fn $name($parameter: $guard) -> $type $body
    };
}
fragments!(::metrics_guard_rocket, get("/fragments"), pub(crate) from_fragments(state: &State<String>) -> &str, {
    state.as_str()
});

/// Names of the user's that look like ours.
#[guard_metrics]
#[get("/shadow/<authorized>")]
const fn shadow(authorized: &str) -> &str {
    struct Authorized;
    let _ = Authorized;
    authorized
}

/// Public outside of the crate, in a module of its own.
pub mod nested {
    use metrics_guard_rocket::guard_metrics;

    /// Metrics.
    #[guard_metrics]
    #[rocket::get("/nested")]
    #[must_use]
    pub const fn metrics() -> &'static str {
        "ran"
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(uri!(by_route).to_string(), "/route");
    let routes = routes![
        sync,
        asynchronous,
        state,
        path_and_query,
        form,
        body,
        docs,
        qualified,
        by_route,
        by_qualified_route,
        explicit_head,
        lifetimes,
        impl_trait,
        label,
        seven_parameters,
        conditional_route,
        aliased_route,
        crate_path,
        both_arguments,
        from_macro,
        from_item,
        from_tokens,
        from_fragments,
        shadow,
        nested::metrics,
    ];
    let count = routes.len();
    let guard = Guard::new(Key::new(KEY)?);
    let config = Config { log_level: LogLevel::Off, ..Config::debug_default() };
    let rocket = rocket::custom(config).manage("ran".to_owned()).mount("/", routes).attach(MetricsGuard::with(guard));
    let client = Client::untracked(rocket)?;

    let requests = [
        (Method::Get, "/sync"),
        (Method::Get, "/async"),
        (Method::Get, "/state"),
        (Method::Get, "/path/1/a/b?flag=true&x=y"),
        (Method::Post, "/form"),
        (Method::Post, "/data"),
        (Method::Get, "/docs"),
        (Method::Get, "/qualified"),
        (Method::Get, "/route"),
        (Method::Options, "/route"),
        (Method::Head, "/head"),
        (Method::Get, "/lifetimes/ran"),
        (Method::Get, "/impl-trait"),
        (Method::Get, "/label"),
        (Method::Get, "/seven/1/2/3/4/5/6/7"),
        (Method::Get, "/cfg-attr"),
        (Method::Get, "/alias"),
        (Method::Get, "/crate-path"),
        (Method::Get, "/both"),
        (Method::Get, "/macro"),
        (Method::Get, "/item"),
        (Method::Post, "/tokens"),
        (Method::Get, "/fragments"),
        (Method::Get, "/shadow/ran"),
        (Method::Get, "/nested"),
    ];
    assert_eq!(requests.len(), count);
    for (method, path) in requests {
        let ask = || client.req(method, path).header(rocket::http::ContentType::Form).body("a=b");
        let refused = ask().dispatch();
        assert_eq!(refused.status(), Status::Unauthorized, "{method} {path} without a key");

        let allowed = ask().header(Header::new("X-Metrics-Key", KEY)).dispatch();
        assert_eq!(allowed.status(), Status::Ok, "{method} {path} with a key");
        let expected = match path {
            "/head" => "",
            "/label" => "current",
            _ => "ran",
        };
        assert_eq!(allowed.into_string().unwrap_or_default(), expected, "{method} {path}");
    }
    Ok(())
}
