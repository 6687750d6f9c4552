//! Clients that try to stop a server: broken connections, endless headers, and responses that the client does not read.

use std::{
    io::{self, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{
    certificates::exchange_tls,
    process::Process,
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

impl Ended {
    /// Returns the number of lines that the server may add to its log, in two or three minutes.
    const fn lines(self) -> usize {
        match self {
            Ended::ByTheServer => 30,
            Ended::ByTheAttacker => 240,
        }
    }
}

/// A server under attack.
pub struct Target<'a> {
    /// The address of the server.
    pub address: SocketAddr,
    /// The TLS configuration of the clients, if the server has TLS.
    pub client: Option<&'a ClientConfig>,
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

        let mut kept = self.keep_connections()?;
        if ended == Ended::ByTheAttacker {
            thread::sleep(KEPT_FOR);
            kept.clear();
        }
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    kept.iter_mut().for_each(Kept::go_on);
                    thread::sleep(Duration::from_millis(200));
                }
            });
            let answered = self.is_answered(process);
            is_over.store(true, Ordering::Relaxed);
            answered
        })?;
        let added = process.output().lines().count() - lines;
        if added > ended.lines() {
            return Err(io::Error::other(format!("the server has logged {added} lines: {}", process.output())));
        }
        Ok(())
    }

    /// Scrapes again and again, until there is a response.
    fn is_answered(&self, process: &mut Process) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            if process.has_ended()? {
                return Err(io::Error::other(format!("the server has ended: {}", process.output())));
            }
            match self.status() {
                Ok(200) => return Ok(()),
                Ok(status) => return Err(io::Error::other(format!("the scraper gets {status}"))),
                Err(error) if begin.elapsed() > PATIENCE => {
                    return Err(io::Error::other(format!("the scraper gets no response: {error}")));
                }
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn status(&self) -> io::Result<u16> {
        let request = with_bearer("/metrics", self.key);
        let Some(client) = self.client else { return Ok(exchange(self.address, &request)?.status) };
        let answer = exchange_tls(self.address, client, &request)?;
        let status = answer.strip_prefix("HTTP/1.1 ").and_then(|answer| answer.get(..3)?.parse().ok());
        status.ok_or_else(|| io::Error::other(answer))
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

    /// Opens the connections, first those that are hardest to end, so that the server has accepted them when others wait.
    fn keep_connections(&self) -> io::Result<Vec<Kept>> {
        let kinds = [Kind::NeverReads, Kind::HeaderNeverEnds, Kind::Idle];
        let mut kept = Vec::new();
        for kind in kinds {
            for _ in 0..KEPT {
                kept.push(self.keep(kind)?);
            }
        }
        Ok(kept)
    }

    fn keep(&self, kind: Kind) -> io::Result<Kept> {
        let stream = TcpStream::connect(self.address)?;
        // A server without a free slot or descriptor does not answer a handshake. The attacker then continues without it.
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        stream.set_write_timeout(Some(Duration::from_millis(50)))?;
        let mut stream: Box<dyn Write + Send> = match self.client {
            Some(client) if kind != Kind::Idle => Box::new(tls(stream, client)?),
            _ => Box::new(stream),
        };
        match kind {
            Kind::Idle => {}
            Kind::HeaderNeverEnds => {
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Filler: ");
            }
            // Writes until the buffers on both sides are full.
            Kind::NeverReads => {
                let requests = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
                for _ in 0..1000 {
                    if stream.write_all(&requests).is_err() {
                        break;
                    }
                }
            }
        }
        Ok(Kept { kind, stream })
    }
}

fn tls(stream: TcpStream, client: &ClientConfig) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::new(client.clone()), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Idle,
    HeaderNeverEnds,
    NeverReads,
}

/// A connection that the attacker does not close.
struct Kept {
    kind: Kind,
    stream: Box<dyn Write + Send>,
}

impl Kept {
    fn go_on(&mut self) {
        if self.kind == Kind::HeaderNeverEnds {
            let _ = self.stream.write_all(b"x"); // the server may have closed it
        }
    }
}
