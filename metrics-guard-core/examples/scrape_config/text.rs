//! Writes a job in the format of each scraper.

use crate::{Job, Method};

/// Writes a job for a scraper, or returns why the scraper cannot run it.
type Write = fn(&Job) -> Result<String, String>;

/// All scrapers, by name.
pub(crate) const SCRAPERS: [(&str, Write); 7] = [
    ("prometheus", prometheus),
    ("vmagent", vmagent),
    ("alloy", alloy),
    ("otel", otel),
    ("operator", operator),
    ("datadog", datadog),
    ("telegraf", telegraf),
];

/// The folder of the keys.
pub(crate) const KEYS: &str = "/etc/prometheus/keys";

/// A comment about the key file.
const KEY_FILE: &str =
    "One key, which the scraper's user can read. The scraper reads the file again, so a new key needs no reload.";

/// A comment that explains why redirects are not followed.
const NO_REDIRECTS: &str = "a redirect could take the key to another host";

/// Returns `text` in double quotes, as YAML, TOML and Alloy's language require.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        _ if c.is_alphanumeric() => c.to_string(),
        _ => format!("\\U{:08X}", u32::from(c)), // some of these are line separators
    });
    format!("\"{}\"", escaped.collect::<String>())
}

impl Job {
    /// Returns comments for the first lines of a file, each behind `mark`: `first`, and the remarks.
    fn head(&self, mark: &str, first: &str) -> String {
        let lines = first.lines().chain(self.remarks.iter().map(String::as_str));
        lines.fold(String::new(), |head, line| head + mark + " " + line + "\n")
    }

    /// Returns lines with the files for TLS, if any: the CA, the certificate and its key. The scraper's `names` are between
    /// `indent` and `equals`.
    fn tls(&self, indent: &str, names: [&str; 3], equals: &str) -> String {
        let paths = ["/etc/prometheus/ca.pem", "/etc/prometheus/client/tls.crt", "/etc/prometheus/client/tls.key"];
        let count = if self.client_certificate { 3 } else { usize::from(self.https) };
        let files = names.into_iter().zip(paths).take(count);
        files.fold(String::new(), |lines, (name, path)| lines + indent + name + equals + &quoted(path) + "\n")
    }

    fn by_authorization_only(&self) -> Result<(), String> {
        let message =
            "--method: for this scraper, write authorization or nothing; others would have the key in the config";
        if self.method == Method::Authorization { Ok(()) } else { Err(message.to_owned()) }
    }
}

fn prometheus(job: &Job) -> Result<String, String> {
    let head = job.head("#", "Debian's build of Prometheus 3.5.3 reads a key file once. For a new key, restart it.");
    Ok(format!("{head}scrape_configs:\n{}", scrape_config(job, &http_headers(job)?)))
}

fn vmagent(job: &Job) -> Result<String, String> {
    // vmagent does not send some of these headers. The others would replace its own.
    const RESERVED: &str = "accept accept-encoding content-length host trailer transfer-encoding user-agent \
        x-prometheus-scrape-timeout-seconds";
    let headers = match &job.method {
        Method::Header(name) => {
            not_reserved(name, RESERVED)?;
            let header = quoted(&format!("{name}: %{{METRICS_KEY}}"));
            format!(
                "    # vmagent reads no header from a file. This one is in its environment, and is visible on the page /config.
    headers:
      - {header}
"
            )
        }
        _ => String::new(),
    };
    Ok(format!("{}scrape_configs:\n{}", job.head("#", ""), scrape_config(job, &headers)))
}

/// Writes a job for the OpenTelemetry Collector, whose receiver is Prometheus's code.
fn otel(job: &Job) -> Result<String, String> {
    let head = job.head("#", "No test runs this config.");
    // The Collector reads `$` as the beginning of a variable, and `$$` as one `$`.
    let scrape_config = scrape_config(job, &http_headers(job)?).replace('$', "$$");
    let scrape_config = scrape_config.lines().fold(String::new(), |lines, line| lines + "      " + line + "\n");
    Ok(format!(
        "\
{head}receivers:
  prometheus:
    config:
      scrape_configs:
{scrape_config}exporters:
  debug: {{}} # write yours
service:
  pipelines:
    metrics:
      receivers: [prometheus]
      exporters: [debug]
"
    ))
}

/// Returns an entry of `scrape_configs`. Scrapers differ only in `headers`, the lines for a header with the key.
fn scrape_config(job: &Job, headers: &str) -> String {
    let Job { name, target, key_file, .. } = job;
    let tls = job.tls("      ", ["ca_file", "cert_file", "key_file"], ": ");
    let tls = if job.https { format!("    scheme: https\n    tls_config:\n{tls}") } else { tls };
    let key = match &job.method {
        Method::Authorization => format!(
            "    authorization:
      # {KEY_FILE}
      credentials_file: {key_file}
"
        ),
        Method::BasicAuth => format!(
            "    basic_auth:
      username: prometheus # any
      # {KEY_FILE}
      password_file: {key_file}
"
        ),
        Method::Header(_) => headers.to_owned(),
        Method::Query(_) => String::new(),
    };
    let target = match &job.method {
        Method::Query(parameter) => format!(
            "    # THE LAST RESORT. The key is in the URL, and visible in the scraper's pages, API and log, and in the
    # access logs of the service and of proxies. This file must contain it, after the last colon:
    # [{{\"targets\": [{target}], \"labels\": {{\"__param_{parameter}\": \"...\"}}}}]
    file_sd_configs:
      - files: [{key_file}]
"
        ),
        _ => format!(
            "    static_configs:
      - targets: [{target}]
"
        ),
    };
    format!(
        "  - job_name: {name}
    metrics_path: /metrics
    follow_redirects: false # {NO_REDIRECTS}
{tls}{key}{target}"
    )
}

