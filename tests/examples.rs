//! Tests that the examples are guarded by the key in the environment, that they do not start without a key, and that the pages
//! show the same programs. The guide's recipes are guarded too.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use metrics_guard_tests::{
    KEY, WRONG,
    certificates::{Authority, Validity, exchange_tls},
    crates,
    process::{Process, cargo, free_addresses, succeed},
    wire::{exchange, request, with_bearer},
};

/// The names and files of all crates' examples.
static EXAMPLES: LazyLock<Vec<(String, PathBuf)>> =
    LazyLock::new(|| crates::published().unwrap().into_iter().flat_map(|published| published.examples).collect());

const KEY_VARIABLE: &str = "METRICS_VERIFICATION_KEY";

/// The command of an example that `cargo test --workspace` built, on ports that the system gives.
///
/// Cargo builds it again if its source changed, because a test of this package alone does not. With the same arguments as
/// before, it finds all else built.
fn example(name: &str) -> Command {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let mut cargo = cargo();
        cargo.env("CARGO_TARGET_DIR", target).args(["test", "--workspace", "--no-run", "--locked"]);
        succeed(&mut cargo).unwrap();
        target.join("debug/examples")
    });
    let mut command = Command::new(BUILT.join(name));
    command.env_clear().env("PORT", "0").env("ROCKET_PORT", "0").env("METRICS_PORT", "0");
    command.env("METRICS_ADDRESS", "127.0.0.2").env("ROCKET_CLI_COLORS", "false");
    command
}

/// Returns the address of a listener, if a program prints it in this line.
fn announced(line: &str) -> Option<SocketAddr> {
    let (_, url) = line.split_once("listening on http").or_else(|| line.split_once("launched from http"))?;
    url.split_once("://")?.1.trim().parse().ok()
}

/// Starts a program, and waits for the address of its guarded listener.
fn start(command: &mut Command) -> (SocketAddr, Process) {
    let mut process = Process::start(command).unwrap();
    let is_internal = command.get_program().to_string_lossy().ends_with("/internal");
    let is_guarded = |address: &SocketAddr| !is_internal || address.ip().to_string() == "127.0.0.2";
    (process.wait_for(|line| announced(line).filter(is_guarded)).unwrap(), process)
}

/// Returns a request for the metrics, with this key unless it is empty.
fn scrape(key: &str) -> Vec<u8> {
    if key.is_empty() { request("GET", "/metrics", &[]) } else { with_bearer("/metrics", key) }
}

#[test]
fn examples_without_tls_require_the_key() {
    for (name, _) in EXAMPLES.iter().filter(|(name, _)| !name.ends_with("_tls")) {
        let (server, _process) = start(example(name).env(KEY_VARIABLE, KEY));
        assert_eq!(
            ["", WRONG, KEY].map(|key| exchange(server, &scrape(key)).unwrap().status),
            [401, 401, 200],
            "{name}"
        );
    }
}

#[test]
fn examples_with_tls_require_the_key_and_the_client_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    let authority = Authority::new().unwrap();
    authority.write(&path("ca.pem")).unwrap();
    let issue = |file, name| authority.issue(folder.path(), file, &[name], Validity::Current).unwrap();
    let (server, scraper) = (issue("tls", "localhost"), issue("client", "prometheus.example"));
    let [stranger, scraper] = [None, Some(&scraper)].map(|identity| authority.client(identity).unwrap());
    for (name, _) in EXAMPLES.iter().filter(|(name, _)| name.ends_with("_tls")) {
        let mut command = example(name);
        command.env("TLS_CERT_FILE", &server.certificate).env("TLS_KEY_FILE", &server.key).env(KEY_VARIABLE, KEY);
        let status = |command: &mut Command, client, key| {
            let (address, _process) = start(command);
            exchange_tls(address, client, &scrape(key)).unwrap().status
        };
        assert_eq!(["", WRONG, KEY].map(|key| status(&mut command, &stranger, key)), [401, 401, 200], "{name}");

        command.env("TLS_CLIENT_CA_FILE", path("ca.pem"));
        command.env("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example");
        assert_eq!([WRONG, KEY].map(|key| status(&mut command, &scraper, key)), [401, 200], "{name}");
        assert_eq!(status(&mut command, &stranger, KEY), 403, "{name}");
    }
}

