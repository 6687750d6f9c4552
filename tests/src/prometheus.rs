//! Real Prometheus servers, from Debian's packages.

use std::{
    collections::BTreeSet,
    env,
    fmt::Write as _,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    process::Process,
    wire::{Response, exchange},
};

/// How long anything may take. Much less is usual; but after a scrape that a busy machine was too slow for, a minute must
/// pass before no sample of the last minute tells of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// A version that can be had.
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
    /// All of them.
    pub const ALL: [Version; 3] = [Version::Bookworm, Version::Trixie, Version::Forky];

    /// Its slot in get-prometheus.sh.
    #[must_use]
    pub const fn slot(self) -> &'static str {
        match self {
            Version::Bookworm => "bookworm",
            Version::Trixie => "trixie",
            Version::Forky => "forky",
        }
    }

    /// The program, out of `cache`, as [`fetch_or_say_so`] gets it.
    ///
    /// # Errors
    ///
    /// Those of that function.
    pub fn fetch_or_say_so(self, cache: &Path) -> io::Result<Option<PathBuf>> {
        fetch_or_say_so(cache, self.slot(), "prometheus")
    }
}

/// Whether what cannot be had is an error: the variable `CI` is set, and not to `false`.
#[must_use]
pub fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false")
}

/// The program of a slot of get-prometheus.sh, out of `cache`, where the script puts it if it is not there. None if it
/// cannot be had, which is said; where the variable `CI` is set, it is an error.
///
/// # Errors
///
/// That one, and if the script cannot be run.
pub fn fetch_or_say_so(cache: &Path, slot: &str, program: &str) -> io::Result<Option<PathBuf>> {
    // One at a time, and each slot once: a program that is slow to say its version would be fetched anew, while another
    // test runs it.
    static FETCHED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut fetched = FETCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if !fetched.contains(slot) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("get-prometheus.sh");
        let status = Command::new(script).arg(cache).arg(slot).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("get-prometheus.sh ended with {status}")));
        }
        fetched.insert(slot.to_owned());
    }
    let program = cache.join(slot).join(program);
    if program.exists() {
        return Ok(Some(program));
    }
    let problem = format!("NO {} of {slot}: see above what get-prometheus.sh says", program.display());
    eprintln!("{problem}");
    if is_ci() {
        return Err(io::Error::other(problem));
    }
    Ok(None)
}

/// A Prometheus that is up.
pub struct Prometheus {
    address: SocketAddr,
    process: Process,
}

impl Prometheus {
    /// Starts `program` with this configuration, and waits until it answers. The data go into `folder` too.
    ///
    /// # Errors
    ///
    /// If it refuses the configuration, or does not come up.
    pub fn start(program: &Path, folder: &Path, config: &str) -> io::Result<Prometheus> {
        Prometheus::start_with(program, folder, config, &[])
    }

    /// As [`start`](Prometheus::start), with more arguments.
    ///
    /// # Errors
    ///
    /// Those of `start`.
    pub fn start_with(program: &Path, folder: &Path, config: &str, arguments: &[&str]) -> io::Result<Prometheus> {
        let config_file = folder.join("prometheus.yml");
        fs::write(&config_file, config)?;
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.level=debug"])
            .args(arguments);
        let mut process = Process::start(&mut command)?;
        // "Start listening" comes before it, with the port that was asked for.
        let address = process.wait_for(|line| {
            let listening = line.contains("\"Listening on\"");
            listening.then(|| line.split_once("address=")?.1.split(' ').next()?.parse().ok())?
        })?;
        let prometheus = Prometheus { address, process };
        // It listens before it has read its storage, and answers 503 meanwhile.
        let deadline = Instant::now() + PATIENCE;
        while prometheus.get("/-/ready")?.status != 200 {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("Prometheus does not get ready:\n{}", prometheus.log())));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(prometheus)
    }

    /// The value of the one sample that `query` finds now.
    ///
    /// # Errors
    ///
    /// If Prometheus does not answer, or does not know the query.
    pub fn sample(&self, query: &str) -> io::Result<Option<f64>> {
        let mut encoded = String::new();
        for byte in query.bytes() {
            let _ = write!(encoded, "%{byte:02X}"); // writing to a string cannot fail
        }
        let answer = self.api(&format!("query?query={encoded}"))?;
        let value = answer.pointer("/data/result/0/value/1").and_then(Value::as_str);
        Ok(value.and_then(|value| value.parse().ok()))
    }

    /// Asks until `query` finds what is expected, for a minute and a half at most.
    ///
    /// # Errors
    ///
    /// With what it found last, if that is another value.
    pub fn wait_for_sample(&self, query: &str, expected: impl Fn(f64) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.sample(query)?;
            if found.is_some_and(&expected) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("`{query}` is {found:?}; log:\n{}", self.log())));
            }
            thread::sleep(Duration::from_millis(250));
        }
    }

    /// What the API answers at `/api/v1/` and `path`.
    ///
    /// # Errors
    ///
    /// If it does not answer, or not with JSON.
    pub fn api(&self, path: &str) -> io::Result<Value> {
        let response = self.get(&format!("/api/v1/{path}"))?;
        serde_json::from_slice(&response.body).map_err(|_| io::Error::other(format!("no JSON: {response:?}")))
    }

    fn get(&self, path: &str) -> io::Result<Response> {
        // HTTP/1.0, since the answers may be long, and would come in chunks.
        exchange(self.address, format!("GET {path} HTTP/1.0\r\nHost: prometheus\r\n\r\n").as_bytes())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All that it has logged, at level debug.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.output()
    }
}
