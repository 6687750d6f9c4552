//! Starts servers with different environments, and checks their responses and their output. The tests of the core and of the
//! Rocket adapter check which settings are errors.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use metrics_guard_tests::{
    KEY, WRONG,
    process::Process,
    servers::{Running, Server},
    wire::{exchange, request},
};

const KEY_VARIABLE: &str = "METRICS_VERIFICATION_KEY";

#[test]
fn environment_variables_configure_the_guard() {
    // A key of digits is not a number: leading zeros count.
    let digits = "00718264935017284659301827465930";
    let named = [(KEY_VARIABLE, KEY), ("METRICS_VERIFICATION_HEADER", "X-Scrape-Key")];
    let assert_status = |server: Server, environment: &[_], header: &str, key: &str, expected: u16| {
        let running = server.start(environment).unwrap();
        let line = format!("{header}: {key}").into_bytes();
        let response = exchange(running.address, &request("GET", "/metrics", &[&line])).unwrap();
        assert_eq!(response.status, expected, "{server:?}: {header}");
    };
    for server in Server::ALL {
        assert_status(*server, &[(KEY_VARIABLE, WRONG)], "X-Metrics-Key", KEY, 401);
        assert_status(*server, &named, "X-Scrape-Key", KEY, 200);
        assert_status(*server, &[(KEY_VARIABLE, digits)], "X-Metrics-Key", digits, 200);
        assert_status(*server, &[(KEY_VARIABLE, digits)], "X-Metrics-Key", digits.trim_start_matches('0'), 401);
    }
    let table = format!("{{key=\"{KEY}\"}}");
    assert_status(Server::named("rocket").unwrap(), &[("ROCKET_METRICS_GUARD", &table)], "X-Metrics-Key", KEY, 200);
}

#[test]
fn server_does_not_start_with_an_invalid_setting() {
    let assert_prints = |server: Server, environment: &[_], expected: &str| {
        let mut process = Process::start(&mut server.command(None, environment).unwrap()).unwrap();
        let output = process.wait_for_end().unwrap();
        assert!(output.contains(expected) && !output.contains("listening on"), "{server:?}: {output}");
        assert!(!["1234567890123456789", KEY].iter().any(|value| output.contains(value)), "{output}");
    };
    for server in Server::ALL {
        let environment = [(KEY_VARIABLE, KEY), ("METRIC_VERFICATION_NETWORK", "10.0.0.0/8")];
        assert_prints(*server, &environment, "unknown setting; write METRICS_VERIFICATION_NETWORKS instead");
    }
    let expected = "`metrics_guard.key` in `ROCKET_` environment variable(s): must be a string";
    assert_prints(Server::named("rocket").unwrap(), &[("ROCKET_METRICS_GUARD", "{key=1234567890123456789}")], expected);
}

#[test]
fn disabled_guard_logs_one_warning_and_exports_a_gauge() {
    for server in Server::ALL {
        let mut running = server.start(&[("METRICS_VERIFICATION_DISABLED", "true")]).unwrap();
        let response = exchange(running.address, &request("GET", "/metrics", &[])).unwrap();
        let body = response.text();
        let series = "\nmetrics_guard_open{guard=\"metrics\"} 1\n";
        assert!(response.status == 200 && body.contains(series), "{server:?}: {body}");
        let warning = "EVERYONE can read what it should protect";
        running.process.wait_for(|line| line.contains(warning).then_some(())).unwrap(); // printed by another thread
        let output = running.process.end().unwrap();
        assert_eq!(output.matches(warning).count(), 1, "{server:?}: {output}");
    }
}

/// Rocket logs the target of each request. `critical` is the default of a release build. A scraper continues to send the key
/// after the guard is disabled.
#[test]
fn rocket_logs_no_key_in_the_query() {
    for (level, is_disabled) in [("normal", "false"), ("critical", "false"), ("normal", "true")] {
        let environment = [
            (KEY_VARIABLE, KEY),
            ("METRICS_VERIFICATION_QUERY", "key"),
            ("METRICS_VERIFICATION_DISABLED", is_disabled),
            ("ROCKET_LOG_LEVEL", level),
        ];
        let mut server = Server::named("rocket").unwrap().start(&environment).unwrap();
        let rejected = if is_disabled == "true" { 200 } else { 401 };
        assert_eq!(status(&server, "GET", &format!("/metrics?key={KEY}")), 200);
        assert_eq!(status(&server, "HEAD", &format!("/metrics?key={KEY}&seen=head")), 200);
        assert_eq!(status(&server, "GET", &format!("/metrics?key={WRONG}&seen=get")), rejected);
        assert_eq!(status(&server, "HEAD", &format!("/metrics?key={WRONG}")), rejected);
        for target in ["/no-such-path", "/no-such-path/metrics", "/%6detricz"] {
            assert_eq!(status(&server, "GET", &format!("{target}?key={KEY}&seen=here")), 404);
        }
        // A malformed pair, a later pair and an escaped name can contain the key too.
        for query in ["key=K%", "key=K;a=1", "a=1;key=K", "key=wrong&key=K", "%6bey=%zz&k%65y=K", "key=K#f", "key=K|"] {
            let target = format!("/no-such-path?{}", query.replace('K', KEY));
            assert_eq!(status(&server, "GET", &target), 404, "{query}");
        }
        for method in ["POST", "OPTIONS", "TRACE", "PATCH"] {
            assert_eq!(status(&server, method, &format!("/metrics?key={KEY}")), 404);
        }

        server.process.wait_for(|line| line.contains("routes for PATCH /metrics").then_some(())).unwrap();
        let output = server.process.end().unwrap();
        // At each level, the log shows the rest of the query.
        assert!(output.contains("No matching routes for HEAD /metrics?seen=head"), "{output}");
        assert!(output.contains("No matching routes for GET /no-such-path?seen=here"), "{output}");
        assert!(!output.contains(KEY) && !output.contains(WRONG), "{output}");
    }
}

fn status(server: &Running, method: &str, target: &str) -> u16 {
    exchange(server.address, &request(method, target, &[])).unwrap().status
}
