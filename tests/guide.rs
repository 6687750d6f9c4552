//! What the guide quotes is what is there. (Its messages of the core are held against the core, in src/guide.rs there.)

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{
        Request,
        header::{AUTHORIZATION, HeaderName},
    },
    routing::get,
};
use metrics_guard_core::{Guard, Key, adapter::SETTINGS};
use metrics_guard_tests::{KEY, variable_of};
use metrics_guard_tower::MetricsGuardLayer;
use regex_lite::Regex;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::{
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::{DefaultMakeSpan, TraceLayer},
};
use tracing::Level;

const PAGE: &str = include_str!("../metrics-guard-core/docs/guide/troubleshooting.md");
const README: &str = include_str!("../README.md");
const FROM_ENV: &str = include_str!("../metrics-guard-core/src/settings.rs");
const FAIRING: &str = include_str!("../metrics-guard-rocket/src/fairing.rs");
const DEMO: &str = include_str!("demo/src/main.rs");
const ALERTS: &str = include_str!("../deploy/alerts.yml");

/// The first cells in the tables of a section.
fn rows<'p>(heading: &str) -> impl Iterator<Item = &'p str> {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
}

/// What stands between double backticks in a cell, without the `..` that stand for what differs from case to case.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split("``").step_by(2).flat_map(|text| text.split("..")).map(str::trim).collect()
}

#[test]
fn the_compiler_says_what_the_guide_quotes() {
    let cases = fs::read_dir("ui/fail").unwrap().map(|entry| entry.unwrap().path());
    let said: Vec<_> = cases.filter(|path| path.extension().is_some_and(|extension| extension == "stderr")).collect();
    let said: Vec<_> = said.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut count = 0;
    // A row begins with two backticks, of which `rows` takes one.
    for row in rows("The compiler").map(|row| row.strip_prefix('`').unwrap()) {
        let parts = quoted(row);
        let mut messages = said.iter().flat_map(|text| text.split("\n\n"));
        assert!(
            messages.any(|message| parts.iter().all(|part| message.contains(part))),
            "no case in ui/fail says: {parts:?}"
        );
        count += 1;
    }
    assert!(count > 10, "{count} rows");
}

/// A blank line ends a table: what follows it would be shown as text.
#[test]
fn each_row_of_the_guide_is_in_a_table() {
    for table in PAGE.split("\n\n").filter(|block| block.trim_start().starts_with('|')) {
        let second = table.trim_start().lines().nth(1).unwrap_or_default();
        assert!(second.starts_with("|---|"), "no table begins here: {table}");
    }
}

/// What begins the rows of "The log of the service" whose texts are a framework's or the system's.
const OF_OTHERS: [&str; 6] = [
    "Rocket failed to launch",
    "Request guard ",
    "No 401 catcher",
    "Address already in use",
    "invalid peer certificate", // tests/tls.rs looks for one of them
    "accept error",
];

/// What such a row has for a placeholder in the source.
const EXAMPLES: [&str; 2] = ["`key`", "no key was presented"];

#[test]
fn our_crates_log_what_the_guide_quotes() {
    let mut source = DEMO.to_owned();
    for name in ["core", "rocket", "tower", "warp"] {
        add_sources(Path::new(&format!("../metrics-guard-{name}/src")), &mut source);
    }
    let mut count = 0;
    for row in rows("The log of the service") {
        let text = row.trim_matches(|c| c == '`' || c == ' ');
        if OF_OTHERS.iter().any(|beginning| text.starts_with(beginning)) {
            continue;
        }
        let mut parts = vec![text];
        for example in EXAMPLES {
            parts = parts.into_iter().flat_map(|part| part.split(example)).collect();
        }
        assert!(parts.iter().all(|part| source.contains(part)), "nothing of ours says: {text}");
        count += 1;
    }
    assert!(count > 5, "{count} rows");

    // What provides an address, on each server: `no_peer.rs` finds some of these texts on the page, and not all.
    let (_, table) = PAGE.split_once("| server | instruction |\n|---|---|\n").unwrap();
    let rows = table.lines().map_while(|row| row.strip_prefix("| ")?.split_once(" | ``"));
    let source = source.replace("\\\"", "\"");
    assert_eq!(
        rows.inspect(|(server, row)| {
            let text = row.trim_end_matches(" |").trim_end_matches("``").trim_end();
            assert!(source.contains(text), "nothing of ours says on {server}: {text}");
        })
        .count(),
        9
    );
}

