//! The trait of a server under test, and code that the servers share.

use std::{error::Error, net::SocketAddr, path::PathBuf, pin::Pin};

use metrics_guard_core::Guard;

/// Why a server does not start.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A server that runs until its process ends.
pub type Serving = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// A server under test. Its methods describe everything that differs between servers, so that a new server is one file and one
/// line in [`Server::ALL`](super::Server::ALL).
pub trait UnderTest: Sync {
    /// Returns its name, in reports and on the command line.
    fn name(&self) -> &'static str;

    /// Serves the test service, with the guard that the environment configures, on a port that the system chooses.
    /// Announces the address.
    fn serve(&self, tls: Option<Tls>) -> Serving;

    /// Serves the bench's page as the server's users would, with this guard or without one, and announces the address.
    fn serve_page(&self, guard: Option<Guard>) -> Serving;

    /// Returns whether a rejection has the body of `Denied::body`. Otherwise, its body is empty.
    fn has_body_in_rejections(&self) -> bool {
        true
    }

    /// Returns whether the headers of its responses have a fixed order.
    fn has_header_order(&self) -> bool {
        true
    }

    /// Returns the `Allow` header in the rejection of a method that the route does not have.
    fn allow_in_rejections(&self) -> Option<&'static str> {
        None
    }

    /// Returns whether the server has its own log, which shows the targets of requests.
    fn has_own_log(&self) -> bool {
        false
    }

    /// Returns whether the output has the reason why a TLS handshake failed.
    fn logs_failed_handshakes(&self) -> bool {
        true
    }

    /// Returns the maximal CPU time of a guarded request, as a multiple of an unguarded one.
    fn cost_limit(&self) -> f64 {
        1.03
    }
}

/// The PEM files of a server with TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The authority of the clients' certificates, which are optional.
    pub authority: PathBuf,
}

/// The beginning of the line that a server prints when it listens.
pub(super) const ANNOUNCEMENT: &str = "listening on ";

pub(super) fn announce(address: SocketAddr) {
    println!("{ANNOUNCEMENT}{address}");
}
