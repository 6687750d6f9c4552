//! Tests that each server, with 64 file descriptors, continues to serve a scraper while hostile clients attack.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::thread;

use metrics_guard_tests::{
    KEY,
    certificates::Authority,
    hostile::{Ended, Target, with_few_descriptors},
    servers::{Running, Server},
};

const ENVIRONMENT: [(&str, &str); 2] = [
    ("METRICS_VERIFICATION_KEY", KEY),
    ("ROCKET_LOG_LEVEL", "off"), // at every other level, Rocket logs each broken connection
];

fn survives(server: Server, authority: Option<&Authority>) {
    let folder = tempfile::tempdir().unwrap();
    let tls = authority.map(|authority| authority.issue_to_server(folder.path()).unwrap());
    let client = authority.map(|authority| authority.client(None).unwrap());
    let command = server.command(tls.as_ref(), &ENVIRONMENT).unwrap();
    let mut running = Running::start(&mut with_few_descriptors(&command)).unwrap();
    let target = Target { address: running.address, client: client.as_ref(), key: KEY };
    let ended = if server.closes_connections() { Ended::ByTheServer } else { Ended::ByTheAttacker };
    let survived = target.survives(&mut running.process, ended);
    assert!(survived.is_ok(), "{server:?}: {survived:?}");
}

#[test]
#[ignore = "attacks for a minute: .ci/run flood"]
fn servers_survive_hostile_clients() {
    thread::scope(|scope| {
        for server in Server::ALL {
            scope.spawn(|| survives(*server, None));
        }
    });
}

#[test]
#[ignore = "attacks for a minute: .ci/run flood"]
fn servers_with_tls_survive_hostile_clients() {
    let authority = Authority::new().unwrap();
    thread::scope(|scope| {
        for server in Server::ALL {
            scope.spawn(|| survives(*server, Some(&authority)));
        }
    });
}
