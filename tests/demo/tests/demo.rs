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

fn assert_accepts_only(server: SocketAddr, key: &str) {
    let requests = [request("GET", "/metrics", &[]), with_bearer("/metrics", WRONG), with_bearer("/metrics", key)];
    assert_eq!(requests.map(|request| exchange(server, &request).unwrap().status), [401, 401, 200]);
}

#[test]
fn prints_a_new_key_that_it_accepts() {
    let keys = [(), ()].map(|()| {
        // The other settings apply to that key too.
        let (server, mut process) = start("METRICS_VERIFICATION_NETWORKS", "127.0.0.0/8");
        let command = |line: &str| Some(line.strip_suffix(" > metrics_key)")?.split_once("echo ")?.1.to_owned());
        let key = process.wait_for(command).unwrap();
        assert_accepts_only(server, &key);
        key
    });
    assert!(keys[0].len() == 64 && keys[0] != keys[1]);
}

#[test]
fn makes_no_key_if_one_is_configured() {
    let (server, mut process) = start("METRICS_VERIFICATION_KEY", KEY);
    assert_accepts_only(server, KEY);
    assert!(!process.end().unwrap().contains("echo"));
}
