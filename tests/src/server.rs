//! The examples as servers under test: built as a user builds them, run as child processes.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::Process;

/// A server under test. Adding one is adding an entry here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// `metrics-guard-rocket/examples/metrics.rs`
    Rocket,
}

impl Server {
    /// All of them.
    pub const ALL: [Server; 1] = [Server::Rocket];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Server::Rocket => "rocket",
        }
    }

    const fn package(self) -> &'static str {
        match self {
            Server::Rocket => "metrics-guard-rocket",
        }
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// If it does not compile.
    pub fn build(self, profile: Profile) -> io::Result<PathBuf> {
        let cargo = escargot::CargoBuild::new().package(self.package()).example("metrics");
        let cargo = match profile {
            Profile::Debug => cargo,
            Profile::Release => cargo.release(),
        };
        cargo.run().map(|run| run.path().to_owned()).map_err(io::Error::other)
    }

    /// Starts what [`build`](Server::build) made, with `environment` and nothing of ours, on a port that the system
    /// gives.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn start(self, program: &Path, environment: &[(&str, &str)]) -> io::Result<Running> {
        let mut process = Process::start(&mut self.command(program, environment))?;
        let address = process.wait_for(|line| line.split_once("launched from http://")?.1.trim().parse().ok())?;
        Ok(Running { address, process })
    }

    /// The command that [`start`](Server::start) runs.
    #[must_use]
    pub fn command(self, program: &Path, environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("ROCKET_PORT", "0").env("ROCKET_CLI_COLORS", "false").envs(environment.iter().copied());
        command
    }
}

/// How a server is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As `cargo run` does.
    Debug,
    /// As it is deployed.
    Release,
}

/// A server that is up.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, which ends with this value.
    pub process: Process,
}
