//! With the query switched on, no key comes into Rocket's own log: read from the output of the example as it is
//! deployed, and as it is developed.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use metrics_guard_tests::{
    KEY, WRONG,
    server::{Profile, Running, Server},
    wire::{exchange, request},
};

const ENABLED: (&str, &str) = ("METRICS_VERIFICATION_DISABLED", "false");
const DISABLED: (&str, &str) = ("METRICS_VERIFICATION_DISABLED", "true");

fn start(profile: Profile, setting: (&str, &str)) -> Running {
    let example = Server::Rocket.build(profile).unwrap();
    let environment = [("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_QUERY", "key"), setting];
    // The default of the profile: in release, Rocket logs what is an error or a warning.
    Server::Rocket.start(&example, &environment).unwrap()
}

fn status(server: &Running, method: &str, target: &str) -> u16 {
    exchange(server.address, &request(method, target, &[])).unwrap().status
}

/// Ends the server, and returns what it printed. The example prints on a thread of its own, so this waits for a line of the
/// last request.
fn ended(mut server: Running, last: &str) -> String {
    server.process.wait_for(|line| line.contains(last).then_some(())).unwrap();
    server.process.end().unwrap()
}

fn no_key_is_logged(profile: Profile) {
    let server = start(profile, ENABLED);
    assert_eq!(status(&server, "GET", &format!("/metrics?key={KEY}")), 200);
    assert_eq!(status(&server, "HEAD", &format!("/metrics?key={KEY}&seen=head")), 200);
    assert_eq!(status(&server, "GET", &format!("/metrics?key={WRONG}&seen=get")), 401);
    assert_eq!(status(&server, "HEAD", &format!("/metrics?key={WRONG}")), 401);
    for target in ["/no-such-path", "/no-such-path/metrics", "/%6detricz"] {
        assert_eq!(status(&server, "GET", &format!("{target}?key={KEY}&seen=here")), 404);
    }
    // Malformed pairs hold the key just as well; so do later ones, and escaped names.
    for query in ["key=K%", "key=K;a=1", "a=1;key=K", "key=wrong&key=K", "%6bey=%zz&k%65y=K", "key=K#f", "key=K|"] {
        let target = format!("/no-such-path?{}", query.replace('K', KEY));
        assert_eq!(status(&server, "GET", &target), 404, "{query}");
    }
    for method in ["POST", "OPTIONS", "TRACE", "PATCH"] {
        assert_eq!(status(&server, method, &format!("/metrics?key={KEY}")), 404);
    }

    let output = ended(server, "No matching routes for PATCH /metrics");
    // The log does show URIs, in either profile: with the rest of the query.
    assert!(output.contains("No matching routes for HEAD /metrics?seen=head"), "{output}");
    assert!(output.contains("No matching routes for GET /no-such-path?seen=here"), "{output}");
    for key in [KEY, WRONG] {
        assert!(!output.contains(key), "{output}");
    }
}

#[test]
fn no_key_is_logged_in_release() {
    no_key_is_logged(Profile::Release);
}

#[test]
fn no_key_is_logged_in_debug() {
    no_key_is_logged(Profile::Debug);
}

/// Scrapers go on sending the key to a guard that was disabled.
#[test]
fn no_key_is_logged_by_a_disabled_guard() {
    let server = start(Profile::Debug, DISABLED);
    assert_eq!(status(&server, "GET", "/metrics"), 200);
    assert_eq!(status(&server, "HEAD", &format!("/metrics?key={KEY}&seen=head")), 200);
    let output = ended(server, "No matching routes for HEAD /metrics?seen=head");
    assert!(!output.contains(KEY), "{output}");
}

/// Rocket logs these lines before any fairing runs, so the example's own logger must hide what the client sent. If Rocket no
/// longer logs one of them, remove it from the documentation too.
#[test]
fn no_key_is_logged_of_a_request_that_no_fairing_sees() {
    let server = start(Profile::Debug, ENABLED);
    let targets = ["/metrics?key=K", "http://x?key=K", "/metrics|?key=K", "/metrics;key=K", "/metrics%3Fkey=K", "/a/K"];
    let known = ["GET", "HEAD", "OPTIONS"].map(|method| targets.map(|target| (method, target)));
    let unknown = [("FOO", "/metrics?key=K"), ("get", "/metrics?key=K"), ("PROPFIND", "/metrics?key=K"), ("K", "/")];
    for (method, target) in unknown.into_iter().chain([("CONNECT", "K:443")]).chain(known.into_iter().flatten()) {
        status(&server, &method.replace('K', KEY), &target.replace('K', KEY));
    }
    status(&server, "GET", "/last");
    let output = ended(server, "GET /last:");
    for line in
        ["Dispatching salvaged request to catcher: …", "URI validity discord: …", "No matching routes for GET /…"]
    {
        assert!(output.contains(line), "{line}: {output}");
    }
    for part in [&KEY[..16], &KEY[16..32]] {
        assert!(!output.contains(part), "{output}");
    }
}
