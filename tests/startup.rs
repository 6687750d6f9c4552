//! What the example does with the environment that it is started in, and what it prints.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{fs, path::PathBuf, sync::LazyLock};

use metrics_guard_tests::{
    KEY, WRONG,
    process::Process,
    server::{Profile, Server},
    wire::{exchange, request},
};

static EXAMPLE: LazyLock<PathBuf> = LazyLock::new(|| Server::Rocket.build(Profile::Debug).unwrap());

/// What is printed by a start that must fail.
fn refused(environment: &[(&str, &str)]) -> String {
    let mut process = Process::start(&mut Server::Rocket.command(&EXAMPLE, environment)).unwrap();
    let output = process.wait_for_end().unwrap();
    assert!(!output.contains("launched from"), "{output}");
    assert!(!output.contains(KEY) && !output.contains(WRONG), "a key stands in: {output}");
    output
}

fn status(environment: &[(&str, &str)], lines: &[&[u8]]) -> (u16, String) {
    let server = Server::Rocket.start(&EXAMPLE, environment).unwrap();
    let response = exchange(server.address, &request("GET", "/metrics", lines)).unwrap();
    (response.status, server.process.output())
}

#[test]
fn the_environment_configures_the_guard() {
    let field = |name: &str| format!("{name}: {KEY}").into_bytes();
    assert_eq!(status(&[("METRICS_VERIFICATION_KEY", KEY)], &[&field("X-Metrics-Key")]).0, 200);
    assert_eq!(status(&[("METRICS_VERIFICATION_KEY", WRONG)], &[&field("X-Metrics-Key")]).0, 401);
    let named = [("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_HEADER", "X-Scrape-Key")];
    assert_eq!(status(&named, &[&field("X-Scrape-Key")]).0, 200);

    // A number is not the same number written otherwise.
    let digits = [("METRICS_VERIFICATION_KEY", "00712345678901234567890123456789")];
    assert_eq!(status(&digits, &[b"X-Metrics-Key: 00712345678901234567890123456789"]).0, 200);
    assert_eq!(status(&digits, &[b"X-Metrics-Key: 712345678901234567890123456789"]).0, 401);

    let table = format!("{{key=\"{KEY}\"}}");
    assert_eq!(status(&[("ROCKET_METRICS_GUARD", &table)], &[&field("X-Metrics-Key")]).0, 200);
}

#[test]
fn a_bad_configuration_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no_such_key").display().to_string();
    let with_space = format!("{} {}", &KEY[..16], &KEY[16..]);
    let unquoted = "{key=1234567890123456789}";
    let table = format!("{{key=\"{WRONG}\"}}");
    for (environment, said) in [
        (&[("METRICS_VERIFICATION_KEY", "")][..], "METRICS_VERIFICATION_KEY: the key is blank"),
        (&[("METRICS_VERIFICATION_KEY", "short")], "METRICS_VERIFICATION_KEY: the key has fewer than 16 characters"),
        (
            &[("METRICS_VERIFICATION_KEY", "some-super-secret-key")],
            "METRICS_VERIFICATION_KEY: the key is a known sample",
        ),
        (&[("METRICS_VERIFICATION_KEY", &with_space)], "METRICS_VERIFICATION_KEY: the key has a space"),
        (&[("METRICS_VERIFICATION_KEY_FILE", &missing)], "no_such_key: the key file cannot be read"),
        (&[("METRICS_VERIFICATION_KEY_FILE", KEY)], "METRICS_VERIFICATION_KEY_FILE: the key file cannot be read"),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_HEADER", "X Key")],
            "METRICS_VERIFICATION_HEADER: not the name",
        ),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_QUERY", "")],
            "METRICS_VERIFICATION_QUERY: not a parameter",
        ),
        (&[("METRICS_VERIFICATION_DISABLED", "yes")], "METRICS_VERIFICATION_DISABLED: must be `true` or `false`"),
        (
            &[("METRICS_VERIFICATION_KEY", KEY), ("ROCKET_METRICS_GUARD", &table)],
            "set here and in METRICS_VERIFICATION_KEY",
        ),
        (
            &[("ROCKET_METRICS_GUARD", unquoted)],
            "`metrics_guard.key` in `ROCKET_` environment variable(s): must be a string",
        ),
    ] {
        let output = refused(environment);
        assert!(output.contains(said), "{environment:?}: {output}");
        assert!(!output.contains("1234567890123456789"), "{output}");
    }
}

#[test]
fn the_open_mode_is_loud() {
    let (status, output) = status(&[("METRICS_VERIFICATION_DISABLED", "true")], &[]);
    assert_eq!(status, 200);
    assert!(output.contains("EVERYONE can read the metrics"), "{output}");
}

#[test]
fn without_a_key_the_example_makes_one_and_prints_what_uses_it() {
    let key_of_a_run = || {
        let mut server = Server::Rocket.start(&EXAMPLE, &[]).unwrap();
        let curl = server.process.wait_for(|line| line.trim().strip_prefix("curl -H '").map(str::to_owned)).unwrap();
        let (field, url) = curl.split_once("' ").unwrap();
        assert_eq!(url, format!("http://{}/metrics", server.address));
        assert_eq!(exchange(server.address, &request("GET", "/metrics", &[field.as_bytes()])).unwrap().status, 200);
        assert_eq!(exchange(server.address, &request("GET", "/metrics", &[])).unwrap().status, 401);
        assert_eq!(exchange(server.address, &request("GET", "/", &[])).unwrap().status, 200);
        let key = field.strip_prefix("X-Metrics-Key: ").unwrap().to_owned();
        assert!(server.process.output().contains(&format!("echo {key} > metrics_key")));
        assert!(server.process.output().contains(&format!("targets: [\"{}\"]", server.address)));
        key
    };
    let (one, another) = (key_of_a_run(), key_of_a_run());
    assert_eq!(one.len(), 64);
    assert_ne!(one, another);
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
    let output = status(&[("METRICS_VERIFICATION_KEY_FILE", &path)], &[]).1;
    assert!(output.contains(&format!("{path}, line 1: the key has fewer than 32 characters")), "{output}");
    #[cfg(unix)]
    assert!(output.contains(&format!("{path}: every user of this machine can read the key file")), "{output}");
}
