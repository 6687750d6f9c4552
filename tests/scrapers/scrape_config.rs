//! What the example `scrape_config` prints: the scrapers' own checks accept it, and Prometheus scrapes with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use libtest_mimic::{Completion, Failed, Trial};
use metrics_guard_tests::{
    KEY, WRONG,
    build::{self, once},
    certificates::{Authority, Validity},
    prometheus::{Prometheus, Version},
    scraper::Scraping,
    server::{Profile, Server},
};
use serde_json::{Value, json};

use crate::{
    collectors::{TELEGRAF_KEY_FILE, alloy_values, telegraf_input, telegraf_recipe},
    kubernetes, tools,
};

const METHODS: [&str; 4] = ["authorization", "basic_auth", "header", "query"];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("scrape_config_writes_a_key_nowhere", key_is_nowhere),
        trial("scrape_config_follows_the_settings", settings_are_followed),
        trial("scrape_config_says_what_is_wrong", errors),
        trial("scrape_config_for_the_scrapers_that_are_not_run", others),
        Trial::ignorable_test("scrape_config_passes_vmagent", || with_tool("vm", "vmagent", passes_vmagent)),
        Trial::ignorable_test("scrape_config_names_arrive", || with_prometheus(Version::Trixie, names_arrive)),
        Trial::ignorable_test("scrape_config_behind_tls", || {
            with_prometheus(Version::Trixie, scrapes_with_certificate)
        }),
    ];
    trials.extend(Version::ALL.map(|version| {
        let name = format!("scrape_config_passes_promtool_{}", version.slot());
        Trial::ignorable_test(name, move || {
            with_prometheus(version, |program| passes_promtool(version, &program.with_file_name("promtool")))
        })
    }));
    trials.extend(METHODS.map(|method| {
        let name = format!("scrape_config_by_{method}");
        Trial::ignorable_test(name, move || with_prometheus(Version::Trixie, |program| scrapes(program, method)))
    }));
    trials
}

/// The example, built by the first trial that asks for it.
fn example() -> PathBuf {
    once("scrape_config".to_owned(), build::example("metrics-guard-core", "scrape_config")).unwrap()
}

fn trial(name: &str, test: fn(&Path)) -> Trial {
    Trial::test(name, move || {
        test(&example());
        Ok(())
    })
}

fn with_prometheus(version: Version, test: impl Fn(&Path)) -> Result<Completion, Failed> {
    with_tool(version.slot(), "prometheus", test)
}

fn with_tool(slot: &str, tool: &str, test: impl Fn(&Path)) -> Result<Completion, Failed> {
    tools::with(slot, tool, |program| {
        test(program);
        Ok::<_, Failed>(())
    })
}

/// The example with these settings, and these arguments with spaces between them.
fn run(example: &Path, settings: &[(&str, &str)], arguments: &str) -> Output {
    run_with(example, settings, &arguments.split(' ').collect::<Vec<_>>())
}

fn run_with(example: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let settings = settings.iter().map(|(name, value)| (format!("METRICS_VERIFICATION_{name}"), value));
    Command::new(example).env_clear().envs(settings).args(arguments).output().unwrap()
}

/// What it prints if all is well.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// And what it says if not; then there is no config, either.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Settings that a guard accepts, and that change what is printed. Each lets the query present a key.
const SETTINGS: [&[(&str, &str)]; 5] = [
    &[("QUERY", "key")],
    &[("QUERY", "key"), ("HEADER", "X-Scrape_Key!#$%&'*+.^`|~")],
    &[("QUERY", "_9"), ("CLIENT_NAMES", "prometheus.example, spiffe://example.org/prometheus")],
    &[("QUERY", "KEY"), ("NETWORKS", "10.0.0.0/8")],
    &[("QUERY", "key"), ("CLIENT_NAMES", "prometheus.example"), ("DISABLED", "true")],
];

/// What would be something else, or nothing, if it stood in YAML as it is.
const HOSTILE: [&str; 12] = [
    "two words",
    "it's",
    "a \"quoted\" one",
    "it ends in \\",
    "\", injected: \"",
    "# comment",
    "key: value",
    "- item",
    "&anchor *alias !tag {a: [b]}",
    "true",
    "Größe 長さ 🦀",
    "line\u{2028}separators\u{2029}\u{feff}",
];

