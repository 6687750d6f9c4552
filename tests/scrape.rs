//! Real Prometheus servers scrape the examples with the README's configuration, and with a wrong key.
//!
//! `cargo test -p metrics-guard-tests --test scrape`
//!
//! A version that cannot be had is counted as ignored, and said so; where the variable `CI` is set, it fails.

use std::{fs, io, path::Path};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use metrics_guard_tests::{
    KEY, WRONG,
    certificates::{Authority, Validity},
    prometheus::{Prometheus, Version},
    server::{Profile, Server},
};

const README: &str = include_str!("../README.md");

/// What Prometheus, each version of it, says of a target that refuses it.
const REFUSED: &str = "server returned HTTP status 401 Unauthorized";

/// And of one that refuses its certificate, whatever its key.
const FORBIDDEN: &str = "server returned HTTP status 403 Forbidden";

fn main() {
    let by_key = Version::ALL.into_iter().flat_map(|version| {
        Server::ALL.map(|server| {
            let name = format!("{}_by_prometheus_{}", server.name(), version.slot());
            Trial::ignorable_test(name, move || run(version, |program| scrape(program, server)))
        })
    });
    let by_certificate = Version::ALL.map(|version| {
        let name = format!("with_a_client_certificate_by_prometheus_{}", version.slot());
        Trial::ignorable_test(name, move || run(version, scrape_with_certificate))
    });
    libtest_mimic::run(&Arguments::from_args(), by_key.chain(by_certificate).collect()).exit();
}

fn run(version: Version, scrape: impl Fn(&Path) -> io::Result<()>) -> Result<Completion, Failed> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    match version.fetch_or_say_so(&cache)? {
        Some(program) => Ok(scrape(&program).map(|()| Completion::Completed)?),
        None => Ok(Completion::ignored_with(format!("no Prometheus of {}", version.slot()))),
    }
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
    // So does its guard, with the reasons; and it tells of its key file.
    for (series, expected) in [("outcome='allowed',key='current'", 2.0), ("outcome='wrong',key=''", 2.0)] {
        let query = format!("metrics_guard_checks_total{{job='my-service',{series}}}");
        prometheus.wait_for_sample(&query, |checks| checks >= expected)?;
    }
    let of_file = format!("{{job='my-service',file='{key_path}'}}");
    prometheus.wait_for_sample(&format!("metrics_guard_key_file_stale{of_file}"), |stale| stale < 0.5)?;
    let age = format!("time() - metrics_guard_key_file_modified_timestamp_seconds{of_file}");
    prometheus.wait_for_sample(&age, |seconds| (0.0..600.0).contains(&seconds))?;

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

/// Each server behind TLS, by a Prometheus with a certificate of the right name, one of another, and none.
fn scrape_with_certificate(program: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let authority = Authority::new()?;
    authority.write(&folder.path().join("ca.pem"))?;
    fs::write(path("metrics_key"), KEY)?;
    let issue = |file: &str, name| authority.issue(folder.path(), file, &[name], Validity::Current);
    issue("right", "prometheus.example")?;
    issue("other", "other.example")?;

    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    let mut servers = Vec::new();
    for server in Server::ALL {
        let name = server.name();
        let identity = issue(name, "localhost")?;
        let files = [identity.certificate.display().to_string(), identity.key.display().to_string(), path("ca.pem")];
        let environment = [
            ("METRICS_VERIFICATION_KEY_FILE", path("metrics_key")),
            ("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example".to_owned()),
        ];
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        let running = server.start_tls(&server.build_tls()?, files.each_ref().map(String::as_str), &environment)?;
        for client in ["right", "other", "none"] {
            let target = format!("localhost:{}", running.address.port());
            config += &job(&format!("{name}-{client}"), &path("metrics_key"), &target)?;
            config += &tls_config(
                &path("ca.pem"),
                &path(&format!("{client}_cert.pem")),
                &path(&format!("{client}_key.pem")),
            )?;
        }
        servers.push(running);
    }

    let prometheus = Prometheus::start(program, folder.path(), &config)?;
    prometheus.wait_for_sample("count(count_over_time(up[1m]) >= 3)", |jobs| jobs > 8.5)?;
    let targets = prometheus.api("targets")?;
    let active = targets.pointer("/data/activeTargets").and_then(|targets| targets.as_array());
    for server in Server::ALL {
        for (client, health, last_error) in
            [("right", "up", ""), ("other", "down", FORBIDDEN), ("none", "down", FORBIDDEN)]
        {
            let job = format!("{}-{client}", server.name());
            let target = active.and_then(|targets| targets.iter().find(|target| target["labels"]["job"] == job));
            let says = |field: &str| target.and_then(|target| target[field].as_str()).unwrap_or_default();
            if says("health") != health || says("lastError") != last_error {
                return Err(io::Error::other(format!("{job} is not {health}: {targets}\n{}", prometheus.log())));
            }
        }
    }
    Ok(())
}

/// The README's addition to a scrape job for TLS, with other files; without a certificate if there is none.
fn tls_config(ca: &str, certificate: &str, key: &str) -> io::Result<String> {
    let block = from_readme("    scheme: https\n")?;
    let files = [
        ("/etc/prometheus/ca.pem", ca),
        ("/etc/prometheus/client.pem", certificate),
        ("/etc/prometheus/client.key", key),
    ];
    let lines = block.lines().filter_map(|line| match files.iter().find(|(text, _)| line.contains(text)) {
        Some((text, path)) => Path::new(path).exists().then(|| line.replace(text, path)),
        None => Some(line.to_owned()),
    });
    Ok(lines.map(|line| line + "\n").collect())
}

/// The README's scrape job, with another name, key file and target.
fn job(name: &str, key_file: &str, target: &str) -> io::Result<String> {
    let mut job = from_readme("  - job_name: my-service")?.to_owned();
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

/// The README from `start` to the end of its code block.
fn from_readme(start: &str) -> io::Result<&'static str> {
    let found = README.find(start).and_then(|start| README[start..].split_once("```"));
    found.map(|(block, _)| block).ok_or_else(|| io::Error::other(format!("no `{start}` in the README")))
}
