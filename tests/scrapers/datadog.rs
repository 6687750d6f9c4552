//! deploy/datadog: the Agent's check is run, by a Python that has what it needs.

use std::{fs, io, path::Path, process::Command};

use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{
    KEY, WRONG,
    key_changes::{Guarded, KeyFile, checks, replace_file},
    numbered_key,
    process::Process,
    servers::Server,
};
use serde_json::{Value, json};

use crate::{
    job::KEY_FILE,
    methods::Files,
    tools::{deploy, replaced, with_python},
};

pub(crate) fn trials() -> Vec<Trial> {
    // The second is what the file says of a header of another name.
    let other: &[_] = &[("Authorization # or: X-Metrics-Key", "X-Metrics-Key"), ("Bearer <TOKEN>", "<TOKEN>")];
    let trial = |(name, writer)| Trial::ignorable_test(name, move || with_python(|programs| scrape(programs, writer)));
    [("datadog_check", &[][..]), ("datadog_check_by_another_header", other)].map(trial).into()
}

/// The Agent's check, at work on one configuration.
struct Check {
    process: Process,
    runs: u32,
}

impl Check {
    fn start(programs: &Path, config_file: &Path) -> io::Result<Check> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("scrapers/datadog_check.py");
        let mut command = Command::new(programs.join("python"));
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
        assert!(![KEY, WRONG, &numbered_key(1)].iter().any(|key| output.contains(*key)), "a key shows in {output}");
        Ok(report)
    }

    /// One run that finds the metrics.
    fn succeed(&mut self) -> io::Result<Value> {
        let report = self.run()?;
        let is_open = &report["samples"]["my_service.metrics_guard_open"];
        let is_scraped = report["error"] == "" && report["health"][0][0] == 0 && *is_open == 0.0;
        assert!(is_scraped, "not scraped: {report:#}");
        Ok(report)
    }

    /// One run that does not.
    fn fail(&mut self) -> io::Result<Value> {
        let report = self.run()?;
        let error = report["error"].as_str().unwrap_or_default();
        let is_rejected = error.contains("401 Client Error: Unauthorized for url");
        let is_down = is_rejected && report["health"][0][0] == 2 && report["samples"] == json!({});
        assert!(is_down, "not rejected: {report:#}");
        Ok(report)
    }
}

fn scrape(programs: &Path, writer: &[(&str, &str)]) -> Result<(), Failed> {
    let files = Files::new(KEY)?;
    let accepted = KeyFile::new(files.folder(), "accepted_keys", &[KEY])?;
    let mut service = files.start(Server::ANY, false, &accepted)?;
    let (key_file, config_file) = (files.folder().join("metrics_key"), files.folder().join("conf.yaml"));
    let config = fs::read_to_string(deploy("datadog/conf.yaml"))?;
    assert!(config.contains("allow_redirects: false"), "X-Metrics-Key would follow a redirect");
    let (path, address) = (files.presented.path(), service.address().to_string());
    let config = replaced(&config, &[(KEY_FILE, path.as_str()), ("my-service:8000", &address)])?;
    fs::write(&config_file, replaced(&config, writer)?)?;
    let expect_rejected = |service: &mut Guarded, key: &str, expected: f64| {
        let wrong = service.sample(key, &checks("wrong", "")).unwrap();
        let rejected = wrong - f64::from(service.refused()); // without ours
        assert!((rejected - expected).abs() < 0.5, "{rejected} requests rejected, and not {expected}");
    };

    let mut check = Check::start(programs, &config_file)?;
    check.succeed()?;
    let report = check.succeed()?;
    assert!(report["samples"]["my_service.metrics_scrapes.count"].is_number(), "no counters: {report:#}");
    expect_rejected(&mut service, KEY, 0.0);

    // A rotation. While the old key is accepted, it stays in use.
    let new = numbered_key(1);
    accepted.write(&[&new, KEY])?;
    service.wait_until(&new, true)?;
    files.presented.write(&[&new])?;
    check.succeed()?;
    let previous = service.sample(&new, &checks("allowed", "previous"))?;
    assert!(previous > 0.5, "the new key is used before the old one is rejected");
    // When it is rejected, the file is read again, and the scrape succeeds.
    accepted.write(&[&new])?;
    service.wait_until(KEY, false)?;
    check.succeed()?;
    let report = check.succeed()?;
    expect_rejected(&mut service, &new, 1.0);
    // There is a log in which a key could be seen.
    let log = report["log"].as_str().unwrap_or_default();
    for line in [r#""GET /metrics HTTP/1.1" 200"#, "Renewing auth token, as an error occurred: 401"] {
        assert!(log.contains(line), "`{line}` is not in {log}");
    }

    // A wrong key: two rejected requests a scrape. It heals by itself.
    replace_file(&key_file, WRONG)?;
    let mut check = Check::start(programs, &config_file)?;
    check.fail()?;
    check.fail()?;
    expect_rejected(&mut service, &new, 5.0);
    replace_file(&key_file, &format!(" {new}\r\n"))?;
    check.succeed()?;
    Ok(())
}
