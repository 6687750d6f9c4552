//! The files for collectors other than Prometheus and vmagent.
//!
//! Of the OpenTelemetry Collector, the part that is Prometheus' own is run; of the Datadog Agent, the check, which needs a
//! `python3` with its module venv, and pip. Grafana Alloy and Telegraf are not run: their files are held against lists of
//! names, which were copied from their sources.

use std::{fs, io, path::Path, process::Command};

use libtest_mimic::Trial;
use metrics_guard_tests::{
    KEY, WRONG,
    key_changes::{Guarded, KeyFile},
    process::succeed,
    prometheus::{Prometheus, Version},
    server::{Profile, Server},
};

use crate::{
    job::KEY_FILE,
    tools::{replaced, with},
};

pub(crate) mod alloy;
mod datadog;
pub(crate) mod telegraf;

const OTEL: &str = include_str!("../../deploy/otel/collector.yaml");

const TARGET: &str = "my-service:8000";

pub(crate) fn trials() -> Vec<Trial> {
    let promtool = Version::ALL.map(|version| {
        Trial::ignorable_test(format!("otel_config_by_promtool_{}", version.slot()), move || {
            with(version.slot(), "promtool", check_otel)
        })
    });
    let prometheus = Trial::ignorable_test("otel_config_by_prometheus_trixie", || {
        with(Version::Trixie.slot(), "prometheus", scrape_as_otel)
    });
    promtool
        .into_iter()
        .chain([prometheus, alloy::trial()])
        .chain(telegraf::trials())
        .chain(datadog::trials())
        .collect()
}

// OpenTelemetry Collector

/// What the Collector hands to the code of Prometheus: all below `config:`, in which it has made one `$` of two.
fn otel_config() -> io::Result<String> {
    let (_, rest) = OTEL.split_once("\n    config:\n").ok_or_else(|| io::Error::other("no `config` in the file"))?;
    let config: String =
        rest.lines().map_while(|line| line.strip_prefix("      ")).flat_map(|line| [line, "\n"]).collect();
    if config.replace("$$", "").contains('$') {
        return Err(io::Error::other("the Collector would take a `$` for the name of a variable"));
    }
    Ok(config.replace("$$", "$"))
}

fn check_otel(promtool: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let key_file = folder.path().join("metrics_key");
    fs::write(&key_file, format!("{KEY}\n"))?;
    let config_file = folder.path().join("prometheus.yml");
    fs::write(&config_file, replaced(&otel_config()?, &[(KEY_FILE, &key_file.display().to_string())])?)?;
    succeed(Command::new(promtool).args(["check", "config"]).arg(&config_file))
}

fn scrape_as_otel(program: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(folder.path(), &[KEY])?;
    let key_file = folder.path().join("metrics_key");
    fs::write(&key_file, format!("{KEY}\n"))?;
    let config = replaced(
        &otel_config()?,
        &[
            (KEY_FILE, &key_file.display().to_string()),
            (TARGET, &service.address()),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
        ],
    )?;
    let prometheus = Prometheus::start(program, folder.path(), &config)?;
    prometheus.wait_for_sample("count_over_time(up{job='my-service'}[1m])", |scrapes| scrapes >= 3.0)?;
    prometheus.wait_for_sample("min_over_time(up{job='my-service'}[1m])", |up| up > 0.5)?;
    prometheus.wait_for_sample("process_resident_memory_bytes{job='my-service'}", |bytes| bytes > 1e6)?;
    fs::write(&key_file, WRONG)?;
    prometheus.wait_for_sample("up{job='my-service'}", |up| up < 0.5)
}

// The service

/// The hyper example with a key file.
struct Service {
    guarded: Guarded,
    accepted_keys: KeyFile,
}

impl Service {
    fn start(folder: &Path, keys: &[&str]) -> io::Result<Service> {
        let accepted_keys = KeyFile::new(folder, "accepted_keys", keys)?;
        let server = Server::Hyper;
        let environment = [("METRICS_VERIFICATION_KEY_FILE", accepted_keys.path())];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        let running = server.start(&server.build(Profile::Debug)?, &environment)?;
        Ok(Service { guarded: Guarded::new(server, running, None), accepted_keys })
    }

    fn address(&self) -> String {
        self.guarded.address().to_string()
    }

    /// Puts `keys` into the file, and waits until they are in force: the first is accepted, and `KEY` only if it is one.
    fn accept(&mut self, keys: &[&str]) -> io::Result<()> {
        self.accepted_keys.write(keys)?;
        self.guarded.wait_until(keys[0], true)?;
        self.guarded.wait_until(KEY, keys.contains(&KEY))
    }

    /// What the guard has counted so far under these labels.
    fn checks(&mut self, key: &str, labels: &str) -> io::Result<u32> {
        let series = format!("metrics_guard_checks_total{{{labels}}} ");
        self.guarded.find_sample(key, &series)?.ok_or_else(|| io::Error::other(format!("no `{series}`")))
    }

    /// How many requests but ours it has refused for a wrong key.
    fn refusals(&mut self, key: &str) -> io::Result<u32> {
        Ok(self.checks(key, r#"key="",outcome="wrong""#)? - self.guarded.refused())
    }
}
