//! Prints the scrape config that fits a guard with the settings in the environment: its header, its query parameter and its
//! client certificates.
//!
//! ```text
//! cargo run -p metrics-guard-core --example scrape_config -- --scraper prometheus --target my-service:8000
//! ```
//!
//! The config names the file that holds the scraper's key, and never contains the key. The service's key need not be configured
//! here. If it is, the guard validates it. The config goes to the standard output, and warnings and errors go to the standard
//! error. `--help` lists the other arguments.
//!
//! This file reads the arguments and the settings. `text.rs` writes the config of each scraper.

use std::{collections::HashMap, error::Error, process::ExitCode};

use http::uri::Authority;
use metrics_guard_core::{ConfigErrorKind, Guard, adapter::Settings};
use text::{KEYS, SCRAPERS, quoted};

mod text;

const HELP: &str = "\
Prints the scrape config that fits the METRICS_VERIFICATION_... settings in the environment. It does not read Rocket.toml.

--scraper NAME      prometheus, vmagent, alloy, otel, operator, datadog or telegraf
--target HOST:PORT  the service
--key-file PATH     the scraper's file with its one key [/etc/prometheus/keys/metrics_key; for telegraf, telegraf_key there];
                    not for operator, which takes it from the Secret `metrics-key`
--method NAME       how the key is sent [authorization]; or basic_auth, header, query
--job NAME          what the scraper calls the service [my-service]
--https             the service is behind TLS (a required client certificate implies it)
";

