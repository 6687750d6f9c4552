//! That a refusal is final, whatever else the Rocket has: other routes, catchers, guards, methods.

// clippy.toml does not reach the helper functions of tests, and Rocket wants what it passes by value taken so.
#![allow(clippy::needless_pass_by_value, clippy::panic, clippy::unwrap_used)]

use std::{
    fmt,
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use metrics_guard_rocket::{Authorized, Guard, Key, MetricsGuard, Refusal, guard_metrics};
use rocket::{
    Data, Request, Response, Route, State, catch, catchers,
    config::{Config, LogLevel},
    fairing::AdHoc,
    get, head,
    http::{Header, Method, Status, uri::Origin},
    local::blocking::{Client, LocalRequest, LocalResponse},
    request::{FromRequest, Outcome},
    response::{Redirect, Responder},
    route::{self, Handler},
    routes, uri,
};
use rocket_prometheus::PrometheusMetrics;

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";

#[guard_metrics]
#[get("/metrics")]
fn metrics() -> &'static str {
    "up 1\n"
}

#[get("/metrics", rank = 50)]
fn metrics_of_old() -> &'static str {
    "up 1\n"
}

#[get("/")]
fn theirs() -> &'static str {
    "up 1\n"
}

#[get("/<_..>", rank = 100)]
fn anything() -> &'static str {
    "anything"
}

fn guard() -> MetricsGuard {
    MetricsGuard::with(Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().build())
}

fn rocket() -> rocket::Rocket<rocket::Build> {
    rocket::custom(Config { log_level: LogLevel::Off, ..Config::debug_default() })
}

fn client(routes: Vec<Route>) -> Client {
    Client::untracked(rocket().mount("/", routes).attach(guard())).unwrap()
}

fn with_key(request: LocalRequest<'_>) -> LocalRequest<'_> {
    request.header(Header::new("X-Metrics-Key", KEY))
}

#[track_caller]
fn assert_refused(response: LocalResponse<'_>) {
    assert_eq!(response.status(), Status::Unauthorized);
    let mut headers: Vec<_> = response.headers().iter().map(|header| header.to_string()).collect();
    headers.sort();
    // These, and nothing of a handler's, a catcher's or a fairing's.
    assert_eq!(
        headers,
        [
            "Content-Type: text/plain; charset=utf-8",
            "cache-control: no-store",
            "www-authenticate: Bearer realm=\"metrics\""
        ]
    );
    assert_eq!(response.into_string().as_deref(), Some("Unauthorized\n"));
}

#[test]
fn case_67_no_other_route_answers_or_runs() {
    #[get("/<_..>", rank = 40)]
    fn counted(_expensive: Expensive) -> &'static str {
        "up 1\n"
    }
    let rocket = rocket().manage(AtomicUsize::new(0)).attach(guard());
    let client = Client::untracked(rocket.mount("/", routes![metrics, counted, metrics_of_old, anything])).unwrap();
    let runs = || client.rocket().state::<AtomicUsize>().unwrap().load(Relaxed);
    assert_refused(client.get("/metrics").dispatch());
    assert_eq!(client.head("/metrics").dispatch().status(), Status::Unauthorized);
    assert_eq!(runs(), 0);
    assert_eq!(client.get("/metricss").dispatch().into_string().as_deref(), Some("up 1\n"));
    assert_eq!(runs(), 1);
}

#[test]
fn case_68_an_optional_proof_opens_nothing() {
    #[get("/option")]
    fn option(_authorized: Option<Authorized>) -> &'static str {
        "up 1\n"
    }
    #[get("/result")]
    fn result(_authorized: Result<Authorized, Refusal>) -> &'static str {
        "up 1\n"
    }
    let client = client(routes![option, result]);
    for path in ["/option", "/result"] {
        assert_refused(client.get(path).dispatch());
        assert_eq!(with_key(client.get(path)).dispatch().into_string().as_deref(), Some("up 1\n"));
    }
}

#[catch(401)]
fn generous() -> (Status, &'static str) {
    (Status::Ok, "up 1\n")
}