fn key_is_nowhere(example: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("accepted_keys");
    fs::write(&key_file, format!("{KEY}\n{WRONG}\n")).unwrap();
    let key_file = key_file.display().to_string();
    let says_nothing = |output: &Output| {
        let said = String::from_utf8(output.stdout.clone()).unwrap() + &String::from_utf8_lossy(&output.stderr);
        for key in [KEY, WRONG] {
            // A part of it is enough to tell.
            assert!(key.as_bytes().windows(6).all(|part| !said.contains(str::from_utf8(part).unwrap())), "{said}");
        }
    };

    for key in [("KEY", KEY), ("KEY_FILE", &key_file)] {
        for scraper in ["prometheus", "vmagent", "alloy", "otel", "operator", "datadog", "telegraf"] {
            for method in METHODS {
                let arguments = format!("--scraper {scraper} --target my-service:8000 --method {method}");
                let output = run(example, &[key, ("QUERY", "key")], &arguments);
                says_nothing(&output);
                if scraper == "prometheus" || method == "authorization" {
                    printed(&output);
                }
            }
        }
        says_nothing(&run(example, &[key, ("HEADER", "not a name")], "--scraper prometheus --target my-service:8000"));
    }
    // Where it does not belong, by mistake.
    let misplaced = [("KEY", &KEY[..15]), ("KEY_FILE", KEY), ("HEADER", KEY), ("DISABLED", KEY), ("NETWORKS", KEY)];
    for setting in misplaced {
        says_nothing(&run(example, &[setting], "--scraper prometheus --target my-service:8000"));
    }
    for arguments in ["", "--scraper ", "--target ", "--scraper prometheus --target my-service:8000 --key-file "] {
        let output = run(example, &[], &format!("{arguments}{KEY}"));
        refusal(&output);
        says_nothing(&output);
    }
}

fn settings_are_followed(example: &Path) {
    let print = |settings: &[(&str, &str)], arguments: &str| {
        printed(&run(example, settings, &format!("--scraper prometheus --target my-service:8000{arguments}")))
    };
    let plain = print(&[], "");
    for line in [
        "  - job_name: \"my-service\"\n",
        "    metrics_path: /metrics\n",
        "    follow_redirects: false # a redirect",
        "      credentials_file: \"/etc/prometheus/keys/metrics_key\"\n",
        "      - targets: [\"my-service:8000\"]\n",
    ] {
        assert!(plain.contains(line), "{plain}");
    }
    for absent in ["http", "tls_config", "params", "file_sd", "CLIENT_NAMES", "NETWORKS"] {
        assert!(!plain.contains(absent), "{absent}: {plain}");
    }
    // What is not asked for does not change the best method.
    assert_eq!(print(&[("HEADER", "X-Scrape-Key"), ("QUERY", "key")], " --method authorization"), plain);

    let header = print(&[("HEADER", "X-Scrape-Key")], " --method header");
    assert!(header.contains("http_headers:\n      \"x-scrape-key\":\n"), "{header}");
    assert!(header.contains("# Prometheus 2.55 or later"), "{header}");
    let query = print(&[("QUERY", "secret")], " --method query --key-file /keys/one");
    assert!(query.contains("# THE LAST RESORT") && query.contains("__param_secret"), "{query}");
    assert!(query.contains("      - files: [\"/keys/one.json\"]\n"), "{query}");

    let https = print(&[], " --https --job other --key-file /keys/one");
    assert!(https.contains("    scheme: https\n    tls_config:\n      ca_file: "), "{https}");
    assert!(https.contains("\"other\"") && https.contains("\"/keys/one\"") && !https.contains("cert_file"), "{https}");
    let mutual = print(&[("CLIENT_NAMES", "prometheus.example")], "");
    for line in ["scheme: https\n", "cert_file: ", "key_file: ", "METRICS_VERIFICATION_CLIENT_NAMES"] {
        assert!(mutual.contains(line), "{mutual}");
    }
    assert!(print(&[("NETWORKS", "10.0.0.0/8")], "").contains("METRICS_VERIFICATION_NETWORKS"));

    let disabled = [("DISABLED", "true"), ("CLIENT_NAMES", "prometheus.example"), ("NETWORKS", "10.0.0.0/8")];
    let output = run(example, &disabled, "--scraper prometheus --target my-service:8000");
    assert_eq!(printed(&output), plain, "it asks for no certificate, and everyone may ask");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("warning: metrics-guard: the guard is disabled: EVERYONE"), "{said}");

    // vmagent has a header by the environment alone.
    let vmagent = printed(&run(example, &[], "--scraper vmagent --target my-service:8000 --method header"));
    assert!(
        vmagent.contains("/config") && vmagent.contains("      - \"x-metrics-key: %{METRICS_KEY}\"\n"),
        "{vmagent}"
    );
    // With help, nothing else counts.
    let help = printed(&run(example, &[("KEY", "short")], "--unknown --help"));
    assert!(help.contains("--target HOST:PORT") && help.contains("Rocket.toml"), "{help}");
}

