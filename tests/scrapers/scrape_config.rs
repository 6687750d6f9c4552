//! What the example `scrape_config` prints: it follows the settings, has no key in it, and says what is wrong. What others say of
//! its texts is in two files of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use libtest_mimic::Trial;
use metrics_guard_tests::{
    KEY, WRONG,
    build::{self, once},
};

mod not_run;
mod on_scrapers;

const METHODS: [&str; 4] = ["authorization", "basic_auth", "header", "query"];

pub(crate) fn trials() -> Vec<Trial> {
    let trials = [
        trial("scrape_config_writes_a_key_nowhere", key_is_nowhere),
        trial("scrape_config_follows_the_settings", settings_are_followed),
        trial("scrape_config_says_what_is_wrong", errors),
        not_run::trial(),
    ];
    trials.into_iter().chain(on_scrapers::trials()).collect()
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
    assert!(
        said.starts_with("warning: metrics-guard: METRICS_VERIFICATION_DISABLED: the guard is disabled, so EVERYONE"),
        "{said}"
    );

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
        says(
            &with_key(("HEADER", "Authorization")),
            &complete(&[]),
            "METRICS_VERIFICATION_HEADER: invalid header name",
        );
        says(&with_key(("QUERY", "a b")), &complete(&[]), "METRICS_VERIFICATION_QUERY: invalid query parameter name");
        says(&with_key(("NETWORKS", "10.0.0.1/8")), &complete(&[]), "METRICS_VERIFICATION_NETWORKS: entry 1");
        says(&with_key(("CLIENT_NAMES", "*.example")), &complete(&[]), "METRICS_VERIFICATION_CLIENT_NAMES: entry 1");
        says(&with_key(("DISABLED", "yes")), &complete(&[]), "METRICS_VERIFICATION_DISABLED: must be");
    }
    says(&[("KEY", "short")], &complete(&[]), "METRICS_VERIFICATION_KEY: the key has fewer");
    says(&[("KEY_FILE", "/proc/none")], &complete(&[]), "/proc/none: no such file; ");
}

/// There is no config with the key in a field of that name.
fn refuses_field(example: &Path, scraper: &str, field: &str) {
    let arguments = format!("--scraper {scraper} --target my-service:8000 --method header");
    let said = refusal(&run(example, &[("HEADER", field)], &arguments));
    assert!(said.contains("METRICS_VERIFICATION_HEADER"), "{scraper}, {field}: {said}");
}