#[catch(401)]
fn to_the_login() -> Redirect {
    Redirect::to("/login")
}

#[catch(default)]
fn broken() -> &'static str {
    panic!("a catcher that panics")
}

#[test]
fn case_69_no_catcher_answers() {
    for catchers in [catchers![generous], catchers![to_the_login], catchers![broken]] {
        let rocket = rocket().mount("/", routes![metrics]).register("/", catchers).attach(guard());
        let client = Client::untracked(rocket).unwrap();
        assert_refused(client.get("/metrics").dispatch());
        assert_eq!(with_key(client.get("/metrics")).dispatch().status(), Status::Ok);
    }
}

#[test]
fn other_answers_are_left_alone() {
    #[get("/login")]
    fn login() -> (Status, &'static str) {
        (Status::Unauthorized, "who are you?")
    }
    let client = client(routes![metrics, login]);
    let login = client.get("/login").dispatch();
    assert_eq!(login.headers().get_one("WWW-Authenticate"), None);
    assert_eq!(login.headers().get_one("Cache-Control"), None);
    assert_eq!(login.into_string().as_deref(), Some("who are you?"));
    assert_eq!(client.get("/nowhere").dispatch().headers().get_one("Cache-Control"), None);
}

#[test]
fn metrics_are_not_stored_unless_the_handler_says_so() {
    #[derive(rocket::Responder)]
    struct Cached(&'static str, Header<'static>);

    #[guard_metrics]
    #[get("/cached")]
    fn cached() -> Cached {
        Cached("up 1\n", Header::new("Cache-Control", "private, max-age=5"))
    }
    let client = client(routes![metrics, cached]);
    let cache_control = |path: &'static str| {
        let response = with_key(client.get(path)).dispatch();
        response.headers().get("Cache-Control").map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(cache_control("/metrics"), ["no-store"]);
    assert_eq!(cache_control("/cached"), ["private, max-age=5"]);
}

struct Expensive;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Expensive {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        request.rocket().state::<AtomicUsize>().map(|count| count.fetch_add(1, Relaxed));
        Outcome::Success(Expensive)
    }
}

#[test]
fn the_guard_runs_before_all_else_of_the_route() {
    #[guard_metrics]
    #[get("/metrics/<n>")]
    fn numbered(n: u8, _expensive: Expensive, count: &State<AtomicUsize>) -> String {
        format!("{n} {}", count.load(Relaxed))
    }
    let rocket = rocket().manage(AtomicUsize::new(0)).mount("/", routes![numbered, anything]).attach(guard());
    let client = Client::untracked(rocket).unwrap();
    assert_refused(client.get("/metrics/1").dispatch());
    // With the key, Rocket would forward this to `anything`; without it, nobody learns that.
    assert_refused(client.get("/metrics/nan").dispatch());
    assert_eq!(with_key(client.get("/metrics/nan")).dispatch().into_string().as_deref(), Some("anything"));
    assert_eq!(with_key(client.get("/metrics/1")).dispatch().into_string().as_deref(), Some("1 2"));
}

#[test]
fn case_64_head_is_guarded_unless_it_has_a_route_of_its_own() {
    #[head("/metrics")]
    fn unguarded() {}

    let client_of_one = client(routes![metrics]);
    assert_eq!(client_of_one.head("/metrics").dispatch().status(), Status::Unauthorized);
    assert_eq!(with_key(client_of_one.head("/metrics")).dispatch().status(), Status::Ok);
    // As the documentation warns: a route of its own is a way in of its own.
    assert_eq!(client(routes![metrics, unguarded]).head("/metrics").dispatch().status(), Status::Ok);
}

