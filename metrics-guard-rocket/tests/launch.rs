//! Tests which configurations launch: the sentinel, Rocket's configuration and the environment.
//!
//! A table is a text with one row in each line and `=>` between the columns. [`rows`] defines `$K` and the other abbreviations.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{env, fs, path::Path, process::Command};

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
    http::{Header, Method},
    local::blocking::Client,
    routes,
};

const KEY: &str = "c2d94b7e10f3a586d7e9b0c4f1a26853";
/// A value that no message may show.
const HIDDEN: &str = "8e61f0a97b3cd254e1f8a0b6937cd2e5";
const WITH_KEY: &str = " & METRICS_VERIFICATION_KEY=c2d94b7e10f3a586d7e9b0c4f1a26853";

/// Returns the rows of a table, each in `N` columns.
fn rows<const N: usize>(table: &str) -> impl Iterator<Item = [String; N]> {
    let meanings = [
        (" ; ", "\n"),
        ("$K", KEY),
        ("$N", HIDDEN),
        ("$B", "[default.metrics_guard]"),
        ("$S", "in TOML source string"),
        ("$U", "unknown setting; correct its name, such as `key_file`, or remove it"),
        ("$D", "set here and in ROCKET_METRICS_GUARD; remove one of the two"),
        ("$R", "Rocket does not read this file; rename it to Rocket.toml"),
        ("$F", "there is no file at this path; correct the path, such as ./Rocket.toml"),
        ("$T", r#"{networks="8e61f0a97b3cd254e1f8a0b6937cd2e5"}"#),
        ("$H", r#"{header="a=\",{",networks=[a],header=b}"#),
    ];
    table.lines().filter(|line| !line.trim().is_empty()).map(move |line| {
        // `$V` is the error for an unknown name, which is the first name in the row.
        let name = line.split('=').next().unwrap_or_default().trim();
        let line = line.replace("$V", &format!("error: {name}: $U"));
        // `$U: ` is in front of the right name.
        let line = match line.split_once("$U: ") {
            Some((before, right)) => format!("{before}unknown setting; write {right} instead"),
            None => line,
        };
        let line = meanings.iter().fold(line, |line, (short, long)| line.replace(short, long));
        line.split("=>").map(|column| column.trim().to_owned()).collect::<Vec<_>>().try_into().unwrap()
    })
}

#[guard_metrics]
#[get("/metrics")]
fn metrics() -> &'static str {
    "up 1\n"
}

#[get("/optional")]
fn optional(authorized: Option<Authorized>) -> &'static str {
    authorized.map_or("stranger", |_| "scraper")
}

/// The attribute joins a request guard with the proof, because the function has seven parameters.
#[guard_metrics]
#[get("/seven/<one>/<two>/<three>/<four>/<five>")]
fn seven(one: u8, two: u8, three: u8, four: u8, five: u8, state: &State<u8>, method: Method) -> String {
    format!("{:?}{state}{method}", [one, two, three, four, five])
}

fn guard(key: &str) -> MetricsGuard {
    MetricsGuard::with(Guard::new(Key::new(key).unwrap()))
}

fn figment() -> Figment {
    Figment::from(Config { log_level: LogLevel::Off, ..Config::debug_default() })
}

/// Returns the figment of a Rocket.toml with this text.
fn with(toml: &str) -> Figment {
    figment().merge(Toml::string(toml).nested())
}

fn rocket(figment: Figment) -> Rocket<Build> {
    rocket::custom(figment).mount("/", routes![metrics])
}

/// Returns whether a message is the expected one. An expected text that ends in `..` is the beginning of the message.
fn fits(message: &str, expected: &str) -> bool {
    expected.strip_suffix("..").map_or(message == expected, |start| message.starts_with(start))
}

/// Returns the error in a configuration, or `a guard`.
fn outcome(figment: &Figment) -> String {
    match MetricsGuard::builder(figment).map(GuardBuilder::build) {
        Ok(_) => "a guard".to_owned(),
        Err(error) => {
            let is_unknown =
                ["unknown setting; ", "Rocket does not read"].iter().any(|text| error.to_string().contains(text));
            assert_eq!(error.kind() == ConfigErrorKind::UnknownSetting, is_unknown, "{error}");
            format!("error: {error}")
        }
    }
}

