//! Tests that the guide quotes the messages of the compiler, of the adapters and of Rocket's configuration, and that no
//! document shows an accepted key or a command that shows a key. The core's src/guide.rs tests the core's messages.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{fs, path::Path};

use metrics_guard_core::{Key, adapter::SETTINGS};
use metrics_guard_tests::{KEY, crates, variable_of};
use regex_lite::Regex;

const PAGE: &str = include_str!("../metrics-guard-core/docs/guide/troubleshooting.md");
const FRAMEWORKS: &str = include_str!("../metrics-guard-core/docs/guide/frameworks.md");
const COMPILER: &str = include_str!("../metrics-guard-core/docs/guide/compile-errors.md");
const LAYERS: &str = include_str!("../metrics-guard-core/docs/guide/layers.md");
const MONITORING: &str = include_str!("../metrics-guard-core/docs/guide/monitoring.md");

/// Returns the first cells in the tables of a section, each without its first backtick.
fn rows(page: &'static str, heading: &str) -> impl Iterator<Item = &'static str> {
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
}

#[test]
fn compiler_messages_in_the_guide_are_current() {
    let files = fs::read_dir("ui/fail").unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension() == Some("stderr".as_ref()));
    let printed: Vec<_> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut count = 0;
    for row in rows(COMPILER, "The compiler") {
        // Double backticks surround a message. In it, `..` replaces the parts that differ between cases.
        let parts: Vec<_> = row[1..].split("``").step_by(2).flat_map(|text| text.split("..")).map(str::trim).collect();
        let mut messages = printed.iter().flat_map(|text| text.split("\n\n"));
        let is_quoted = messages.any(|message| parts.iter().all(|part| message.contains(part)));
        assert!(is_quoted, "no case in ui/fail prints: {parts:?}");
        count += 1;
    }
    assert!(count > 10, "{count} rows");
}

/// Returns the code of a crate without comments, each string in one line.
fn code(name: &str) -> String {
    let mut code = String::new();
    for (_, text) in files(&format!("{name}/src")) {
        for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
            match line.strip_suffix('\\') {
                Some(line) => code.push_str(line),
                None => code.extend([line, "\n"]),
            }
        }
    }
    code
}

#[test]
fn log_messages_in_the_guide_are_current() {
    // The first words of messages of a framework or the system.
    const OF_OTHERS: &str = "Rocket failed to launch|Request guard |No 401 catcher|Address already in use|\
                             invalid peer certificate|accept error";
    let code: String = crates::published().unwrap().iter().map(|published| code(&published.name)).collect();
    let code = code.replace("\\\"", "\"");
    let code = code + include_str!("demo/src/main.rs");
    let logged = rows(PAGE, "The log of the service");
    let logged = logged.filter(|row| !OF_OTHERS.split('|').any(|first| row.contains(first))).collect();
    // Each adapter's tests check which of these instructions a server gets.
    let (_, instructions) = LAYERS.split_once("| server | instruction in the warning |\n|---|---|\n").unwrap();
    let instructions = instructions.lines().map_while(|row| row.strip_suffix(" |")?.split(" | ").nth(1)).collect();
    for (cells, least) in [(logged, 4), (instructions, 9_usize)] {
        let cells: Vec<&str> = cells;
        assert!(cells.len() >= least, "{cells:#?}");
        for text in cells.iter().map(|cell| cell.trim_matches(['`', ' '])) {
            // The code has placeholders for these.
            let parts = text.split("`key`").flat_map(|part| part.split("no key was presented"));
            let mut parts = parts.flat_map(|part| part.split("'/metrics'"));
            assert!(parts.all(|part| code.contains(part)), "no crate prints: {text}");
        }
    }
}

#[test]
fn errors_of_rockets_configuration_are_in_the_guide() {
    let code = code("metrics-guard-rocket").replace("\\\"", "\0");
    let strings = code.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
    let texts: Vec<_> = strings.filter(|text| text.contains("; ")).map(|text| text.replace('\0', "\"")).collect();
    for text in &texts {
        let row = format!("| ``{}", text.replace("{former}", "METRICS_VERIFICATION_KEY_FILE"));
        assert!([PAGE, LAYERS].iter().any(|page| page.contains(&row)), "not in the guide: {row}");
    }
    assert!(texts.len() > 4, "{texts:?}");
}

#[test]
fn each_setting_is_documented() {
    let from_env = include_str!("../metrics-guard-core/src/settings.rs");
    let (_, fields) = PAGE.split_once("The fields are ").unwrap();
    let (fields, _) = fields.split_once(", the variables ").unwrap();
    for field in SETTINGS {
        let variable = variable_of(field);
        assert!(from_env.contains(&format!("/// | `{variable}` |")), "{variable} is not at `Guard::from_env`");
        assert!(fields.contains(&format!("`{field}`")), "{field} is not among the fields in the guide");
    }
}