#[test]
fn clones_of_a_request_get_verdicts_of_their_own() {
    let client = client(routes![metrics, anything]);
    let request = client.get(format!("/metrics?key={KEY}"));
    let mut elsewhere = request.clone();
    elsewhere.set_uri(rocket::uri!("/elsewhere"));
    let mut without = request.clone();
    without.set_uri(rocket::uri!("/metrics"));
    let mut wrong = request.clone();
    wrong.set_uri(rocket::http::uri::Origin::parse("/metrics?key=wrong").unwrap());

    assert_eq!(request.clone().dispatch().status(), Status::Ok);
    assert_refused(without.dispatch());
    assert_refused(wrong.dispatch());
    assert_eq!(elsewhere.dispatch().status(), Status::Ok);
    assert_eq!(request.dispatch().status(), Status::Ok);
}

#[test]
fn the_key_is_gone_from_the_uri_and_nothing_else_is() {
    #[guard_metrics]
    #[get("/uri?<a>&<b..>")]
    fn uri(a: &str, b: std::collections::HashMap<&str, &str>, uri: &rocket::http::uri::Origin<'_>) -> String {
        format!("{a} {} {uri}", b.len())
    }
    #[guard_metrics]
    #[get("/bare")]
    fn bare(uri: &rocket::http::uri::Origin<'_>) -> String {
        uri.to_string()
    }
    let client = client(routes![uri, bare]);
    assert_eq!(client.get(format!("/bare?key={KEY}")).dispatch().into_string().as_deref(), Some("/bare"));
    let ask = |query: &str| client.get(format!("/uri?{query}")).dispatch().into_string().unwrap();
    assert_eq!(ask(&format!("a=1&key={KEY}&x=%20y")), "1 1 /uri?a=1&x=%20y");
    assert_eq!(ask(&format!("a=1&key={KEY}")), "1 0 /uri?a=1");
    assert_eq!(ask(&format!("key={KEY}&a=1&key=2&%6bey=3")), "1 0 /uri?a=1");
}

#[test]
fn a_handler_may_ask_which_key_it_was() {
    #[guard_metrics]
    #[get("/label")]
    fn label(authorized: Authorized) -> &'static str {
        authorized.key().unwrap_or("none")
    }
    let client = client(routes![label]);
    assert_eq!(with_key(client.get("/label")).dispatch().into_string().as_deref(), Some("current"));
    // Twice asked, and by the query, which is read again for the second.
    assert_eq!(client.get(format!("/label?key={KEY}")).dispatch().into_string().as_deref(), Some("current"));
}

#[test]
fn routes_of_others_are_mounted_through_the_guard() {
    let prometheus = PrometheusMetrics::new();
    let rocket = rocket().mount("/", routes![anything]).attach(prometheus.clone());
    let rocket = rocket.attach(guard().mount("/metrics", prometheus));
    let client = Client::untracked(rocket).unwrap();
    assert_eq!(client.get("/hello").dispatch().status(), Status::Ok);
    assert_refused(client.get("/metrics").dispatch());
    assert_eq!(client.head("/metrics").dispatch().status(), Status::Unauthorized);

    let scrape = with_key(client.get("/metrics")).dispatch();
    assert_eq!(scrape.headers().get_one("Cache-Control"), Some("no-store"));
    assert!(scrape.into_string().unwrap().contains("rocket_http_requests_total{"));
}

/// What a wrapper made at run time does to a route: it hides the sentinel.
#[derive(Clone)]
struct Wrapper(Box<dyn Handler>);

#[rocket::async_trait]
impl Handler for Wrapper {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> route::Outcome<'r> {
        self.0.handle(request, data).await
    }
}

/// Whatever `Rocket::mount` takes for a base, and how it fails there.
#[test]
fn mounts_at_every_kind_of_base_that_rocket_takes() {
    let text = "/metrics".to_owned();
    let borrowed = Origin::parse(&text).unwrap();
    let mounted = [
        guard().mount("/metrics", routes![theirs]),
        guard().mount(text.clone(), routes![theirs]),
        guard().mount(&text, routes![theirs]),
        guard().mount(borrowed.clone(), routes![theirs]),
        guard().mount(Origin::parse_owned(text.clone()).unwrap(), vec![routes![theirs].remove(0)]),
        guard().mount(uri!("/metrics"), routes![theirs]),
        guard().mount(uri!("/metrics?ignored"), routes![theirs]),
    ];
    for guard in mounted {
        let client = Client::untracked(rocket().attach(guard)).unwrap();
        assert_eq!(with_key(client.get("/metrics")).dispatch().into_string().as_deref(), Some("up 1\n"));
        assert_eq!(client.get("/metrics").dispatch().status(), Status::Unauthorized);
    }
}