/// Returns the status of a request without a key, or why Rocket does not launch.
fn open(figment: Figment) -> String {
    match Client::untracked(rocket(figment).attach(MetricsGuard::fairing_or_open())) {
        Ok(client) => format!("status {}", status(&client, "Accept")),
        Err(error) => error.kind().to_string(),
    }
}

/// Asserts the outcome of each Rocket.toml in a table. An earlier provider configures a key.
#[track_caller]
fn assert_outcomes(table: &str) {
    for [toml, expected] in rows(table) {
        let with_key = with(&format!("[default.metrics_guard]\nkey = '{KEY}'"));
        let outcome = outcome(&with_key.merge(Toml::string(&toml).nested()));
        assert!(fits(&outcome, &expected), "{toml}\n{expected}\n{outcome}");
        assert!(!outcome.contains(KEY) && !outcome.contains(HIDDEN), "{outcome}");
    }
}

/// Returns the status of a request with the key: in the query, in `X-Metrics-Key` from an address, or in another header.
fn status(client: &Client, request: &str) -> u16 {
    let (query, header) = if request.starts_with('?') { (request, "Accept") } else { ("", request) };
    let mut local = client.get(format!("/metrics{query}"));
    match format!("{request}:40000").parse() {
        Ok(address) => local = local.remote(address).header(Header::new("X-Metrics-Key", KEY)),
        Err(_) => local.add_header(Header::new(header.to_owned(), KEY)),
    }
    local.dispatch().status().code
}

#[test]
fn a_guarded_route_does_not_launch_without_the_fairing_or_another_guard_that_it_needs() {
    let rocket = || rocket::custom(figment());
    for rocket in [
        rocket().mount("/", routes![metrics]).manage(Guard::new(Key::new(KEY).unwrap())),
        rocket().mount("/", routes![optional]),
        rocket().mount("/", routes![seven]).manage(0_u8),
        rocket().mount("/", routes![seven]).attach(guard(KEY)),
    ] {
        assert!(matches!(Client::untracked(rocket).err().unwrap().kind(), ErrorKind::SentinelAborts(_)));
    }
}

#[test]
fn the_last_of_two_fairings_counts() {
    let client = Client::untracked(rocket(figment()).attach(guard(HIDDEN)).attach(guard(KEY))).unwrap();
    assert_eq!(status(&client, "X-Metrics-Key"), 200);
}

#[test]
fn the_table_in_rocket_toml_configures_the_guard() {
    for [fields, expected] in rows(
        "
        key = '$K' => X-Metrics-Key:200 Accept:401
        key = '$K' ; query = 'k' => ?k=$K:200
        disabled = true => Accept:200
        key = '$K' ; networks = ['10.0.0.0/8', 'fd00::/8'] => 10.1.2.3:200 [fd00::1]:200 11.1.2.3:403 X-Metrics-Key:403
        key = '$K' ; client_names = ['a.example'] => X-Metrics-Key:403
        ",
    ) {
        let figment = with(&format!("[default.metrics_guard]\n{fields}"));
        let client = Client::untracked(rocket(figment).attach(MetricsGuard::fairing())).unwrap();
        for (request, expected) in expected.split(' ').map(|request| request.rsplit_once(':').unwrap()) {
            assert_eq!(status(&client, request).to_string(), expected, "{fields} {request}");
        }
    }
}

