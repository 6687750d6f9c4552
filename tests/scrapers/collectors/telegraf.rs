//! The file for Telegraf, which is not run: its names are held against a list, copied from Telegraf's source. The command for
//! its key file is run.

use std::{fs, io};

use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{
    KEY,
    wire::{exchange, with_bearer},
};

use super::{Service, TARGET};
use crate::tools::run;

const TELEGRAF: &str = include_str!("../../../deploy/telegraf/telegraf.conf");

pub(super) fn trials() -> [Trial; 2] {
    [
        Trial::test("telegraf_names", || names().map_err(Failed::from)),
        Trial::test("telegraf_key_file", || Ok(key_file()?)),
    ]
}

/// The fields that a file like ours could have, but for those that would hold a key: copied from influxdata/telegraf,
/// plugins/inputs/prometheus/prometheus.go, commit 3b0846d8aaea; and `tags`, which every input has.
const NAMES: [&str; 9] =
    ["urls", "bearer_token", "metric_version", "url_tag", "response_timeout", "tls_ca", "tls_cert", "tls_key", "tags"];

pub(crate) const KEY_FILE: &str = "/etc/prometheus/keys/telegraf_key";

/// The one input in `text`, whose fields have names that there are.
pub(crate) fn input(text: &str) -> Result<toml::Table, String> {
    let config: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let inputs = config.get("inputs").and_then(|inputs| inputs.get("prometheus")).and_then(toml::Value::as_array);
    let [input] = inputs.map_or(&[][..], Vec::as_slice) else { return Err(format!("not one input: {config:?}")) };
    let input = input.as_table().ok_or("not a table")?;
    if let Some(name) = input.keys().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(format!("`{name}` is not one of {NAMES:?}"));
    }
    Ok(input.clone())
}

fn names() -> Result<(), String> {
    let input = input(TELEGRAF)?;
    if input.get("bearer_token").and_then(toml::Value::as_str) != Some(KEY_FILE) {
        return Err(format!("no `{KEY_FILE}` in {input:?}"));
    }
    let url = format!("http://{TARGET}/metrics");
    let urls = input.get("urls").and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    if urls != [toml::Value::from(url)] {
        return Err(format!("other URLs: {urls:?}"));
    }
    Ok(())
}

/// How the key file is made.
pub(crate) fn recipe() -> &'static str {
    TELEGRAF.lines().find_map(|line| line.strip_prefix("#   ")).unwrap_or_default()
}

/// The key file as the comment in telegraf.conf makes it is one that can be sent as it is; and what the service says to
/// values with more white space than that.
fn key_file() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("metrics_key"), format!("{KEY}\n"))?;
    run(recipe(), folder.path(), folder.path())?;
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