fn errors(example: &Path) {
    const COMPLETE: &str = "--scraper prometheus --target my-service:8000";
    let says = |settings: &[(&str, &str)], arguments: &[&str], expected: &str| {
        let said = refusal(&run_with(example, settings, arguments));
        assert!(said.starts_with("error: ") && said.contains(expected), "{arguments:?}: {said}");
    };
    let complete = |more: &[&'static str]| [&COMPLETE.split(' ').collect::<Vec<_>>(), more].concat();

    says(&[], &[], "--scraper: write which");
    says(&[], &["--scraper", "nagios"], "--scraper: write one of prometheus, vmagent, ");
    says(&[], &["--scraper", "prometheus"], "--target: write HOST:PORT");
    says(&[], &complete(&["--method", "post"]), "--method: write authorization");
    says(&[], &complete(&["--job"]), "--job: write a value");
    says(&[], &complete(&["--job", "a", "--job", "a"]), "--job: write it once");
    says(&[], &complete(&["--key", "a"]), "an argument is not known; write\n");
    says(&[], &complete(&["--key-file", "metrics_key"]), "--key-file: write the whole path");
    for value in ["", "a\nb: c", "a\rb", "a\tb", "\u{1b}[2J", "next\u{85}line", "$HOME", "${env:HOME}", "%{HOME}"] {
        for argument in ["--job", "--key-file", "--target"] {
            says(&[], &["--scraper", "prometheus", argument, value], &format!("{argument}: write a value"));
        }
    }
    for target in [
        "my-service",
        ":8000",
        "my-service:",
        "my-service:http",
        "my-service:80000",
        "http://my-service:8000",
        "my-service:8000/metrics",
        "user@my-service:8000",
        "my service:8000",
        "\"], a: [\":1",
        "my-service:8000 # ",
        "{a}:8000",
        "line\u{2028}:8000",
    ] {
        says(&[], &["--scraper", "prometheus", "--target", target], "--target: write HOST:PORT");
    }
    let v6 = printed(&run(example, &[], "--scraper prometheus --target [::1]:8000"));
    assert!(v6.contains("targets: [\"[::1]:8000\"]"), "{v6}");

    let query = complete(&["--method", "query"]);
    says(&[], &query, "METRICS_VERIFICATION_QUERY");
    says(&[("QUERY", "a-b")], &query, "METRICS_VERIFICATION_QUERY");
    says(
        &[("QUERY", "key")],
        &complete(&["--method", "query", "--key-file", "/keys/*"]),
        "--key-file: for --method query",
    );
    // What its own check lets pass, and does not arrive, or not as the first, as one scrape of Prometheus 2.53 has shown.
    for field in ["Accept", "Transfer-Encoding", "Trailer", "Host"] {
        refuses_field(example, "prometheus", field);
        refuses_field(example, "otel", field);
    }
    // vmagent's check lets all pass. One scrape has shown that these do not arrive,
    for field in ["Accept-Encoding", "Content-Length", "Transfer-Encoding", "Trailer"] {
        refuses_field(example, "vmagent", field);
    }
    // and that these take the place of its own.
    for field in ["Accept", "Host", "User-Agent", "X-Prometheus-Scrape-Timeout-Seconds"] {
        refuses_field(example, "vmagent", field);
    }
    // The guard's own errors, with a key and without one.
    for key in [&[][..], &[("KEY", KEY)]] {
        let with_key = |setting| [key, &[setting]].concat();
        says(&with_key(("HEADER", "Authorization")), &complete(&[]), "METRICS_VERIFICATION_HEADER: not the name");
        says(&with_key(("QUERY", "a b")), &complete(&[]), "METRICS_VERIFICATION_QUERY: not a parameter");
        says(&with_key(("NETWORKS", "10.0.0.1/8")), &complete(&[]), "METRICS_VERIFICATION_NETWORKS: entry 1");
        says(&with_key(("CLIENT_NAMES", "*.example")), &complete(&[]), "METRICS_VERIFICATION_CLIENT_NAMES: entry 1");
        says(&with_key(("DISABLED", "yes")), &complete(&[]), "METRICS_VERIFICATION_DISABLED: must be");
    }
    says(&[("KEY", "short")], &complete(&[]), "METRICS_VERIFICATION_KEY: the key has fewer");
    says(&[("KEY_FILE", "/proc/none")], &complete(&[]), "/proc/none: the key file cannot be read");
}

/// Those that are not run here: each text passes the check that the file in deploy/ passes, and says what was asked for.
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
    assert_eq!(alloy_values(text).unwrap(), expected, "{text}");
}