#[test]
fn each_series_and_each_alert_is_in_the_guide() {
    let source = include_str!("../metrics-guard-core/src/telemetry/metrics.rs");
    let series = source.lines().filter_map(|line| line.split_once(": &str = \"")?.1.strip_suffix("\";"));
    let series: Vec<_> = series.collect();
    assert_eq!(series.len(), 5, "{series:?}");
    for name in series {
        let is_there = ['`', '{'].iter().any(|end| MONITORING.contains(&format!("\n| `{name}{end}")));
        assert!(is_there, "{name} is not in docs/guide/monitoring.md");
    }
    let alerts = include_str!("../deploy/alerts.yml").lines();
    let alerts: Vec<_> = alerts.filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let missing = alerts.iter().filter(|alert| !MONITORING.contains(&format!("\n| `{alert}` |")));
    assert!(missing.count() == 0 && !alerts.is_empty(), "{alerts:?}");
}

/// Returns the dependencies of a package in a lock file, with their versions, except ours.
fn locked(lock: &str, name: &str) -> Vec<String> {
    let packages = || lock.split("[[package]]\nname = ").skip(1);
    let package = packages().find(|package| package.starts_with(&format!("\"{name}\""))).unwrap();
    let (_, dependencies) = package.split_once("dependencies = [\n").unwrap();
    let dependencies = dependencies.lines().map_while(|line| line.strip_prefix(" \"")?.strip_suffix("\","));
    let version = |name: &str| {
        let version = packages().find_map(|package| package.strip_prefix(&format!("\"{name}\"\nversion = \"")));
        format!("{name} {}", version.unwrap().split('"').next().unwrap())
    };
    let foreign = dependencies.filter(|dependency| !dependency.starts_with("metrics-guard-"));
    // The entry has a version only if the lock file has several.
    foreign
        .map(|dependency| if dependency.contains(' ') { dependency.to_owned() } else { version(dependency) })
        .collect()
}

#[test]
fn frameworks_page_shows_each_recipe_with_the_versions_in_its_lock_file() {
    let recipes = crates::recipes().unwrap();
    for folder in &recipes {
        let read = |file| fs::read_to_string(folder.join(file)).unwrap();
        let manifest = read("Cargo.toml").replace("../../../", "../metrics-guard/");
        let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
        let name = manifest.split('"').nth(1).unwrap();
        let versions = locked(include_str!("recipes/Cargo.lock"), name).join(", ");
        let program = read("src/main.rs");
        let shown = format!(
            "\nRun with {versions}:\n\n```toml\n[dependencies]\n{dependencies}```\n\n```rust,ignore\n{program}```\n"
        );
        assert!(FRAMEWORKS.contains(&shown), "not in docs/guide/frameworks.md, or not the same:\n{shown}");
    }
    assert_eq!(FRAMEWORKS.matches("\n```rust").count(), recipes.len());
}

/// Returns the path and the text of each file below a folder of the repository that users read or copy: not tests (except the
/// demonstration), hidden files, or files that `.gitignore` lists, such as keys.
fn files(folder: &str) -> Vec<(String, String)> {
    let is_ignored =
        |path: &str| include_str!("../.gitignore").lines().any(|line| line.strip_prefix('/') == Some(path));
    let entries = fs::read_dir(Path::new("..").join(folder)).unwrap().map(|entry| entry.unwrap());
    let read = |name: String| {
        let path = format!("{folder}/{name}").trim_start_matches('/').to_owned();
        if path == "tests" {
            return files("tests/demo");
        }
        let is_hidden = name.starts_with('.') && ![".ci", ".github"].contains(&&*name);
        if is_hidden || is_ignored(&path) || ["tests", "benches", "target", "Cargo.lock"].contains(&&*name) {
            return Vec::new();
        }
        let in_repository = Path::new("..").join(&path);
        if in_repository.is_dir() {
            return files(&path);
        }
        fs::read_to_string(in_repository).map_or(Vec::new(), |text| vec![(path, text)])
    };
    entries.flat_map(|entry| read(entry.file_name().into_string().unwrap())).collect()
}

/// Operators copy keys from documents, so attackers try them first.
#[test]
fn rejects_each_key_that_a_document_shows() {
    let mut count = 0;
    for (path, text) in files("") {
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
        for shown in keys_in(text) {
            for key in [shown.to_owned(), shown.repeat(2)] {
                assert!(Key::new(&key).is_err(), "{path} shows a key that is accepted, beginning with {}", &key[..4]);
            }
            count += 1;
        }
    }
    assert!(count > 10, "{count} keys"); // the core's list of samples has some

    for shown in [
        &format!("the key {KEY}."),
        "key: q9Zk/7yH2mVx0Lr4TtBw8sEc+Nd1JfUavK3oPiGh5bM=",
        "0e8a6c4f-2d1b-4957-9c0f-8a7d6b5c4e3f",
        "curl -H 'X-Metrics-Key: vocalist-ferment-ambiguity-sternum'",
        "Key::new(\"vocalist-ferment-ambiguity-sternum\")",
    ] {
        assert!(keys_in(shown).any(|key| Key::new(key).is_ok()), "no key is found in: {shown}");
    }
}

