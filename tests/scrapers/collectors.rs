//! The files for collectors other than Prometheus and vmagent.
//!
//! Of the OpenTelemetry Collector, the part that is Prometheus' own is run; of the Datadog Agent, the check, which needs a
//! `python3` with its module venv, and pip. Grafana Alloy and Telegraf are not run: their files are held against lists of
//! names, which were copied from their sources.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use libtest_mimic::{Completion, Failed, Trial};
use metrics_guard_tests::{
    KEY, WRONG,
    guarded::{Guarded, KeyFile, replace_file},
    numbered_key,
    prometheus::{Prometheus, Version, is_ci},
    server::{Profile, Server},
    wire::{exchange, request},
};
use serde_json::{Value, json};

use crate::tools;

const ALLOY: &str = include_str!("../../deploy/alloy/config.alloy");
const OTEL: &str = include_str!("../../deploy/otel/collector.yaml");
const DATADOG: &str = include_str!("../../deploy/datadog/conf.yaml");
const TELEGRAF: &str = include_str!("../../deploy/telegraf/telegraf.conf");

const KEY_FILE: &str = "/etc/prometheus/keys/metrics_key";
const TARGET: &str = "my-service:8000";

pub(crate) fn trials() -> Vec<Trial> {
    let promtool = Version::ALL.map(|version| {
        Trial::ignorable_test(format!("otel_config_by_promtool_{}", version.slot()), move || {
            with_prometheus(version, check_otel)
        })
    });
    let others = [
        Trial::ignorable_test("otel_config_by_prometheus_trixie", || with_prometheus(Version::Trixie, scrape_as_otel)),
        Trial::ignorable_test("datadog_check", || with_datadog(datadog)),
        Trial::ignorable_test("datadog_redirect", || with_datadog(datadog_redirect)),
        Trial::test("alloy_names", || alloy_names().map_err(Failed::from)),
        Trial::test("telegraf_names", || telegraf_names().map_err(Failed::from)),
        Trial::test("telegraf_key_file", || Ok(telegraf_key_file()?)),
        Trial::test("what_is_not_run_says_so", || Ok(what_is_not_run_says_so()?)),
    ];
    promtool.into_iter().chain(others).collect()
}

fn with_prometheus(version: Version, test: impl Fn(&Path) -> io::Result<()>) -> Result<Completion, Failed> {
    tools::with(version.slot(), "prometheus", |program| Ok(test(program)?))
}

fn with_datadog(test: impl Fn(&Python) -> io::Result<()>) -> Result<Completion, Failed> {
    match Python::fetch_or_say_so()? {
        Some(python) => Ok(test(&python).map(|()| Completion::Completed)?),
        None => Ok(Completion::ignored_with("no check of the Datadog Agent")),
    }
}

/// `text` with other words in the place of some that must be in it.
fn replace(text: &str, words: &[(&str, &str)]) -> io::Result<String> {
    words.iter().try_fold(text.to_owned(), |text, (word, other)| {
        let is_there = text.contains(word);
        is_there
            .then(|| text.replace(word, other))
            .ok_or_else(|| io::Error::other(format!("`{word}` is not in the file")))
    })
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

fn check_otel(prometheus: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let key_file = folder.path().join("metrics_key");
    fs::write(&key_file, format!("{KEY}\n"))?;
    let config_file = folder.path().join("prometheus.yml");
    fs::write(&config_file, replace(&otel_config()?, &[(KEY_FILE, &key_file.display().to_string())])?)?;
    let promtool = prometheus.with_file_name("promtool");
    run(Command::new(promtool).args(["check", "config"]).arg(&config_file))
}

fn scrape_as_otel(program: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(folder.path(), &[KEY])?;
    let key_file = folder.path().join("metrics_key");
    fs::write(&key_file, format!("{KEY}\n"))?;
    let config = replace(
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

// Datadog Agent

/// A Python in a folder of its own, with what the check needs.
struct Python(PathBuf);

impl Python {
    fn fetch_or_say_so() -> io::Result<Option<Python>> {
        // One trial installs it, the other finds it.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        match Python::fetch() {
            Ok(python) => Ok(Some(python)),
            Err(problem) => {
                let problem = io::Error::other(format!("NO CHECK OF DATADOG: {problem}"));
                eprintln!("{problem}");
                if is_ci() { Err(problem) } else { Ok(None) }
            }
        }
    }

    fn fetch() -> io::Result<Python> {
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("scrapers/datadog-requirements.txt");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers/datadog");
        let python = Python(folder.join("bin/python"));
        let wanted = fs::read_to_string(&requirements)?;
        let installed = folder.join("installed.txt");
        let is_installed = fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted);
        // The system's Python, of which it is a part, may be another by now.
        if is_installed && run(Command::new(&python.0).args(["-c", "import datadog_checks.base"])).is_ok() {
            return Ok(python);
        }
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        // Wheels only: nothing is compiled, and no package's own code runs.
        let options =
            ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--retries=2", "--timeout=30"];
        run(Command::new(&python.0).args(options).arg("--requirement").arg(&requirements))?;
        fs::write(installed, wanted)?;
        Ok(python)
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            Err(io::Error::other(format!("{command:?}: {said}")))
        }
        Err(error) => Err(io::Error::other(format!("{command:?}: {error}"))),
    }
}

