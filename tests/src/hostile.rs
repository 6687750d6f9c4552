//! Clients that try to stop a server: broken connections, endless headers, and responses that the client does not read.

use std::{
    io::{self, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::Command,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::{
    process::Process,
    wait::until,
    wire::{exchange, with_bearer},
};

/// The number of files that a server under attack can open. The attacker has more connections.
const DESCRIPTORS: u32 = 64;

/// The number of connections that the attacker breaks.
const BROKEN: usize = 1000;

/// The number of connections of each kind that the attacker keeps open.
const KEPT: usize = 28;

/// The time within which the scraper must get a response.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time for which the attacker keeps connections to a server that does not close them.
const KEPT_FOR: Duration = Duration::from_secs(3);

/// Returns the same command with few file descriptors, and with only the environment that `command` sets.
pub fn with_few_descriptors(command: &Command) -> Command {
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", &format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"")]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}

/// Which side ends the connections that the attacker keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The server, which limits their time.
    ByTheServer,
    /// The attacker, because the server sets no limit.
    ByTheAttacker,
}

/// A server under attack.
pub struct Target<'a> {
    pub address: SocketAddr,
    /// The accepted key.
    pub key: &'a str,
}

impl Target<'_> {
    /// Attacks the server, and fails if a scraper then gets no response.
    pub fn survives(&self, process: &mut Process, ended: Ended) -> io::Result<()> {
        self.is_answered(process)?;
        let lines = process.output().lines().count();
        for number in 0..BROKEN {
            self.break_connection(number)?;
        }
        self.is_answered(process)?;

        // First those that are hardest to end, so that the server has accepted them when others wait.
        let responses_never_read = self.keep(&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000_000))?;
        let mut headers_never_end = self.keep(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Filler: ")?;
        let idle = self.keep(b"")?;
        let mut kept = Some((responses_never_read, idle));
        if ended == Ended::ByTheAttacker {
            thread::sleep(KEPT_FOR);
            kept = None;
            headers_never_end.clear();
        }
        // Dropping `scrape`, also in a panic, ends the thread.
        let (scrape, scraping) = mpsc::channel::<()>();
        thread::spawn(move || {
            while scraping.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout) {
                for stream in &mut headers_never_end {
                    let _ = stream.write_all(b"x"); // the server may have closed it
                }
            }
            drop(kept);
        });
        self.is_answered(process)?;
        drop(scrape);
        // In two or three minutes.
        let most = if ended == Ended::ByTheServer { 30 } else { 240 };
        let added = process.output().lines().count() - lines;
        assert!(added <= most, "the server has logged {added} lines: {}", process.output());
        Ok(())
    }

    /// Scrapes again and again, until there is a response.
    fn is_answered(&self, process: &mut Process) -> io::Result<()> {
        let is_answered = until(PATIENCE, || {
            assert!(!process.has_ended()?, "the server has ended: {}", process.output());
            let response = exchange(self.address, &with_bearer("/metrics", self.key));
            let status = response.map(|response| response.status);
            assert!(status.is_err() || matches!(status, Ok(200)), "the scraper gets {status:?}");
            io::Result::Ok(status.is_ok())
        })?;
        assert!(is_answered, "the scraper gets no response");
        Ok(())
    }

    fn break_connection(&self, number: usize) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let nonsense: &[u8] = match number % 6 {
            0 => b"",
            3 => b"OPTIONS * HTTP/1.1\r\n\r\n", // no URI to Rocket
            4 => b"GET /a|b HTTP/1.1\r\n\r\n",
            1 => b"\x00\x01\xfe\xffneither HTTP nor TLS\r\n\r\n",
            2 => b"GET /metrics HTTP/1.1\r\nHost: local",
            _ => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a handshake that breaks off",
        };
        // The server may have closed the connection already.
        let _ = stream.write_all(nonsense);
        let _ = stream.shutdown(Shutdown::Both);
        Ok(())
    }

    /// Opens connections and writes these bytes to each, until the buffers on both sides are full.
    fn keep(&self, bytes: &[u8]) -> io::Result<Vec<TcpStream>> {
        let mut kept = Vec::new();
        for _ in 0..KEPT {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_write_timeout(Some(Duration::from_millis(50)))?;
            let _ = stream.write_all(bytes);
            kept.push(stream);
        }
        Ok(kept)
    }
}