/// Returns the words in a text that could be a key: random letters and digits, and words in the place of a key.
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

/// Returns a function that reports whether a line's command has a key in its arguments, because every user can read these in
/// `/proc/PID/cmdline`.
fn shows_a_key() -> impl Fn(&str) -> bool {
    let arguments = [
        // A header that is not read from a file or a pipe, as by `curl -H @-`.
        r#"(-H|--header)[ =]*["'\\]*(?i:[a-z-]*key|authorization) *:"#,
        r"(-u|--user|--oauth2-bearer|--password|--token)[ =]+[^ ]*(?i:key|\{|\$|:)",
        r"(?i:(curl|wget|http|xh) .*([?&][a-z_]*key=|[a-z-]*key:\$))",
        // An argument of a container, a chart, a Secret or a unit.
        r"(-e|--env|--build-arg|--set|--set-string|--setenv|set-environment|\benv)[ =]+[A-Za-z_.]*(?i:key)=[^ ]",
        "--from-literal",
    ];
    let arguments = Regex::new(&arguments.join("|")).unwrap();
    // The shell inserts the content of a file or a variable. Other processes do not see the arguments of a shell builtin.
    let inserted = Regex::new(r"(\$\((cat|<)|`cat) *[^ )`]*key|\$\{?[A-Z_]*KEY\b").unwrap();
    let program = Regex::new(r"^[(#/\s]*[a-z][a-z_-]*\s").unwrap();
    let builtin = Regex::new(r"^[(#/\s]*(printf|echo|export|test|read|set)\s").unwrap();
    let commands = Regex::new(r"&&|\|\||[;|]|\(umask 077").unwrap();
    let inserts = move |text: &str| inserted.is_match(text) && program.is_match(text) && !builtin.is_match(text);
    move |line| arguments.is_match(line) || line.contains(['$', '`']) && commands.split(line).any(&inserts)
}

#[test]
fn no_document_puts_a_key_on_a_command_line() {
    let shows_a_key = shows_a_key();
    for shown in [
        r#"curl -H "X-Metrics-Key: $(cat metrics_key)" http://localhost:8000/metrics"#,
        "curl -u prometheus:$(cat metrics_key) http://localhost:8000/metrics",
        "curl --oauth2-bearer $KEY http://localhost:8000/metrics",
        "curl http://localhost:8000/metrics?key=0123",
        "docker run --env METRICS_VERIFICATION_KEY=0123 image",
        "kubectl create secret generic metrics-key --from-literal=metrics_key=0123",
        "my-service --metrics-key $METRICS_KEY",
        r#"grep "$(cat metrics_key)" accepted_keys"#,
        "sleep 1; http GET localhost:8000/metrics X-Metrics-Key:$(cat metrics_key)",
    ] {
        assert!(shows_a_key(shown), "{shown}");
    }
    for hidden in [
        "sed 's/^/X-Metrics-Key: /' metrics_key | curl -si -H @- http://localhost:8000/metrics | head -1",
        r#"printf 'X-Metrics-Key: %s\n' "$(cat metrics_key)" | curl -H @- http://localhost:8000/metrics"#,
        r#"(umask 077 && printf %s "$(cat metrics_key)" > next && mv next telegraf_key)"#,
        "docker run -e METRICS_VERIFICATION_KEY_FILE=/run/secrets/accepted_keys image",
    ] {
        assert!(!shows_a_key(hidden), "{hidden}");
    }
    let documents = files("");
    assert!(documents.len() > 50, "{} documents", documents.len());
    for (path, text) in documents {
        let text = text.replace("\\\n", " "); // a command in several lines
        let shown: Vec<_> = text.lines().filter(|line| shows_a_key(line)).collect();
        assert!(shown.is_empty(), "{path} shows a key on a command line: {shown:#?}");
    }
}

/// Otherwise Markdown puts the picture into a paragraph, which ends in the middle of it.
#[test]
fn each_picture_begins_with_a_whole_tag_and_has_no_blank_line() {
    let pictures = Path::new("../metrics-guard-core/docs/pictures");
    let files = fs::read_dir(pictures).unwrap().map(|entry| entry.unwrap().path());
    let pictures: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "svg")).collect();
    assert_eq!(pictures.len(), 3);
    for path in pictures {
        let picture = fs::read_to_string(&path).unwrap();
        let first = picture.lines().next().unwrap();
        assert!(first.starts_with("<svg ") && first.ends_with('>') && !picture.contains("\n\n"), "{}", path.display());
    }
}

/// `install` and `build` serve metrics without a guard.
#[test]
fn no_document_installs_a_recorder_with_an_unguarded_listener() {
    let serves = Regex::new(r"PrometheusBuilder::new\(\)(\s*\.\w+\([^)]*\))*\s*\.(install|build)\(").unwrap();
    assert!(serves.is_match("PrometheusBuilder::new().with_http_listener(address).install()"));
    for (path, text) in files("") {
        assert!(!serves.is_match(&text), "{path} serves the metrics without a guard");
    }
}
