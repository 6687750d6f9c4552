//! What launches and what does not: the sentinel, and Rocket's configuration.
//!
//! What the environment variables do is tested on a process of its own, in the workspace's tests.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{env, fs, process::Command};

use metrics_guard_rocket::{Authorized, Guard, Key, MetricsGuard, Problem, Settings, guard_metrics};
use rocket::{
    Build, Rocket,
    config::{Config, LogLevel},
    error::ErrorKind,
    figment::{
        Figment,
        providers::{Format, Toml},
    },
    get,
    http::{Header, Status},
    local::blocking::Client,
    routes,
};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";

#[guard_metrics]
#[get("/metrics")]
fn metrics() -> &'static str {
    "up 1\n"
}

#[get("/optional")]
fn optional(authorized: Option<Authorized>) -> &'static str {
    authorized.map_or("stranger", |_| "scraper")
}

fn figment() -> Figment {
    Figment::from(Config { log_level: LogLevel::Off, ..Config::debug_default() })
}

fn with_table(table: &str) -> Figment {
    figment().merge(Toml::string(&format!("[default.metrics_guard]\n{table}")).nested())
}

fn app(figment: Figment) -> Rocket<Build> {
    rocket::custom(figment).mount("/", routes![metrics]).attach(MetricsGuard::fairing())
}

fn status(client: &Client, name: &'static str) -> Status {
    client.get("/metrics").header(Header::new(name, KEY)).dispatch().status()
}

fn problem(table: &str) -> (String, Problem) {
    let error = MetricsGuard::settings(&with_table(table)).and_then(Settings::guard).unwrap_err();
    // rocket::Error panics when it is dropped unseen.
    let launched = Client::untracked(app(with_table(table))).err().unwrap();
    assert!(matches!(launched.kind(), ErrorKind::FailedFairings(_)), "{table}");
    (error.to_string(), error.problem().clone())
}

#[test]
fn a_guarded_route_without_the_fairing_does_not_launch() {
    for routes in [routes![metrics], routes![optional]] {
        let launched = Client::untracked(rocket::custom(figment()).mount("/", routes)).err().unwrap();
        assert!(matches!(launched.kind(), ErrorKind::SentinelAborts(_)));
    }
    assert!(Client::untracked(rocket::custom(figment())).is_ok());
}

#[test]
fn a_guard_in_the_managed_state_is_not_the_fairing() {
    let rocket = rocket::custom(figment()).mount("/", routes![metrics]).manage(Guard::new(Key::new(KEY).unwrap()));
    assert!(matches!(Client::untracked(rocket).err().unwrap().kind(), ErrorKind::SentinelAborts(_)));
}

#[test]
fn without_a_key_there_is_no_launch() {
    assert_eq!(problem("").1, Problem::NoKey);
    assert_eq!(problem("disabled = false").1, Problem::NoKey);
    assert_eq!(problem("key = ''").1, Problem::Blank);
}

#[test]
fn the_table_configures_the_guard() {
    let client = Client::untracked(app(with_table(&format!("key = '{KEY}'")))).unwrap();
    assert_eq!(status(&client, "X-Metrics-Key"), Status::Ok);

    let client = Client::untracked(app(with_table(&format!("key = '{KEY}'\nheader = 'X-Scrape-Key'")))).unwrap();
    assert_eq!(status(&client, "X-Metrics-Key"), Status::Unauthorized);
    assert_eq!(status(&client, "X-Scrape-Key"), Status::Ok);

    let client = Client::untracked(app(with_table(&format!("key = '{KEY}'\nquery = 'k'")))).unwrap();
    assert_eq!(client.get(format!("/metrics?k={KEY}")).dispatch().status(), Status::Ok);

    for disabled in ["true", "'true'"] {
        let client = Client::untracked(app(with_table(&format!("disabled = {disabled}")))).unwrap();
        assert_eq!(client.get("/metrics").dispatch().status(), Status::Ok);
    }
}

#[test]
fn a_key_file_is_relative_to_rocket_toml() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("metrics_key"), KEY).unwrap();
    let rocket_toml = folder.path().join("Rocket.toml");
    fs::write(&rocket_toml, "[default.metrics_guard]\nkey_file = 'metrics_key'").unwrap();
    let client = Client::untracked(app(figment().merge(Toml::file(rocket_toml).nested()))).unwrap();
    assert_eq!(status(&client, "X-Metrics-Key"), Status::Ok);
}