/// The core's own test knows the core's errors.
#[test]
fn the_errors_of_rockets_configuration_are_in_the_guide() {
    let mut source = String::new();
    add_sources(Path::new("../metrics-guard-rocket/src"), &mut source);
    // Each string is in one line.
    let source = source.replace("\\\"", "\0");
    let strings = source.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
    let texts: Vec<_> = strings.filter(|text| text.contains("; ")).map(|text| text.replace('\0', "\"")).collect();
    for text in &texts {
        let row = format!("| ``{}", text.replace("{former}", "METRICS_VERIFICATION_KEY_FILE"));
        assert!(PAGE.contains(&row), "not in docs/guide/troubleshooting.md: {row}");
    }
    assert!(texts.len() > 4, "{texts:?}");
}

/// The code of a crate without its comments, each string in one line.
fn add_sources(folder: &Path, source: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, source);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
            match line.strip_suffix('\\') {
                Some(line) => source.push_str(line),
                None => source.extend([line, "\n"]),
            }
        }
    }
}

#[test]
fn each_setting_is_on_each_page() {
    let between = |page: &'static str, begin: &str, end: &str| -> &'static str {
        page.split_once(begin).unwrap().1.split_once(end).unwrap().0
    };
    let readme = between(README, "\n## Settings\n", "\n## ");
    let from_env = between(FROM_ENV, "/// | variable | meaning |", "pub fn from_env");
    let toml = between(FAIRING, "/// ```toml", "/// ```\n");
    let fields = between(PAGE, "The fields are ", ", the variables ");
    for field in SETTINGS {
        let variable = variable_of(field);
        assert!(readme.contains(&format!("\n| `{variable}` | `{field}` |")), "{variable} is not in the README");
        assert!(from_env.contains(&format!("/// | `{variable}` |")), "{variable} is not at `Guard::from_env`");
        let (line, aside) = (format!("/// {field} = "), format!("`{field}`"));
        assert!(toml.contains(&line) || toml.contains(&aside), "{field} is not at `MetricsGuard::fairing`");
        assert!(fields.contains(&format!("`{field}`")), "{field} is not among the fields in the guide");
    }
}

#[test]
fn each_alert_is_in_the_guide() {
    let in_guide: Vec<_> = rows("What the service shows").map(|row| row.trim_end_matches('`')).collect();
    let alerts: Vec<_> = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert!(in_guide.contains(&alert), "{alert} is not in the guide");
    }
}

#[test]
fn each_series_is_on_each_page() {
    const SOURCE: &str = include_str!("../metrics-guard-core/src/telemetry/metrics.rs");
    const CORE: &str = include_str!("../metrics-guard-core/README.md");
    let series = SOURCE.lines().filter_map(|line| line.split_once(": &str = \"")?.1.strip_suffix("\";"));
    let series: Vec<_> = series.collect();
    assert_eq!(series.len(), 5, "{series:?}");
    for name in series {
        for (page, text, begin) in [("guide", PAGE, "\n| `"), ("README", README, "\n| `"), ("core's README", CORE, "`")]
        {
            let is_there = ['`', '{'].iter().any(|end| text.contains(&format!("{begin}{name}{end}")));
            assert!(is_there, "{name} is not in the {page}");
        }
    }
}

/// Keys in documents, examples and code are copied by operators, and tried first by attackers.
#[test]
fn no_key_that_a_document_or_an_example_shows_is_accepted() {
    let files = files();
    let is_test = |file: &str| file.split('/').any(|part| ["tests", "benches", "Cargo.lock"].contains(&part));
    let mut count = 0;
    for file in files.iter().filter(|file| !is_test(file)) {
        let Ok(text) = fs::read_to_string(format!("../{file}")) else { continue };
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for shown in keys_in(text) {
            for key in [shown.to_owned(), shown.repeat(2)] {
                assert!(Key::new(&key).is_err(), "{file} shows a key that is accepted, beginning with {}", &key[..4]);
            }
            count += 1;
        }
    }
    assert!(count > 10, "{count} keys"); // the samples in the core's source are some

    for shown in [
        format!("the key {KEY}."),
        format!("//! # let secret = \"{KEY}\";"),
        format!("curl -H 'X-Metrics-Key: {KEY}'"),
        format!("METRICS_VERIFICATION_KEY={KEY}"),
        "key: q9Zk/7yH2mVx0Lr4TtBw8sEc+Nd1JfUavK3oPiGh5bM=".to_owned(),
        "0e8a6c4f-2d1b-4957-9c0f-8a7d6b5c4e3f".to_owned(),
        "X-Metrics-Key: vocalist-ferment-ambiguity-sternum\n".to_owned(),
        "Key::new(\"vocalist-ferment-ambiguity-sternum\")".to_owned(),
    ] {
        assert!(keys_in(&shown).any(|key| Key::new(key).is_ok()), "nothing is found in: {shown}");
    }
}

