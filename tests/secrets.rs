//! A key in the wrong place is never printed. The tests write random keys in place of every setting, name and argument, and
//! search all text that the crates make of them.

#![cfg(unix)] // because Windows allows no file with such a name
#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    collections::HashSet,
    env,
    error::Error,
    fmt::{self, Write as _},
    fs, iter,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use http::Request;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_guard_core::{
    ConfigError, Guard, GuardBuilder, GuardedPath, Key, KeyRing,
    adapter::{SETTINGS, Settings},
};
use metrics_guard_rocket::MetricsGuard;
use metrics_guard_tests::{KEY, WRONG, variable_of};
use metrics_guard_tower::MetricsGuardLayer;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use rocket::{
    Config,
    figment::{
        Figment,
        providers::{Format, Toml},
    },
    local::blocking::Client,
    routes,
};

/// Patterns of keys as operators generate them. A message may show a part of a base64 key that looks like a folder's
/// name, so each long part of the base64 pattern begins with a capital or `+`.
const PATTERNS: &str = r"[0-9a-f]{32,64} [0-9A-F]{16,32} [0-9A-Za-z]{16,64} [0-9A-Za-z_-]{16,43} [A-Z2-7]{16,52}
    [0-9a-z]{16,40} [a-z]{4,6}(-[a-z]{4,6}){3,6} [a-z0-9._-]{16,48} [a-z0-9]{6,9}(\.[a-z0-9]{6,9}){2,4}
    /?[A-Z+][0-9A-Za-z+]{15,25}(/[A-Z+][0-9A-Za-z+]{0,15}){0,2}(/[a-z0-9]{0,3})?={0,2}";

/// Returns a random key of each pattern.
fn keys() -> impl Iterator<Item = String> {
    PATTERNS.split_whitespace().map(|pattern| pattern.new_tree(&mut TestRunner::default()).unwrap().current())
}

/// The ways in which an operator can write a key into a wrong place.
fn spellings(key: &str) -> [String; 6] {
    let (first, second) = key.split_at(key.len() / 2);
    let split = format!("{first}\n{second}");
    [key.to_owned(), format!("keys/{key}"), format!("./{key}"), format!("\"{key}\""), format!("{key}\n"), split]
}

/// Returns whether six characters of `key` follow each other in `text`. Six digits can be a time.
fn has_part_of(key: &str, text: &str) -> bool {
    let parts = key.as_bytes().windows(6).filter(|part| !part.iter().all(u8::is_ascii_digit));
    parts.filter_map(|part| str::from_utf8(part).ok()).any(|part| text.contains(part))
}

fn assert_hidden(key: &str, text: &str, context: &str) {
    // Most lines occur many times.
    let mut lines: HashSet<_> = text.lines().collect();
    lines.retain(|line| has_part_of(key, line));
    assert!(lines.is_empty(), "{key:?} in {context} shows in {lines:#?}");
}

/// All text that the crates made.
#[derive(Default)]
struct Printed(String);

impl Printed {
    fn debug(&mut self, value: &dyn fmt::Debug) {
        writeln!(self.0, "{value:?}\n{value:#?}").unwrap();
    }

    fn result<T: fmt::Debug>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        match &result {
            Ok(value) => self.debug(value),
            Err(error) => {
                writeln!(self.0, "{error}").unwrap();
                self.debug(&(error, error.origin(), error.source()));
            }
        }
        result.ok()
    }

    /// Builds the guard and uses it, also after each change of its key file.
    fn guard(&mut self, builder: Result<GuardBuilder, ConfigError>, disturb: impl Fn(u8)) {
        let Some(builder) = self.result(builder) else { return };
        let warnings = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&warnings);
        let guard =
            builder.on_warning(move |warning| writeln!(sink.lock().unwrap(), "{warning} {warning:?}").unwrap()).build();
        for change in 0..if guard.key_file().is_some() { 6 } else { 1 } {
            let label = guard.key_file().map(|file| file.label().to_owned());
            self.debug(&(&guard, guard.warnings(), guard.key_file(), label));
            let _ = guard.check(&scrape(WRONG));
            disturb(change);
            self.result(guard.reload());
        }
        self.0 += &warnings.lock().unwrap();
    }
}

/// Returns what `fill` prints, and the events and metrics that it causes.
fn printed(fill: impl FnOnce(&mut Printed)) -> String {
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(log.reopen().unwrap())).finish();
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    let mut printed = Printed::default();
    tracing::subscriber::with_default(subscriber, || metrics::with_local_recorder(&recorder, || fill(&mut printed)));
    printed.0 + &fs::read_to_string(&log).unwrap() + &exporter.render()
}

