//! Tests that a rejection is final, also with other routes, catchers, fairings or an optional proof.

// clippy.toml does not reach the helper functions of tests. Rocket passes the arguments of a handler by value.
#![allow(clippy::needless_pass_by_value, clippy::panic, clippy::unwrap_used)]

use std::{
    collections::HashMap,
    io::{self, Cursor},
    pin::Pin,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use metrics_guard_rocket::{Authorized, Guard, Key, MetricsGuard, Refusal, guard_metrics};
use rocket::{
    Build, Data, Request, Response, Rocket, Route, catch, catchers,
    config::{Config, LogLevel},
    data::{IoHandler, IoStream},
    fairing::AdHoc,
    get,
    http::{Header, Method, Status, uri::Origin},
    local::blocking::{Client, LocalRequest, LocalResponse},
    request::{FromRequest, Outcome},
    response::Responder,
    route::{self, Handler},
    routes, uri,
};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";

#[guard_metrics]
#[get("/metrics")]
fn metrics() -> &'static str {
    "up 1\n"
}

fn guard() -> MetricsGuard {
    MetricsGuard::with(Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().build())
}

fn rocket() -> Rocket<Build> {
    rocket::custom(Config { port: 0, log_level: LogLevel::Off, ..Config::debug_default() })
}

fn client(routes: Vec<Route>) -> Client {
    Client::untracked(rocket().manage(AtomicUsize::new(0)).mount("/", routes).attach(guard())).unwrap()
}

fn with_key(request: LocalRequest<'_>) -> LocalRequest<'_> {
    request.header(Header::new("X-Metrics-Key", KEY))
}

fn text(request: LocalRequest<'_>) -> String {
    request.dispatch().into_string().unwrap()
}

#[track_caller]
fn assert_rejected(response: LocalResponse<'_>) {
    assert_eq!(response.status(), Status::Unauthorized);
    let mut headers: Vec<_> = response.headers().iter().map(|header| header.to_string()).collect();
    headers.sort();
    // The response has no header of a handler, a catcher or another fairing.
    let expected =
        r#"Content-Type: text/plain; charset=utf-8 cache-control: no-store www-authenticate: Bearer realm="metrics""#;
    assert_eq!(headers.join(" "), expected);
    assert_eq!(response.into_string().as_deref(), Some("Unauthorized\n"));
}

struct Expensive;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Expensive {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        request.rocket().state::<AtomicUsize>().unwrap().fetch_add(1, Relaxed);
        Outcome::Success(Expensive)
    }
}

#[get("/<_..>", rank = 40)]
fn anything(_expensive: Expensive) -> &'static str {
    "anything"
}

#[test]
fn case_67_a_rejection_runs_no_other_route_and_no_other_request_guard() {
    #[guard_metrics]
    #[get("/metrics/<n>")]
    fn numbered(n: u8, _expensive: Expensive) -> String {
        n.to_string()
    }
    // The attribute joins the proof and a request guard of a function with seven parameters.
    #[guard_metrics]
    #[get("/seven/<a>/<b>/<c>/<d>/<e>")]
    fn seven(_expensive: Expensive, a: u8, b: u8, c: u8, d: u8, e: u8, method: Method) -> String {
        format!("{:?} {method}", [a, b, c, d, e])
    }
    let client = client(routes![metrics, numbered, seven, anything]);
    let runs = || client.rocket().state::<AtomicUsize>().unwrap().load(Relaxed);
    for path in ["/metrics", "/metrics/1", "/metrics/nan", "/seven/1/2/3/4/5"] {
        assert_rejected(client.get(path).dispatch());
    }
    assert_eq!(runs(), 0);
    // With the key, Rocket forwards this request to `anything`. A client without the key must not see that.
    assert_eq!(text(with_key(client.get("/metrics/nan"))), "anything");
    assert_eq!(runs(), 2);
}

struct Upgrade;

