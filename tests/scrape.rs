//! Real Prometheus servers scrape the examples with the README's configuration, and with a wrong key.
//!
//! `cargo test -p metrics-guard-tests --test scrape`
//!
//! A version that cannot be had is counted as ignored, and said so; where the variable `CI` is set, it fails.

use std::{env, fs, io, path::Path};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use metrics_guard_tests::{
    KEY, WRONG,
    prometheus::{Prometheus, Version},
    server::{Profile, Server},
};

const README: &str = include_str!("../README.md");

/// What Prometheus, each version of it, says of a target that refuses it.
const REFUSED: &str = "server returned HTTP status 401 Unauthorized";

fn main() {
    let trial = |version: Version, server: Server| {
        let name = format!("{}_by_prometheus_{}", server.name(), version.slot());
        Trial::ignorable_test(name, move || run(version, server).map_err(Failed::from))
    };
    let trials = Version::ALL.into_iter().flat_map(|version| Server::ALL.map(|server| trial(version, server)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn run(version: Version, server: Server) -> io::Result<Completion> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    if let Some(program) = version.fetch(&cache)? {
        return scrape(&program, server).map(|()| Completion::Completed);
    }
    let problem = format!("NO PROMETHEUS of {}: see above what get-prometheus.sh says", version.slot());
    eprintln!("{problem}");
    let is_ci = env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
    if is_ci { Err(io::Error::other(problem)) } else { Ok(Completion::ignored_with(problem)) }
}

fn scrape(program: &Path, server: Server) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let key_file = folder.path().join("metrics_key");
    let wrong_file = folder.path().join("wrong_key");
    fs::write(&key_file, format!("{KEY}\n"))?;
    fs::write(&wrong_file, format!("{WRONG}\n"))?;

    let key_path = key_file.display().to_string();
    let server = server.start(&server.build(Profile::Debug)?, &[("METRICS_VERIFICATION_KEY_FILE", &key_path)])?;
    let target = server.address.to_string();

    let right = job("my-service", &key_path, &target)?;
    let wrong = job("intruder", &wrong_file.display().to_string(), &target)?;
    let config = format!("global: {{scrape_interval: 1s}}\nscrape_configs:\n{right}{wrong}");
    let prometheus = Prometheus::start(program, folder.path(), &config)?;

    // The target is up, scrape after scrape, and its own metrics are stored.
    prometheus.wait_for_sample("count_over_time(up{job='my-service'}[1m])", |scrapes| scrapes >= 3.0)?;
    prometheus.wait_for_sample("min_over_time(up{job='my-service'}[1m])", |up| up > 0.5)?;
    prometheus.wait_for_sample("http_requests_total{job='my-service',route='/metrics',status='200'}", |n| n >= 2.0)?;
    prometheus.wait_for_sample(
        "histogram_quantile(0.5, http_request_duration_seconds_bucket{job='my-service',route='/metrics'})",
        |seconds| seconds > 0.0,
    )?;
    prometheus.wait_for_sample("process_resident_memory_bytes{job='my-service'}", |bytes| bytes > 1e6)?;
    // The other is down, and was never up.
    prometheus.wait_for_sample("count_over_time(up{job='intruder'}[1m])", |scrapes| scrapes >= 3.0)?;
    prometheus.wait_for_sample("max_over_time(up{job='intruder'}[1m])", |up| up < 0.5)?;
    // And the service counts its refusals.
    prometheus.wait_for_sample("http_requests_total{job='my-service',route='/metrics',status='401'}", |n| n >= 2.0)?;

    let targets = prometheus.api("targets")?;
    let active = targets.pointer("/data/activeTargets").and_then(|targets| targets.as_array());
    for (job, health, last_error) in [("my-service", "up", ""), ("intruder", "down", REFUSED)] {
        let target = active.and_then(|targets| targets.iter().find(|target| target["labels"]["job"] == job));
        let says = |field: &str| target.and_then(|target| target[field].as_str()).unwrap_or_default();
        if says("health") != health || says("lastError") != last_error {
            return Err(io::Error::other(format!("{job} is not {health}: {targets}")));
        }
    }

    let shown = [prometheus.log(), targets.to_string(), prometheus.api("status/config")?.to_string()].concat();
    let said = server.process.output();
    for key in [KEY, WRONG] {
        if shown.contains(key) || said.contains(key) {
            return Err(io::Error::other("a key stands in Prometheus's API or log, or in the service's"));
        }
    }
    Ok(())
}

/// The README's scrape job, with another name, key file and target.
fn job(name: &str, key_file: &str, target: &str) -> io::Result<String> {
    let start = README.find("  - job_name: my-service");
    let job = start.and_then(|start| README[start..].split_once("```")).map(|(job, _)| job);
    let mut job = job.ok_or_else(|| io::Error::other("no scrape config in the README"))?.to_owned();
    for (text, replacement) in
        [("my-service", name), ("/etc/prometheus/metrics_key", key_file), ("localhost:8000", target)]
    {
        if !job.contains(text) {
            return Err(io::Error::other(format!("`{text}` is not in the README's scrape config any more")));
        }
        job = job.replace(text, replacement);
    }
    Ok(job)
}