fn good() -> GuardBuilder {
    Guard::builder(Key::new(KEY).unwrap())
}

fn scrape(key: &str) -> Request<()> {
    Request::get("/metrics").header("X-Metrics-Key", key).body(()).unwrap()
}

/// Uses a value as each setting and argument of the core.
fn of_the_core(printed: &mut Printed, value: &str) {
    for setting in SETTINGS {
        let mut settings = Settings::default();
        if !setting.starts_with("key") {
            settings.set("key", "KEY", KEY).unwrap();
        }
        let mut set = || settings.set(setting, variable_of(setting), value);
        set().unwrap();
        printed.result(set());
        printed.debug(&settings);
        printed.guard(settings.builder(), |_| ());
    }
    for builder in [
        good().header(value),
        good().query(value),
        good().allow_networks([value]),
        good().require_client_name([value]),
        Guard::builder_with_client_names([value]),
        Guard::builder_from_key_file(value),
        good().name(value).map(|_| good()), // an accepted name is public
        GuardBuilder::from_env_with_prefix(value),
    ] {
        printed.guard(builder, |_| ());
    }
    printed.result(Key::new(value).and_then(|key| KeyRing::new([key])));
    for bad in [format!("{value} "), format!("\u{feff}{value}"), format!("${{{value}}}"), value.repeat(9)] {
        printed.result(Key::new(bad));
    }

    // The value is the label of a good key, of itself as a key, and of two keys.
    let label: &'static str = value.to_owned().leak();
    let named = |key: &str| Key::new(key).map(|key| key.with_label(label));
    for secret in [KEY, value] {
        let Some(key) = printed.result(named(secret)) else { continue };
        printed.debug(&Guard::new(key).check(&scrape(secret)).map(|authorized| (authorized.key(), authorized)));
    }
    printed.result(KeyRing::new([named(KEY).unwrap(), named(WRONG).unwrap()]));
}

fn can_be_in_a_folder(name: &str) -> bool {
    !name.starts_with('/') && !name.ends_with('/') && name.len() < 256
}

/// Uses a value as the name of a key file that changes.
fn of_a_file(printed: &mut Printed, value: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(value);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let disturb = |change| {
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir(&path);
        match change {
            0 => fs::write(&path, WRONG).unwrap(),
            1 => fs::create_dir(&path).unwrap(),
            2 => symlink(&path, &path).unwrap(), // not even root can open a link to itself
            3 => fs::write(&path, "short\n").unwrap(),
            4 => fs::write(&path, &WRONG[..20]).unwrap(),
            _ => fs::write(&path, " \n").unwrap(),
        }
    };
    let from_settings = || {
        let mut settings = Settings::default();
        let origin = "`metrics_guard.key_file` in Rocket.toml";
        settings.set_key_file(origin, value.as_ref(), folder.path())?;
        settings.builder()
    };
    let builders: [&dyn Fn() -> _; 2] = [&|| Guard::builder_from_key_file(&path), &from_settings];
    for builder in builders {
        disturb(4);
        printed.guard(builder(), disturb);
    }
}

/// Uses a value, and paths that contain it, as paths of the core, of tower's layer, and of the guards of actix-web, Warp and Rocket.
fn of_the_adapters(printed: &mut Printed, value: &str) {
    for path in [value.to_owned(), format!("/{value}"), format!("/metrics/{value}"), format!("/{value}/..")] {
        printed.result(GuardedPath::new(&path));
        let layer = || MetricsGuardLayer::new(good().build());
        printed.result(layer().only_path(&path));
        let layer = printed.result(layer().only_path("/metrics").and_then(|of| of.only_path(&path)));
        printed.debug(&layer.map(|layer| tower::Layer::layer(&layer, ())));
        let warp = metrics_guard_warp::MetricsGuard::with(good().build());
        printed.result(warp.gate_path(&path).map(drop));
        let actix = metrics_guard_actix::MetricsGuard::new(good().build());
        printed.result(actix.only_path(&path));
        printed.debug(&MetricsGuard::with(good().build()).mount(path, routes![]));
    }
}

/// Replaces `*` by a value, and `"*"` by the value as a JSON string.
fn replaced(template: &str, value: &str) -> String {
    template.replace("\"*\"", &serde_json::json!(value).to_string()).replace('*', value)
}

