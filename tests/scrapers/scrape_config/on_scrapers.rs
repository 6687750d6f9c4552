//! The example's texts in the hands of real tools: the scrapers' own checks accept them, and Prometheus scrapes with them.

use std::{fs, path::Path, process::Command};

use libtest_mimic::{Completion, Failed, Trial};
use metrics_guard_tests::{
    KEY, WRONG,
    certificates::{Authority, Validity},
    prometheus::{Prometheus, Version},
    scraper::Scraping,
    server::{Profile, Server},
};

use super::{METHODS, example, printed, refuses_field, run, run_with};
use crate::tools;

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
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

fn with_prometheus(version: Version, test: impl Fn(&Path)) -> Result<Completion, Failed> {
    with_tool(version.slot(), "prometheus", test)
}

fn with_tool(slot: &str, tool: &str, test: impl Fn(&Path)) -> Result<Completion, Failed> {
    tools::with(slot, tool, |program| {
        test(program);
        Ok::<_, Failed>(())
    })
}

/// Settings that a guard accepts, and that change what is printed. Each lets the query present a key.
const SETTINGS: [&[(&str, &str)]; 5] = [
    &[("QUERY", "key")],
    &[("QUERY", "key"), ("HEADER", "X-Scrape-Key!#$%&'*+.^`|~")],
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
    let running = Server::Hyper
        .run(&mut Server::Hyper.command_tls(&program_of_server, files.each_ref().map(String::as_str), &environment))
        .unwrap();

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
