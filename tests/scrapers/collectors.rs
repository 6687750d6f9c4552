//! deploy/otel and deploy/telegraf. The part of the first that is Prometheus' own is run by Prometheus, and the command for
//! the key file of the second by a shell.

use std::{fs, io, path::Path};

use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{KEY, WRONG, key_changes::KeyFile, prometheus::Prometheus, servers::Server};

use crate::{
    job::KEY_FILE,
    methods::Files,
    tools::{commands, deploy, replaced, run, with},
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::ignorable_test("otel_config_by_prometheus", || with("trixie", "prometheus", scrape_as_otel)),
        Trial::test("telegraf_key_file", telegraf_key_file),
    ]
}

/// What the Collector hands to the code of Prometheus: all below `config:`.
fn otel_config() -> io::Result<String> {
    let file = fs::read_to_string(deploy("otel/collector.yaml"))?;
    let (_, rest) = file.split_once("\n    config:\n").ok_or_else(|| io::Error::other("no `config` in the file"))?;
    let config: String =
        rest.lines().map_while(|line| line.strip_prefix("      ")).flat_map(|line| [line, "\n"]).collect();
    assert!(!config.contains('$'), "the Collector would look for a variable");
    assert!(config.contains("follow_redirects: false"), "the key would follow a redirect");
    Ok(config)
}

fn scrape_as_otel(program: &Path) -> Result<(), Failed> {
    let files = Files::new(KEY)?;
    let accepted = KeyFile::new(files.folder(), "accepted_keys", &[KEY])?;
    let service = files.start(Server::ANY, false, &accepted)?;
    let (key_file, target) = (files.presented.path(), service.address().to_string());
    let words = [(KEY_FILE, key_file.as_str()), ("my-service:8000", &target), ("interval: 15s", "interval: 1s")];
    let config = replaced(&otel_config()?, &words)?;
    let prometheus = Prometheus::start(program, files.folder(), &config)?;
    prometheus.wait_for_sample("count_over_time(up{job='my-service'}[1m]) >= 3", |_| true)?;
    prometheus.wait_for_sample("min_over_time(up{job='my-service'}[1m]) == 1", |_| true)?;
    files.presented.write(&[WRONG])?;
    Ok(prometheus.wait_for_sample("up{job='my-service'} == 0", |_| true)?)
}

/// The command makes a file without a line break, which Go would refuse to send.
fn telegraf_key_file() -> Result<(), Failed> {
    let file = fs::read_to_string(deploy("telegraf/telegraf.conf"))?;
    let [command] = &commands(&file)[..] else { return Err("not one command".into()) };
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("metrics_key"), format!("{KEY}\n"))?;
    run(command, folder.path(), folder.path())?;
    assert_eq!(fs::read_to_string(folder.path().join("telegraf_key"))?, KEY);
    Ok(())
}
