//! A server under test whose keys change, as an operator changes them and as a scraper sees it.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

use rustls::ClientConfig;

use crate::{
    certificates::exchange_tls,
    servers::{Running, Server},
    wait::until,
    wire::{exchange, with_bearer},
};

/// A key file as an operator writes it: under another name, and renamed.
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// A new one with these keys.
    pub fn new(folder: &Path, name: &str, keys: &[&str]) -> io::Result<KeyFile> {
        let file = KeyFile(folder.join(name));
        file.write(keys)?;
        Ok(file)
    }

    /// Its path, as a setting says it.
    pub fn path(&self) -> String {
        self.0.display().to_string()
    }

    /// Puts these keys in the place of the others.
    pub fn write(&self, keys: &[&str]) -> io::Result<()> {
        replace_file(&self.0, &(keys.join("\n") + "\n"))
    }
}

/// Puts a file with this text in the place of the one at `path`: under another name, and renamed.
pub fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let next = path.with_extension("next");
    fs::write(&next, text)?;
    fs::rename(next, path)
}

/// A server that is up, and how to ask it.
pub struct Guarded {
    of: Server,
    running: Running,
    client: Option<ClientConfig>,
    refused: u32,
}

impl Guarded {
    /// This server, asked in clear, or over TLS by `client`.
    pub const fn new(of: Server, running: Running, client: Option<ClientConfig>) -> Guarded {
        Guarded { of, running, client, refused: 0 }
    }

    /// Which it is.
    pub const fn of(&self) -> Server {
        self.of
    }

    /// Whether it is asked over TLS.
    pub const fn has_tls(&self) -> bool {
        self.client.is_some()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// All that it has printed.
    pub fn output(&self) -> String {
        self.running.process.output()
    }

    /// How many requests made here it has refused.
    pub const fn refused(&self) -> u32 {
        self.refused
    }

    /// Its metrics, or nothing if it refuses the key.
    pub fn ask(&mut self, key: &str) -> io::Result<Option<String>> {
        let request = with_bearer("/metrics", key);
        let answer = match &self.client {
            Some(client) => exchange_tls(self.running.address, client, &request)?,
            None => {
                let response = exchange(self.running.address, &request)?;
                format!("HTTP/1.1 {}\r\n\r\n{}", response.status, response.text())
            }
        };
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(Some(answer));
        }
        if !answer.starts_with("HTTP/1.1 401") {
            return Err(io::Error::other(format!("{:?}: {answer}", self.of)));
        }
        self.refused += 1;
        Ok(None)
    }

    /// Waits until the key is accepted, or is not any more.
    pub fn wait_until(&mut self, key: &str, is_accepted: bool) -> io::Result<()> {
        self.wait("a key is not in force, or still is", |server| Ok(server.ask(key)?.is_some() == is_accepted))
    }

    /// Waits until a sample of its guard's is as expected.
    pub fn wait_for_sample(&mut self, key: &str, series: &str, expected: impl Fn(f64) -> bool) -> io::Result<()> {
        let is_expected = |server: &mut Guarded| Ok(server.find_sample(key, series)?.is_some_and(&expected));
        self.wait(&format!("`{series}` is not as expected"), is_expected)
    }

    fn wait(&mut self, problem: &str, is_over: impl Fn(&mut Guarded) -> io::Result<bool>) -> io::Result<()> {
        let came = until(Duration::from_secs(30), || is_over(self))?;
        if came { Ok(()) } else { Err(io::Error::other(format!("{:?}: {problem}", self.of))) }
    }

    /// A sample of its guard's, if the server exports it.
    pub fn find_sample<N: FromStr>(&mut self, key: &str, series: &str) -> io::Result<Option<N>> {
        Ok(find(&self.answer(key)?, series))
    }

    /// The same; zero if it does not.
    pub fn sample(&mut self, key: &str, series: &str) -> io::Result<f64> {
        self.find_sample(key, series).map(Option::unwrap_or_default)
    }

    fn uses(&mut self, key: &str) -> io::Result<Uses> {
        let text = self.answer(key)?;
        let of = |key| find(&text, &checks("allowed", key));
        Ok(Uses { current: of("current").unwrap_or_default(), previous: of("previous").unwrap_or_default() })
    }

    fn answer(&mut self, key: &str) -> io::Result<String> {
        self.ask(key)?.ok_or_else(|| io::Error::other(format!("{:?} refuses the key", self.of)))
    }
}

/// The series of a guard's checks with this outcome, and this label of the key.
pub fn checks(outcome: &str, key: &str) -> String {
    format!(r#"metrics_guard_checks_total{{guard="metrics",outcome="{outcome}",key="{key}"}}"#)
}

fn find<N: FromStr>(text: &str, series: &str) -> Option<N> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

/// Whether within `patience` these servers, of which each is scraped every second, are asked with their current key instead
/// of the previous one: none with the previous for three seconds, and in these each with the current, twice.
///
/// The second is what tells a new key from a scrape that comes late.
pub fn previous_key_falls_out_of_use(servers: &mut [Guarded], current: &str, patience: Duration) -> io::Result<bool> {
    const QUIET: Duration = Duration::from_secs(3);
    let (mut before, mut since, mut looks) = (Vec::<Uses>::new(), Instant::now(), 0_u32);
    until(patience, || {
        let now = servers.iter_mut().map(|server| server.uses(current)).collect::<io::Result<Vec<_>>>()?;
        if before.is_empty() || now.iter().zip(&before).any(|(now, before)| now.previous > before.previous) {
            (before, since, looks) = (now, Instant::now(), 0);
            return Ok(false);
        }
        looks += 1; // each of which is a use of the current key
        let is_in_use = |(now, before): (&Uses, &Uses)| now.current - before.current - f64::from(looks) > 1.5;
        Ok(since.elapsed() >= QUIET && now.iter().zip(&before).all(is_in_use))
    })
}

/// How often a guard has let a key pass.
struct Uses {
    current: f64,
    previous: f64,
}