/// The Agent's check, at work on one configuration.
struct Check {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Check {
    fn start(python: &Python, config_file: &Path) -> io::Result<Check> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("scrapers/datadog_check.py");
        let mut command = Command::new(&python.0);
        command.arg(program).arg(config_file).stdin(Stdio::piped()).stdout(Stdio::piped());
        // It would ask a proxy for 127.0.0.1.
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let output = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        Ok(Check { child, input, output })
    }

    /// One run of the check: what the program prints of it.
    fn run(&mut self) -> io::Result<Value> {
        self.input.write_all(b"\n")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if [KEY, WRONG, &numbered_key(1)].iter().any(|key| line.contains(*key)) {
            return Err(io::Error::other(format!("a key is shown in {line}")));
        }
        serde_json::from_str(&line).map_err(|error| io::Error::other(format!("{error}: {line:?}")))
    }

    /// One run that finds the metrics.
    fn succeed(&mut self) -> io::Result<Value> {
        let report = self.run()?;
        let memory = report["samples"]["my_service.process_resident_memory_bytes"].as_f64();
        if report["error"] != "" || report["health"][0][0] != 0 || memory.is_none_or(|bytes| bytes < 1e6) {
            return Err(io::Error::other(format!("not scraped: {report:#}")));
        }
        Ok(report)
    }

