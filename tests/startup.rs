//! What the examples do with the environment that they are started in, and what they print.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{fs, path::PathBuf, sync::LazyLock};

use metrics_guard_core::adapter::shown;
use metrics_guard_tests::{
    KEY, WRONG,
    key_changes::Guarded,
    process::Process,
    server::{Profile, Running, Server},
    wire::{exchange, request},
};

static EXAMPLES: LazyLock<[PathBuf; Server::ALL.len()]> =
    LazyLock::new(|| Server::ALL.map(|of| of.build(Profile::Debug).unwrap()));

fn start(server: Server, environment: &[(&str, &str)]) -> Running {
    server.start(example(server), environment).unwrap()
}

fn example(of: Server) -> &'static PathBuf {
    let position = Server::ALL.iter().position(|server| *server == of).unwrap();
    &EXAMPLES[position]
}

/// What is printed by a start that must fail.
fn refused(server: Server, environment: &[(&str, &str)]) -> String {
    let mut process = Process::start(&mut server.command(example(server), environment)).unwrap();
    let output = process.wait_for_end().unwrap();
    assert!(!output.contains("http://"), "{output}");
    assert!(!output.contains(KEY) && !output.contains(WRONG), "a key stands in: {output}");
    output
}

fn status(server: Server, environment: &[(&str, &str)], lines: &[&[u8]]) -> (u16, String) {
    let mut server = start(server, environment);
    let response = exchange(server.address, &request("GET", "/metrics", lines)).unwrap();
    (response.status, server.process.end().unwrap())
}

#[test]
fn the_environment_configures_the_guard() {
    let field = |name: &str| format!("{name}: {KEY}").into_bytes();
    for server in Server::ALL {
        let status = |environment: &[_], line: &[u8]| status(server, environment, &[line]).0;
        assert_eq!(status(&[("METRICS_VERIFICATION_KEY", KEY)], &field("X-Metrics-Key")), 200);
        assert_eq!(status(&[("METRICS_VERIFICATION_KEY", WRONG)], &field("X-Metrics-Key")), 401);
        let named = [("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_HEADER", "X-Scrape-Key")];
        assert_eq!(status(&named, &field("X-Scrape-Key")), 200);

        // A number is not the same number written otherwise.
        let digits = [("METRICS_VERIFICATION_KEY", "00718264935017284659301827465930")];
        assert_eq!(status(&digits, b"X-Metrics-Key: 00718264935017284659301827465930"), 200);
        assert_eq!(status(&digits, b"X-Metrics-Key: 712345678901234567890123456789"), 401);
    }
    let table = format!("{{key=\"{KEY}\"}}");
    assert_eq!(status(Server::Rocket, &[("ROCKET_METRICS_GUARD", &table)], &[&field("X-Metrics-Key")]).0, 200);
}

#[test]
fn a_bad_configuration_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no_such_key").display().to_string();
    let (table, wrong_key) = (format!("{{key=\"{WRONG}\"}}"), format!("./{KEY}"));
    let unsendable = format!("{KEY}\u{1}");
    let of_all = [
        (&[("METRICS_VERIFICATION_KEY", "")][..], "METRICS_VERIFICATION_KEY: is empty; unset it"),
        (&[("METRICS_VERIFICATION_KEY", " ")], "METRICS_VERIFICATION_KEY: the key is blank"),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_KEY_FILE", "")],
            "METRICS_VERIFICATION_KEY_FILE: is empty; unset it",
        ),
        (&[("METRICS_VERIFICATION_KEY", "short")], "METRICS_VERIFICATION_KEY: the key has fewer than 16 characters"),
        (
            &[("METRICS_VERIFICATION_KEY", "some-super-secret-key")],
            "METRICS_VERIFICATION_KEY: the key is a published example",
        ),
        (&[("METRICS_VERIFICATION_KEY", &unsendable)], "METRICS_VERIFICATION_KEY: the key has a space"),
        (&[("METRICS_VERIFICATION_KEY_FILE", &missing)], "no_such_key: no such file"),
        (&[("METRICS_VERIFICATION_KEY_FILE", "/run/no-such-volume/key")], "/run/no-such-volume/key: no such file"),
        (&[("METRICS_VERIFICATION_KEY_FILE", KEY)], "METRICS_VERIFICATION_KEY_FILE: no such file"),
        (&[("METRICS_VERIFICATION_KEY_FILE", &wrong_key)], "METRICS_VERIFICATION_KEY_FILE, ./…: no such file"),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_HEADER", "X Key")],
            "METRICS_VERIFICATION_HEADER: invalid header name",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_QUERY", "")],
            "METRICS_VERIFICATION_QUERY: is empty; unset it",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_NETWORKS", "10.0.0.0/8, 10.0.0.1/8")],
            "METRICS_VERIFICATION_NETWORKS: entry 2 is an address in a network; write 10.0.0.0/8",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_CLIENT_NAMES", "")],
            "METRICS_VERIFICATION_CLIENT_NAMES: is empty; unset it",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_NETWORK", "10.0.0.0/8")],
            "METRICS_VERIFICATION_NETWORK: is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("metrics_verification_networks", "10.0.0.0/8")],
            "metrics_verification_networks: is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_NETWORKS", "0.0.0.0")],
            "METRICS_VERIFICATION_NETWORKS: entry 1 is an address that no client has",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRIC_VERFICATION_NETWORK", "10.0.0.0/8")],
            "METRIC_VERFICATION_NETWORK: is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_HEADER", "Connection")],
            "METRICS_VERIFICATION_HEADER: this header has another use",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_QUERY", "false")],
            "METRICS_VERIFICATION_QUERY: a word for yes, no or nothing is not a name; unset it",
        ),
        (&[("METRICS_VERIFICATION_DISABLED", "yes")], "METRICS_VERIFICATION_DISABLED: must be `true` or `false`"),
    ];
    let of_rocket = [
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("ROCKET_METRICS_GUARD", &table)][..],
            "set here and in METRICS_VERIFICATION_KEY",
        ),
        (
            &[("ROCKET_METRICS_GUARD", "{key=1234567890123456789}")],
            "`metrics_guard.key` in `ROCKET_` environment variable(s): must be a string",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("ROCKET_METRICS_GUARD_NETWORKS", "10.0.0.0/8")],
            "ROCKET_METRICS_GUARD_NETWORKS: is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS",
        ),
    ];
    let of_all = of_all.iter().flat_map(|case| Server::ALL.map(|server| (server, case)));
    let of_rocket = of_rocket.iter().map(|case| (Server::Rocket, case));
    for (server, (environment, said)) in of_all.chain(of_rocket) {
        let output = refused(server, environment);
        assert!(output.contains(said), "{server:?}: {environment:?}: {output}");
        assert!(!output.contains("1234567890123456789"), "{output}");
    }
}

