//! What launches and what does not: the sentinel, and Rocket's configuration.
//!
//! What the environment variables do is tested on a process of its own, in the workspace's tests.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{env, fs, panic, path::Path, process::Command};

use metrics_guard_rocket::{Authorized, ConfigErrorKind, Guard, GuardBuilder, Key, MetricsGuard, guard_metrics};
use rocket::{
    Build, Rocket, State,
    config::{Config, LogLevel},
    error::ErrorKind,
    figment::{
        Figment,
        providers::{Env, Format, Toml},
    },
    get,
    http::{Header, Method, Status},
    local::blocking::Client,
    routes,
};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";
const WRONG: &str = "8e61f0a97b3cd254e1f8a0b6937cd2e5";

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

fn problem(table: &str) -> String {
    let error = MetricsGuard::builder(&with_table(table)).map(GuardBuilder::build).unwrap_err();
    // rocket::Error panics when it is dropped unseen.
    let launched = Client::untracked(app(with_table(table))).err().unwrap();
    assert!(matches!(launched.kind(), ErrorKind::FailedFairings(_)), "{table}");
    error.to_string()
}

/// With a guard of its own, which is joined with the proof.
#[guard_metrics]
#[get("/seven/<one>/<two>/<three>/<four>/<five>")]
fn seven(one: u8, two: u8, three: u8, four: u8, five: u8, state: &State<u8>, method: Method) -> String {
    format!("{:?}{state}{method}", [one, two, three, four, five])
}