/// As YAML, TOML and Alloy's language have it, for what stands in `others`.
fn yaml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\u{2028}', "\\U00002028"))
}

/// The one document in this YAML.
fn document(text: &str) -> Value {
    let mut documents = tools::documents(text).unwrap();
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
    let input = serde_json::to_value(telegraf_input(text).unwrap()).unwrap();
    let expected = json!({
        "urls": [wanted.url()],
        "metric_version": 2,
        "bearer_token": wanted.key_file.unwrap_or(TELEGRAF_KEY_FILE),
        "tags": {"job": wanted.job},
    });
    assert_eq!(input, wanted.with_tls(expected, ["tls_ca", "tls_cert", "tls_key"]), "{text}");
    // With the command that is run for the file in deploy/.
    assert!(text.contains(&format!("\n# {}\n", telegraf_recipe())), "{text}");
}

/// All that can be printed for a scraper: what for, and the text.
fn all(example: &Path, scraper: &str) -> Vec<(String, &'static str, String)> {
    let mut all = Vec::new();
    for settings in SETTINGS {
        for method in METHODS {
            for https in ["", " --https"] {
                let arguments = format!("--scraper {scraper} --target my-service:8000 --method {method}{https}");
                let text = printed(&run(example, settings, &arguments));
                all.push((format!("{settings:?} {arguments}"), method, text));
            }
        }
    }
    for name in HOSTILE {
        let path = format!("/{name}");
        for method in METHODS {
            let patterns = method == "query" && name.contains(['\\', '[']);
            let path = if patterns { "/keys/one" } else { &path };
            let arguments = [
                "--scraper",
                scraper,
                "--target",
                "my-service:8000",
                "--method",
                method,
                "--job",
                name,
                "--key-file",
                path,
            ];
            all.push((format!("{arguments:?}"), method, printed(&run_with(example, SETTINGS[0], &arguments))));
        }
    }
    all
}

