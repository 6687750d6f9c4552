//! Runs a server under test: `server NAME`, then the files for TLS, or the bench's page.

use std::env;

use metrics_guard_tests::servers::{Failure, serve};

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    serve(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}
