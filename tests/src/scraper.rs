//! One interface for Prometheus and vmagent: both scrape, store samples, and show their state.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    fetch::fetch_or_say_so,
    process::{Process, said, succeed},
    prometheus::{Prometheus, Version},
    wait::until,
    wire::get,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scraper {
    Prometheus(Version),
    /// vmagent of `VictoriaMetrics`.
    Vmagent,
}

/// Where a scraper shows something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Its targets, on a page or in the API.
    Targets,
    /// Its configuration, on a page or in the API.
    Configuration,
    /// Its log. Prometheus logs at level debug.
    Log,
    /// Its own metrics, its flags, its command line, or the names of stored series.
    Elsewhere,
}

/// The program of a scraper.
#[derive(Debug, Clone)]
pub struct Program {
    pub of: Scraper,
    pub path: PathBuf,
    /// The version, such as `2.53.3`.
    pub version: String,
}

impl Scraper {
    pub const ALL: [Scraper; 4] = [
        Scraper::Prometheus(Version::Bookworm),
        Scraper::Prometheus(Version::Trixie),
        Scraper::Prometheus(Version::Forky),
        Scraper::Vmagent,
    ];

    /// Returns its slot in get-programs.sh.
    pub const fn slot(self) -> &'static str {
        match self {
            Scraper::Prometheus(version) => version.slot(),
            Scraper::Vmagent => "vm",
        }
    }

    /// Returns whether get-programs.sh pins its version.
    pub const fn is_pinned(self) -> bool {
        matches!(self, Scraper::Prometheus(Version::Bookworm | Version::Trixie))
    }

    pub const fn name(self) -> &'static str {
        match self {
            Scraper::Prometheus(_) => "Prometheus",
            Scraper::Vmagent => "vmagent",
        }
    }

    /// Returns the program, with [`fetch_or_say_so`].
    pub fn fetch_or_say_so(self, cache: &Path) -> io::Result<Option<Program>> {
        let program = self.name().to_lowercase();
        let Some(path) = fetch_or_say_so(cache, self.slot(), &program)? else { return Ok(None) };
        let version = fs::read_to_string(path.with_file_name("VERSION"))?;
        let version = version.split(['+', '-', '\n']).next().unwrap_or_default().to_owned();
        Ok(Some(Program { of: self, path, version }))
    }
}

impl Program {
    /// Returns name and version, such as `Prometheus 2.53.3`.
    pub fn name(&self) -> String {
        format!("{} {}", self.of.name(), self.version)
    }

    /// Returns its error for a target that responds with this status.
    pub fn says_of_status(&self, status: u16) -> String {
        match self.of {
            Scraper::Prometheus(_) => format!("server returned HTTP status {status}"),
            Scraper::Vmagent => format!("\": {status}; expecting 200"),
        }
    }

    /// Checks a configuration with promtool, or with vmagent's dry run. Returns the output if it is rejected.
    pub fn check(&self, config_file: &Path) -> io::Result<Result<(), String>> {
        let file = config_file.display();
        let output = if self.of == Scraper::Vmagent {
            Command::new(&self.path).args(["-dryRun", &format!("-promscrape.config={file}")]).output()?
        } else {
            Command::new(self.path.with_file_name("promtool")).args(["check", "config", &file.to_string()]).output()?
        };
        Ok(if output.status.success() { Ok(()) } else { Err(said(&output)) })
    }
}

/// A running scraper.
pub struct Scraping {
    own: Prometheus,
    /// The Prometheus to which a vmagent writes.
    storage: Option<Prometheus>,
}

