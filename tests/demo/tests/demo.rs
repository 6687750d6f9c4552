//! The demonstration makes a key if none is configured, prints it, and accepts it.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{net::SocketAddr, process::Command};

use metrics_guard_tests::{
    KEY, WRONG,
    process::Process,
    wire::{exchange, request, with_bearer},
};

fn start(name: &str, value: &str) -> (SocketAddr, Process) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-guard-demo"));
    let mut process = Process::start(command.env_clear().env("PORT", "0").env(name, value)).unwrap();
    let address = |line: &str| line.strip_prefix("listening on http://")?.parse().ok();
    (process.wait_for(address).unwrap(), process)
}

fn statuses(server: SocketAddr, key: &str) -> [u16; 3] {
    let requests = [request("GET", "/metrics", &[]), with_bearer("/metrics", WRONG), with_bearer("/metrics", key)];
    requests.map(|request| exchange(server, &request).unwrap().status)
}

#[test]
fn prints_a_new_key_with_its_curl_line_and_scrape_config() {
    let [one, another] = [(), ()].map(|()| {
        // The other settings apply to that key too.
        let (server, mut process) = start("METRICS_VERIFICATION_NETWORKS", "127.0.0.0/8");
        let key = process
            .wait_for(|line| Some(line.strip_suffix(" > metrics_key)")?.split_once("echo ")?.1.to_owned()))
            .unwrap();
        assert_eq!(statuses(server, &key), [401, 401, 200]);
        for line in [format!("curl -H @- http://{server}/metrics"), format!("targets: [\"{server}\"]")] {
            process.wait_for(|printed| printed.contains(&line).then_some(())).unwrap();
        }
        key
    });
    assert!(one.len() == 64 && one != another);
}

#[test]
fn makes_no_key_if_one_is_configured() {
    let (server, mut process) = start("METRICS_VERIFICATION_KEY", KEY);
    assert_eq!(statuses(server, KEY), [401, 401, 200]);
    assert!(!process.end().unwrap().contains("echo"));
}