/// Tables of Rocket.toml with a key in place of `*`.
const TABLES: &str = r#"[default.metrics_guard] networks = ["*"]
[default.metrics_guard] client_names = ["*", 1]
[default.metrics_guard] key = ["*", "*"]
[default.metrics_guard] key = { value = "*" }
[default.metrics_guard] "*" = 1
[default.metrics_guard."*"] key = 1
[default] metrics_guard = "*"
[default."*"] key = 1
[default] metrics_guard_key = "*"
["*".metrics_guard] key = 1
[metrics_guard."*"] key = 1
[default.metrics."*"] key = 1
[default.metrics_guard] * = 1
[default.metrics_guard.*] key = 1
[default.metrics_guard] key = *
[default.metrics_guard] key = "*
[default.metrics_guard] key_file "*"
[default.metrics_guard] *"#;

#[test]
fn arguments_and_settings_print_no_misplaced_key() {
    for key in keys() {
        for value in spellings(&key) {
            let text = printed(|printed| {
                of_the_core(printed, &value);
                of_the_adapters(printed, &value);
                if can_be_in_a_folder(&value) {
                    of_a_file(printed, &value);
                }
            });
            assert_hidden(&key, &text, &format!("{value:?}"));
        }
    }
}

#[test]
fn rocket_toml_prints_no_misplaced_key() {
    let of_settings = SETTINGS.map(|setting| format!("\n[default.metrics_guard] {setting} = \"*\""));
    let mut keys = iter::repeat_with(keys).flatten();
    for table in (TABLES.to_owned() + &of_settings.concat()).lines() {
        for (spelling, key) in keys.by_ref().take(6).enumerate() {
            let table = replaced(&table.replacen("] ", "]\n", 1), &spellings(&key)[spelling]);
            // With a good key in another profile, the guard can be built.
            let with_key = format!("[global.metrics_guard]\nkey = '{KEY}'\n{table}");
            let text = printed(|printed| {
                for toml in [&table, &with_key] {
                    let figment = Figment::from(Config::debug_default()).merge(Toml::string(toml).nested());
                    printed.guard(MetricsGuard::builder(&figment), |_| ());
                }
            });
            assert_hidden(&key, &text, &table);
        }
    }
}

/// Variables with a key in place of `*`. The test of arguments covers the values of settings.
const VARIABLES: &str = r#"METRICS_VERIFICATION=* METRICS_GUARD=* ROCKET_METRICS_GUARD=* ROCKET_CONFIG=* *=WRONG
    METRICS_VERIFICATION_*=WRONG GAURD_METRICS_*=WRONG ROCKET_METRICS_GUARD_*=WRONG ROCKET_METRICS_GUARD.*=WRONG
    ROCKET_*_METRICS_GUARD_NETWORKS=WRONG ROCKET_METRICS_GUARD={key_file="*"} ROCKET_METRICS_GUARD={networks="*"}"#;

#[test]
fn variables_print_no_misplaced_key() {
    let variables = VARIABLES.replace("WRONG", WRONG);
    let mut keys = iter::repeat_with(keys).flatten();
    for (name, value) in variables.split_whitespace().map(|variable| variable.split_once('=').unwrap()) {
        for (spelling, mut key) in keys.by_ref().take(6).enumerate() {
            if name.contains('*') {
                key.retain(|letter| letter != '=');
            }
            let written = &spellings(&key)[spelling];
            let folder = tempfile::tempdir().unwrap();
            // Every second file that a variable can name exists.
            if spelling % 2 == 0 && can_be_in_a_folder(written) {
                let path = folder.path().join(written);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "[default.metrics_guard]\nkey = 1").unwrap();
            }
            let variable = (replaced(name, written), replaced(value, written));
            assert_hidden(&key, &child(folder.path(), &variable), &format!("{variable:?}"));
        }
    }
}

/// Returns all that a child process in this folder prints. A process cannot capture everything that Rocket prints.
fn child(folder: &Path, (name, value): &(String, String)) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "prints_the_settings_and_the_log_from_a_child_process", "--ignored", "--nocapture"])
        .current_dir(folder);
    let output = command.env_clear().env("RUST_BACKTRACE", "0").env(name, value).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && text.contains("the end of the child"), "{text}");
    text
}

#[test]
#[ignore = "started by the test of variables"]
fn prints_the_settings_and_the_log_from_a_child_process() {
    let text = printed(|printed| {
        let settings = Settings::from_env();
        printed.debug(&settings);
        printed.guard(settings.builder(), |_| ());
        // At this level, Rocket logs the most.
        let figment = Config::figment().merge(("log_level", "debug")).merge(("cli_colors", false));
        printed.guard(MetricsGuard::builder(&figment), |_| ());
        match Client::untracked(rocket::custom(&figment).attach(MetricsGuard::fairing().mount("/metrics", routes![]))) {
            Ok(client) => drop(client.get("/metrics").dispatch()),
            Err(error) => println!("{error} {error:?} {}", error.pretty_print()),
        }
    });
    println!("{text}\nthe end of the child");
}
