//! The example with a listener of its own for the metrics: they are there and nowhere else, and guarded.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::net::SocketAddr;

use metrics_guard_tests::{
    KEY, WRONG,
    process::Process,
    server::{internal_command, internal_listener},
    wire::{exchange, with_bearer},
};

fn start(environment: &[(&str, &str)]) -> Process {
    let mut command = internal_command().unwrap();
    command.env("ROCKET_PORT", "0").env("METRICS_PORT", "0");
    Process::start(command.envs(environment.iter().copied())).unwrap()
}

fn status(server: SocketAddr, path: &str, key: &str) -> u16 {
    exchange(server, &with_bearer(path, key)).unwrap().status
}

#[test]
fn the_metrics_are_on_the_internal_listener_alone() {
    let mut process = start(&[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_ADDRESS", "127.0.0.2")]);
    let [public, internal] =
        ["127.0.0.1", "127.0.0.2"].map(|address| internal_listener(&mut process, address).unwrap());
    assert_eq!([status(public, "/", KEY), status(internal, "/", KEY)], [200, 404]);
    assert_eq!([status(public, "/metrics", KEY), status(internal, "/metrics", KEY)], [404, 200]);
    assert_eq!(status(internal, "/metrics", WRONG), 401);
    assert_eq!(process.end().unwrap().matches("launched from").count(), 2);
}

#[test]
fn without_a_key_neither_is_served() {
    let output = start(&[]).wait_for_end().unwrap();
    assert!(output.contains("METRICS_VERIFICATION_KEY: no key is configured"), "{output}");
    assert!(!output.contains("launched from"), "{output}");
}
