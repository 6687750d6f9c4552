//! The servers under test, as child processes. Each is the program `server` (src/bin/server.rs) with the name as its argument.

mod actix;
mod axum;
mod connections;
mod hyper;
mod rocket;
mod service;
mod under_test;
mod warp;

use std::{
    env::{self, consts::EXE_SUFFIX},
    fmt, io,
    net::SocketAddr,
    ops::Deref,
    process::Command,
};

use metrics_guard_core::{Guard, Key};
use tokio::runtime;
use tracing::subscriber::NoSubscriber;

use self::under_test::ANNOUNCEMENT;
pub use self::{
    service::PAGE,
    under_test::{Failure, Serving, Tls, UnderTest},
};
use crate::{keys::KEY, process::Process};

/// One of the servers under test.
#[derive(Clone, Copy)]
pub struct Server(&'static dyn UnderTest);

impl Server {
    /// All servers. No other list names them.
    pub const ALL: &[Server] = &[
        Server(&hyper::Hyper),
        Server(&axum::Axum),
        Server(&warp::Warp),
        Server(&rocket::Rocket),
        Server(&actix::Actix),
    ];

    /// The server for tests that need only one.
    pub const ANY: Server = Server::ALL[0];

    /// Returns the server with this name.
    pub fn named(name: &str) -> io::Result<Server> {
        let found = Server::ALL.iter().find(|server| server.name() == name);
        found.copied().ok_or_else(|| io::Error::other(format!("no server `{name}`")))
    }

    /// Starts the server with only this environment.
    pub fn start(self, environment: &[(&str, &str)]) -> io::Result<Running> {
        Running::start(&mut self.command(None, environment)?)
    }

    /// Starts the server with the bench's page, guarded or not.
    pub fn start_page(self, is_guarded: bool) -> io::Result<Running> {
        Running::start(self.command(None, &[])?.arg(if is_guarded { GUARDED } else { UNGUARDED }))
    }

    /// Returns the command that starts the server, with TLS if there are files for it. The program is in the parent folder of
    /// the test programs.
    pub fn command(self, tls: Option<&Tls>, environment: &[(&str, &str)]) -> io::Result<Command> {
        let test = env::current_exe()?;
        let mut command = Command::new(test.ancestors().nth(2).unwrap().join(format!("server{EXE_SUFFIX}")));
        command.arg(self.name()).env_clear().envs(environment.iter().copied());
        if let Some(Tls { certificate, key, authority }) = tls {
            command.arg("tls").args([certificate, key, authority]);
        }
        Ok(command)
    }
}

impl Deref for Server {
    type Target = dyn UnderTest;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A running server.
pub struct Running {
    /// The address of the server.
    pub address: SocketAddr,
    /// The process, which ends with this value.
    pub process: Process,
}

impl Running {
    /// Starts a server with this command, and waits until it listens.
    pub fn start(command: &mut Command) -> io::Result<Running> {
        let mut process = Process::start(command)?;
        let address = process.wait_for(|line| line.strip_prefix(ANNOUNCEMENT)?.parse().ok())?;
        Ok(Running { address, process })
    }
}

const GUARDED: &str = "guarded-page";
const UNGUARDED: &str = "page";

/// Runs the program `server` with these arguments.
pub fn serve(arguments: &[&str]) -> Result<(), Failure> {
    let server = Server::named(arguments.first().ok_or("no server: write its name")?)?;
    let tls = match arguments[1..] {
        [] => None,
        ["tls", certificate, key, authority] => {
            Some(Tls { certificate: certificate.into(), key: key.into(), authority: authority.into() })
        }
        [form @ (GUARDED | UNGUARDED)] => {
            let guard = if form == GUARDED { Some(Guard::new(Key::new(KEY)?)) } else { None };
            // One thread, so that no thread waits for another, and no CPU time is lost when a thread ends.
            return runtime::Builder::new_current_thread().enable_all().build()?.block_on(server.serve_page(guard));
        }
        _ => return Err("unknown arguments after the name".into()),
    };
    service::export()?;
    if server.has_own_log() {
        // Without a subscriber, tracing would repeat the lines of the adapter in that log.
        tracing::subscriber::set_global_default(NoSubscriber::new())?;
    } else {
        tracing::subscriber::set_global_default(tracing_subscriber::fmt().finish())?;
    }
    runtime::Runtime::new()?.block_on(server.serve(tls))
}
