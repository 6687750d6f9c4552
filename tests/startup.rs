//! What the examples do with the environment that they are started in, and what they print. Which settings are errors is in
//! the tests of the core and of the adapter for Rocket.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use metrics_guard_tests::{
    KEY, WRONG,
    process::Process,
    server::{Profile, Server},
    wire::{exchange, request},
};

const KEY_VARIABLE: &str = "METRICS_VERIFICATION_KEY";

#[test]
fn the_environment_configures_the_guard() {
    // A number is not the same number written otherwise.
    let digits = "00718264935017284659301827465930";
    let table = format!("{{key=\"{KEY}\"}}");
    let named = [(KEY_VARIABLE, KEY), ("METRICS_VERIFICATION_HEADER", "X-Scrape-Key")];
    for server in Server::ALL {
        let program = server.build(Profile::Debug).unwrap();
        let assert_status = |environment: &[_], header: &str, key: &str, expected: u16| {
            let running = server.start(&program, environment).unwrap();
            let line = format!("{header}: {key}").into_bytes();
            let response = exchange(running.address, &request("GET", "/metrics", &[&line])).unwrap();
            assert_eq!(response.status, expected, "{server:?}: {header}");
        };
        assert_status(&[(KEY_VARIABLE, WRONG)], "X-Metrics-Key", KEY, 401);
        assert_status(&named, "X-Scrape-Key", KEY, 200);
        assert_status(&[(KEY_VARIABLE, digits)], "X-Metrics-Key", digits, 200);
        assert_status(&[(KEY_VARIABLE, digits)], "X-Metrics-Key", digits.trim_start_matches('0'), 401);
        if server == Server::Rocket {
            assert_status(&[("ROCKET_METRICS_GUARD", &table)], "X-Metrics-Key", KEY, 200);
        }
    }
}

#[test]
fn a_bad_configuration_does_not_start() {
    let (table, digits) = (format!("{{key=\"{WRONG}\"}}"), "{key=1234567890123456789}");
    let key = (KEY_VARIABLE, KEY);
    let of_all = [
        (vec![(KEY_VARIABLE, "")], "METRICS_VERIFICATION_KEY: is empty; unset it"),
        (vec![("METRICS_VERIFICATION_KEY_FILE", "/no/such/key")], "/no/such/key: no such file"),
        (vec![key, ("METRIC_VERFICATION_NETWORK", "10.0.0.0/8")], "correct its name: METRICS_VERIFICATION_NETWORKS"),
    ];
    let of_rocket = [
        (vec![key, ("ROCKET_METRICS_GUARD", &*table)], "set here and in METRICS_VERIFICATION_KEY"),
        (
            vec![("ROCKET_METRICS_GUARD", digits)],
            "`metrics_guard.key` in `ROCKET_` environment variable(s): must be a string",
        ),
        (
            vec![key, ("ROCKET_METRICS_GUARD_NETWORKS", "10.0.0.0/8")],
            "ROCKET_METRICS_GUARD_NETWORKS: is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS",
        ),
    ];
    for server in Server::ALL {
        let program = server.build(Profile::Debug).unwrap();
        let of_rocket = of_rocket.iter().filter(|_| server == Server::Rocket);
        for (environment, expected) in of_all.iter().chain(of_rocket) {
            let output = Process::start(&mut server.command(&program, environment)).unwrap().wait_for_end().unwrap();
            assert!(output.contains(expected) && !output.contains("http://"), "{server:?}: {output}");
            assert!(!["1234567890123456789", KEY, WRONG].iter().any(|value| output.contains(value)), "{output}");
        }
    }
}

#[test]
fn the_open_mode_is_loud() {
    for server in Server::ALL {
        let program = server.build(Profile::Debug).unwrap();
        let mut running = server.start(&program, &[("METRICS_VERIFICATION_DISABLED", "true")]).unwrap();
        let response = exchange(running.address, &request("GET", "/metrics", &[])).unwrap();
        let body = String::from_utf8_lossy(&response.body).into_owned();
        assert!(response.status == 200 && body.contains("\nmetrics_guard_open 1\n"), "{server:?}: {body}");
        let warning = "EVERYONE can read the metrics";
        running.process.wait_for(|line| line.contains(warning).then_some(())).unwrap(); // printed by another thread
        let output = running.process.end().unwrap();
        assert_eq!(output.matches(warning).count(), 1, "{server:?}: {output}");
    }
}

#[test]
fn without_a_key_the_examples_make_one_and_print_what_uses_it() {
    // The rest of the configuration applies all the same.
    let named = [("METRICS_VERIFICATION_HEADER", "X-Scrape-Key")];
    for server in Server::ALL {
        let program = server.build(Profile::Debug).unwrap();
        let [one, another] = [(), ()].map(|()| {
            let (mut running, key) = server.start_without_a_key(&program, &named).unwrap();
            let status = |line: String| {
                exchange(running.address, &request("GET", "/metrics", &[line.as_bytes()])).unwrap().status
            };
            assert_eq!(status(format!("Authorization: Bearer {key}")), 200);
            assert_eq!(status(format!("X-Scrape-Key: {key}")), 200);
            assert_eq!(status(format!("X-Scrape-Key: {WRONG}")), 401);
            let target = format!("targets: [\"{}\"]", running.address);
            assert!(running.process.end().unwrap().contains(&target), "{server:?}");
            key
        });
        assert!(one.len() == 64 && one != another, "{server:?}");
    }
}
