//! A child process that ends with its owner, and what it has printed.

use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A running child. Dropping it kills it.
pub struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `command`, and reads both of its outputs from then on.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Process> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = Arc::new(Mutex::new(String::new()));
        if let Some(stdout) = child.stdout.take() {
            collect(stdout, Arc::clone(&output));
        }
        if let Some(stderr) = child.stderr.take() {
            collect(stderr, Arc::clone(&output));
        }
        Ok(Process { child, output })
    }

    /// Its number, as the system knows it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that the child has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the child prints a line in which `find` finds something.
    ///
    /// # Errors
    ///
    /// With all that it printed, if it ends or half a minute passes before that.
    pub fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // Asked before the output is read, so that the last words of a child are heard.
            let has_ended = self.child.try_wait()?.is_some();
            let output = self.output();
            if let Some(found) = output.lines().find_map(&find) {
                return Ok(found);
            }
            if has_ended || Instant::now() > deadline {
                return Err(io::Error::other(format!("the process did not say what was expected, but:\n{output}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the child has ended.
    ///
    /// # Errors
    ///
    /// If it goes on for half a minute.
    pub fn wait_for_end(&mut self) -> io::Result<String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("the process goes on:\n{}", self.output())));
            }
            thread::sleep(Duration::from_millis(20));
        }
        // The readers see the end of the pipes a little later.
        thread::sleep(Duration::from_millis(200));
        Ok(self.output())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Neither fails but for a child that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(pipe: impl Read + Send + 'static, output: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
        }
    });
}