fn passes_promtool(version: Version, promtool: &Path) {
    let example = example();
    let check = |text: &str| tools::promtool_takes(promtool, text);
    let has_http_headers = version != Version::Bookworm;
    let assert_passes = |what: &str, method, text: &str| {
        let (accepted, said) = check(text);
        assert_eq!(accepted, method != "header" || has_http_headers, "{what}:\n{text}\n{said}");
        assert!(accepted || said.contains("field http_headers not found"), "{what}:\n{text}\n{said}");
    };
    for (what, method, text) in all(&example, "prometheus") {
        assert_passes(&what, method, &text);
    }
    // What the Collector hands to its Prometheus.
    for (what, method, text) in all(&example, "otel") {
        let (_, config) = text.split_once("    config:\n").unwrap();
        let (config, _) = config.split_once("exporters:\n").unwrap();
        assert!(!config.replace("$$", "").contains('$'), "the Collector would look for a variable: {config}");
        assert_passes(&what, method, &config.replace("$$", "$"));
    }
    if !has_http_headers {
        return;
    }
    let header = "--scraper prometheus --target my-service:8000 --method header";
    let text = printed(&run(&example, &[], header));
    for reserved in [
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "user-agent",
        "www-authenticate",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-prometheus-remote-read-version",
        "x-prometheus-remote-write-version",
        "x-prometheus-scrape-timeout-seconds",
    ] {
        let (accepted, said) = check(&text.replace("x-metrics-key", reserved));
        assert!(!accepted && said.contains("is not allowed"), "{reserved}: {said}");
        refuses_field(&example, "prometheus", reserved);
    }
}

/// There is no config with the key in a field of that name.
fn refuses_field(example: &Path, scraper: &str, field: &str) {
    let arguments = format!("--scraper {scraper} --target my-service:8000 --method header");
    let said = refusal(&run(example, &[("HEADER", field)], &arguments));
    assert!(said.contains("METRICS_VERIFICATION_HEADER"), "{scraper}, {field}: {said}");
}

fn passes_vmagent(vmagent: &Path) {
    let example = example();
    let check = |text: &str| {
        let mut command = Command::new(vmagent);
        tools::takes(command.arg("-dryRun").env("METRICS_KEY", KEY), "-promscrape.config=", text)
    };
    for (what, _, text) in all(&example, "vmagent") {
        let (accepted, said) = check(&text);
        assert!(accepted, "{what}:\n{text}\n{said}");
    }
    // Prometheus's way is not vmagent's.
    let text = printed(&run(&example, &[], "--scraper prometheus --target my-service:8000 --method header"));
    let (accepted, said) = check(&text);
    assert!(!accepted && said.contains("field http_headers not found"), "{said}");
}

/// Prometheus scrapes with the very text, once a second, from key files whose path is a trial of its own; with a wrong
/// key it does not.
fn scrapes(program: &Path, method: &str) {
    let example = example();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("accepted_keys"), KEY).unwrap();
    let accepted_keys = path("accepted_keys");
    let settings = [("KEY_FILE", accepted_keys.as_str()), ("QUERY", "key"), ("HEADER", "X-Scrape-Key")];
    let environment = settings.map(|(name, value)| (format!("METRICS_VERIFICATION_{name}"), value));
    let environment = environment.each_ref().map(|(name, value)| (name.as_str(), *value));
    let server = Server::Hyper.start(&Server::Hyper.build(Profile::Debug).unwrap(), &environment).unwrap();
    let target = server.address.to_string();

    let print = |job: &str, key: &str| {
        let key_file = path(&format!("{job}'s # \"key\": é"));
        fs::write(&key_file, format!("{key}\n")).unwrap();
        let arguments =
            ["--scraper", "prometheus", "--target", &target, "--method", method, "--job", job, "--key-file", &key_file];
        let config = printed(&run_with(&example, &settings, &arguments));
        if method == "query" {
            // As the comment says.
            let sample = config.lines().find_map(|line| line.trim().strip_prefix("# [{")).unwrap();
            fs::write(format!("{key_file}.json"), format!("[{{{}", sample.replace("...", key))).unwrap();
        }
        config
    };
    let right = print("my-service", KEY);
    let wrong = print("intruder", WRONG);
    let (_, wrong) = wrong.split_once("scrape_configs:\n").unwrap();
    let config = format!("global: {{scrape_interval: 1s}}\n{right}{wrong}");
    let prometheus = Prometheus::start(program, folder.path(), &config).unwrap();

    prometheus.wait_for_sample("count_over_time(up{job='my-service'}[1m])", |scrapes| scrapes >= 3.0).unwrap();
    prometheus.wait_for_sample("min_over_time(up{job='my-service'}[1m])", |up| up > 0.5).unwrap();
    prometheus.wait_for_sample("metrics_scrapes_total{job='my-service'}", |scrapes| scrapes >= 2.0).unwrap();
    prometheus.wait_for_sample("count_over_time(up{job='intruder'}[1m])", |scrapes| scrapes >= 3.0).unwrap();
    prometheus.wait_for_sample("max_over_time(up{job='intruder'}[1m])", |up| up < 0.5).unwrap();
    let scraping = Scraping::Prometheus(prometheus);
    scraping.wait_for_target("intruder", Some("server returned HTTP status 401 Unauthorized")).unwrap();
}

