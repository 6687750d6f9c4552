//! Real Prometheus servers.

use std::{fs, io, net::SocketAddr, path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::{process::Process, wait::until, wire::get};

/// The time limit of a wait, most of which are much shorter. If a busy machine is too slow for a scrape, the samples of the
/// last minute are right only a minute later.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 2.42, of Debian 12.
    Bookworm,
    /// 2.53, of Debian 13.
    Trixie,
    /// 3.5 or later, of Debian's testing.
    Forky,
}

impl Version {
    /// Returns its slot in get-programs.sh.
    pub const fn slot(self) -> &'static str {
        match self {
            Version::Bookworm => "bookworm",
            Version::Trixie => "trixie",
            Version::Forky => "forky",
        }
    }
}

/// A running Prometheus.
pub struct Prometheus {
    pub address: SocketAddr,
    pub process: Process,
}

impl Prometheus {
    /// Starts `program` with this configuration, and waits until it is ready. Its data are in `folder` too.
    pub fn start(program: &Path, folder: &Path, config: &str, arguments: &[&str]) -> io::Result<Prometheus> {
        let config_file = folder.join("prometheus.yml");
        fs::write(&config_file, config)?;
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.level=debug"])
            .args(arguments);
        let mut process = Process::start(&mut command)?;
        // The line "Start listening" comes before, with port 0.
        let address = process.wait_for(|line| {
            let listening = line.contains("\"Listening on\"");
            listening.then(|| line.split_once("address=")?.1.split(' ').next()?.parse().ok())?
        })?;
        // Prometheus listens before it has read its storage, and responds with 503 meanwhile.
        let is_ready = until(PATIENCE, || io::Result::Ok(get(address, "/-/ready")?.status == 200))?;
        assert!(is_ready, "Prometheus does not become ready:\n{}", process.output());
        Ok(Prometheus { address, process })
    }

    /// Returns the value of the one sample that `query` finds now.
    pub fn sample(&self, query: &str) -> io::Result<Option<f64>> {
        let encoded = query.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let answer = self.api(&format!("query?query={encoded}"))?;
        let value = answer.pointer("/data/result/0/value/1").and_then(Value::as_str);
        Ok(value.and_then(|value| value.parse().ok()))
    }

    /// Waits until `query` finds an expected value, for at most a minute and a half.
    pub fn wait_for_sample(&self, query: &str, expected: impl Fn(f64) -> bool) -> io::Result<()> {
        let mut found = None;
        let came = until(PATIENCE, || {
            found = self.sample(query)?;
            io::Result::Ok(found.is_some_and(&expected))
        })?;
        assert!(came, "`{query}` is {found:?}; log:\n{}", self.process.output());
        Ok(())
    }

    /// Returns the response of the API at `/api/v1/` and `path`.
    pub(crate) fn api(&self, path: &str) -> io::Result<Value> {
        Ok(serde_json::from_str(&get(self.address, &format!("/api/v1/{path}"))?.body)?)
    }
}
