//! The files for collectors other than Prometheus and vmagent.
//!
//! Of the OpenTelemetry Collector, the part that is Prometheus' own is run; of the Datadog Agent, the check, which needs a
//! `python3` with its module venv, and pip. Grafana Alloy and Telegraf are not run: their files are held against lists of
//! names, which were copied from their sources.

use std::{fs, io, path::Path, process::Command};

use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{
    KEY, WRONG,
    guarded::{Guarded, KeyFile},
    prometheus::{Prometheus, Version},
    server::{Profile, Server},
    wire::{exchange, with_bearer},
};

use crate::{
    job::KEY_FILE,
    tools::{deploy, replaced, run, succeed, with},
};

mod datadog;

const ALLOY: &str = include_str!("../../deploy/alloy/config.alloy");
const OTEL: &str = include_str!("../../deploy/otel/collector.yaml");
const TELEGRAF: &str = include_str!("../../deploy/telegraf/telegraf.conf");

const TARGET: &str = "my-service:8000";

pub(crate) fn trials() -> Vec<Trial> {
    let promtool = Version::ALL.map(|version| {
        Trial::ignorable_test(format!("otel_config_by_promtool_{}", version.slot()), move || {
            with(version.slot(), "promtool", check_otel)
        })
    });
    let others = [
        Trial::ignorable_test("otel_config_by_prometheus_trixie", || {
            with(Version::Trixie.slot(), "prometheus", scrape_as_otel)
        }),
        Trial::test("alloy_names", || alloy_names().map_err(Failed::from)),
        Trial::test("telegraf_names", || telegraf_names().map_err(Failed::from)),
        Trial::test("telegraf_key_file", || Ok(telegraf_key_file()?)),
        Trial::test("what_is_not_run_says_so", || Ok(what_is_not_run_says_so()?)),
    ];
    promtool.into_iter().chain(others).chain(datadog::trials()).collect()
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

// Grafana Alloy

/// What may stand in the blocks of the file: the attributes and blocks of `Arguments`, `HTTPClientConfig` and `TLSConfig`,
/// copied from grafana/alloy, internal/component/prometheus/scrape/scrape.go (commit 014ca2ae3f82) and
/// internal/component/common/config/types.go (commit f9bf406ae08b), but for those that would hold a key.
const ALLOY_NAMES: [(&str, &[&str]); 5] = [
    (
        "prometheus.scrape",
        &[
            "targets",
            "forward_to",
            "job_name",
            "honor_labels",
            "honor_timestamps",
            "track_timestamps_staleness",
            "scrape_interval",
            "scrape_timeout",
            "scrape_protocols",
            "metrics_path",
            "scheme",
            "body_size_limit",
            "sample_limit",
            "authorization",
            "tls_config",
            "clustering",
            "follow_redirects",
            "enable_http2",
        ],
    ),
    ("authorization", &["type", "credentials_file"]),
    ("tls_config", &["ca_file", "cert_file", "key_file", "server_name", "min_version"]),
    ("prometheus.remote_write", &["endpoint", "external_labels"]),
    ("endpoint", &["url"]),
];

/// The block that it is in, its name, its value.
pub(crate) type Attribute<'t> = (Option<&'t str>, &'t str, &'t str);

/// The attributes in `text`, all of which, and their blocks, have names that there are.
///
/// Of the syntax, this knows what the file uses: a block begins with a line that ends with `{`, and ends with one that is
/// `}`, and an attribute is a line.
pub(crate) fn alloy_values(text: &str) -> Result<Vec<Attribute<'_>>, String> {
    let mut open: Vec<&str> = Vec::new();
    let mut values = Vec::new();
    let code = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    for line in code.map(|line| line.split(" //").next().unwrap_or_default().trim()) {
        let is_block = line.ends_with('{');
        if line == "}" {
            open.pop().ok_or("a `}` too many")?;
            continue;
        }
        let name = line.split(' ').next().unwrap_or_default();
        let parent = open.last().copied();
        let allowed = match parent {
            Some(parent) => ALLOY_NAMES.iter().find(|(block, _)| *block == parent).map_or(&[][..], |(_, names)| names),
            None => &["prometheus.scrape", "prometheus.remote_write"],
        };
        if !allowed.contains(&name) {
            return Err(format!("`{name}` in {parent:?} is not one of {allowed:?}"));
        }
        if is_block {
            open.push(name);
        } else {
            let (_, value) = line.split_once(" = ").ok_or_else(|| format!("neither block nor attribute: {line}"))?;
            values.push((parent, name, value));
        }
    }
    if open.is_empty() { Ok(values) } else { Err(format!("{open:?} not closed")) }
}