#[rocket::async_trait]
impl IoHandler for Upgrade {
    async fn io(self: Pin<Box<Self>>, mut io: IoStream) -> io::Result<()> {
        rocket::tokio::io::AsyncWriteExt::write_all(&mut io, b"up 1\n").await
    }
}

impl<'r> Responder<'r, 'static> for Upgrade {
    fn respond_to(self, _: &'r Request<'_>) -> rocket::response::Result<'static> {
        Response::build().raw_header("X-Requests-Total", "4711").upgrade("websocket", self).ok()
    }
}

#[test]
fn case_68_a_handler_with_an_optional_proof_answers_no_rejected_request() {
    #[get("/option")]
    fn option(_authorized: Option<Authorized>) -> &'static str {
        "up 1\n"
    }
    #[get("/result")]
    fn result(_authorized: Result<Authorized, Refusal>) -> Upgrade {
        Upgrade
    }
    // Reports an upgrade in a header, because Rocket upgrades no local request. It runs after the guard's fairings.
    let reporter = AdHoc::on_ignite("reporter", |rocket| async {
        rocket.attach(AdHoc::on_response("upgrades", |_, response| {
            if response.upgrade("websocket").is_some() {
                response.set_raw_header("X-Upgrade", "websocket");
            }
            Box::pin(async {})
        }))
    });
    let rocket = rocket().mount("/", routes![option, result]).attach(guard()).attach(reporter);
    let client = Client::untracked(rocket).unwrap();
    assert_rejected(client.get("/option").dispatch());
    assert_rejected(client.get("/result").dispatch());
    assert_eq!(text(with_key(client.get("/option"))), "up 1\n");
    assert!(with_key(client.get("/result")).dispatch().headers().contains("X-Upgrade"));
}

#[test]
fn case_69_no_catcher_and_no_other_fairing_changes_a_rejection() {
    #[catch(401)]
    fn generous() -> (Status, &'static str) {
        (Status::Ok, "up 1\n")
    }
    #[catch(default)]
    fn broken() -> &'static str {
        panic!("a catcher that panics")
    }
    let fairing = || {
        AdHoc::on_response("generous", |_, response| {
            Box::pin(async {
                response.set_status(Status::Ok);
                response.set_raw_header("X-Requests-Total", "4711");
                response.set_sized_body(None, Cursor::new("up 1\n"));
            })
        })
    };
    for rocket in [
        rocket().register("/", catchers![generous]).attach(guard()),
        rocket().register("/", catchers![broken]).attach(guard()),
        rocket().attach(fairing()).attach(guard()).attach(fairing()),
    ] {
        let client = Client::untracked(rocket.mount("/", routes![metrics])).unwrap();
        assert_rejected(client.get("/metrics").dispatch());
        assert_eq!(with_key(client.get("/metrics")).dispatch().status(), Status::Ok);
    }
}

#[test]
fn other_responses_keep_their_headers() {
    #[derive(rocket::Responder)]
    struct Cached(&'static str, Header<'static>);

    #[guard_metrics]
    #[get("/cached")]
    fn cached() -> Cached {
        Cached("up 1\n", Header::new("Cache-Control", "private, max-age=5"))
    }
    #[get("/login")]
    fn login() -> (Status, &'static str) {
        (Status::Unauthorized, "sign in")
    }
    let client = client(routes![metrics, cached, login]);
    for (path, caching) in [("/metrics", "no-store"), ("/cached", "private, max-age=5"), ("/login", ""), ("/else", "")]
    {
        let response = with_key(client.get(path)).dispatch();
        assert_eq!(response.headers().get("Cache-Control").collect::<String>(), caching, "{path}");
        assert_eq!(response.headers().get_one("WWW-Authenticate"), None, "{path}");
    }
    assert_eq!(text(client.get("/login")), "sign in");
}

