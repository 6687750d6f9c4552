//! Tests that a key in the query is not in Rocket's log.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use metrics_guard_tests::{
    KEY, WRONG,
    servers::Server,
    wire::{exchange, request},
};

/// Rocket logs the target of each request. `critical` is the default of a release build. A scraper continues to send the key
/// after the guard is disabled. The catalogue sends more methods and queries, and checks the log too.
#[test]
fn rocket_logs_no_key_in_the_query() {
    for (level, is_disabled) in [("normal", "false"), ("critical", "false"), ("normal", "true")] {
        let environment = [
            ("METRICS_VERIFICATION_KEY", KEY),
            ("METRICS_VERIFICATION_QUERY", "key"),
            ("METRICS_VERIFICATION_DISABLED", is_disabled),
            ("ROCKET_LOG_LEVEL", level),
        ];
        let mut server = Server::named("rocket").unwrap().start(&environment).unwrap();
        let status =
            |method: &str, target: &str| exchange(server.address, &request(method, target, &[])).unwrap().status;
        let rejected = if is_disabled == "true" { 200 } else { 401 };
        assert_eq!(status("HEAD", &format!("/metrics?key={KEY}&seen=head")), 200);
        assert_eq!(status("HEAD", &format!("/metrics?key={WRONG}")), rejected);
        for target in ["/no-such-path", "/%6detricz"] {
            assert_eq!(status("GET", &format!("{target}?key={KEY}&seen=here")), 404);
        }
        // A malformed pair, a later pair and an escaped name can contain the key too.
        for query in ["key=K%", "key=K;a=1", "a=1;key=K", "key=wrong&key=K", "%6bey=%zz&k%65y=K", "key=K#f", "key=K|"] {
            assert_eq!(status("GET", &format!("/no-such-path?{}", query.replace('K', KEY))), 404, "{query}");
        }
        assert_eq!(status("PATCH", &format!("/metrics?key={KEY}")), 404);

        server.process.wait_for(|line| line.contains("routes for PATCH /metrics").then_some(())).unwrap();
        let output = server.process.end().unwrap();
        // At each level, the log shows the rest of the query.
        assert!(output.contains("No matching routes for HEAD /metrics?seen=head"), "{output}");
        assert!(output.contains("No matching routes for GET /no-such-path?seen=here"), "{output}");
        assert!(!output.contains(KEY) && !output.contains(WRONG), "{output}");
    }
}