/// Returns Prometheus's lines for a header with the key, if the key is to be in one.
fn http_headers(job: &Job) -> Result<String, String> {
    // Prometheus rejects some of these headers and does not send others. It sends its own `Accept` before any other.
    const RESERVED: &str = "accept accept-encoding connection content-encoding content-length content-type host keep-alive \
        proxy-authenticate proxy-authorization trailer transfer-encoding user-agent www-authenticate x-amz-content-sha256 x-amz-date \
        x-amz-security-token x-prometheus-remote-read-version x-prometheus-remote-write-version \
        x-prometheus-scrape-timeout-seconds";
    let Method::Header(name) = &job.method else { return Ok(String::new()) };
    not_reserved(name, RESERVED)?;
    let (name, key_file) = (quoted(name), &job.key_file);
    Ok(format!(
        "    # For Prometheus 2.55 or later, but not Debian's build of 3.5.3, which adds the header once more each time
    # until the request is rejected.
    http_headers:
      {name}:
        # {KEY_FILE}
        files: [{key_file}]
"
    ))
}

/// Checks that the scraper sends the key in this header, and that the key replaces no header of the scraper's own.
fn not_reserved(name: &str, reserved: &str) -> Result<(), String> {
    if reserved.split(' ').all(|reserved| reserved != name) {
        return Ok(());
    }
    let variable = "METRICS_VERIFICATION_HEADER";
    Err(format!("--method header: the field in {variable} is none that this scraper can use; choose another method"))
}

fn alloy(job: &Job) -> Result<String, String> {
    job.by_authorization_only()?;
    let Job { name, target, key_file, .. } = job;
    let head = job.head("//", "No test runs this config.");
    let tls = job.tls("    ", ["ca_file", "cert_file", "key_file"], " = ");
    let tls = if job.https { format!("  scheme = \"https\"\n  tls_config {{\n{tls}  }}\n") } else { tls };
    Ok(format!(
        "\
{head}prometheus.scrape \"guarded\" {{
  job_name = {name}
  targets = [{{\"__address__\" = {target}}}]
  metrics_path = \"/metrics\"
  follow_redirects = false // {NO_REDIRECTS}
{tls}  authorization {{
    // {KEY_FILE}
    credentials_file = {key_file}
  }}
  forward_to = [] // write your receivers
}}
"
    ))
}

/// Writes a `ScrapeConfig` of the Prometheus Operator.
fn operator(job: &Job) -> Result<String, String> {
    job.by_authorization_only()?;
    let Job { name, object_name, target, .. } = job;
    let head = job.head(
        "#",
        "No test runs this config. The Secret `metrics-key` must hold the key without a line break, because with one\n\
         Prometheus sends nothing. `my-service-client-certificate` holds the files for TLS. A ScrapeConfig cannot disable\n\
         redirects, so the service must not respond with one.",
    );
    let ca = if job.https {
        "  scheme: HTTPS
  tlsConfig:
    ca: {secret: {name: my-service-client-certificate, key: ca.crt}}
"
    } else {
        ""
    };
    let certificate = if job.client_certificate {
        "    cert: {secret: {name: my-service-client-certificate, key: tls.crt}}
    keySecret: {name: my-service-client-certificate, key: tls.key}
"
    } else {
        ""
    };
    Ok(format!(
        "\
{head}apiVersion: monitoring.coreos.com/v1alpha1
kind: ScrapeConfig
metadata:
  name: {object_name}
spec:
  jobName: {name}
  metricsPath: /metrics
{ca}{certificate}  authorization:
    credentials: {{name: metrics-key, key: metrics_key}}
  staticConfigs:
    - targets: [{target}]
"
    ))
}

fn datadog(job: &Job) -> Result<String, String> {
    let Job { name, url, key_file, .. } = job;
    let head = job.head("#", "No test runs this config.");
    let writer = match &job.method {
        Method::Header(name) => format!("{}, value: \"<TOKEN>\"", quoted(name)),
        _ => job.by_authorization_only().map(|()| "Authorization, value: \"Bearer <TOKEN>\"".to_owned())?,
    };
    let tls = job.tls("    ", ["tls_ca_cert", "tls_cert", "tls_private_key"], ": ");
    Ok(format!(
        "\
{head}init_config:
instances:
  - openmetrics_endpoint: {url}
    namespace: {name}
    metrics: [\".+\"]
    allow_redirects: false # {NO_REDIRECTS}
{tls}    auth_token: # the Agent replaces `<TOKEN>` by the content of the file, and reads it again after a rejection
      reader: {{type: file, path: {key_file}}}
      writer: {{type: header, name: {writer}}}
"
    ))
}

fn telegraf(job: &Job) -> Result<String, String> {
    job.by_authorization_only()?;
    let Job { name, url, key_file, .. } = job;
    let head = job.head(
        "#",
        "No test runs this config. The file must hold the key without a line break, because with one Telegraf gathers\n\
         nothing. For example:\n\
         (umask 077 && printf %s \"$(cat metrics_key)\" > next && mv next telegraf_key)\n\
         Telegraf cannot disable redirects, so the service must not respond with one.",
    );
    let tls = job.tls("  ", ["tls_ca", "tls_cert", "tls_key"], " = ");
    Ok(format!(
        "\
{head}[[inputs.prometheus]]
  urls = [{url}]
  metric_version = 2
  bearer_token = {key_file} # the path
{tls}  [inputs.prometheus.tags]
    job = {name}
"
    ))
}
