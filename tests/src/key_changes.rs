//! A server under test whose keys change. The functions write keys like an operator, and read metrics like a scraper.

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

/// A key file that is replaced like an operator does: written under another name, and renamed.
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// Creates a file with these keys.
    pub fn new(folder: &Path, name: &str, keys: &[&str]) -> io::Result<KeyFile> {
        let file = KeyFile(folder.join(name));
        file.write(keys)?;
        Ok(file)
    }

    /// Returns the path, as the value of a setting.
    pub fn path(&self) -> String {
        self.0.display().to_string()
    }

    /// Replaces the keys by these.
    pub fn write(&self, keys: &[&str]) -> io::Result<()> {
        replace_file(&self.0, &(keys.join("\n") + "\n"))
    }
}

/// Replaces the file at `path` by one with this text, written under another name and renamed.
pub fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let next = path.with_extension("next");
    fs::write(&next, text)?;
    fs::rename(next, path)
}

/// A running server, and the client that scrapes it.
pub struct Guarded {
    of: Server,
    running: Running,
    client: Option<ClientConfig>,
    rejected: u32,
}

impl Guarded {
    /// Creates the value for this server, which is scraped over TLS by `client`, or over plain HTTP without one.
    pub const fn new(of: Server, running: Running, client: Option<ClientConfig>) -> Guarded {
        Guarded { of, running, client, rejected: 0 }
    }

    /// Returns which server it is.
    pub const fn of(&self) -> Server {
        self.of
    }

    /// Returns whether the server has TLS.
    pub const fn has_tls(&self) -> bool {
        self.client.is_some()
    }

    /// Returns the address of the server.
    pub const fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// Returns the output of the server.
    pub fn output(&self) -> String {
        self.running.process.output()
    }

    /// Returns how many requests of this value the server has rejected.
    pub const fn refused(&self) -> u32 {
        self.rejected
    }

    /// Returns the metrics, or none if the server rejects the key.
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
        self.rejected += 1;
        Ok(None)
    }

    /// Waits until the key is accepted, or until it is rejected.
    pub fn wait_until(&mut self, key: &str, is_accepted: bool) -> io::Result<()> {
        self.wait("the key is not accepted yet, or not rejected yet", |server| {
            Ok(server.ask(key)?.is_some() == is_accepted)
        })
    }

    /// Waits until a sample of the guard has an expected value.
    pub fn wait_for_sample(&mut self, key: &str, series: &str, expected: impl Fn(f64) -> bool) -> io::Result<()> {
        let is_expected = |server: &mut Guarded| Ok(server.find_sample(key, series)?.is_some_and(&expected));
        self.wait(&format!("`{series}` has no expected value"), is_expected)
    }

    fn wait(&mut self, problem: &str, is_over: impl Fn(&mut Guarded) -> io::Result<bool>) -> io::Result<()> {
        let came = until(Duration::from_secs(30), || is_over(self))?;
        if came { Ok(()) } else { Err(io::Error::other(format!("{:?}: {problem}", self.of))) }
    }

    /// Returns a sample of the guard, if the server exports it.
    pub fn find_sample<N: FromStr>(&mut self, key: &str, series: &str) -> io::Result<Option<N>> {
        Ok(find(&self.answer(key)?, series))
    }

    /// Returns a sample of the guard, or zero if the server does not export it.
    pub fn sample(&mut self, key: &str, series: &str) -> io::Result<f64> {
        self.find_sample(key, series).map(Option::unwrap_or_default)
    }

    fn uses(&mut self, key: &str) -> io::Result<Uses> {
        let text = self.answer(key)?;
        let of = |key| find(&text, &checks("allowed", key));
        Ok(Uses { current: of("current").unwrap_or_default(), previous: of("previous").unwrap_or_default() })
    }

    fn answer(&mut self, key: &str) -> io::Result<String> {
        self.ask(key)?.ok_or_else(|| io::Error::other(format!("{:?} rejects the key", self.of)))
    }
}

/// Returns the name of the series of checks with this outcome and this label of the key.
pub fn checks(outcome: &str, key: &str) -> String {
    format!(r#"metrics_guard_checks_total{{guard="metrics",outcome="{outcome}",key="{key}"}}"#)
}

fn find<N: FromStr>(text: &str, series: &str) -> Option<N> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

/// Returns whether, within `patience`, the scrapers of these servers send the current key instead of the previous one. Each
/// server is scraped every second.
///
/// For three seconds, no server gets the previous key, and each gets the current key twice. Without the second condition, a
/// late scrape would look like a new key.
pub fn previous_key_falls_out_of_use(servers: &mut [Guarded], current: &str, patience: Duration) -> io::Result<bool> {
    const QUIET: Duration = Duration::from_secs(3);
    let (mut before, mut since, mut looks) = (Vec::<Uses>::new(), Instant::now(), 0_u32);
    until(patience, || {
        let now = servers.iter_mut().map(|server| server.uses(current)).collect::<io::Result<Vec<_>>>()?;
        if before.is_empty() || now.iter().zip(&before).any(|(now, before)| now.previous > before.previous) {
            (before, since, looks) = (now, Instant::now(), 0);
            return Ok(false);
        }
        looks += 1; // each look uses the current key once
        let is_in_use = |(now, before): (&Uses, &Uses)| now.current - before.current - f64::from(looks) > 1.5;
        Ok(since.elapsed() >= QUIET && now.iter().zip(&before).all(is_in_use))
    })
}

/// How often a guard has accepted each key.
struct Uses {
    current: f64,
    previous: f64,
}