fn main() -> ExitCode {
    if std::env::args_os().any(|argument| argument == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match config() {
        Ok(config) => {
            print!("{config}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn config() -> Result<String, Box<dyn Error>> {
    let mut arguments = arguments()?;
    let scraper = arguments.remove("--scraper").ok_or("--scraper: write which, such as prometheus")?;
    let (_, write) = SCRAPERS
        .into_iter()
        .find(|(name, _)| *name == scraper)
        .ok_or_else(|| format!("--scraper: write one of {}", SCRAPERS.map(|(name, _)| name).join(", ")))?;
    let guard = guard()?;
    Ok(write(&Job::new(&scraper, arguments, &guard)?)?)
}

/// Returns the arguments by name. No error shows a value, because it could be a key by mistake.
fn arguments() -> Result<HashMap<&'static str, String>, String> {
    const WITH_VALUE: [&str; 5] = ["--scraper", "--target", "--key-file", "--method", "--job"];
    let mut given = HashMap::new();
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        let (name, value) = if argument == "--https" {
            ("--https", String::new())
        } else {
            let name = WITH_VALUE.into_iter().find(|name| argument == *name);
            let name = name.ok_or_else(|| format!("an argument is not known; write\n{HELP}"))?;
            let value = arguments.next().and_then(|value| value.into_string().ok()).unwrap_or_default();
            // YAML and the other formats cannot hold a control character in one line, and some scrapers expand `$` and `%`.
            if value.is_empty() || value.contains(|c: char| c.is_control() || "$%".contains(c)) {
                return Err(format!("{name}: write a value after it, in one line and without `$` and `%`"));
            }
            (name, value)
        };
        if given.insert(name, value).is_some() {
            return Err(format!("{name}: write it once"));
        }
    }
    Ok(given)
}

/// Returns the guard that the environment describes, so that its settings can be read.
fn guard() -> Result<Guard, Box<dyn Error>> {
    match Guard::from_env() {
        // The scraper's machine needs none of the service's keys. This key opens nothing, because the guard checks no request.
        Err(error) if error.kind() == ConfigErrorKind::MissingKey => {
            let mut settings = Settings::from_env();
            let stand_in = format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?);
            settings.set("key", "scrape_config", stand_in)?;
            Ok(settings.builder()?.build())
        }
        guard => Ok(guard?),
    }
}

/// The job of a scraper. The strings are already in quotes.
struct Job {
    name: String,
    /// The name as Kubernetes allows it for an object.
    object_name: String,
    target: String,
    url: String,
    key_file: String,
    method: Method,
    https: bool,
    client_certificate: bool,
    remarks: Vec<String>,
}

/// How the scraper presents the key.
#[derive(PartialEq)]
enum Method {
    Authorization,
    BasicAuth,
    /// In the header with this name.
    Header(String),
    /// In the query parameter with this name.
    Query(String),
}

impl Job {
    fn new(scraper: &str, mut arguments: HashMap<&'static str, String>, guard: &Guard) -> Result<Job, String> {
        let mut take = |name| arguments.remove(name);
        let target = take("--target").unwrap_or_default();
        let is_complete = |target: Authority| {
            !target.host().is_empty() && target.port_u16().is_some() && !target.as_str().contains('@')
        };
        if !target.parse().is_ok_and(is_complete) {
            return Err("--target: write HOST:PORT, such as my-service:8000".to_owned());
        }
        let key_file = take("--key-file");
        if scraper == "operator" && key_file.is_some() {
            return Err("--key-file: leave it out; the Operator takes the key from the Secret `metrics-key`".to_owned());
        }
        let name = if scraper == "telegraf" { "telegraf_key" } else { "metrics_key" };
        let mut key_file = key_file.unwrap_or_else(|| format!("{KEYS}/{name}"));
        if !key_file.starts_with('/') {
            return Err("--key-file: write the whole path of the file, from the root on; not the key".to_owned());
        }
        let method = match take("--method").as_deref() {
            None | Some("authorization") => Method::Authorization,
            Some("basic_auth") => Method::BasicAuth,
            Some("header") => Method::Header(guard.header_name().to_string()),
            Some("query") => Method::Query(parameter(guard)?),
            Some(_) => return Err("--method: write authorization, basic_auth, header or query".to_owned()),
        };
        if let Method::Query(_) = method {
            key_file += ".json"; // a file of targets with the key; scrapers read its path as a pattern
            if key_file.contains(['*', '?', '[', '\\']) {
                return Err("--key-file: for --method query, write a path without `*`, `?`, `[` and `\\`".to_owned());
            }
        }
        let client_certificate = guard.requires_client_name();
        let mut remarks = Vec::new();
        if client_certificate {
            remarks.push("The client certificate must have a name in METRICS_VERIFICATION_CLIENT_NAMES.".to_owned());
        }
        if !guard.is_disabled() && std::env::var_os("METRICS_VERIFICATION_NETWORKS").is_some() {
            remarks.push("The scraper's address must be in a network in METRICS_VERIFICATION_NETWORKS.".to_owned());
        }
        let https = take("--https").is_some() || client_certificate;
        let name = take("--job").unwrap_or_else(|| "my-service".to_owned());
        Ok(Job {
            object_name: object_name(&name),
            name: quoted(&name),
            url: quoted(&format!("{}://{target}/metrics", if https { "https" } else { "http" })),
            target: quoted(&target),
            key_file: quoted(&key_file),
            method,
            https,
            client_certificate,
            remarks,
        })
    }
}

/// Returns `job` with `-` for each character that the name of an object cannot have.
fn object_name(job: &str) -> String {
    let in_names = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = job.chars().map(in_names).take(63).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "my-service".to_owned() } else { name.to_owned() }
}

/// Returns the name of the query parameter, if the guard reads one and a scraper can take its value from a file.
fn parameter(guard: &Guard) -> Result<String, String> {
    let variable = "METRICS_VERIFICATION_QUERY";
    let Some(name) = guard.query_parameter() else {
        return Err(format!(
            "--method query: the guard takes no key from the query; choose another, or set {variable}"
        ));
    };
    // The key is a label of the target, and Prometheus 2 allows no other characters in the name of a label.
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("--method query: scrapers want {variable} to have letters, digits and `_` only"));
    }
    Ok(name.to_owned())
}