/// What could be a key in a text: letters and digits at random, and what stands where a key does.
fn keys_in(text: &str) -> impl Iterator<Item = &str> {
    const PLACES: [&str; 7] =
        ["Key::new(\"", "METRICS_VERIFICATION_KEY=", "X-Metrics-Key: ", "Bearer ", "key = \"", "key=", "secret = \""];
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=_-".contains(c));
    let is_random = |word: &&str| {
        let class = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
        let changes = word.as_bytes().windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
        changes > 5 && word.bytes().filter(u8::is_ascii_digit).count() > 1
    };
    let placed = PLACES.into_iter().flat_map(move |place| {
        let behind = text.split(place).skip(1);
        behind.filter_map(|rest| rest.split(|c: char| !c.is_ascii_graphic() || "\"'`)&".contains(c)).next())
    });
    words.filter(is_random).chain(placed).filter(|word| word.len() >= 16)
}

/// The files of the repository, by their paths in it. Of hidden folders, only `.ci` and `.github` belong to it. Keys that an
/// operator made beside README, as it says, do not.
fn files() -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::from("..")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let in_repository = path.strip_prefix("..").unwrap().to_str().unwrap();
            if include_str!("../.gitignore").lines().any(|ignored| ignored.strip_prefix('/') == Some(in_repository)) {
                continue;
            }
            if !path.is_dir() {
                files.push(in_repository.to_owned());
            } else if !name.starts_with("target") && (!name.starts_with('.') || [".ci", ".github"].contains(&name)) {
                folders.push(path);
            }
        }
    }
    files
}

/// What users read and copy: each file of the repository with its path, but not the tests' own.
fn documents() -> Vec<(String, String)> {
    let is_read = |path: &str| {
        let kinds = ["md", "rs", "yml", "yaml", "toml", "conf", "alloy", "json", "sh"];
        let is_text = path.rsplit_once('.').is_some_and(|(_, kind)| kinds.contains(&kind));
        is_text && (path.starts_with("tests/demo/") || !path.split('/').any(|part| part == "tests"))
    };
    let read = |path: &str| fs::read_to_string(format!("../{path}")).ok().map(|text| (path.to_owned(), text));
    files().iter().filter(|path| is_read(path)).filter_map(|path| read(path)).collect()
}

/// What shows a key to every user of the machine, in `/proc/PID/cmdline`.
struct CommandLines {
    arguments: Vec<Regex>,
    substitution: Regex,
    between_commands: Regex,
}

impl CommandLines {
    fn new() -> CommandLines {
        let arguments = [
            // A header that is not read from a file or a pipe, `curl -H @-`.
            r#"(-H|--header)[ =]*["'\\]*(?i:[a-z-]*key|authorization) *:"#,
            r"(-u|--user|--oauth2-bearer|--password|--token)[ =]+[^ ]*(?i:key|\{|\$|:)",
            r"(?i)(curl|wget|http|xh) .*[?&][a-z_]*key=",
            // What a container, a chart, a Secret or a unit gets as an argument.
            r"(-e|--env|--build-arg|--set|--set-string|--setenv|set-environment|\benv)[ =]+[A-Za-z_.]*(?i:key)=[^ ]",
            "--from-literal",
        ];
        CommandLines {
            arguments: arguments.iter().map(|pattern| Regex::new(pattern).unwrap()).collect(),
            substitution: Regex::new(r"(\$\((cat|<)|`cat) *[^ )`]*key|\$\{?[A-Z_]*KEY\b").unwrap(),
            between_commands: Regex::new(r"&&|\|\||[;|]|\(umask 077").unwrap(),
        }
    }

    fn show_a_key(&self, line: &str) -> bool {
        let lower = line.to_ascii_lowercase();
        let may =
            ["key", "authorization", "bearer", "-u ", "--user", "from-literal"].iter().any(|word| lower.contains(word));
        may && (self.arguments.iter().any(|pattern| pattern.is_match(line)) || self.substitute_in_a_program(line))
    }

    /// Whether the shell puts what a file or a variable holds among the arguments of a program. In those of a part of the
    /// shell, no other process sees it.
    fn substitute_in_a_program(&self, line: &str) -> bool {
        let builtins = ["printf", "echo", "export", "test", "read", "set"];
        self.substitution.is_match(line)
            && self.between_commands.split(line).any(|command| {
                let words = command.trim_start_matches(|c: char| "(#/".contains(c) || c.is_whitespace());
                let first = words.split_whitespace().next().unwrap_or_default();
                let is_program = first.starts_with(|c: char| c.is_ascii_lowercase())
                    && first.chars().all(|c| c.is_ascii_lowercase() || "-_".contains(c))
                    && !builtins.contains(&first);
                is_program && self.substitution.is_match(command)
            })
    }
}