    /// One run that does not.
    fn fail(&mut self) -> io::Result<Value> {
        const REFUSED: &str = "401 Client Error: Unauthorized for url";
        let report = self.run()?;
        let says_so = report["error"].as_str().is_some_and(|error| error.contains(REFUSED));
        if !says_so || report["health"][0][0] != 2 || report["samples"] != json!({}) {
            return Err(io::Error::other(format!("not refused: {report:#}")));
        }
        Ok(report)
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        // Neither fails but for a child that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the file says of a header of another name.
const OTHER_HEADER: [(&str, &str); 2] =
    [("Authorization # or: X-Metrics-Key", "X-Metrics-Key"), ("Bearer <TOKEN>", "<TOKEN>")];

fn datadog(python: &Python) -> io::Result<()> {
    for writer in [&[][..], &OTHER_HEADER] {
        let folder = tempfile::tempdir()?;
        let mut service = Service::start(folder.path(), &[KEY])?;
        let key_file = folder.path().join("metrics_key");
        let config_file = folder.path().join("conf.yaml");
        let address = service.address();
        let config = replace(DATADOG, &[(KEY_FILE, &key_file.display().to_string()), (TARGET, &address)])?;
        fs::write(&config_file, replace(&config, writer)?)?;

        fs::write(&key_file, format!("{KEY}\n"))?;
        let mut check = Check::start(python, &config_file)?;
        check.succeed()?;
        let report = check.succeed()?;
        if report["samples"]["my_service.http_requests.count"].as_f64().is_none() {
            return Err(io::Error::other(format!("no counters: {report:#}")));
        }
        expect_refusals(&mut service, KEY, 0)?;

        // A rotation. While the old key is accepted, it stays in use.
        let new = numbered_key(1);
        service.accept(&[&new, KEY])?;
        replace_file(&key_file, &format!("{new}\n"))?;
        check.succeed()?;
        if service.checks(&new, r#"key="previous",outcome="allowed""#)? == 0 {
            return Err(io::Error::other("the new key is used before the old one is refused"));
        }
        // When it is refused, the file is read again, and the scrape succeeds.
        service.accept(&[&new])?;
        let before = service.refusals(&new)?;
        check.succeed()?;
        let report = check.succeed()?;
        expect_refusals(&mut service, &new, before + 1)?;
        // That there is a log in which a key could be seen.
        let log = report["log"].as_str().unwrap_or_default();
        for line in [r#""GET /metrics HTTP/1.1" 200"#, "Renewing auth token, as an error occurred: 401"] {
            if !log.contains(line) {
                return Err(io::Error::other(format!("`{line}` is not in {log}")));
            }
        }

        // A wrong key: two refusals a scrape. It heals by itself.
        replace_file(&key_file, WRONG)?;
        let mut check = Check::start(python, &config_file)?;
        check.fail()?;
        check.fail()?;
        expect_refusals(&mut service, &new, before + 5)?;
        replace_file(&key_file, &format!(" {new}\r\n"))?;
        check.succeed()?;
    }
    Ok(())
}

/// A service that redirects does not get the key sent elsewhere, as it would without the file's line on redirects. The
/// check finds nothing wrong with it.
fn datadog_redirect(python: &Python) -> io::Result<()> {
    for (allowed, expected) in [("false", false), ("true", true)] {
        let (service, elsewhere) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let target = service.local_addr()?.to_string();
        let location = format!("Location: http://localhost:{}/", elsewhere.local_addr()?.port());
        elsewhere.set_nonblocking(true)?;
        thread::spawn(move || {
            for stream in service.incoming().take(1) {
                answer(&mut stream?, &format!("HTTP/1.1 302 Found\r\n{location}\r\nContent-Length: 0\r\n\r\n"))?;
            }
            io::Result::Ok(())
        });
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let received = thread::spawn(move || {
            loop {
                match elsewhere.accept() {
                    Ok((mut stream, _)) => {
                        stream.set_nonblocking(false)?;
                        let head = answer(&mut stream, "HTTP/1.1 204 No Content\r\n\r\n")?;
                        return io::Result::Ok(Some(head));
                    }
                    Err(_) if !until.load(Ordering::Relaxed) => thread::sleep(Duration::from_millis(20)),
                    Err(_) => return Ok(None),
                }
            }
        });

        let folder = tempfile::tempdir()?;
        let key_file = folder.path().join("metrics_key");
        fs::write(&key_file, KEY)?;
        let config = replace(DATADOG, &[(KEY_FILE, &key_file.display().to_string()), (TARGET, &target)])?;
        let redirects = format!("allow_redirects: {allowed}");
        let config = replace(&replace(&config, &OTHER_HEADER)?, &[("allow_redirects: false", &redirects)])?;
        let config_file = folder.path().join("conf.yaml");
        fs::write(&config_file, config)?;
        let report = Check::start(python, &config_file).and_then(|mut check| check.run());
        is_over.store(true, Ordering::Relaxed);
        let report = report?;
        let received = received.join().map_err(|_| io::Error::other("the other service panicked"))??;
        let is_sent = received.as_ref().is_some_and(|head| head.contains(KEY));
        let is_healthy = report["error"] == "" && report["health"][0][0] == 0 && report["samples"] == json!({});
        if is_sent != expected || !is_healthy {
            return Err(io::Error::other(format!("redirects allowed: {allowed}; {received:?} {report:#}")));
        }
    }
    Ok(())
}

/// Reads a request's head from `stream`, and answers it.
fn answer(stream: &mut TcpStream, response: &str) -> io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = String::new();
    let mut reader = BufReader::new(&mut *stream);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    stream.write_all(response.as_bytes())?;
    Ok(head)
}

fn expect_refusals(service: &mut Service, key: &str, expected: u32) -> io::Result<()> {
    let refusals = service.refusals(key)?;
    if refusals == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("{refusals} refusals, and not {expected}")))
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
    run(Command::new("sh").args(["-euc", telegraf_recipe()]).current_dir(folder.path()))?;
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
        let line = format!("Authorization: Bearer {value}");
        let answer = exchange(service.guarded.address(), &request("GET", "/metrics", &[line.as_bytes()]))?;
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
    for folder in fs::read_dir(tools::deploy(""))? {
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