#[test]
fn internal_serves_metrics_only_on_their_listener() {
    let (internal, mut process) = start(example("internal").env(KEY_VARIABLE, KEY));
    let public = process.wait_for(|line| announced(line).filter(|address| *address != internal)).unwrap();
    for (server, path, expected) in
        [(public, "/", 200), (public, "/metrics", 404), (internal, "/", 404), (internal, "/metrics", 200)]
    {
        assert_eq!(exchange(server, &with_bearer(path, KEY)).unwrap().status, expected, "{server}{path}");
    }
}

#[test]
fn no_example_starts_without_a_key() {
    for (name, _) in &*EXAMPLES {
        let output = Process::start(&mut example(name)).unwrap().wait_for_end().unwrap();
        assert!(output.contains("METRICS_VERIFICATION_KEY_FILE: no key is configured"), "{name}: {output}");
        assert!(!output.contains("://"), "{name}: {output}");
    }
}

/// Looks in the README and on the page of the example's crate. For Rocket's `metrics`, the README has a shorter program.
#[test]
fn a_page_shows_each_example_without_tls() {
    assert!(EXAMPLES.len() >= 8);
    for (name, file) in EXAMPLES.iter().filter(|(name, _)| !name.ends_with("_tls") && name != "metrics") {
        let example = fs::read_to_string(file).unwrap();
        let block = format!("```rust,no_run\n{}```\n", example.split_once("\n\n").unwrap().1);
        let page = file.parent().unwrap().with_file_name("README.md");
        let shows_it = |page: &Path| fs::read_to_string(page).unwrap().contains(&block);
        assert!([&page, Path::new("../README.md")].into_iter().any(shows_it), "no page has the current code of {name}");
    }
}

/// Starts a recipe with this setting, and returns its address when it listens.
fn start_recipe(program: &Path, variable: &str, value: &str) -> (SocketAddr, Process) {
    let [address, grpc] = free_addresses().unwrap();
    let mut command = Command::new(program);
    command.env_clear().env(KEY_VARIABLE, KEY).env(variable, value);
    command.env("PORT", address.port().to_string()).env("GRPC_PORT", grpc.port().to_string());
    let mut process = Process::start(&mut command).unwrap();
    process.wait_for_listener(address).unwrap();
    (address, process)
}

#[test]
#[ignore = "builds a dozen frameworks: .ci/run recipes"]
fn recipes_require_the_key_and_an_allowed_address() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut build = cargo();
    build.args(["build", "--manifest-path", "recipes/Cargo.toml", "--workspace", "--locked"]);
    succeed(build.env("CARGO_TARGET_DIR", target)).unwrap();
    let recipes = crates::recipes().unwrap();
    assert!(recipes.len() >= 10);
    let bearer = format!("Authorization: Bearer {KEY}");
    let repeated = request("GET", "/metrics", &[bearer.as_bytes(), bearer.as_bytes()]);
    let in_query = request("GET", &format!("/metrics?key={KEY}"), &[]);
    let requests = [scrape(""), scrape(WRONG), scrape(KEY), repeated, in_query];
    for name in recipes.iter().map(|folder| folder.file_name().unwrap().to_str().unwrap()) {
        let program = target.join("debug").join(format!("recipe-{}", name.replace('.', "-")));
        for (variable, value, expected) in [
            ("METRICS_VERIFICATION_QUERY", "key", [401, 401, 200, 401, 200]),
            ("METRICS_VERIFICATION_NETWORKS", "127.0.0.0/8", [401, 401, 200, 401, 401]),
            ("METRICS_VERIFICATION_NETWORKS", "10.0.0.0/8", [403; 5]),
        ] {
            let (server, _process) = start_recipe(&program, variable, value);
            let responses = requests.each_ref().map(|request| exchange(server, request).unwrap());
            assert_eq!(responses.each_ref().map(|response| response.status), expected, "{name}, {value}");
            for response in responses {
                assert_eq!(response.field("cache-control"), Some("no-store"), "{name}: {response:?}");
                let is_challenged = response.field("www-authenticate").is_some();
                assert_eq!(is_challenged, response.status == 401, "{name}: {response:?}");
                let is_text = response.field("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
                let is_rejection = ["", "Unauthorized\n", "Forbidden\n"].contains(&&*response.body);
                assert!(if response.status == 200 { is_text } else { is_rejection }, "{name}: {response:?}");
            }
        }
    }
}