#[test]
fn an_error_says_which_field_is_wrong_and_what_fits_it() {
    assert_outcomes(
        r#"
        $B ; key = '' => error: `metrics_guard.key` $S: the key is blank..
        $B ; key = ['a', 'b'] => error: `metrics_guard.key` $S: must be one key; put several into a file, one per line, ..
        $B ; key_file = ['a'] => error: `metrics_guard.key_file` $S: must be a string in quotes, and not a list or a table
        $B ; key = 1234567890123456789 => error: `metrics_guard.key` $S: must be a string in quotes..
        $B ; key_file = 'metrics_key' => error: `metrics_guard.key` $S: set here and in `metrics_guard.key_file` $S..
        $B ; disabled = 1 => error: `metrics_guard.disabled` $S: must be `true` or `false`, without quotes
        $B ; header = true => error: `metrics_guard.header` $S: the value is a word such as `true`..
        $B ; query = true => error: `metrics_guard.query` $S: the value is a word such as `true`..
        $B ; networks = ['::1', 10] => error: `metrics_guard.networks` $S: entry 2 must be a string; put it in quotes
        $B ; client_names = {} => error: `metrics_guard.client_names` $S: must be a list of strings, such as ["prometheus.example"]
        $B ; kye = '$N' => error: `metrics_guard.kye` $S: $U: `key`
        $B ; $K = '$N' => error: `metrics_guard.…` $S: $U
        $B ; "k\tye" = '$N' => error: `metrics_guard.…` $S: $U: `key`
        [default] ; metrics_guard = '$N' => error: `metrics_guard` $S: must be a table; write fields such as `key_file` into it
        $B ; key = $K => error: Rocket's configuration, line 2, column 7: invalid TOML; correct this line..
        $B ; key = '$K' ; key = '$K' => error: Rocket's configuration, line 3, column 1: invalid TOML; correct this line..
        "#,
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, b"\xff").unwrap();
    let outcome = outcome(&figment().merge(Toml::file(file.path()).nested()));
    assert!(outcome.starts_with("error: Rocket's configuration: cannot be read; let the service's user"), "{outcome}");
}

#[test]
fn a_name_in_rocket_toml_that_is_close_to_ours_is_an_error() {
    assert_outcomes(
        "
        [metrics_guard] ; networks = '$N' => error: `metrics_guard` $S: $U: $B
        [metrics.guard] ; networks = '$N' => error: `metrics.guard` $S: $U: $B
        [default.metrics-guard] ; networks = '$N' => error: `metrics-guard` $S: $U: $B
        [default.metrics.guard] ; networks = '$N' => error: `metrics.guard` $S: $U: $B
        [default.metrics.guard] ; allowed_ips = ['10.0.0.0/8'] => error: `metrics.guard` $S: $U: $B
        [default.release_metrics_guard] ; networks = '$N' => error: `release_metrics_guard` $S: $U: $B
        [default.default.metrics_guard] ; networks = '$N' => error: `default.metrics_guard` $S: $U: $B
        [[default.limits]] ; metrics_guard = { networks = '$N' } => error: `limits.metrics_guard` $S: $U: $B
        [default.security.http.metrics_guard] ; networks = '$N' => error: `http.metrics_guard` $S: $U: $B
        [debug.metricsguard] ; networks = '$N' => error: `metricsguard` $S: $U: [debug.metrics_guard]
        [defualt.metrics_guard] ; networks = '$N' => error: `defualt.metrics_guard` $S: $U: $B
        [default] ; metrics_guard_networks = '$N' => error: `metrics_guard_networks` $S: $U: `networks` in the table $B
        [default.metrics] ; guard_subnets = ['10.0.0.0/8'] => error: `metrics.guard_subnets` $S: $U: `networks` in the table $B
        [default.metrics_verify] ; networks = '$N' => error: `metrics_verify.networks` $S: $U: `networks` in the table $B
        [default.metrics_guard] ; allowed_networks = '$N' => error: `metrics_guard.…` $S: $U: `networks`
        ",
    );
}

#[test]
fn a_name_in_rocket_toml_that_others_use_is_no_error() {
    assert_outcomes(
        "
        [default] ; metrics_port = 9090 ; metrics_key = 'a' ; networks = ['production', '::/0'] ; allow_networks = '::/0' => a guard
        [default] ; metrics_guard_port = 'tcp://10.96.0.12:8080' ; metrics_guard_service_port = 8080 => a guard
        [default.metrics] ; port = 9090 ; guard = true ; key = 'a' ; verification_timeout = 5 ; networks = [] => a guard
        [default.metrics] ; networks = ['::/0'] ; [default.guard] ; networks = ['::/0'] ; [default.metrics.verify] ; ssl = true => a guard
        [default.verification] ; networks = ['::/0'] ; [default.http.guard] ; allowed_networks = ['::/0'] => a guard
        [default.verification.metrics] ; key = 'a' ; [default.guard.metrics] ; query = 'up' ; networks = '::/0' => a guard
        [default.networks] ; metrics_guard = '::/0' ; [default.databases.metrics_guard] ; url = 'a' => a guard
        [canary.metrics_guard] ; networks = '10.0.0.0/8' => a guard
        [metrics] ; port = 9090 => a guard
        ",
    );
    let toml = format!("[releases.metrics_guard]\nkey = '{KEY}'\n[production.metrics_guard]\nkey = '{KEY}'");
    assert_eq!(outcome(&with(&toml).select("releases")), "a guard");
}

