//! What the example `scrape_config` prints, run by Prometheus: the key arrives, also with a name and a path that YAML would
//! read as something else, and with a wrong key the target is down. No text shows the service's key.

use std::{fs, path::Path, process::Command};

use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{
    KEY,
    key_changes::KeyFile,
    process::said,
    prometheus::{Prometheus, Version},
    scraper::Scraping,
    servers::Server,
};

use crate::{
    methods::Files,
    tools::{example, replaced, with},
};

pub(crate) fn trials() -> Vec<Trial> {
    let cases = [("authorization", false), ("basic_auth", false), ("header", false), ("query", false)];
    let trial = |(method, has_tls)| {
        let name = format!("scrape_config_by_{method}{}", if has_tls { "_and_certificate" } else { "" });
        Trial::ignorable_test(name, move || {
            with(Version::Trixie.slot(), "prometheus", |prometheus| scrapes(prometheus, method, has_tls))
        })
    };
    cases.into_iter().chain([("authorization", true)]).map(trial).collect()
}

fn scrapes(prometheus: &Path, method: &str, has_tls: bool) -> Result<(), Failed> {
    const JOB: &str = "it's # a \"key\": é \\";
    let example = example("metrics-guard-core", "scrape_config", &[])?;
    let files = Files::new(KEY)?;
    let accepted = KeyFile::new(files.folder(), "accepted_keys", &[KEY])?;
    let server = files.start(Server::ANY, has_tls, &accepted)?;
    let target = format!("localhost:{}", server.address().port());

    let print = |job: &str, key_file: &KeyFile| {
        let path = format!("{} {}", key_file.path(), if method == "query" { "é" } else { JOB });
        fs::copy(key_file.path(), &path)?;
        let mut command = Command::new(&example);
        command.env_clear().env("METRICS_VERIFICATION_KEY_FILE", accepted.path());
        command.env("METRICS_VERIFICATION_QUERY", "key");
        if has_tls {
            command.env("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example");
        }
        command.args(["--scraper", "prometheus", "--target", &target, "--method", method, "--job", job]);
        let output = command.args(["--key-file", &path]).output()?;
        let said = said(&output);
        assert!(output.status.success() && !said.contains(KEY), "{said}");
        let mut text = String::from_utf8(output.stdout)?;
        if method == "query" {
            // As the comment in it says.
            let sample = text.lines().find_map(|line| line.trim().strip_prefix("# [{")).ok_or("no sample")?;
            let key = fs::read_to_string(&path)?;
            fs::write(format!("{path}.json"), format!("[{{{}", sample.replace("...", key.trim())))?;
        }
        if has_tls {
            let [authority, client] = ["ca.pem", "client"].map(|name| files.path(name));
            text = replaced(&text, &[("/etc/prometheus/ca.pem", &authority), ("/etc/prometheus/client", &client)])?;
        }
        Ok::<_, Failed>(text)
    };
    let (right, wrong) = (print(JOB, &files.presented)?, print("intruder", &files.wrong)?);
    let (_, wrong) = wrong.split_once("scrape_configs:\n").ok_or("no scrape_configs")?;
    let config = format!("global: {{scrape_interval: 1s}}\n{right}{wrong}");
    let scraping = Scraping::Prometheus(Prometheus::start(prometheus, files.folder(), &config)?);

    let storage = scraping.storage();
    storage.wait_for_sample("count_over_time(up{job!='intruder'}[1m]) >= 3", |_| true)?;
    storage.wait_for_sample("min_over_time(up{job!='intruder'}[1m]) == 1", |_| true)?;
    storage.wait_for_sample("max_over_time(up{job='intruder'}[1m]) == 0", |_| true)?;
    scraping.wait_for_target(JOB, None)?;
    scraping.wait_for_target("intruder", Some("server returned HTTP status 401 Unauthorized"))?;
    Ok(())
}