fn alloy_names() -> Result<(), String> {
    let values = alloy_values(ALLOY)?;
    let key_file = format!("\"{KEY_FILE}\"");
    for expected in [
        (Some("authorization"), "type", "\"Bearer\""),
        (Some("authorization"), "credentials_file", key_file.as_str()),
        (Some("prometheus.scrape"), "follow_redirects", "false"),
        (Some("prometheus.scrape"), "targets", "[{\"__address__\" = \"my-service:8000\"}]"),
        (Some("prometheus.scrape"), "forward_to", "[prometheus.remote_write.default.receiver]"),
    ] {
        if values.iter().filter(|value| **value == expected).count() != 1 {
            return Err(format!("{expected:?} is not once in {values:?}"));
        }
    }
    Ok(())
}

// Telegraf

/// The fields that a file like ours could have, but for those that would hold a key: copied from influxdata/telegraf,
/// plugins/inputs/prometheus/prometheus.go, commit 3b0846d8aaea; and `tags`, which every input has.
const TELEGRAF_NAMES: [&str; 9] =
    ["urls", "bearer_token", "metric_version", "url_tag", "response_timeout", "tls_ca", "tls_cert", "tls_key", "tags"];

pub(crate) const TELEGRAF_KEY_FILE: &str = "/etc/prometheus/keys/telegraf_key";

/// The one input in `text`, whose fields have names that there are.
pub(crate) fn telegraf_input(text: &str) -> Result<toml::Table, String> {
    let config: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let inputs = config.get("inputs").and_then(|inputs| inputs.get("prometheus")).and_then(toml::Value::as_array);
    let [input] = inputs.map_or(&[][..], Vec::as_slice) else { return Err(format!("not one input: {config:?}")) };
    let input = input.as_table().ok_or("not a table")?;
    if let Some(name) = input.keys().find(|name| !TELEGRAF_NAMES.contains(&name.as_str())) {
        return Err(format!("`{name}` is not one of {TELEGRAF_NAMES:?}"));
    }
    Ok(input.clone())
}

fn telegraf_names() -> Result<(), String> {
    let input = telegraf_input(TELEGRAF)?;
    if input.get("bearer_token").and_then(toml::Value::as_str) != Some(TELEGRAF_KEY_FILE) {
        return Err(format!("no `{TELEGRAF_KEY_FILE}` in {input:?}"));
    }
    let url = format!("http://{TARGET}/metrics");
    let urls = input.get("urls").and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    if urls != [toml::Value::from(url)] {
        return Err(format!("other URLs: {urls:?}"));
    }
    Ok(())
}

/// How the key file is made.
pub(crate) fn telegraf_recipe() -> &'static str {
    TELEGRAF.lines().find_map(|line| line.strip_prefix("#   ")).unwrap_or_default()
}

/// The key file as the comment in telegraf.conf makes it is one that can be sent as it is; and what the service says to
/// values with more white space than that.
fn telegraf_key_file() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("metrics_key"), format!("{KEY}\n"))?;
    run(telegraf_recipe(), folder.path(), folder.path())?;
    let token = fs::read_to_string(folder.path().join("telegraf_key"))?;
    if token != KEY {
        return Err(io::Error::other(format!("{token:?}")));
    }

    let service = Service::start(folder.path(), &[KEY])?;
    // Go sends the second and the third as the first, and not the last two at all. Where a line break comes through, it ends
    // the field, or begins a continued line, which hyper refuses.
    for (value, expected) in [
        (token, 200),
        (format!("{KEY} "), 200),
        (format!("{KEY}\t"), 200),
        (format!("{KEY}\n"), 200),
        (format!("{KEY}\n more"), 400),
    ] {
        let answer = exchange(service.guarded.address(), &with_bearer("/metrics", &value))?;
        if answer.status != expected {
            return Err(io::Error::other(format!("{} for {value:?}", answer.status)));
        }
    }
    Ok(())
}

// All

/// Each file in deploy/ says what of it is not run, but for those that are run as they are.
fn what_is_not_run_says_so() -> io::Result<()> {
    let mut seen = 0;
    for folder in fs::read_dir(deploy(""))? {
        let folder = folder?.path();
        if !folder.is_dir() || folder.ends_with("prometheus") || folder.ends_with("vmagent") {
            continue; // alerts.yml is run by tests/alerts.rs, and README.md is about all of them
        }
        for file in fs::read_dir(folder)? {
            let file = file?.path();
            if file.file_name().is_some_and(|name| name == ".gitignore") {
                continue;
            }
            seen += 1;
            if !fs::read_to_string(&file)?.to_lowercase().contains("not run") {
                return Err(io::Error::other(format!("{} does not say what is not run", file.display())));
            }
        }
    }
    if seen < 15 { Err(io::Error::other(format!("only {seen} files"))) } else { Ok(()) }
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
