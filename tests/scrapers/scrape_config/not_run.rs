//! The example's texts for the scrapers that are not run here: each passes the check that the file in deploy/ passes, and says
//! what was asked for.

use std::path::Path;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{METHODS, printed, refusal, run, run_with};
use crate::{
    collectors::{alloy, telegraf},
    kubernetes,
    tools::documents,
};

pub(super) fn trial() -> Trial {
    super::trial("scrape_config_for_the_scrapers_that_are_not_run", others)
}

fn others(example: &Path) {
    const JOB: &str = "a \"b\" \\ \u{2028}";
    let settings = [("QUERY", "key"), ("HEADER", "X-Scrape-Key"), ("CLIENT_NAMES", "prometheus.example")];
    for (scraper, accepted, check) in [
        ("alloy", &["authorization"][..], check_alloy as fn(&str, &Wanted<'_>)),
        ("otel", &METHODS, |_, _| {}), // by promtool
        ("operator", &["authorization"], check_operator),
        ("datadog", &["authorization", "header"], check_datadog),
        ("telegraf", &["authorization"], check_telegraf),
    ] {
        for method in METHODS {
            let arguments = ["--scraper", scraper, "--target", "my-service:8000", "--method", method];
            if !accepted.contains(&method) {
                let output = run_with(example, &settings, &arguments);
                assert!(refusal(&output).contains("--method: for this scraper, write"), "{scraper}, {method}");
                continue;
            }
            let has_key_file = scraper != "operator";
            let with_key_file = has_key_file.then_some(["--key-file", "/keys/one"]);
            for (job, key_file, client_names) in
                [("my-service", None, false), (JOB, with_key_file, true), ("My_Service", None, true)]
            {
                let arguments =
                    [&arguments[..], &["--job", job], key_file.as_ref().map_or(&[], |key_file| &key_file[..])];
                let settings = if client_names { &settings[..] } else { &settings[..2] };
                let text = printed(&run_with(example, settings, &arguments.concat()));
                let mark = if scraper == "alloy" { "//" } else { "#" };
                assert!(text.starts_with(&format!("{mark} Not run.")), "{text}");
                let key_file = key_file.map(|[_, path]| path);
                check(&text, &Wanted { method, job, key_file, tls: client_names });
            }
        }
    }
    let output = run(example, &[], "--scraper operator --target my-service:8000 --key-file /keys/one");
    assert!(refusal(&output).contains("--key-file: leave it out"));
}

/// What a text has been asked for.
struct Wanted<'w> {
    method: &'w str,
    job: &'w str,
    key_file: Option<&'w str>,
    tls: bool,
}

impl Wanted<'_> {
    fn url(&self) -> &'static str {
        if self.tls { "https://my-service:8000/metrics" } else { "http://my-service:8000/metrics" }
    }

    fn key_file(&self) -> &str {
        self.key_file.unwrap_or("/etc/prometheus/keys/metrics_key")
    }

    /// `value`, with the files for TLS under these names, if TLS is wanted.
    fn with_tls(&self, mut value: Value, names: [&str; 3]) -> Value {
        if self.tls {
            let files = ["/etc/prometheus/ca.pem", "/etc/prometheus/client/tls.crt", "/etc/prometheus/client/tls.key"];
            value.as_object_mut().unwrap().extend(names.map(str::to_owned).into_iter().zip(files.map(Value::from)));
        }
        value
    }
}

fn check_alloy(text: &str, wanted: &Wanted<'_>) {
    let scrape = Some("prometheus.scrape");
    let (job, key_file) = (yaml_string(wanted.job), format!("\"{}\"", wanted.key_file()));
    let mut expected = vec![
        (scrape, "job_name", job.as_str()),
        (scrape, "targets", "[{\"__address__\" = \"my-service:8000\"}]"),
        (scrape, "metrics_path", "\"/metrics\""),
        (scrape, "follow_redirects", "false"),
        (Some("authorization"), "credentials_file", key_file.as_str()),
        (scrape, "forward_to", "[]"),
    ];
    if wanted.tls {
        let tls = Some("tls_config");
        expected.splice(
            4..4,
            [
                (scrape, "scheme", "\"https\""),
                (tls, "ca_file", "\"/etc/prometheus/ca.pem\""),
                (tls, "cert_file", "\"/etc/prometheus/client/tls.crt\""),
                (tls, "key_file", "\"/etc/prometheus/client/tls.key\""),
            ],
        );
    }
    assert_eq!(alloy::values(text).unwrap(), expected, "{text}");
}

/// As YAML, TOML and Alloy's language have it, for what stands in `others`.
fn yaml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\u{2028}', "\\U00002028"))
}

/// The one document in this YAML.
fn document(text: &str) -> Value {
    let mut documents = documents(text).unwrap();
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

fn check_operator(text: &str, wanted: &Wanted<'_>) {
    let problems = kubernetes::problems(text).unwrap();
    assert!(problems.is_empty(), "{problems:#?}\n{text}");
    let object = document(text);
    let name = if wanted.job.starts_with('a') { "a--b" } else { "my-service" };
    let mut spec = json!({
        "jobName": wanted.job,
        "metricsPath": "/metrics",
        "authorization": {"credentials": {"name": "metrics-key", "key": "metrics_key"}},
        "staticConfigs": [{"targets": ["my-service:8000"]}],
    });
    if wanted.tls {
        let file = |key| json!({"name": "my-service-client-certificate", "key": key});
        spec["scheme"] = "HTTPS".into();
        spec["tlsConfig"] = json!({
            "ca": {"secret": file("ca.crt")}, "cert": {"secret": file("tls.crt")}, "keySecret": file("tls.key"),
        });
    }
    let expected = json!({
        "apiVersion": "monitoring.coreos.com/v1alpha1", "kind": "ScrapeConfig", "metadata": {"name": name}, "spec": spec,
    });
    assert_eq!(object, expected, "{text}");
    assert!(text.contains("without a line break"), "{text}");
}

fn check_datadog(text: &str, wanted: &Wanted<'_>) {
    let (name, value) = match wanted.method {
        "header" => ("x-scrape-key", "<TOKEN>"),
        _ => ("Authorization", "Bearer <TOKEN>"),
    };
    let instance = json!({
        "openmetrics_endpoint": wanted.url(),
        "namespace": wanted.job,
        "metrics": [".+"],
        "allow_redirects": false,
        "auth_token": {
            "reader": {"type": "file", "path": wanted.key_file()},
            "writer": {"type": "header", "name": name, "value": value},
        },
    });
    let instance = wanted.with_tls(instance, ["tls_ca_cert", "tls_cert", "tls_private_key"]);
    assert_eq!(document(text), json!({"init_config": null, "instances": [instance]}), "{text}");
}

fn check_telegraf(text: &str, wanted: &Wanted<'_>) {
    let input = serde_json::to_value(telegraf::input(text).unwrap()).unwrap();
    let expected = json!({
        "urls": [wanted.url()],
        "metric_version": 2,
        "bearer_token": wanted.key_file.unwrap_or(telegraf::KEY_FILE),
        "tags": {"job": wanted.job},
    });
    assert_eq!(input, wanted.with_tls(expected, ["tls_ca", "tls_cert", "tls_key"]), "{text}");
    // With the command that is run for the file in deploy/.
    assert!(text.contains(&format!("\n# {}\n", telegraf::recipe())), "{text}");
}