/// Runs the test [`prints_the_log_of_a_launch_from_a_child_process`], and returns its output. The process does `what` in
/// `folder`, and has only these variables: `NAME=value`, with ` & ` between them.
fn said(what: &str, folder: &Path, variables: &str) -> String {
    let variables = variables.split(" & ").filter_map(|variable| variable.split_once('='));
    let mut command = Command::new(env::current_exe().unwrap());
    command.current_dir(folder).env_clear().envs(variables).env("CHILD", what);
    let output = command
        .args(["--exact", "prints_the_log_of_a_launch_from_a_child_process", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
#[ignore = "other tests start it"]
fn prints_the_log_of_a_launch_from_a_child_process() {
    let config = Config { log_level: LogLevel::Normal, cli_colors: false, ..Config::debug_default() };
    let launch = |guard: MetricsGuard| {
        let weak = Figment::from(&config).merge(("metrics_guard.key", &KEY[..20]));
        drop(Client::untracked(rocket::custom(weak).attach(guard)));
    };
    match &*env::var("CHILD").unwrap_or_default() {
        "" => {} // a run of all ignored tests
        "configure" => {
            println!("{}", outcome(&Config::figment()));
            // A program can also have all variables in its configuration, where METRICS_GUARD is the table.
            println!("raw: {}", outcome(&Config::figment().merge(Env::raw().ignore(&["METRICS_GUARD"]))));
        }
        "launch" => launch(MetricsGuard::fairing()),
        "launch in code" => launch(guard(&KEY[..20])),
        "mount" => launch(guard(KEY).mount(env::var("BASE").unwrap(), routes![optional])),
        // A program can have a figment that reads neither Rocket.toml nor the variables.
        "open" => println!("{}", open(figment())),
        what => panic!("{what}"),
    }
}

#[test]
fn the_names_and_values_of_variables_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("other.toml"), "").unwrap();
    for [variables, line] in rows(
        r#"
        ROCKET_METRICS_GUARD_NETWORKS=$N => $V: METRICS_VERIFICATION_NETWORKS
        ROCKET_METRICS_GUARD..networks=$N => $V: METRICS_VERIFICATION_NETWORKS
        ROCKET_METRICS_GUARD.=$N => $V
        ROCKET_METRICS_GUARD_TIMEOUT=$N => $V
        metrics_verification_networks=$N => $V: METRICS_VERIFICATION_NETWORKS
        METRICS_GUARD=$T => $V: ROCKET_METRICS_GUARD
        ROCKET_GUARD_METRICS=$T => $V: ROCKET_METRICS_GUARD
        ROCKET_METRICS_GUARD= => error: `metrics_guard` in `ROCKET_` environment variable(s): must be a table; write fields such as `key_file` into it
        ROCKET_METRICS_GUARD=$T & rocket_metrics_guard=$H => error: `networks` in rocket_metrics_guard: $D
        ROCKET_METRICS_GUARD=$T & ROCKET_METRICS_GUARD.NETWORKS=::/0 => error: `networks` in ROCKET_METRICS_GUARD.NETWORKS: $D
        ROCKET_METRICS_GUARD=$H => error: `header` in ROCKET_METRICS_GUARD: $D
        ROCKET_METRICS_GUARD={header=a,networks=[::1,header=b]} => error: `metrics_guard.networks` in `ROCKET_` environment..
        ROCKET_CONFIG= => error: ROCKET_CONFIG: $F
        ROCKET_CONFIG=$N => error: ROCKET_CONFIG: $F
        rocket_config=/run/no/Rocket.toml => error: ROCKET_CONFIG, /run/no/Rocket.toml: $F
        ROCKET_CONFIG=other.toml => a guard
        rocket_metrics_guard={key="$K"} => a guard
        ROCKET_METRICS_GUARD.KEY=$K => a guard
        METRICS_GUARD=1 & ROCKET_ENABLE_METRICS_GUARD=true & ROCKET_NETWORKS=[10.0.0.0/8] => a guard
        ROCKET_METRICS_GUARD_SERVICE_HOST=10.96.0.12 & ROCKET_METRICS_GUARD_PORT=tcp://10.96.0.12:8080 => a guard
        "#,
    ) {
        let key = if variables.contains(KEY) { "" } else { WITH_KEY };
        let said = said("configure", folder.path(), &format!("{variables}{key}"));
        assert!(said.lines().any(|said| fits(said, &line)), "{line}\n{said}");
        assert!(line != "a guard" || said.contains("raw: a guard\n"), "{variables}\n{said}");
        assert!(!said.contains(HIDDEN) && !said.contains(KEY), "{said}");
    }
}

/// A key file is relative to the Rocket.toml.
#[test]
fn a_rocket_toml_is_read_and_under_another_name_it_is_an_error_if_it_has_our_table() {
    for [name, table, line] in rows(
        "
        rocket.toml => release.metrics_guard => error: rocket.toml: $R
        Rocket.toml.txt => release.metrics_guard => error: Rocket.toml.txt: $R
        rocket.toml => default.metrics-guard => error: rocket.toml: $R
        rocket.toml => default => a guard
        Rocket.toml~ => release.metrics_guard => a guard
        Rocket.toml.example => release.metrics_guard => a guard
        Rocket.toml => default.metrics_guard => a guard
        ",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        fs::write(folder.path().join("metrics_key"), KEY).unwrap();
        fs::write(folder.path().join(&name), format!("[{table}]\nkey_file = 'metrics_key'")).unwrap();
        let variables = if name == "Rocket.toml" { "" } else { WITH_KEY };
        for folder in [folder.path(), &below] {
            let said = said("configure", folder, variables);
            assert!(said.lines().any(|said| fits(said, &line)), "{line}\n{said}");
        }
    }
}

#[test]
fn fairing_or_open_is_open_only_if_nothing_configures_a_guard() {
    // A table in a profile that is not selected counts too.
    for [toml, expected] in rows(
        "
        [default.databases] ; key = 1 => status 200
        $B ; disabled = true => status 200
        $B ; key = '$K' => status 401
        $B => launch fairing(s) failed
        $B ; disabled = false => launch fairing(s) failed
        [default] ; metrics_guard = '' => launch fairing(s) failed
        [default.metrics-guard] => launch fairing(s) failed
        [staging.metrics_guard] => launch fairing(s) failed
        ",
    ) {
        assert_eq!(open(with(&toml)), expected, "{toml}");
    }
    let folder = tempfile::tempdir().unwrap();
    let assert_opened = |variables: &str, expected: &str| {
        let said = said("open", folder.path(), variables);
        assert!(said.lines().any(|line| line == expected), "{variables}: {said}");
    };
    assert_opened("", "status 200");
    assert_opened("ROCKET_METRICS_GUARD={key_file='/run/key'}", "launch fairing(s) failed");
    assert_opened("rocket_metrics_guard.key_file='/run/key'", "launch fairing(s) failed");
    fs::write(folder.path().join("Rocket.toml"), "[default.metrics_guard]\nkey_file = '/run/key'\n").unwrap();
    assert_opened("", "launch fairing(s) failed");
}

#[test]
fn a_key_as_the_base_of_a_mount_is_not_logged() {
    for base in [KEY, &format!("/metrics?{KEY}"), &format!("/metrics?key={KEY}")] {
        let said = said("mount", Path::new("."), &format!("BASE={base}"));
        assert!(said.contains(" base") && !said.contains(KEY), "{said}");
        // Rocket panics if a base is invalid.
        assert_eq!(said.contains("aborting due to route base error"), base == KEY, "{said}");
    }
}

#[test]
fn a_warning_is_logged_once_by_the_fairing_and_by_a_guard_made_in_code() {
    for (what, line) in [
        ("launch", "Warning: metrics-guard: `metrics_guard.key`"),
        ("launch in code", "warning: metrics-guard: Key::new: the key"),
    ] {
        let said = said(what, Path::new("."), "");
        // Rocket may log the event of the feature `tracing` too, which does not begin with the name.
        assert_eq!(said.matches("metrics-guard: ").count(), 1, "{what}: {said}");
        assert_eq!(said.matches(line).count(), 1, "{what}: {said}");
    }
    let said = said("launch", Path::new("."), "METRICS_VERIFICATION_CLIENT_NAMES=prometheus.example");
    assert!(said.contains("every request is rejected"), "{said}");
}
