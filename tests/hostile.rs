//! The examples survive hostile clients: with 64 file descriptors each, they go on answering a scraper.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use metrics_guard_tests::{
    KEY,
    certificates::{Authority, Validity},
    hostile::{Ended, Target, with_few_descriptors},
    process::Process,
    server::{Profile, Server, internal_command, internal_listener},
    wire::{exchange, with_bearer},
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

mod full_pipe;

const ENVIRONMENT: [(&str, &str); 2] = [
    ("METRICS_VERIFICATION_KEY", KEY),
    ("ROCKET_LOG_LEVEL", "critical"), // the default of a release build
];

/// Rocket sets no time limit, and has no setting for one.
fn ended(server: Server) -> Ended {
    if server == Server::Rocket { Ended::ByTheAttacker } else { Ended::ByTheServer }
}

#[test]
#[ignore = "builds and attacks for minutes: .ci/run flood"]
fn the_examples_survive_hostile_clients() {
    let programs = Server::ALL.map(|server| server.build(Profile::Debug).unwrap());
    let mut internal = internal_command().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            internal.envs(ENVIRONMENT).envs([("ROCKET_PORT", "0"), ("METRICS_PORT", "0")]);
            internal.env("METRICS_ADDRESS", "127.0.0.2");
            let mut process = Process::start(&mut with_few_descriptors(&internal)).unwrap();
            let address = internal_listener(&mut process, "127.0.0.2").unwrap();
            let survived = Target { address, client: None, key: KEY }.survives(&mut process, Ended::ByTheAttacker);
            assert!(survived.is_ok(), "internal: {survived:?}");
        });
        for (server, program) in Server::ALL.into_iter().zip(&programs) {
            scope.spawn(move || {
                let command = server.command(program, &ENVIRONMENT);
                let mut running = server.run(&mut with_few_descriptors(&command)).unwrap();
                let target = Target { address: running.address, client: None, key: KEY };
                let survived = target.survives(&mut running.process, ended(server));
                assert!(survived.is_ok(), "{server:?}: {survived:?}");
            });
        }
    });
}

#[test]
#[ignore = "builds and attacks for minutes: .ci/run flood"]
fn the_examples_behind_tls_survive_hostile_clients() {
    let programs = Server::ALL.map(|server| server.build_tls().unwrap());
    let authority = Authority::new().unwrap();
    let client = authority.client(None).unwrap();
    thread::scope(|scope| {
        for (server, program) in Server::ALL.into_iter().zip(&programs) {
            let (authority, client) = (&authority, &client);
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let identity =
                    authority.issue(folder.path(), server.name(), &["localhost"], Validity::Current).unwrap();
                let ca = folder.path().join("ca.pem");
                authority.write(&ca).unwrap();
                let files = [&identity.certificate, &identity.key, &ca].map(|path| path.to_str().unwrap());
                let command = server.command_tls(program, files, &ENVIRONMENT);
                let mut running = server.run(&mut with_few_descriptors(&command)).unwrap();
                let target = Target { address: running.address, client: Some(client), key: KEY };
                let survived = target.survives(&mut running.process, ended(server));
                assert!(survived.is_ok(), "{server:?}: {survived:?}");
            });
        }
    });
}

/// An error of `accept` that comes again and again neither ends a server nor fills its log.
#[test]
#[ignore = "builds and attacks for minutes: .ci/run flood"]
fn the_examples_survive_a_time_without_descriptors() {
    let programs = Server::ALL.map(|server| server.build(Profile::Debug).unwrap());
    for (server, program) in Server::ALL.into_iter().zip(&programs) {
        let mut running = server.start(program, &ENVIRONMENT).unwrap();
        let pid = Pid::from_raw(running.process.id().try_into().unwrap());
        let limit = |descriptors| Rlimit { current: Some(descriptors), maximum: Some(maximum()) };
        prlimit(pid, Resource::Nofile, limit(3)).unwrap(); // it has more open already
        let lines = running.process.output().lines().count();
        let waiting: Vec<_> = (0..5).map(|_| TcpStream::connect(running.address).unwrap()).collect();
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            assert!(!running.process.has_ended().unwrap(), "{server:?}: {}", running.process.output());
            thread::sleep(Duration::from_millis(50));
        }
        drop(waiting);
        prlimit(pid, Resource::Nofile, limit(maximum())).unwrap();
        let response = exchange(running.address, &with_bearer("/metrics", KEY)).unwrap();
        assert_eq!(response.status, 200, "{server:?}");
        let added = running.process.output().lines().count() - lines;
        assert!(added <= 20, "{server:?} has logged {added} lines: {}", running.process.output());
    }
}

/// Clients can cause any number of errors and rejections, and none of them waits for an output that nobody reads.
#[test]
#[ignore = "builds and attacks for minutes: .ci/run flood"]
fn a_full_output_does_not_stop_an_example() {
    for server in Server::ALL {
        let (unread, full) = io::pipe().unwrap();
        let mut command = server.command(&server.build(Profile::Events).unwrap(), &ENVIRONMENT);
        command.stdin(Stdio::null()).stdout(full.try_clone().unwrap()).stderr(full.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let address = |line: String| line.rsplit_once("http://")?.1.parse::<SocketAddr>().ok();
        let address = BufReader::new(&unread).lines().map_while(Result::ok).find_map(address).unwrap();
        full_pipe::fill(&full, true).unwrap();
        for nonsense in ["no HTTP\r\n\r\n", "OPTIONS * HTTP/1.1\r\n\r\n", "GET /metrics HTTP/1.1\r\n\r\n"].repeat(20) {
            TcpStream::connect(address).unwrap().write_all(nonsense.as_bytes()).unwrap();
        }
        let answers = [(); 5].map(|()| exchange(address, &with_bearer("/metrics", KEY)).map(|answer| answer.status));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(answers.iter().all(|status| matches!(status, Ok(200))), "{server:?}: {answers:?}");
    }
}

fn maximum() -> u64 {
    rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(1024)
}
