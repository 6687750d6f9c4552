//! The examples survive hostile clients: with 64 file descriptors each, they go on answering a scraper.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::thread;

use metrics_guard_tests::{
    KEY,
    certificates::{Authority, Validity},
    hostile::{Ended, Target, with_few_descriptors},
    server::{Profile, Server},
};

const ENVIRONMENT: [(&str, &str); 2] = [
    ("METRICS_VERIFICATION_KEY", KEY),
    ("ROCKET_LOG_LEVEL", "critical"), // the default of a release build
];

/// Rocket sets no time limit, and has no setting for one.
fn ended(server: Server) -> Ended {
    if server == Server::Rocket { Ended::ByTheAttacker } else { Ended::ByTheServer }
}

#[test]
fn the_examples_survive_hostile_clients() {
    let programs = Server::ALL.map(|server| server.build(Profile::Debug).unwrap());
    thread::scope(|scope| {
        for (server, program) in Server::ALL.into_iter().zip(&programs) {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let script = with_few_descriptors(folder.path(), program).unwrap();
                let mut running = server.start(&script, &ENVIRONMENT).unwrap();
                let target = Target { address: running.address, client: None, key: KEY };
                let survived = target.survives(&mut running.process, ended(server));
                assert!(survived.is_ok(), "{server:?}: {survived:?}");
            });
        }
    });
}

#[test]
fn the_examples_behind_tls_survive_hostile_clients() {
    let programs = Server::ALL.map(|server| server.build_tls().unwrap());
    let authority = Authority::new().unwrap();
    let client = authority.client(None).unwrap();
    thread::scope(|scope| {
        for (server, program) in Server::ALL.into_iter().zip(&programs) {
            let (authority, client) = (&authority, &client);
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let script = with_few_descriptors(folder.path(), program).unwrap();
                let identity =
                    authority.issue(folder.path(), server.name(), &["localhost"], Validity::Current).unwrap();
                let ca = folder.path().join("ca.pem");
                authority.write(&ca).unwrap();
                let files = [&identity.certificate, &identity.key, &ca].map(|path| path.to_str().unwrap());
                let mut running = server.start_tls(&script, files, &ENVIRONMENT).unwrap();
                let target = Target { address: running.address, client: Some(client), key: KEY };
                let survived = target.survives(&mut running.process, ended(server));
                assert!(survived.is_ok(), "{server:?}: {survived:?}");
            });
        }
    });
}
