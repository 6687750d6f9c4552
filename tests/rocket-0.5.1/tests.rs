//! Tests the guard on Rocket 0.5.1 with rocket_okapi, which supports no later Rocket.

#![cfg(test)]
#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use metrics_guard_rocket::{Authorized, Guard, Key, MetricsGuard, guard_metrics};
use rocket::{
    Build, Config, Rocket,
    config::LogLevel,
    get,
    http::{Header, Status, uri::Origin},
    local::blocking::Client,
    routes,
};
use rocket_okapi::{openapi, openapi_get_routes, openapi_get_spec};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";
const WRONG: &str = "1f83b6d05ae94c27801d7e6a3c5f9b42";

/// Has the attributes in the order of the page.
#[openapi]
#[guard_metrics]
#[get("/metrics")]
fn metrics() -> &'static str {
    "up 1\n"
}

/// Has the proof as a parameter.
#[openapi(ignore = "authorized")]
#[get("/used")]
fn used(authorized: Authorized) -> &'static str {
    authorized.key().unwrap_or("none")
}

#[openapi]
#[get("/")]
fn index() -> &'static str {
    "hello\n"
}

#[get("/")]
fn theirs() -> &'static str {
    "theirs 1\n"
}

fn rocket() -> Rocket<Build> {
    let config = Config { log_level: LogLevel::Off, ..Config::debug_default() };
    rocket::custom(config).mount("/", openapi_get_routes![metrics, used, index])
}

#[test]
fn documented_route_responds_with_200_with_the_key_and_401_without() {
    let guard = MetricsGuard::with(Guard::builder(Key::new(KEY).unwrap()).query("key").unwrap().build());
    let guard = guard.mount(Origin::parse("/theirs").unwrap(), routes![theirs]);
    let client = Client::untracked(rocket().attach(guard)).unwrap();
    for (path, body) in [("/metrics", "up 1\n"), ("/used", "current"), ("/theirs", "theirs 1\n")] {
        for (key, status, body) in [(KEY, Status::Ok, body), (WRONG, Status::Unauthorized, "Unauthorized\n")] {
            let in_header = client.get(path).header(Header::new("X-Metrics-Key", key));
            for request in [in_header, client.get(format!("{path}?key={key}"))] {
                let response = request.dispatch();
                assert_eq!(response.status(), status, "{path}");
                assert_eq!(response.headers().get_one("Cache-Control"), Some("no-store"), "{path}");
                assert_eq!(response.into_string().as_deref(), Some(body), "{path}");
            }
        }
    }
    assert_eq!(client.get("/").dispatch().status(), Status::Ok);
}

#[test]
fn openapi_document_has_the_guarded_routes() {
    let document = openapi_get_spec![metrics, used, index];
    for path in ["/metrics", "/used", "/"] {
        assert!(document.paths[path].get.is_some(), "{path}");
    }
}

/// The versions in this workspace's lock file are those of the page.
#[test]
fn page_has_the_order_of_attributes_and_the_pinned_versions() {
    let page = include_str!("../../metrics-guard-rocket/README.md");
    assert!(page.contains("#[openapi]\n#[guard_metrics]\n#[get(\"/metrics\")]\n"));
    let lock = include_str!("Cargo.lock");
    for part in ["rocket", "rocket_codegen", "rocket_http"] {
        assert!(page.contains(&format!("cargo update {part} --precise 0.5.1\n")), "{part}");
        assert!(lock.contains(&format!("name = \"{part}\"\nversion = \"0.5.1\"\n")), "{part}");
    }
}

#[test]
fn documented_route_does_not_launch_without_the_fairing() {
    let launched = Client::untracked(rocket());
    assert!(matches!(launched.err().unwrap().kind(), rocket::error::ErrorKind::SentinelAborts(_)));
}