#[test]
fn errors_name_the_field_and_where_it_stands_and_no_value() {
    // Unquoted, a key of digits is a number: an error of serde's would print it.
    let (text, error) = problem("key = 1234567890123456789");
    assert_eq!(error, Problem::NotAString);
    assert!(text.starts_with("`metrics_guard.key` in "), "{text}");
    assert!(!text.contains("123456"), "{text}");

    let (text, error) = problem(&format!("kye = '{KEY}'"));
    assert_eq!(error, Problem::UnknownField);
    assert!(text.starts_with("`metrics_guard.kye`") && !text.contains(KEY), "{text}");
    let (text, _) = problem("\"k\\u001bye\" = 1");
    assert!(text.starts_with("`metrics_guard.k?ye`"), "what moves a terminal stands in: {text:?}");

    assert_eq!(problem(&format!("key = '{KEY}'\nquery = true")).1, Problem::NotAString);
    assert_eq!(problem(&format!("key = '{KEY}'\nkey_file = 1")).1, Problem::NotAString);
    assert!(matches!(problem(&format!("key = '{KEY}'\nkey_file = 'metrics_key'")).1, Problem::GivenTwice(_)));

    let not_a_table = MetricsGuard::settings(&figment().merge(("metrics_guard", KEY))).err().unwrap();
    assert_eq!(not_a_table.problem(), &Problem::NotATable);
    assert!(!not_a_table.to_string().contains(KEY));
}

#[test]
fn lists_are_strings_or_arrays_of_strings() {
    for networks in ["'10.0.0.0/8, fd00::/8'", "['10.0.0.0/8', 'fd00::/8']"] {
        let client = Client::untracked(app(with_table(&format!("key = '{KEY}'\nnetworks = {networks}")))).unwrap();
        let ask = |address: &str| {
            let request = client.get("/metrics").header(Header::new("X-Metrics-Key", KEY));
            request.remote(format!("{address}:40000").parse().unwrap()).dispatch().status()
        };
        assert_eq!((ask("10.1.2.3"), ask("[fd00::1]"), ask("11.1.2.3")), (Status::Ok, Status::Ok, Status::Forbidden));
        assert_eq!(status(&client, "X-Metrics-Key"), Status::Forbidden, "a local request has no address");
    }
    let with = |list: &str| problem(&format!("key = '{KEY}'\n{list}")).1;
    assert_eq!(with("networks = []"), Problem::NoNetwork);
    assert_eq!(with("networks = ''"), Problem::NoNetwork);
    assert_eq!(with("networks = ['10.0.0.0/8', '']"), Problem::NotANetwork(2));
    assert_eq!(with("networks = [10]"), Problem::NotAString);
    // Nothing is taken apart that was one entry.
    assert_eq!(with("networks = ['10.0.0.0/8,fd00::/8']"), Problem::NotANetwork(1));
    assert_eq!(with("client_names = ['a.example', 'https://example.org/a,prometheus']"), Problem::NotAClientName(2));
    assert_eq!(with("client_names = []"), Problem::NoClientName);
    assert_eq!(with("client_names = ['*.example']"), Problem::NotAClientName(1));
    let client = Client::untracked(app(with_table(&format!("key = '{KEY}'\nclient_names = ['a.example']")))).unwrap();
    assert_eq!(status(&client, "X-Metrics-Key"), Status::Forbidden);
}

#[test]
fn of_two_fairings_the_last_counts() {
    let other = Guard::new(Key::new("another-key-of-32-characters-too").unwrap());
    let rocket = app(figment()).attach(MetricsGuard::with(other));
    let rocket = rocket.attach(MetricsGuard::with(Guard::new(Key::new(KEY).unwrap())));
    let client = Client::untracked(rocket).unwrap();
    assert_eq!(status(&client, "X-Metrics-Key"), Status::Ok);
}

/// What is in Rocket's log can be read from the output of a process alone, so the test starts itself.
#[test]
fn a_warning_is_said_once_by_the_fairing_and_by_a_guard_made_by_hand() {
    for (child, line) in [
        ("child_with_the_fairing", "Warning: metrics-guard: `metrics_guard.key`"),
        ("child_with_a_guard_made_by_hand", "warning: metrics-guard: Key::new: the key"),
    ] {
        let mut command = Command::new(env::current_exe().unwrap());
        let output = command.args(["--exact", child, "--ignored", "--nocapture"]).env_clear().output().unwrap();
        assert!(output.status.success(), "{child}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // The event of the feature `tracing`, which the workspace has, Rocket may log besides: it has no such beginning.
        assert_eq!(said.matches("metrics-guard: ").count(), 1, "{child}: {said}");
        assert_eq!(said.matches(line).count(), 1, "{child}: {said}");
    }
}

fn loud() -> Figment {
    Figment::from(Config { log_level: LogLevel::Normal, cli_colors: false, ..Config::debug_default() })
}

#[test]
#[ignore = "started by a_warning_is_said_once_by_the_fairing_and_by_a_guard_made_by_hand"]
fn child_with_the_fairing() {
    Client::untracked(app(loud().merge(("metrics_guard.key", &KEY[..20])))).unwrap();
}

#[test]
#[ignore = "started by a_warning_is_said_once_by_the_fairing_and_by_a_guard_made_by_hand"]
fn child_with_a_guard_made_by_hand() {
    let guard = Guard::new(Key::new(&KEY[..20]).unwrap());
    Client::untracked(rocket::custom(loud()).attach(MetricsGuard::with(guard))).unwrap();
}