#[test]
fn each_clone_of_a_request_is_checked() {
    let client = client(routes![metrics]);
    let request = client.get(format!("/metrics?key={KEY}"));
    for (uri, status) in [
        (None, Status::Ok),
        (Some("/metrics"), Status::Unauthorized),
        (Some("/metrics?key=wrong"), Status::Unauthorized),
        (Some("/nowhere"), Status::NotFound),
        (None, Status::Ok),
    ] {
        let mut clone = request.clone();
        if let Some(uri) = uri {
            clone.set_uri(Origin::parse(uri).unwrap());
        }
        assert_eq!(clone.dispatch().status(), status, "{uri:?}");
    }
}

#[test]
fn a_handler_sees_which_key_it_was_and_a_uri_without_the_key() {
    #[guard_metrics]
    #[get("/uri?<rest..>")]
    fn uri(authorized: Authorized, rest: HashMap<&str, &str>, uri: &Origin<'_>) -> String {
        format!("{} {} {uri}", authorized.key().unwrap(), rest.len())
    }
    let client = client(routes![uri]);
    for (received, seen) in [
        (format!("key={KEY}"), "current 0 /uri"),
        (format!("a=1&key={KEY}&x=%20y"), "current 2 /uri?a=1&x=%20y"),
        (format!("key={KEY}&a=1&key=2&%6bey=3"), "current 1 /uri?a=1"),
    ] {
        assert_eq!(text(client.get(format!("/uri?{received}"))), seen);
    }
}

#[test]
fn missing_client_names_or_a_missing_address_are_explained_for_rocket() {
    let (sender, warnings) = mpsc::channel();
    let builder = Guard::builder(Key::new(KEY).unwrap()).require_client_name(["prometheus.example"]).unwrap();
    let guard = builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build();
    let client = Client::untracked(rocket().mount("/", routes![metrics]).attach(MetricsGuard::with(guard))).unwrap();
    assert_eq!(with_key(client.get("/metrics")).dispatch().status(), Status::Forbidden);
    let warning = warnings.recv_timeout(Duration::from_secs(10)).unwrap();
    // With the feature, Rocket provides the names, and only the address is missing.
    let expected = if cfg!(feature = "mtls") { "; let Rocket listen on TCP" } else { "; enable the feature `mtls`" };
    assert!(warning.contains(expected), "{warning}");
}

#[test]
fn third_party_routes_are_guarded_at_each_base_that_rocket_takes() {
    #[get("/")]
    fn third_party() -> &'static str {
        "up 1\n"
    }
    for guard in [
        guard().mount("/metrics", vec![routes![third_party].remove(0)]),
        guard().mount("/metrics".to_owned(), routes![third_party]),
        guard().mount(uri!("/metrics?ignored"), routes![third_party]),
    ] {
        let rocket = rocket().manage(AtomicUsize::new(0)).mount("/", routes![anything]);
        let client = Client::untracked(rocket.attach(guard)).unwrap();
        assert_rejected(client.get("/metrics").dispatch());
        assert_eq!(client.head("/metrics").dispatch().status(), Status::Unauthorized);
        assert_eq!(client.rocket().state::<AtomicUsize>().unwrap().load(Relaxed), 0, "another route ran");
        let scrape = with_key(client.get("/metrics")).dispatch();
        assert_eq!(scrape.headers().get_one("Cache-Control"), Some("no-store"));
        assert_eq!(scrape.into_string().as_deref(), Some("up 1\n"));
    }
}

/// Hides the sentinel of a route.
#[derive(Clone)]
struct Wrapper(Box<dyn Handler>);

#[rocket::async_trait]
impl Handler for Wrapper {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> route::Outcome<'r> {
        self.0.handle(request, data).await
    }
}

#[test]
fn a_wrapped_route_without_the_fairing_stays_closed() {
    let route = Route::new(Method::Get, "/metrics", Wrapper(routes![metrics].remove(0).handler));
    let client = Client::untracked(rocket().mount("/", [route])).unwrap();
    assert_eq!(with_key(client.get("/metrics")).dispatch().status(), Status::InternalServerError);
}