/// A guard that requires a client certificate gets one; and with `--https` alone there is none.
fn scrapes_with_certificate(program: &Path) {
    let example = example();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let authority = Authority::new().unwrap();
    authority.write(&folder.path().join("ca.pem")).unwrap();
    let issue = |file, name| authority.issue(folder.path(), file, &[name], Validity::Current).unwrap();
    let (server, client) = (issue("server", "localhost"), issue("client", "prometheus.example"));
    let shown = |path: &Path| path.display().to_string();
    fs::write(path("metrics_key"), KEY).unwrap();
    let environment = [
        ("METRICS_VERIFICATION_KEY_FILE", path("metrics_key")),
        ("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example".to_owned()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let files = [shown(&server.certificate), shown(&server.key), path("ca.pem")];
    let program_of_server = Server::Hyper.build_tls().unwrap();
    let running =
        Server::Hyper.start_tls(&program_of_server, files.each_ref().map(String::as_str), &environment).unwrap();

    let target = format!("localhost:{}", running.address.port());
    let print = |settings: &[(&str, &str)], job: &str| {
        let key_file = path("metrics_key");
        let arguments =
            ["--scraper", "prometheus", "--target", &target, "--job", job, "--key-file", &key_file, "--https"];
        let config = printed(&run_with(&example, settings, &arguments));
        let config = config.replace("/etc/prometheus/ca.pem", &path("ca.pem"));
        let config = config.replace("/etc/prometheus/client/tls.crt", &shown(&client.certificate));
        config.replace("/etc/prometheus/client/tls.key", &shown(&client.key))
    };
    let with = print(&[("CLIENT_NAMES", "prometheus.example")], "with");
    let without = print(&[], "without");
    let (_, without) = without.split_once("scrape_configs:\n").unwrap();
    let config = format!("global: {{scrape_interval: 1s}}\n{with}{without}");
    let prometheus = Prometheus::start(program, folder.path(), &config).unwrap();
    prometheus.wait_for_sample("count(count_over_time(up[1m]) >= 3)", |jobs| jobs > 1.5).unwrap();
    prometheus.wait_for_sample("min_over_time(up{job='with'}[1m])", |up| up > 0.5).unwrap();
    prometheus.wait_for_sample("max_over_time(up{job='without'}[1m])", |up| up < 0.5).unwrap();
    let scraping = Scraping::Prometheus(prometheus);
    scraping.wait_for_target("without", Some("server returned HTTP status 403 Forbidden")).unwrap();
}

/// What Prometheus takes the names for.
fn names_arrive(program: &Path) {
    let example = example();
    let folder = tempfile::tempdir().unwrap();
    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for name in HOSTILE {
        let path = format!("/{name}");
        let arguments =
            ["--scraper", "prometheus", "--target", "127.0.0.1:1", "--job", name, "--key-file", path.as_str()];
        let printed = printed(&run_with(&example, &[], &arguments));
        config += printed.split_once("scrape_configs:\n").unwrap().1;
    }
    let prometheus = Prometheus::start(program, folder.path(), &config).unwrap();
    prometheus.wait_for_sample(&format!("count(up) == {}", HOSTILE.len()), |_| true).unwrap();
    let targets = prometheus.api("targets").unwrap();
    let active = targets.pointer("/data/activeTargets").and_then(|targets| targets.as_array()).unwrap();
    let mut names: Vec<_> = active.iter().map(|target| target["labels"]["job"].as_str().unwrap()).collect();
    names.sort_unstable();
    let mut expected = HOSTILE;
    expected.sort_unstable();
    assert_eq!(names, expected);
}