#[test]
fn no_document_puts_a_key_on_a_command_line() {
    let lines = CommandLines::new();
    for shown in [
        r#"curl -H "X-Metrics-Key: $(cat metrics_key)" http://localhost:8000/metrics"#,
        "curl -H 'Authorization: Bearer {key}' http://localhost:8000/metrics",
        "curl --header=Authorization:\\ Bearer\\ 0123 http://localhost:8000/metrics",
        "curl -u prometheus:$(cat metrics_key) http://localhost:8000/metrics",
        "curl --oauth2-bearer $KEY http://localhost:8000/metrics",
        "curl http://localhost:8000/metrics?key=0123",
        "docker run -e METRICS_VERIFICATION_KEY=0123 image",
        "docker run --env METRICS_VERIFICATION_KEY=$(cat metrics_key) image",
        "kubectl create secret generic metrics-key --from-literal=metrics_key=0123",
        "helm install --set metricsKey=0123 chart",
        "env METRICS_VERIFICATION_KEY=0123 my-service",
        "my-service --metrics-key $METRICS_KEY",
        "sleep 1; http GET localhost:8000/metrics X-Metrics-Key:$(cat metrics_key)",
    ] {
        assert!(lines.show_a_key(shown), "{shown}");
    }
    for hidden in [
        "sed 's/^/X-Metrics-Key: /' metrics_key | curl -si -H @- http://localhost:8000/metrics | head -1",
        r#"printf 'X-Metrics-Key: %s\n' "$(cat metrics_key)" | curl -H @- http://localhost:8000/metrics"#,
        r#"(umask 077 && printf %s "$(cat metrics_key)" > next && mv next telegraf_key)"#,
        "METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run --example axum",
        "docker run -e METRICS_VERIFICATION_KEY_FILE=/run/secrets/accepted_keys image",
        "kubectl create secret generic metrics-key --from-file=metrics_key",
        "export METRICS_VERIFICATION_KEY_FILE=$PWD/accepted_keys",
    ] {
        assert!(!lines.show_a_key(hidden), "{hidden}");
    }
    let documents = documents();
    assert!(documents.len() > 50, "{} documents", documents.len());
    for (path, text) in documents {
        let text = text.replace("\\\n", " "); // a command in several lines
        let shown: Vec<_> = text.lines().filter(|line| lines.show_a_key(line)).collect();
        assert!(shown.is_empty(), "{path} shows a key on a command line: {shown:#?}");
    }
}

/// Samples of a histogram are kept until a render or an upkeep; `install` and `build` serve them without a guard.
#[test]
fn where_a_recorder_is_installed_its_upkeep_runs_and_nothing_else_serves_it() {
    let serves = Regex::new(r"PrometheusBuilder::new\(\)(\s*\.\w+\([^)]*\))*\s*\.(install|build)\(").unwrap();
    let mut count = 0;
    for (path, text) in documents() {
        if text.contains("install_recorder(") {
            assert!(text.contains("run_upkeep("), "{path} does not run the upkeep");
            count += 1;
        }
        let is_one = text.contains("PrometheusBuilder") && serves.is_match(&text);
        assert!(!is_one, "{path} serves the metrics without a guard");
    }
    assert!(count > 0);
}

/// What is logged with these layers around a guarded route when each header presents the key, and the statuses.
fn logged(layers: impl Fn(Router) -> Router) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = MetricsGuardLayer::new(Guard::new(Key::new(KEY).unwrap()));
    let app = layers(Router::new().route("/metrics", get(|| async { "up 1" }).layer(guard)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        for (name, value) in [("x-metrics-key", KEY.to_owned()), ("authorization", format!("Bearer {KEY}"))] {
            let request = Request::get("/metrics").header(name, value).body(Body::empty()).unwrap();
            let response = runtime.block_on(app.clone().oneshot(request)).unwrap();
            assert_eq!(response.status(), 200); // a hidden header is checked as any other
        }
    });
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn hides_the_key_in_spans_by_the_layers_of_the_guide() {
    let trace =
        || TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::DEBUG).include_headers(true));
    let names = || [AUTHORIZATION, HeaderName::from_static("x-metrics-key")];
    let hide = || SetSensitiveRequestHeadersLayer::new(names());

    let bare = logged(|app| app.layer(trace()));
    assert!(bare.contains(&format!(r#"headers={{"x-metrics-key": "{KEY}""#)), "{bare}");
    assert!(bare.contains(&format!(r#"headers={{"authorization": "Bearer {KEY}""#)), "{bare}");
    for hidden in [
        logged(|app| app.layer(trace()).layer(hide())),
        logged(|app| app.layer(ServiceBuilder::new().layer(hide()).layer(trace()))),
    ] {
        assert!(hidden.contains(r#"headers={"x-metrics-key": Sensitive"#), "{hidden}");
        assert!(!hidden.contains(KEY), "{hidden}");
    }
    // Inside of what logs, it comes too late.
    assert!(logged(|app| app.layer(hide()).layer(trace())).contains(KEY));
}