impl Scraping {
    /// Starts the program with this configuration, and waits until it is ready. Its data are in `folder` too. `storage` is the
    /// Prometheus that stores the samples of vmagent. Only vmagent gets the environment, because Prometheus ignores it.
    pub fn start(
        program: &Program,
        storage: &Program,
        folder: &Path,
        config: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> io::Result<Scraping> {
        if let Scraper::Prometheus(_) = program.of {
            let own = Prometheus::start(&program.path, folder, config, arguments)?;
            return Ok(Scraping { own, storage: None });
        }
        let config_file = folder.join("vmagent.yml");
        fs::write(&config_file, config)?;
        // This Prometheus scrapes nothing.
        let receiver = ["--web.enable-remote-write-receiver"];
        let storage = Prometheus::start(&storage.path, folder, "scrape_configs: []\n", &receiver)?;
        let mut command = Command::new(&program.path);
        command
            .arg(format!("-promscrape.config={}", config_file.display()))
            .arg(format!("-remoteWrite.url=http://{}/api/v1/write", storage.address))
            .arg(format!("-remoteWrite.tmpDataPath={}", folder.join("queue").display()))
            .args(["-httpListenAddr=127.0.0.1:0", "-remoteWrite.forcePromProto", "-remoteWrite.flushInterval=1s"])
            .args(["-memory.allowedBytes=256MiB"])
            .args(arguments)
            .envs(environment.iter().copied());
        let mut process = Process::start(&mut command)?;
        let address = process.wait_for(|line| {
            let url = line.split_once("started server at http://")?.1;
            url.trim_end_matches('/').parse().ok()
        })?;
        // vmagent listens before it has read its configuration.
        process.wait_for(|line| line.contains("service discovery routines in").then_some(()))?;
        Ok(Scraping { own: Prometheus { address, process }, storage: Some(storage) })
    }

    /// Returns the Prometheus that has the samples.
    pub fn storage(&self) -> &Prometheus {
        self.storage.as_ref().unwrap_or(&self.own)
    }

    pub fn reload(&self) -> io::Result<()> {
        // `kill` of the shell, because the program may be missing.
        succeed(Command::new("sh").args(["-c", &format!("kill -HUP {}", self.own.process.id())]))
    }

    pub fn log(&self) -> String {
        self.own.process.output()
    }

    /// Waits until the target with this job is up, or is down with an error that begins with `error`. vmagent's error must
    /// contain `error`, because it begins with other text.
    pub fn wait_for_target(&self, job: &str, error: Option<&str>) -> io::Result<()> {
        let mut shown = Value::Null;
        let came = until(Duration::from_secs(60), || {
            shown = self.target(job)?;
            let last = shown["lastError"].as_str().unwrap_or_default();
            io::Result::Ok(match error {
                None => shown["health"] == "up" && last.is_empty(),
                Some(error) if self.storage.is_none() => shown["health"] == "down" && last.starts_with(error),
                Some(error) => shown["health"] == "down" && last.contains(error),
            })
        })?;
        assert!(came, "{job} is {}: {}", shown["health"], shown["lastError"]);
        Ok(())
    }

    /// Returns the target with this job.
    fn target(&self, job: &str) -> io::Result<Value> {
        let targets: Value = serde_json::from_str(&self.get("/api/v1/targets")?)?;
        let active = targets["data"]["activeTargets"].as_array().into_iter().flatten();
        let target = active.into_iter().find(|target| target["labels"]["job"] == job);
        target.cloned().ok_or_else(|| io::Error::other(format!("no {job} among the targets: {targets}")))
    }

    /// Returns everything that the scraper shows, by place.
    pub fn shows(&self) -> io::Result<Vec<(Place, String)>> {
        // Debian's Prometheus has no pages. They would show the content of the same API.
        let mut paths = vec!["/api/v1/targets", "/api/v1/status/config", "/metrics"];
        paths.extend_from_slice(match self.storage {
            None => &["/api/v1/status/flags"],
            Some(_) => &["/targets", "/service-discovery", "/config", "/flags"],
        });
        let mut shown = vec![(Place::Log, self.log())];
        for path in paths {
            let place = match path {
                "/api/v1/targets" | "/targets" | "/service-discovery" => Place::Targets,
                "/api/v1/status/config" | "/config" => Place::Configuration,
                _ => Place::Elsewhere,
            };
            shown.push((place, self.get(path)?));
        }
        // {__name__=~".+"}
        let series = self.storage().api("series?match[]=%7B__name__%3D~%22.%2B%22%7D")?;
        shown.push((Place::Elsewhere, series.to_string()));
        let command = fs::read(format!("/proc/{}/cmdline", self.own.process.id()))?;
        shown.push((Place::Elsewhere, String::from_utf8_lossy(&command).into_owned()));
        Ok(shown)
    }

    fn get(&self, path: &str) -> io::Result<String> {
        let response = get(self.own.address, path)?;
        assert_eq!(response.status, 200, "{path}");
        Ok(response.body)
    }
}
