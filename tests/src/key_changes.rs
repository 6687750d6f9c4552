//! A server under test whose keys change. The functions write keys like an operator, and read metrics like a scraper.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
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
    pub fn new(folder: &Path, name: &str, keys: &[&str]) -> io::Result<KeyFile> {
        let file = KeyFile(folder.join(name));
        file.write(keys)?;
        Ok(file)
    }

    /// Returns the path, as the value of a setting.
    pub fn path(&self) -> String {
        self.0.display().to_string()
    }

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

    pub const fn of(&self) -> Server {
        self.of
    }

    pub const fn has_tls(&self) -> bool {
        self.client.is_some()
    }

    pub const fn address(&self) -> SocketAddr {
        self.running.address
    }

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
        let response = match &self.client {
            Some(client) => exchange_tls(self.running.address, client, &request)?,
            None => exchange(self.running.address, &request)?,
        };
        self.rejected += u32::from(response.status == 401);
        assert!([200, 401].contains(&response.status), "{:?}: {response:?}", self.of);
        Ok((response.status == 200).then_some(response.body))
    }

    /// Waits until the key is accepted, or until it is rejected.
    pub fn wait_until(&mut self, key: &str, is_accepted: bool) -> io::Result<()> {
        let came = until(Duration::from_secs(30), || io::Result::Ok(self.ask(key)?.is_some() == is_accepted))?;
        assert!(came, "{:?}: the key is not accepted yet, or not rejected yet", self.of);
        Ok(())
    }

    /// Returns a sample of the guard, or zero if the server does not export it.
    pub fn sample(&mut self, key: &str, series: &str) -> io::Result<f64> {
        let text = self.ask(key)?.expect("the key is accepted");
        let sample = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        Ok(sample.unwrap_or_default())
    }

    /// Returns how often the guard has accepted the current key and the previous one. This uses the current key twice.
    fn uses(&mut self, key: &str) -> io::Result<[f64; 2]> {
        Ok([self.sample(key, &checks("allowed", "current"))?, self.sample(key, &checks("allowed", "previous"))?])
    }
}

/// Returns the name of the series of checks with this outcome and this label of the key.
pub fn checks(outcome: &str, key: &str) -> String {
    format!(r#"metrics_guard_checks_total{{guard="metrics",outcome="{outcome}",key="{key}"}}"#)
}

/// Returns whether, within `patience`, the scrapers of these servers send the current key instead of the previous one. Each
/// server is scraped every second.
///
/// For three seconds, no server gets the previous key, and each gets the current key twice. Without the second condition, a
/// late scrape would look like a new key.
pub fn previous_key_falls_out_of_use(servers: &mut [Guarded], current: &str, patience: Duration) -> io::Result<bool> {
    const QUIET: Duration = Duration::from_secs(3);
    let (mut before, mut since, mut looks) = (Vec::<[f64; 2]>::new(), Instant::now(), 0_u32);
    until(patience, || {
        let now = servers.iter_mut().map(|server| server.uses(current)).collect::<io::Result<Vec<_>>>()?;
        if before.is_empty() || now.iter().zip(&before).any(|(now, before)| now[1] > before[1]) {
            (before, since, looks) = (now, Instant::now(), 0);
            return Ok(false);
        }
        looks += 1;
        let is_in_use = |(now, before): (&[f64; 2], &[f64; 2])| now[0] - before[0] - 2.0 * f64::from(looks) > 1.5;
        Ok(since.elapsed() >= QUIET && now.iter().zip(&before).all(is_in_use))
    })
}