#[test]
fn the_open_mode_is_loud() {
    for server in Server::ALL {
        let mut running = start(server, &[("METRICS_VERIFICATION_DISABLED", "true")]);
        let response = exchange(running.address, &request("GET", "/metrics", &[])).unwrap();
        assert_eq!(response.status, 200);
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert!(body.contains("\nmetrics_guard_open 1\n"), "{server:?}: {body}");
        let output = running.process.end().unwrap();
        assert_eq!(output.matches("EVERYONE can read the metrics").count(), 1, "{server:?}: {output}");
    }
}

#[test]
fn without_a_key_the_examples_make_one_and_print_what_uses_it() {
    // The rest of the configuration holds all the same.
    let named = [("METRICS_VERIFICATION_HEADER", "X-Scrape-Key"), ("METRICS_VERIFICATION_QUERY", "key")];
    let key_of_a_run = |server: Server| {
        let (mut running, key) = server.start_without_a_key(example(server), &named).unwrap();
        let ask =
            |target: &str, line: &str| exchange(running.address, &request("GET", target, &[line.as_bytes()])).unwrap();
        assert_eq!(ask("/metrics", &format!("Authorization: Bearer {key}")).status, 200);
        assert_eq!(ask("/metrics", &format!("X-Scrape-Key: {key}")).status, 200);
        assert_eq!(ask(&format!("/metrics?key={key}"), "Accept: */*").status, 200);
        assert_eq!(ask("/metrics", &format!("X-Scrape-Key: {WRONG}")).status, 401);
        assert_eq!(ask("/", "Accept: */*").status, 200);
        let output = running.process.end().unwrap();
        assert!(output.contains(&format!("echo {key} > metrics_key")), "{output}");
        assert!(output.contains(&format!("targets: [\"{}\"]", running.address)), "{output}");
        key
    };
    for server in Server::ALL {
        let (one, another) = (key_of_a_run(server), key_of_a_run(server));
        assert_eq!(one.len(), 64);
        assert_ne!(one, another);
    }
}

#[test]
fn a_key_file_that_breaks_is_said_once_and_one_that_is_mended_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    for server in Server::ALL {
        fs::write(&path, KEY).unwrap();
        let mut running = start(server, &[("METRICS_VERIFICATION_KEY_FILE", path.to_str().unwrap())]);
        fs::write(&path, "").unwrap();
        let said = |line: &str| line.contains("the key file is unusable").then(|| line.to_owned());
        let line = running.process.wait_for(said).unwrap();
        assert!(line.contains("warning: metrics-guard: ") && line.contains("metrics_key: the key is blank"), "{line}");

        let series = |name: &str| {
            format!(r#"metrics_guard_key_file_{name}{{file="{}"}}"#, shown(path.to_str().unwrap()).unwrap())
        };
        let (stale, checked) = (series("stale"), series("checked_timestamp_seconds"));
        let mut guarded = Guarded::new(server, running, None);
        let first = guarded.sample(KEY, &checked).unwrap();
        // It is looked at twice more.
        guarded.wait_for_sample(KEY, &checked, |checked| checked > first + 3.0).unwrap();
        assert!(guarded.sample(KEY, &stale).unwrap() > 0.5, "{server:?}");

        fs::write(&path, WRONG).unwrap();
        guarded.wait_until(WRONG, true).unwrap();
        assert_eq!(guarded.find_sample::<f64>(WRONG, &stale).unwrap(), Some(0.0), "{server:?}");
        let output = guarded.output();
        assert_eq!(output.matches("the key file is unusable").count(), 1, "{server:?}: {output}");
        assert!(!output.contains(&KEY[..16]), "{server:?}");
    }
}

#[test]
fn a_weak_configuration_starts_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, &KEY[..20]).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let path = path.display().to_string();
    let shown = shown(&path).unwrap();
    for server in Server::ALL {
        let output = status(server, &[("METRICS_VERIFICATION_KEY_FILE", &path)], &[]).1;
        assert!(output.contains(&format!("{shown}, line 1: the key has fewer than 32 characters")), "{output}");
        #[cfg(unix)]
        assert!(output.contains(&format!("{shown}: every user of this machine can read the key file")), "{output}");
    }
}