#[test]
fn a_guard_beside_the_proof_is_looked_at_too() {
    let guard = MetricsGuard::with(Guard::new(Key::new(KEY).unwrap()));
    let rocket = rocket::custom(figment()).mount("/", routes![seven]).attach(guard);
    assert!(matches!(Client::untracked(rocket).err().unwrap().kind(), ErrorKind::SentinelAborts(_)));
    let rocket = rocket::custom(figment()).mount("/", routes![seven]).manage(0_u8);
    assert!(matches!(Client::untracked(rocket).err().unwrap().kind(), ErrorKind::SentinelAborts(_)));
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
    assert!(problem("").contains("no key is configured"));
    assert!(problem("disabled = false").contains("no key is configured"));
    assert!(problem("key = ' '").contains("the key is blank"));
    assert!(problem("key = ''").contains("is empty"));
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
fn fairing_or_open_is_open_only_without_a_table() {
    let launch = |figment: Figment| {
        let app = rocket::custom(figment).mount("/", routes![metrics]).attach(MetricsGuard::fairing_or_open());
        let client = Client::untracked(app);
        client.map(|client| client.get("/metrics").dispatch().status()).map_err(|error| {
            assert!(matches!(error.kind(), ErrorKind::FailedFairings(_)));
        })
    };
    assert_eq!(launch(figment()), Ok(Status::Ok));
    let other = figment().merge(Toml::string("[default.databases]\nkey = 1").nested());
    assert_eq!(launch(other), Ok(Status::Ok));

    assert_eq!(launch(with_table(&format!("key = '{KEY}'"))), Ok(Status::Unauthorized));
    assert_eq!(launch(with_table("disabled = true")), Ok(Status::Ok));
    for table in [
        "[default.metrics_guard]",
        "[default.metrics_guard]\nheader = 'X-Scrape-Key'",
        "[default.metrics_guard]\ndisabled = false",
        "[default.metrics_guard]\nkey = ''",
        "[default.metrics-guard]",
        "[metrics_guard]\nheader = 'X-Scrape-Key'",
        // Of a profile that is not selected.
        "[staging.metrics_guard]",
        "[release.metrics_guard]\nkey = 'c2d94b7e10f3a586d7e9b0c4f1a26853'",
    ] {
        assert_eq!(launch(figment().merge(Toml::string(table).nested())), Err(()), "{table}");
    }
    assert_eq!(launch(figment().merge(("metrics_guard", ""))), Err(()));
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
    let text = problem("key = 1234567890123456789");
    assert!(text.contains("must be a string in quotes"), "{text}");
    assert!(text.starts_with("`metrics_guard.key` in "), "{text}");
    assert!(!text.contains("123456"), "{text}");

    // What could be a key is not shown, and what moves a terminal could be one.
    for (field, place) in [
        ("kye", "`metrics_guard.kye`"),
        ("fifteen_letters", "`metrics_guard.fifteen_letters`"),
        (KEY, "`metrics_guard.…`"),
        ("'k\u{9}ye'", "`metrics_guard.…`"),
        ("'./keys'", "`metrics_guard.…`"),
    ] {
        let text = problem(&format!("{field} = '{KEY}'"));
        assert!(text.starts_with(&format!("{place} in TOML source string: is not known here")), "{text}");
        assert!(!text.contains(KEY), "{text}");
    }

    let text = problem(&format!("key = '{KEY}'\nkey_file = 'metrics_key'"));
    assert!(text.contains("set here and in `metrics_guard.key_file` in "), "{text}");

    let not_a_table = MetricsGuard::builder(&figment().merge(("metrics_guard", KEY))).err().unwrap();
    assert!(
        not_a_table.to_string().contains("must be a table; write fields such as `key_file` into it"),
        "{not_a_table}"
    );
    assert!(!not_a_table.to_string().contains(KEY));
}

#[test]
fn a_type_error_says_what_fits_the_field() {
    for (field, expected) in [
        ("disabled = 1", "must be `true` or `false`, without quotes"),
        ("disabled = [true]", "must be `true` or `false`, without quotes"),
        ("key = ['a', 'b']", "must be one key; put several into a file, one a line, and set `key_file` to its path"),
        ("key = 1979-05-27", "must be a string in quotes, and not a list or a table"),
        ("key_file = ['a']", "must be a string in quotes, and not a list or a table"),
        ("header = 1.5", "must be a string in quotes, and not a list or a table"),
        ("query = true", "a word for yes, no or nothing is not a name; unset it, or write a name such as `key`"),
        ("query = 'false'", "a word for yes, no or nothing is not a name; unset it, or write a name such as `key`"),
        ("networks = 10", r#"must be a list of strings, such as ["10.0.0.0/8"]"#),
        ("client_names = {}", r#"must be a list of strings, such as ["prometheus.example"]"#),
        ("networks = ['10.0.0.0/8', 10]", "entry 2 must be a string; put it in quotes"),
        ("client_names = [['a']]", "entry 1 must be a string; put it in quotes"),
        ("networks = ''", "is empty; unset it, or give it a value"),
        ("key_file = ''", "is empty; unset it, or give it a value"),
        ("networks = []", "no network is listed"),
    ] {
        let key = if field.starts_with("key") { String::new() } else { format!("key = '{KEY}'\n") };
        let text = problem(&format!("{key}{field}"));
        let name = field.split(' ').next().unwrap();
        assert!(text.starts_with(&format!("`metrics_guard.{name}` in TOML source string: {expected}")), "{text}");
    }
}

#[test]
fn a_name_that_is_close_to_ours_stops_the_launch() {
    let table = "[default.metrics_guard]";
    let networks = "`networks` in the table [default.metrics_guard]";
    for (toml, place, right) in [
        ("[metrics_guard]\nnetworks = 'N'", "metrics_guard", table),
        ("[metrics_guard.default]\nnetworks = 'N'", "metrics_guard", table),
        ("[metrics.guard]\nnetworks = 'N'", "metrics.guard", table),
        ("[metrics_verification]\nnetworks = 'N'", "metrics_verification", table),
        ("[default.metrics-guard]\nnetworks = 'N'", "metrics-guard", table),
        ("[default.MetricsGuard]\nnetworks = 'N'", "MetricsGuard", table),
        ("[default.metrics_gaurd]\nnetworks = 'N'", "metrics_gaurd", table),
        ("[default.metrics.guard]\nnetworks = 'N'", "metrics.guard", table),
        ("[default.metrics_verification]\nnetworks = 'N'", "metrics_verification", table),
        ("[debug.metricsguard]\nnetworks = 'N'", "metricsguard", "[debug.metrics_guard]"),
        ("[staging.metricsguard]\nnetworks = 'N'", "metricsguard", table),
        ("[global.metrics-guard]\nnetworks = 'N'", "metrics-guard", "[global.metrics_guard]"),
        ("[default.guard_metrics]\nnetworks = 'N'", "guard_metrics", table),
        ("[default.rocket_metrics_guard]\nnetworks = 'N'", "rocket_metrics_guard", table),
        ("[default.default.metrics_guard]\nnetworks = 'N'", "default.metrics_guard", table),
        ("[default.release_metrics_guard]\nnetworks = 'N'", "release_metrics_guard", table),
        ("[release_metrics_guard]\nnetworks = 'N'", "release_metrics_guard", table),
        ("[[default.metrics.guard]]\nnetworks = 'N'", "metrics.guard", table),
        ("[[default.limits]]\nmetrics_guard = { networks = 'N' }", "limits.metrics_guard", table),
        ("[default.metrics.guard]\nallowed_ips = ['10.0.0.0/8']", "metrics.guard", table),
        ("[default.metrics]\nguard_subnets = ['10.0.0.0/8']", "metrics.guard_subnets", networks),
        ("[default.metrics]\nverify_networks = 'N'", "metrics.verify_networks", networks),
        ("[default.metrics_verify]\nnetworks = 'N'", "metrics_verify.networks", networks),
        ("[rocket.metrics_guard]\nnetworks = 'N'", "rocket.metrics_guard", table),
        ("[relaese.metrics-guard]\nnetworks = 'N'", "metrics-guard", table),
        ("[defualt.metrics_guard]\nnetworks = 'N'", "defualt.metrics_guard", table),
        ("[default]\nmetrics_guard_networks = 'N'", "metrics_guard_networks", networks),
        ("[default]\nmetrics-guard-network = 'N'", "metrics-guard-network", networks),
        (
            "[default]\nmetrics_verification_key = 'N'",
            "metrics_verification_key",
            "`key` in the table [default.metrics_guard]",
        ),
        ("[default.metrics]\nguard_networks = 'N'", "metrics.guard_networks", networks),
        ("[default.limits]\nmetrics_guard = { networks = 'N' }", "limits.metrics_guard", table),
        ("[default.tls.metrics_guard]\nclient_names = 'N'", "tls.metrics_guard", table),
        ("[default.limits.metrics-guard]\nnetwork = 'N'", "limits.metrics-guard", table),
        ("[default.security.http.metrics_guard]\nnetworks = 'N'", "http.metrics_guard", table),
        ("[all.metrics_guard]\nnetworks = 'N'", "all.metrics_guard", table),
        ("[release.metrics_guard]\nkey-file = 'N'", "metrics_guard.key-file", "`key_file`"),
        ("[default.metrics_guard]\nKeyFile = 'N'", "metrics_guard.KeyFile", "`key_file`"),
        ("[default.metrics_guard]\nallowed_networks = 'N'", "metrics_guard.…", "`networks`"),
    ] {
        let figment = with_table(&format!("key = '{KEY}'")).merge(Toml::string(&toml.replace('N', WRONG)).nested());
        let error = MetricsGuard::builder(&figment).map(GuardBuilder::build).expect_err(toml);
        let text =
            format!("`{place}` in TOML source string: is not known here; remove it, or correct its name: {right}");
        assert_eq!(error.to_string(), text, "{toml}");
        let launched = Client::untracked(app(figment)).err().unwrap();
        assert!(matches!(launched.kind(), ErrorKind::FailedFairings(_)), "{toml}");
    }
    // A name with our beginning that is close to none of ours.
    let figment = with_table(&format!("key = '{KEY}'")).merge(("metrics_guard_timeout", 5));
    let error = MetricsGuard::builder(&figment).err().unwrap();
    assert_eq!(error.kind(), ConfigErrorKind::UnknownSetting, "{error}");
}

#[test]
fn names_of_others_do_not_stop_the_launch() {
    for toml in [
        "[default]\nmetrics_port = 9090\nmetrics_key = 'a'\nmetrics_enabled = true",
        "[default.metrics]\nport = 9090\nguard = true\nkey = 'a'\nnetworks = []",
        "[default]\nguard_metrics_enabled = true\nenable_metrics_guard = true",
        "[default.vpn]\nnetworks = ['10.0.0.0/8']\n[default.metrics]\nnetworks = ['internal']",
        "[default]\nnetworks = ['production', '10.0.0.0/8']\npod_networks = ['10.0.0.0/8']",
        "[default]\nnetworks = ['10.0.0.0/8']\nallow_networks = '10.0.0.0/8, ::1'",
        "[default.metrics]\nnetworks = ['10.0.0.0/8']\n[default.guard]\nnetworks = ['10.0.0.0/8']",
        "[default.verification]\nnetworks = ['10.0.0.0/8']\n[default.http.guard]\nallowed_networks = ['10.0.0.0/8']",
        "[default.metrics_guardian]\ndisabled = true\nnetworks = ['10.0.0.0/8']",
        "[default.guard.metrics]\nport = 9090\nquery = 'up'\nnetworks = '10.0.0.0/8'",
        "[default.verification.metrics]\nkey = 'prefix'",
        "[default.networks]\nmetrics_guard = '10.0.0.0/8'",
        "[default.metrics.verify]\nssl = true",
        "[canary.metrics_guard]\nnetworks = '10.0.0.0/8'",
        "[metrics]\nport = 9090",
        "[default.databases.metrics_guard]\nurl = 'a'",
        "[default]\nmetrics_guard_port = 'tcp://10.96.0.12:8080'\nmetrics_guard_service_port = 8080",
    ] {
        let figment = with_table(&format!("key = '{KEY}'")).merge(Toml::string(toml).nested());
        if let Err(error) = MetricsGuard::builder(&figment).map(GuardBuilder::build) {
            panic!("{toml}: {error}");
        }
    }
    let toml = format!("[staging.metrics_guard]\nkey = '{KEY}'\n[production.metrics_guard]\nkey = '{KEY}'");
    let figment = figment().merge(Toml::string(&toml).nested()).select("staging");
    MetricsGuard::builder(&figment).map(GuardBuilder::build).expect("a guard of the selected profile");
}

/// Rocket's own message has the line. It comes before any fairing, and the body of a `#[launch]` function before that.
#[test]
fn a_syntax_error_shows_no_line_of_the_file_if_the_settings_are_read_before_the_launch() {
    for key in [KEY.to_owned(), format!("'{KEY}"), format!("'{KEY}'\nkey = '{KEY}'")] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Rocket.toml"), format!("[default.metrics_guard]\nkey = {key}")).unwrap();
        let (line, rest) = ("Rocket's configuration, line ", ": cannot be read; correct its syntax");
        let said = child_in(folder.path(), "child_that_launches", &[("CHECKED", "1")]);
        assert!(said.contains(line) && said.contains(rest) && !said.contains(KEY), "{said}");
        let said = child_in(folder.path(), "child_that_launches", &[]);
        assert!(said.contains(&format!("key = {}", key.lines().next().unwrap())) && !said.contains(line), "{said}");
    }
}

mod service {
    use metrics_guard_rocket::MetricsGuard;
    use rocket::Config;

    #[rocket::launch]
    fn rocket() -> _ {
        if std::env::var_os("CHECKED").is_some() {
            let _ = MetricsGuard::builder(&Config::figment()).unwrap();
        }
        rocket::build().attach(MetricsGuard::fairing())
    }

    pub(super) fn run() {
        main();
    }
}

#[test]
#[ignore = "started by a_syntax_error_shows_no_line_of_the_file_if_the_settings_are_read_before_the_launch"]
fn child_that_launches() {
    assert!(panic::catch_unwind(service::run).is_err());
}

#[test]
fn a_key_as_the_base_of_a_mount_is_not_logged() {
    for base in [KEY.to_owned(), format!("/metrics?{KEY}"), format!("/metrics?key={KEY}")] {
        let said = child("child_with_a_base", &[("BASE", &base)]);
        assert!(said.contains(" base") && !said.contains(KEY), "{said}");
    }
}

#[test]
#[ignore = "started by a_key_as_the_base_of_a_mount_is_not_logged"]
fn child_with_a_base() {
    let _ = panic::catch_unwind(|| {
        let guard = MetricsGuard::with(Guard::new(Key::new(WRONG).unwrap()));
        let guard = guard.mount(env::var("BASE").unwrap(), routes![optional]);
        drop(Client::untracked(rocket::custom(loud()).attach(guard)));
    });
}

/// A program can have a figment that reads neither Rocket.toml nor the variables.
#[test]
fn fairing_or_open_is_not_open_beside_a_table_that_rocket_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let said = |variables: &[(&str, &str)]| child_in(folder.path(), "child_with_a_figment_of_its_own", variables);
    assert!(said(&[]).contains("status: Ok("), "{}", said(&[]));
    for name in ["ROCKET_METRICS_GUARD", "rocket_metrics_guard.key_file"] {
        let said = said(&[(name, "{key_file='/run/key'}")]);
        assert!(said.contains("status: Err("), "{name}: {said}");
    }
    fs::write(folder.path().join("Rocket.toml"), "[default.metrics_guard]\nkey_file = '/run/key'\n").unwrap();
    assert!(said(&[]).contains("status: Err("), "{}", said(&[]));
}

#[test]
#[ignore = "started by another test"]
fn child_with_a_figment_of_its_own() {
    let figment = Figment::from(rocket::Config::debug_default());
    let app = rocket::custom(figment).mount("/", routes![metrics]).attach(MetricsGuard::fairing_or_open());
    println!("status: {:?}", Client::untracked(app).map(|client| client.get("/metrics").dispatch().status()));
}

/// The environment can be set of a process alone, so the test starts itself.
fn child(child: &str, variables: &[(&str, &str)]) -> String {
    child_in(Path::new("."), child, variables)
}

fn child_in(folder: &Path, child: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.current_dir(folder);
    command.args(["--exact", child, "--ignored", "--nocapture"]).env_clear().envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{child}: {output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn a_variable_that_is_close_to_ours_stops_the_launch() {
    let table = format!(r#"{{networks="{WRONG}"}}"#);
    for (name, value, right) in [
        ("ROCKET_METRICS_GUARD_NETWORKS", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("ROCKET_METRICS_GUARD__NETWORKS", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("ROCKET_METRICS_VERIFICATION_NETWORKS", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("rocket_metrics_verification_key_file", WRONG, Some("METRICS_VERIFICATION_KEY_FILE")),
        ("metrics_verification_networks", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("METRICS_GUARD_NETWORKS", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("ROCKET_METRICSGUARD", &table, Some("ROCKET_METRICS_GUARD")),
        ("ROCKET__METRICS_GUARD", &table, Some("ROCKET_METRICS_GUARD")),
        ("ROCKET_METRIC_GUARD", &table, Some("ROCKET_METRICS_GUARD")),
        ("ROKET_METRICS_GUARD", &table, Some("ROCKET_METRICS_GUARD")),
        ("METRICS_GUARD", &table, Some("ROCKET_METRICS_GUARD")),
        ("ROCKET_GUARD_METRICS", &table, Some("ROCKET_METRICS_GUARD")),
        ("ROCKET_DEFAULT_METRICS_GUARD", &table, Some("ROCKET_METRICS_GUARD")),
        ("ROCKET_RELEASE_METRICS_GUARD", &table, Some("ROCKET_METRICS_GUARD")),
        ("ROCKET_GLOBAL_METRICS_GUARD", &table, Some("ROCKET_METRICS_GUARD")),
        ("ROCKET_DEBUG_METRICS_GUARD_NETWORKS", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("ROCKET_DEFAULT_METRICS_VERIFICATION_NETWORKS", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("ROCKET_STAGING_METRIC_GUARD_NETWORK", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("ROCKET_METRICS_GAURD_ALLOWED_CIDRS", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("METRICS_VERIFICATION", &table, Some("ROCKET_METRICS_GUARD")),
        ("export METRICS_VERIFICATION_NETWORKS", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("ROCKET_METRICS_GUARD..networks", WRONG, Some("METRICS_VERIFICATION_NETWORKS")),
        ("ROCKET_METRICS_GUARD.", WRONG, None),
        ("ROCKET_METRICS_GUARD_TIMEOUT", WRONG, None),
        ("ROCKET_METRICS_GAURD_TIMEOUT", WRONG, None),
    ] {
        let said = child("child_of_the_environment", &[("METRICS_VERIFICATION_KEY", KEY), (name, value)]);
        let right = right.map(|right| format!(": {right}")).unwrap_or_default();
        let line = format!("error: {name}: is not known here; remove it, or correct its name{right}\n");
        assert!(said.contains(&line) && !said.contains(WRONG), "{line}{said}");
    }
    let said = child("child_of_the_environment", &[("METRICS_VERIFICATION_KEY", KEY), ("ROCKET_METRICS_GUARD", "")]);
    let line = "error: `metrics_guard` in `ROCKET_` environment variable(s): is empty; unset it, or give it a value\n";
    assert!(said.contains(line), "{said}");

    // Rocket would go on without its file, and without the networks in it.
    for (name, value, line) in [
        ("ROCKET_CONFIG", "", "error: ROCKET_CONFIG: is empty; unset it, or give it a value\n"),
        ("rocket_config", "/run/no/Rocket.toml", "error: ROCKET_CONFIG, /run/no/Rocket.toml: no such file"),
        ("ROCKET_CONFIG", KEY, "error: ROCKET_CONFIG: no such file"),
    ] {
        let said = child("child_of_the_environment", &[("METRICS_VERIFICATION_KEY", KEY), (name, value)]);
        assert!(said.contains(line) && !said.contains(KEY), "{line}{said}");
    }

    // Rocket takes one of two in silence.
    let (one, two) = (r#"{networks="10.0.0.0/8"}"#, r#"{header="a=\",{",networks=[a],header=b}"#);
    for (variables, said_of) in [
        (&[("ROCKET_METRICS_GUARD", one), ("rocket_metrics_guard", two)][..], ["networks", "rocket_metrics_guard"]),
        (
            &[("ROCKET_METRICS_GUARD", one), ("ROCKET_METRICS_GUARD.NETWORKS", "::/0")],
            ["networks", "ROCKET_METRICS_GUARD.NETWORKS"],
        ),
        (&[("ROCKET_METRICS_GUARD", two)], ["header", "ROCKET_METRICS_GUARD"]),
    ] {
        let said = child("child_of_the_environment", &[&[("METRICS_VERIFICATION_KEY", KEY)], variables].concat());
        let [field, name] = said_of;
        let line = format!("error: `{field}` in {name}: set here and in ROCKET_METRICS_GUARD; remove one of the two");
        assert!(said.contains(&line), "{line}{said}");
    }

    let key = format!(r#"{{key="{KEY}"}}"#);
    let file = tempfile::NamedTempFile::new().unwrap();
    for (name, value) in [
        ("ROCKET_CONFIG", file.path().to_str().unwrap()),
        ("rocket_metrics_guard", &*key),
        ("ROCKET_METRICS_GUARD.KEY", KEY),
        ("METRICS_GUARD", "1"),
        ("METRICS_GUARD_URL", "http://127.0.0.1"),
        ("ROCKET_ENABLE_METRICS_GUARD", "true"),
        ("ROCKET_KEEP_ALIVE", "5"),
        ("ROCKET_GUARD_METRICS_ENABLED", "true"),
        ("ROCKET_METRICS_PORT", "9090"),
        ("ROCKET_METRICS_BOARD", "{}"),
        ("METRICS_KEY", "1"),
        ("ROCKET_NETWORKS", "[10.0.0.0/8]"),
        ("ROCKET_METRICS_GUARDIAN", "{disabled=true}"),
        ("ROCKET_METRICS_GUARDIAN_NETWORKS", "10.0.0.0/8"),
        ("ROCKET_METRICS_GUARD_SERVICE_HOST", "10.96.0.12"),
        ("ROCKET_METRICS_GUARD_PORT", "tcp://10.96.0.12:8080"),
    ] {
        let has_key = value.contains(KEY);
        let variables = [(name, value), ("METRICS_VERIFICATION_KEY", KEY)];
        let said = child("child_of_the_environment", if has_key { &variables[..1] } else { &variables });
        assert!(said.contains("a guard\n"), "{name}: {said}");
    }
}

#[test]
fn a_rocket_toml_under_another_name_stops_the_launch() {
    let table = "[release.metrics_guard]\nnetworks = ['10.0.0.0/8']";
    for (name, text, is_rejected) in [
        ("rocket.toml", table, true),
        ("ROCKET.toml", table, true),
        ("Rocket.tml", table, true),
        ("Rocket.toml.txt", table, true),
        ("rocket.toml", "[default.metrics-guard]\nnetworks = ['10.0.0.0/8']", true),
        ("rocket.toml", "[default]\nport = 8000", false),
        ("Rocket.toml~", table, false),
        ("Rocket.toml.example", table, false),
        ("Cargo.toml", table, false),
        ("Rocket.toml", table, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), text).unwrap();
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        for folder in [folder.path(), &below] {
            let said = child_in(folder, "child_of_the_environment", &[("METRICS_VERIFICATION_KEY", KEY)]);
            let line = format!("error: {name}: is not known here; remove it, or correct its name: Rocket.toml\n");
            let expected = if is_rejected { &line } else { "a guard\n" };
            assert!(said.contains(expected), "{expected}{said}");
        }
    }
}

#[test]
#[ignore = "started by a_variable_that_is_close_to_ours_stops_the_launch"]
fn child_of_the_environment() {
    // A program can have all variables in its configuration too. There, METRICS_GUARD is the table.
    let raw = Env::raw().ignore(&["METRICS_GUARD"]);
    let raw = MetricsGuard::builder(&Config::figment().merge(raw)).map(GuardBuilder::build);
    match MetricsGuard::builder(&Config::figment()).map(GuardBuilder::build) {
        Ok(_) if raw.is_err() => println!("not with all variables: {raw:?}"),
        Ok(_) => println!("a guard"),
        Err(error) => println!("error: {error}"),
    }
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
    let assert_list = |list: &str, part: &str| {
        let text = problem(&format!("key = '{KEY}'\n{list}"));
        assert!(text.contains(part), "{list}: {text}");
    };
    assert_list("networks = []", "no network is listed");
    assert_list("networks = ''", "is empty");
    assert_list("networks = ['10.0.0.0/8', '']", "entry 2 is an invalid network");
    assert_list("networks = [10]", "entry 1 must be a string");
    // Nothing is taken apart that was one entry.
    assert_list("networks = ['10.0.0.0/8,fd00::/8']", "entry 1 is an invalid network");
    assert_list(
        "client_names = ['a.example', 'https://example.org/a,prometheus']",
        "entry 2 is an invalid client name",
    );
    assert_list("client_names = []", "no client name is listed");
    assert_list("client_names = ['*.example']", "entry 1 is an invalid client name");
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

/// What is in Rocket's log can be read from the output of a process alone.
#[test]
fn a_warning_is_said_once_by_the_fairing_and_by_a_guard_made_by_hand() {
    for (name, line) in [
        ("child_with_the_fairing", "Warning: metrics-guard: `metrics_guard.key`"),
        ("child_with_a_guard_made_by_hand", "warning: metrics-guard: Key::new: the key"),
    ] {
        let said = child(name, &[]);
        // The event of the feature `tracing`, which the workspace has, Rocket may log besides: it has no such beginning.
        assert_eq!(said.matches("metrics-guard: ").count(), 1, "{name}: {said}");
        assert_eq!(said.matches(line).count(), 1, "{name}: {said}");
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
