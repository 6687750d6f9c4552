//! The file for Grafana Alloy, which is not run: its names are held against a list, copied from Alloy's source.

use libtest_mimic::{Failed, Trial};

use crate::job::KEY_FILE;

const ALLOY: &str = include_str!("../../../deploy/alloy/config.alloy");

pub(super) fn trial() -> Trial {
    Trial::test("alloy_names", || names().map_err(Failed::from))
}

/// What may stand in the blocks of the file: the attributes and blocks of `Arguments`, `HTTPClientConfig` and `TLSConfig`,
/// copied from grafana/alloy, internal/component/prometheus/scrape/scrape.go (commit 014ca2ae3f82) and
/// internal/component/common/config/types.go (commit f9bf406ae08b), but for those that would hold a key.
const NAMES: [(&str, &[&str]); 5] = [
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
pub(crate) fn values(text: &str) -> Result<Vec<Attribute<'_>>, String> {
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
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
            Some(parent) => NAMES.iter().find(|(block, _)| *block == parent).map_or(&[][..], |(_, names)| names),
            None => &["prometheus.scrape", "prometheus.remote_write"],
        };
        if !allowed.contains(&name) {
            return Err(format!("`{name}` in {parent:?} is not one of {allowed:?}"));
        }
        if is_block {
            open.push(name);
        } else {
            let (_, value) = line.split_once(" = ").ok_or_else(|| format!("neither block nor attribute: {line}"))?;
            found.push((parent, name, value));
        }
    }
    if open.is_empty() { Ok(found) } else { Err(format!("{open:?} not closed")) }
}

fn names() -> Result<(), String> {
    let values = values(ALLOY)?;
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
