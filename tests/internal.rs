//! The example with a listener of its own for the metrics: they are there and nowhere else, and guarded.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use metrics_guard_tests::{
    KEY, WRONG, build,
    process::Process,
    wire::{exchange, request},
};

fn start(environment: &[(&str, &str)]) -> Process {
    let example = build::example("metrics-guard-rocket", "internal").features("mtls").run().unwrap();
    let mut command = Command::new(example.path());
    command.env_clear().env("ROCKET_PORT", "0").env("ROCKET_CLI_COLORS", "false").env("METRICS_PORT", "0");
    Process::start(command.envs(environment.iter().copied())).unwrap()
}

fn addresses(process: &Process) -> Vec<SocketAddr> {
    let output = process.output();
    let launched = output.lines().filter_map(|line| line.split_once("launched from http://")?.1.trim().parse().ok());
    launched.collect()
}

fn status(server: SocketAddr, path: &str, key: &str) -> u16 {
    let line = format!("Authorization: Bearer {key}");
    exchange(server, &request("GET", path, &[line.as_bytes()])).unwrap().status
}

#[test]
fn the_metrics_are_on_the_internal_listener_alone() {
    let process = start(&[("METRICS_VERIFICATION_KEY", KEY), ("METRICS_ADDRESS", "127.0.0.2")]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while addresses(&process).len() < 2 {
        assert!(Instant::now() < deadline, "{}", process.output());
        thread::sleep(Duration::from_millis(20));
    }
    let (public, internal): (Vec<_>, Vec<_>) =
        addresses(&process).into_iter().partition(|server| status(*server, "/", KEY) == 200);
    assert_eq!((public.len(), internal.len()), (1, 1));
    assert_eq!((public[0].ip().to_string(), internal[0].ip().to_string()), ("127.0.0.1".into(), "127.0.0.2".into()));
    assert_eq!(status(public[0], "/metrics", KEY), 404);
    assert_eq!(status(internal[0], "/metrics", KEY), 200);
    assert_eq!(status(internal[0], "/metrics", WRONG), 401);
}

#[test]
fn without_a_key_neither_is_served() {
    let output = start(&[]).wait_for_end().unwrap();
    assert!(output.contains("METRICS_VERIFICATION_KEY: no key is configured"), "{output}");
    assert!(!output.contains("launched from"), "{output}");
}