#[test]
#[should_panic(expected = "aborting due to route base error")]
fn an_invalid_base_panics_as_in_rocket() {
    let _ = Client::untracked(rocket().attach(guard().mount("metrics", routes![theirs])));
}

#[test]
fn a_mounted_base_is_not_read_again_from_its_text() {
    /// Displays as something that is no URI.
    #[derive(Clone)]
    struct Named;

    impl fmt::Display for Named {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the metrics")
        }
    }

    impl From<Named> for Origin<'static> {
        fn from(_: Named) -> Origin<'static> {
            uri!("/metrics")
        }
    }

    let client = Client::untracked(rocket().attach(guard().mount(Named, routes![theirs]))).unwrap();
    assert_eq!(with_key(client.get("/metrics")).dispatch().status(), Status::Ok);
    assert_eq!(client.get("/metrics").dispatch().status(), Status::Unauthorized);
}

#[test]
fn a_wrapped_route_without_the_fairing_stays_closed() {
    let inner = routes![metrics].remove(0);
    let route = Route::new(Method::Get, "/metrics", Wrapper(inner.handler));
    let client = Client::untracked(rocket().mount("/", [route])).unwrap();
    assert_eq!(with_key(client.get("/metrics")).dispatch().status(), Status::InternalServerError);
}

#[test]
fn no_other_fairing_answers() {
    let generous = || {
        AdHoc::on_response("generous", |_, response| {
            Box::pin(async move {
                response.set_status(Status::Ok);
                response.set_raw_header("X-Requests-Total", "4711");
                response.set_sized_body(None, std::io::Cursor::new("up 1\n"));
            })
        })
    };
    let rocket = rocket().attach(generous()).mount("/", routes![metrics]).attach(guard()).attach(generous());
    assert_refused(Client::untracked(rocket).unwrap().get("/metrics").dispatch());
}

/// What a handler that made the proof optional might do: say it all in headers, or upgrade the connection.
struct Upgrade;

#[rocket::async_trait]
impl rocket::data::IoHandler for Upgrade {
    async fn io(self: std::pin::Pin<Box<Self>>, mut io: rocket::data::IoStream) -> std::io::Result<()> {
        rocket::tokio::io::AsyncWriteExt::write_all(&mut io, b"up 1\n").await
    }
}

impl<'r> Responder<'r, 'static> for Upgrade {
    fn respond_to(self, _: &'r Request<'_>) -> rocket::response::Result<'static> {
        Response::build().raw_header("X-Requests-Total", "4711").upgrade("websocket", self).ok()
    }
}

#[test]
fn case_68_an_optional_proof_upgrades_nothing() {
    #[get("/upgrade")]
    fn upgrade(_authorized: Option<Authorized>) -> Upgrade {
        Upgrade
    }
    // Over a socket, since a local request is never upgraded.
    let config = Config { port: 0, log_level: LogLevel::Off, ..Config::debug_default() };
    let (up, port) = std::sync::mpsc::channel();
    let liftoff = AdHoc::on_liftoff("port", move |rocket| {
        Box::pin(async move { drop(up.send((rocket.config().port, rocket.shutdown()))) })
    });
    let rocket = rocket::custom(config).mount("/", routes![upgrade]).attach(guard()).attach(liftoff);
    let server = std::thread::spawn(|| rocket::execute(rocket.launch()).map(drop).map_err(Box::new));
    let (port, shutdown) = port.recv().unwrap();

    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request =
        "GET /upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("4711"), "{answer}");
    drop(stream);
    shutdown.notify();
    server.join().unwrap().unwrap();
}
