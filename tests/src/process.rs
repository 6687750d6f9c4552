//! A child process that ends with its owner, and its output.

use std::{
    convert::Infallible,
    env,
    io::{self, BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::wait::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running child. Dropping it kills it.
pub struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command`, and reads its stdout and stderr.
    pub fn start(command: &mut Command) -> io::Result<Process> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = Arc::default();
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&output)),
            collect(child.stderr.take().unwrap(), Arc::clone(&output)),
        ];
        Ok(Process { child, output, readers })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output that has been read so far. [`end`](Process::end) returns all of it.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits until `find` returns a value for a line of the output.
    pub fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        let mut found = None;
        until(PATIENCE, || {
            // Asked before the output is read, so that the last lines of a child count.
            let has_ended = self.has_ended()?;
            found = self.output().lines().find_map(&find);
            Ok::<_, io::Error>(found.is_some() || has_ended)
        })?;
        found.ok_or_else(|| io::Error::other(format!("the process printed no expected line:\n{}", self.output())))
    }

    /// Waits until the child listens at `address`.
    pub fn wait_for_listener(&mut self, address: SocketAddr) -> io::Result<()> {
        let listens = until(PATIENCE, || Ok::<_, Infallible>(TcpStream::connect(address).is_ok())).unwrap();
        // Another process may have taken the port.
        let is_ours = listens && !self.has_ended()?;
        assert!(is_ours, "the process does not listen at {address}:\n{}", self.output());
        Ok(())
    }

    /// Waits until the child has ended, and returns its output.
    pub fn wait_for_end(&mut self) -> io::Result<String> {
        assert!(until(PATIENCE, || self.has_ended())?, "the process does not end:\n{}", self.output());
        Ok(self.output())
    }

    /// Ends the child, and returns its output.
    pub fn end(&mut self) -> io::Result<String> {
        self.child.kill()?;
        self.wait_for_end()
    }

    /// Returns whether the child has ended and its output has been read.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some() && self.readers.iter().all(JoinHandle::is_finished))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // These fail only if the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns two addresses that were free a moment ago, for programs that do not print the port that the system gave.
pub fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let [first, last] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([first.local_addr()?, last.local_addr()?])
}

/// Returns the stdout and the stderr of a program.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Returns a command of cargo, without the variables that cargo sets for tests. With them, build scripts that read them, such
/// as ring's, would run again.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (variable, _) in env::vars_os() {
        let name = variable.to_string_lossy();
        if name == "OUT_DIR" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&variable);
        }
    }
    cargo
}

/// Runs a command, and returns an error with its output if it fails.
pub fn succeed(command: &mut Command) -> io::Result<()> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| io::Error::other(format!("{command:?}: {error}")))?;
    let problem = || io::Error::other(format!("{command:?}: {}: {}", output.status, said(&output)));
    if output.status.success() { Ok(()) } else { Err(problem()) }
}

fn collect(pipe: impl Read + Send + 'static, output: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut output = output.lock().unwrap();
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
        }
    })
}
