//! The examples as servers under test: built as a user builds them, run as child processes.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    build::{example, once},
    process::Process,
};

/// A server under test. Adding one is adding an entry here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// `metrics-guard-rocket/examples/metrics.rs`
    Rocket,
    /// `metrics-guard-warp/examples/metrics.rs`
    Warp,
    /// `metrics-guard-tower/examples/axum.rs`
    Axum,
    /// `metrics-guard-core/examples/hyper.rs`
    Hyper,
}

impl Server {
    /// All of them.
    pub const ALL: [Server; 4] = [Server::Rocket, Server::Warp, Server::Axum, Server::Hyper];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Server::Rocket => "rocket",
            Server::Warp => "warp",
            Server::Axum => "axum",
            Server::Hyper => "hyper",
        }
    }

    /// Builds it.
    pub fn build(self, profile: Profile) -> io::Result<PathBuf> {
        let cargo = match self {
            // With the feature, so that one build of Rocket does for all tests.
            Server::Rocket => example("metrics-guard-rocket", "metrics").features("mtls"),
            Server::Warp => example("metrics-guard-warp", "warp"),
            Server::Axum => example("metrics-guard-tower", "axum").features("axum"),
            Server::Hyper => example("metrics-guard-core", "hyper").features("macros"),
        };
        let cargo = match profile {
            Profile::Debug => cargo,
            Profile::Events => cargo.features("tracing"),
            Profile::Release => cargo.release().features("tracing"),
        };
        once(format!("{} {profile:?}", self.name()), cargo)
    }

    /// Builds its example behind TLS. Rocket's is the same one.
    pub fn build_tls(self) -> io::Result<PathBuf> {
        let cargo = match self {
            Server::Rocket => return self.build(Profile::Debug),
            Server::Warp => example("metrics-guard-warp", "warp_tls"),
            Server::Axum => example("metrics-guard-tower", "axum_tls").features("axum"),
            Server::Hyper => example("metrics-guard-core", "hyper_tls").features("macros"),
        };
        once(format!("{} with TLS", self.name()), cargo)
    }

    /// The command of what [`build_tls`](Server::build_tls) made, with the certificate and the key in these files, and to
    /// trust the client certificates of the authority in the third.
    pub fn command_tls(
        self,
        program: &Path,
        [certificate, key, authority]: [&str; 3],
        environment: &[(&str, &str)],
    ) -> Command {
        let rocket = format!("{{certs={certificate:?},key={key:?},mutual={{ca_certs={authority:?},mandatory=false}}}}");
        let tls = match self {
            Server::Rocket => vec![("ROCKET_TLS", rocket.as_str())],
            Server::Warp | Server::Axum | Server::Hyper => {
                vec![("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key), ("TLS_CLIENT_CA_FILE", authority)]
            }
        };
        self.command(program, &[&tls, environment].concat())
    }

    /// Starts what [`build`](Server::build) made, with `environment` and nothing of ours, on a port that the system
    /// gives.
    pub fn start(self, program: &Path, environment: &[(&str, &str)]) -> io::Result<Running> {
        self.run(&mut self.command(program, environment))
    }

    /// Starts this command, and waits until the server listens.
    pub fn run(self, command: &mut Command) -> io::Result<Running> {
        let announcement = match self {
            Server::Rocket => "launched from http",
            Server::Warp | Server::Axum | Server::Hyper => "listening on http",
        };
        let mut process = Process::start(command)?;
        let address = process.wait_for(|line| {
            let url = line.split_once(announcement)?.1.trim();
            url.trim_start_matches('s').strip_prefix("://")?.parse().ok()
        })?;
        Ok(Running { address, process })
    }

    /// Starts what [`build`](Server::build) made without a key, so that it makes one for the run: that is the second. What
    /// it prints of it says where it listens, also where Rocket's log is off.
    pub fn start_without_a_key(self, program: &Path, environment: &[(&str, &str)]) -> io::Result<(Running, String)> {
        let mut process = Process::start(&mut self.command(program, environment))?;
        let key = process.wait_for(|line| {
            let (_, key) = line.strip_suffix(" > metrics_key)")?.split_once("echo ")?;
            Some(key.to_owned())
        })?;
        let address = process.wait_for(|line| {
            let (_, address) = line.strip_suffix("/metrics")?.split_once("curl -H @- http://")?;
            address.parse().ok()
        })?;
        Ok((Running { address, process }, key))
    }

    /// The command that [`start`](Server::start) runs, on a port that the system gives.
    pub fn command(self, program: &Path, environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        match self {
            Server::Rocket => command.env("ROCKET_PORT", "0").env("ROCKET_CLI_COLORS", "false"),
            Server::Warp | Server::Axum | Server::Hyper => command.env("PORT", "0"),
        };
        command.envs(environment.iter().copied());
        command
    }
}

/// The command of Rocket's example with a listener of its own for the metrics, with nothing of our environment.
pub fn internal_command() -> io::Result<Command> {
    // With the feature, as above.
    let program = once("internal".to_owned(), example("metrics-guard-rocket", "internal").features("mtls"))?;
    let mut command = Command::new(program);
    command.env_clear().env("ROCKET_CLI_COLORS", "false");
    Ok(command)
}

/// Waits for its listener at this address, and gives its port too.
pub fn internal_listener(process: &mut Process, address: &str) -> io::Result<SocketAddr> {
    process.wait_for(|line| {
        let server: SocketAddr = line.split_once("launched from http://")?.1.trim().parse().ok()?;
        (server.ip().to_string() == address).then_some(server)
    })
}

/// How a server is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As `cargo run` does.
    Debug,
    /// The same, with the guard's events in the log.
    Events,
    /// As it is deployed, with the guard's events in the log.
    Release,
}

/// A server that is up.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, which ends with this value.
    pub process: Process,
}
