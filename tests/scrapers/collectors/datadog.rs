//! The file for the Datadog Agent: its check is run, in a Python that has what it needs.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
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
    fetch::is_ci,
    key_changes::replace_file,
    numbered_key,
    process::{Process, succeed},
};
use serde_json::{Value, json};

use super::{Service, TARGET};
use crate::{job::KEY_FILE, tools::replaced};

const DATADOG: &str = include_str!("../../../deploy/datadog/conf.yaml");

pub(super) fn trials() -> [Trial; 2] {
    [
        Trial::ignorable_test("datadog_check", || with_python(scrape)),
        Trial::ignorable_test("datadog_redirect", || with_python(redirect)),
    ]
}

fn with_python(test: impl Fn(&Python) -> io::Result<()>) -> Result<Completion, Failed> {
    match Python::fetch_or_say_so()? {
        Some(python) => Ok(test(&python).map(|()| Completion::Completed)?),
        None => Ok(Completion::ignored_with("no check of the Datadog Agent")),
    }
}

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
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("scrapers/collectors/datadog-requirements.txt");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers/datadog");
        let python = Python(folder.join("bin/python"));
        let wanted = fs::read_to_string(&requirements)?;
        let installed = folder.join("installed.txt");
        let is_installed = fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted);
        // The system's Python, of which it is a part, may be another by now.
        if is_installed && succeed(Command::new(&python.0).args(["-c", "import datadog_checks.base"])).is_ok() {
            return Ok(python);
        }
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        // Wheels only: nothing is compiled, and no package's own code runs.
        let options =
            ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--retries=2", "--timeout=30"];
        succeed(Command::new(&python.0).args(options).arg("--requirement").arg(&requirements))?;
        fs::write(installed, wanted)?;
        Ok(python)
    }
}

/// The Agent's check, at work on one configuration.
struct Check {
    process: Process,
    runs: u32,
}

impl Check {
    fn start(python: &Python, config_file: &Path) -> io::Result<Check> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("scrapers/collectors/datadog_check.py");
        let mut command = Command::new(&python.0);
        command.arg(program).arg(config_file);
        // It would ask a proxy for 127.0.0.1.
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        Ok(Check { process: Process::start_with_input(&mut command)?, runs: 0 })
    }

    /// One run of the check: what the program prints of it, within half a minute.
    fn run(&mut self) -> io::Result<Value> {
        self.runs += 1;
        let run = self.runs.to_string();
        self.process.say(&run)?;
        let report = self.process.wait_for(|line| {
            let report: Value = serde_json::from_str(line).ok()?;
            (report["line"] == run).then_some(report)
        })?;
        let output = self.process.output();
        if [KEY, WRONG, &numbered_key(1)].iter().any(|key| output.contains(*key)) {
            return Err(io::Error::other(format!("a key is shown in {output}")));
        }
        Ok(report)
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

/// What the file says of a header of another name.
const OTHER_HEADER: [(&str, &str); 2] =
    [("Authorization # or: X-Metrics-Key", "X-Metrics-Key"), ("Bearer <TOKEN>", "<TOKEN>")];

fn scrape(python: &Python) -> io::Result<()> {
    for writer in [&[][..], &OTHER_HEADER] {
        let folder = tempfile::tempdir()?;
        let mut service = Service::start(folder.path(), &[KEY])?;
        let key_file = folder.path().join("metrics_key");
        let config_file = folder.path().join("conf.yaml");
        let address = service.address();
        let config = replaced(DATADOG, &[(KEY_FILE, &key_file.display().to_string()), (TARGET, &address)])?;
        fs::write(&config_file, replaced(&config, writer)?)?;

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
fn redirect(python: &Python) -> io::Result<()> {
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
        let config = replaced(DATADOG, &[(KEY_FILE, &key_file.display().to_string()), (TARGET, &target)])?;
        let redirects = format!("allow_redirects: {allowed}");
        let config = replaced(&replaced(&config, &OTHER_HEADER)?, &[("allow_redirects: false", &redirects)])?;
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
