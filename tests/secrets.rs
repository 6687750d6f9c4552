//! A key in the wrong place is never printed: a random key in place of every setting, name and argument, and all that can be
//! read of it afterwards.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    env,
    error::Error,
    fmt::{self, Write as _},
    fs,
    os::unix::fs::symlink,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::Command,
    slice,
    sync::{Arc, Mutex},
};

use http::Request;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_guard_core::{
    ConfigError, Guard, GuardBuilder, GuardedPath, Key, KeyRing,
    adapter::{SETTINGS, Settings, shown},
};
use metrics_guard_rocket::MetricsGuard;
use metrics_guard_tests::{KEY, WRONG, variable_of};
use metrics_guard_tower::MetricsGuardLayer;
use proptest::{
    prelude::*,
    strategy::{Union, ValueTree},
    test_runner::TestRunner,
};
use rocket::{
    Config, Rocket,
    figment::{
        Figment,
        providers::{Format, Toml},
    },
    local::blocking::Client,
    routes,
};

/// As operators make keys.
fn key() -> impl Strategy<Value = String> {
    Union::new(alphabets())
}

fn alphabets() -> Vec<BoxedStrategy<String>> {
    let patterns = [
        "[0-9a-f]{32,64}",
        "[0-9A-F]{16,32}",
        "[0-9A-Za-z]{16,64}",
        "[0-9A-Za-z_-]{16,43}",
        "[A-Z2-7]{16,52}",
        "[0-9a-z]{16,40}",
        "[a-z]{4,6}(-[a-z]{4,6}){3,6}",
        "[a-z0-9._-]{16,48}",
        r"[a-z0-9]{6,9}(\.[a-z0-9]{6,9}){2,4}",
    ];
    patterns.into_iter().map(Strategy::boxed).chain([base64().boxed()]).collect()
}

/// In a key with slashes behind a `/` or `./`, the rule takes short parts for folders. Such a key can show a part of six
/// characters.
fn base64() -> impl Strategy<Value = String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    "[0-9A-Za-z+/]{24,43}={0,2}".prop_filter("a part that looks like a folder", move |key| {
        let hidden = |part: &str| part.len() > 15 || !part.bytes().all(is_plain);
        let shown: Vec<_> = key.split('/').map(|part| if hidden(part) { "…" } else { part }).collect();
        !has_part_of(key, &shown.join("/"))
    })
}

/// The ways in which an operator can write a key into a wrong place.
fn spellings(key: &str) -> [String; 6] {
    let (first, second) = key.split_at(key.len() / 2);
    [
        key.to_owned(),
        format!("keys/{key}"),
        format!("./{key}"),
        format!("\"{key}\""),
        format!("{key}\n"),
        format!("{first}\n{second}"),
    ]
}

/// Whether six characters of `key` follow each other in `text`. Six digits can be a time.
fn has_part_of(key: &str, text: &str) -> bool {
    let parts = key.as_bytes().windows(6).filter(|part| !part.iter().all(u8::is_ascii_digit));
    parts.filter_map(|part| str::from_utf8(part).ok()).any(|part| text.contains(part))
}

fn assert_hidden(key: &str, text: &str, context: &str) {
    let lines: Vec<_> = text.lines().filter(|line| has_part_of(key, line)).collect();
    assert!(lines.is_empty(), "{key:?} in {context} shows in {lines:#?}");
}

/// All that was printed.
#[derive(Default)]
struct Said(String);

impl Said {
    fn debug(&mut self, value: &dyn fmt::Debug) {
        writeln!(self.0, "{value:?}\n{value:#?}").unwrap();
    }

    fn result<T: fmt::Debug>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        match result {
            Ok(value) => {
                self.debug(&value);
                Some(value)
            }
            Err(error) => {
                writeln!(self.0, "{error}").unwrap();
                self.debug(&(&error, error.origin(), error.source()));
                None
            }
        }
    }

    /// A guard at work, also once its key file has changed.
    fn builder(&mut self, builder: Result<GuardBuilder, ConfigError>, disturb: &dyn Fn(u8)) {
        let Some(builder) = self.result(builder) else { return };
        let warnings = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&warnings);
        let tell = move |warning: &metrics_guard_core::Warning| {
            writeln!(sink.lock().unwrap(), "{warning} {warning:?}").unwrap();
        };
        let guard = builder.on_warning(tell).build();
        let head = Request::get("/metrics").header("X-Metrics-Key", WRONG).body(()).unwrap();
        for change in 0..6 {
            self.debug(&(&guard, guard.warnings(), guard.key_file()));
            if let Some(file) = guard.key_file() {
                writeln!(self.0, "{}", file.label()).unwrap();
            }
            if let Err(denied) = guard.check(&head) {
                writeln!(self.0, "{denied} {:?}", denied.into_response::<String>()).unwrap();
            }
            disturb(change);
            self.result(guard.reload());
        }
        self.0 += &warnings.lock().unwrap();
    }
}

/// All that events and metrics say while `said` is filled.
fn overheard(fill: impl FnOnce(&mut Said)) -> String {
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(log.reopen().unwrap())).finish();
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = recorder.handle();
    let mut said = Said::default();
    tracing::subscriber::with_default(subscriber, || metrics::with_local_recorder(&recorder, || fill(&mut said)));
    said.0 + &fs::read_to_string(&log).unwrap() + &exporter.render()
}

fn good() -> GuardBuilder {
    Guard::builder(Key::new(KEY).unwrap())
}

/// What a file at `path` becomes, so that each look at it gives something else.
fn disturb(path: &Path, change: u8) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir(path);
    match change {
        0 => fs::write(path, WRONG).unwrap(),
        1 => fs::create_dir(path).unwrap(),
        2 => symlink(path, path).unwrap(), // it cannot be opened, unlike a file without rights also by root
        3 => fs::write(path, "short\n").unwrap(),
        4 => fs::write(path, &WRONG[..20]).unwrap(),
        _ => fs::write(path, " \n").unwrap(),
    }
}

/// A value as the label of a good key, of itself as a key, and of two keys.
fn labels(said: &mut Said, value: &str) {
    let label: &'static str = value.to_owned().leak();
    let named = |key: &str| Key::new(key).map(|key| key.with_label(label));
    for key in [KEY, value] {
        let Some(key) = said.result(named(key)) else { continue };
        let guard = Guard::new(key);
        let key = if guard.check(&scrape(KEY)).is_ok() { KEY } else { value };
        said.debug(&guard.check(&scrape(key)).map(|authorized| (authorized.key(), authorized)));
    }
    said.result(KeyRing::new([named(KEY).unwrap(), named(WRONG).unwrap()]));
}

fn scrape(key: &str) -> Request<()> {
    Request::get("/metrics").header("X-Metrics-Key", key).body(()).unwrap()
}

/// A value, and a path with it, as the arguments of the core, of tower's layer and of Warp's guard.
fn of_the_adapters(said: &mut Said, value: &str) {
    let guard = || Guard::new(Key::new(KEY).unwrap());
    for path in [value.to_owned(), format!("/{value}"), format!("/metrics/{value}"), format!("/{value}/..")] {
        said.result(GuardedPath::new(&path));
        said.result(MetricsGuardLayer::new(guard()).only_path(&path));
        let layer =
            said.result(MetricsGuardLayer::new(guard()).only_path("/metrics").and_then(|of| of.only_path(&path)));
        said.debug(&layer.map(|layer| tower::Layer::layer(&layer, ())));
        let warp = metrics_guard_warp::MetricsGuard::with(guard());
        said.debug(&warp);
        said.result(warp.gate_path(&path).map(drop));
        said.debug(&MetricsGuard::with(guard()).mount(path, routes![]));
    }
    for builder in [good().header(value), good().query(value), good().allow_networks([value])] {
        let Some(builder) = said.result(builder) else { continue };
        let guard = builder.build();
        said.debug(&metrics_guard_warp::MetricsGuard::with(guard.clone()));
        said.debug(&MetricsGuardLayer::new(guard));
    }
}

fn can_be_in_a_folder(name: &str) -> bool {
    !name.starts_with('/') && !name.ends_with('/') && name.len() < 256
}

fn of_the_core(said: &mut Said, value: &str) {
    for setting in SETTINGS {
        let mut settings = Settings::default();
        if !setting.starts_with("key") {
            settings.set("key", "KEY", KEY).unwrap();
        }
        let mut set = || settings.set(setting, variable_of(setting), value);
        set().unwrap();
        said.result(set());
        said.debug(&settings);
        said.builder(settings.builder(), &|_| ());
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
        said.builder(builder, &|_| ());
    }
    said.result(Key::new(value));
    said.result(Key::new(value).and_then(|key| KeyRing::new([key])));
    labels(said, value);

    // The file of that name.
    if !can_be_in_a_folder(value) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(value);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for change in 0..6 {
        disturb(&path, change);
        said.builder(Guard::builder_from_key_file(&path), &|_| ());
        let mut settings = Settings::default();
        let origin = "`metrics_guard.key_file` in Rocket.toml";
        settings.set_key_file(origin, value.as_ref(), folder.path()).unwrap();
        said.debug(&settings);
        said.builder(settings.builder(), &|_| ());
    }
    for keys in [KEY, &KEY[..20]] {
        fs::write(&path, keys).unwrap();
        said.builder(Guard::builder_from_key_file(&path), &|change| disturb(&path, change));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_core_prints_no_misplaced_key(key in key()) {
        for value in spellings(&key) {
            assert_hidden(&key, &overheard(|said| of_the_core(said, &value)), &format!("{value:?}"));
        }
    }

    #[test]
    fn shows_no_part_of_a_base64_key_that_does_not_begin_as_a_path(
        key in "[A-Z][0-9A-Za-z+]{9}/[a-z0-9]{8,12}/[0-9A-Za-z+]{12,20}="
    ) {
        assert_hidden(&key, &shown(&key).unwrap_or_default(), "a path");
    }

    #[test]
    fn the_adapters_print_no_misplaced_key(key in key()) {
        for value in spellings(&key) {
            assert_hidden(&key, &overheard(|said| of_the_adapters(said, &value)), &format!("{value:?}"));
        }
        // Half of it, as the network of an IPv6 address.
        let groups: Vec<_> =
            key.as_bytes().chunks_exact(2).take(8).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
        let address = groups.join(":");
        for network in [address.clone(), format!("{address}/64"), format!("{address}/128"), format!("{address}/112")] {
            let said = overheard(|said| said.builder(good().allow_networks([&network]), &|_| ()));
            assert_hidden(&address, &said, &network);
        }
    }
}

/// A test of this file in a process of its own, and all that it prints.
fn child(name: &str, folder: &Path, variables: &[(String, String)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]).current_dir(folder);
    command.env_clear().env("RUST_BACKTRACE", "0").envs(variables.iter().cloned());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn random(of: &impl Strategy<Value = String>) -> String {
    of.new_tree(&mut TestRunner::default()).unwrap().current()
}

#[test]
fn no_misplaced_key_of_the_environment_is_printed() {
    let key = || random(&key());
    let table = |field: &str, value: &str| format!("{{{field}={}}}", serde_json::json!(value));
    for spelling in 0..6 {
        let variables = SETTINGS.into_iter().map(|setting| {
            let key = key();
            let value = spellings(&key)[spelling].clone();
            (key, (variable_of(setting), value))
        });
        let others = ["METRICS_VERIFICATION", "METRICS_GUARD", "ROCKET_METRICS_GUARD", "ROCKET_CONFIG"].map(|name| {
            let key = key();
            let value = spellings(&key)[spelling].clone();
            (key, (name.to_owned(), value))
        });
        let names = [
            "METRICS_VERIFICATION_",
            "GAURD_METRICS_",
            "ROCKET_METRICS_GUARD_",
            "ROCKET_METRICS_GUARD.",
            "ROCKET_",
            "",
        ]
        .map(|prefix| {
            let key = key().replace('=', "");
            let end = if prefix == "ROCKET_" { "_METRICS_GUARD_NETWORKS" } else { "" };
            let name = format!("{prefix}{}{end}", spellings(&key)[spelling]);
            (key, (name, WRONG.to_owned()))
        });
        let fields = SETTINGS.into_iter().map(|setting| {
            let key = key();
            let table = table(setting, &spellings(&key)[spelling]);
            (key, ("ROCKET_METRICS_GUARD".to_owned(), table))
        });
        for (key, variable) in variables.chain(others).chain(names).chain(fields) {
            let is_path =
                ["FILE", "CONFIG"].iter().any(|end| variable.0.ends_with(end)) || variable.1.contains("key_file");
            for has_file in [false, true].into_iter().take(1 + usize::from(is_path)) {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join(&variable.1);
                if has_file && can_be_in_a_folder(&variable.1) {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    let is_toml = variable.0 == "ROCKET_CONFIG";
                    fs::write(&path, if is_toml { "[default.metrics_guard]\nkey = 1" } else { KEY }).unwrap();
                }
                let said = child("child_of_the_environment", folder.path(), slice::from_ref(&variable));
                assert!(said.contains("the end of the child"), "{said}");
                assert_hidden(&key, &said, &format!("{variable:?}"));
            }
        }
    }
}

#[test]
#[ignore = "started by no_misplaced_key_of_the_environment_is_printed"]
fn child_of_the_environment() {
    let said = overheard(|said| {
        let settings = Settings::from_env();
        said.debug(&settings);
        said.builder(settings.builder(), &|_| ());
        let _ = panic::catch_unwind(AssertUnwindSafe(|| Guard::from_env().unwrap()));
        said.result(metrics_guard_warp::MetricsGuard::from_env());
        launch(said, Config::figment());
    });
    println!("{said}\nthe end of the child");
}

/// What Rocket logs of a launch with this configuration, at the level that shows most, goes to the output.
fn launch(said: &mut Said, figment: Figment) {
    let figment = figment.merge(("log_level", "debug")).merge(("cli_colors", false));
    said.builder(MetricsGuard::builder(&figment), &|_| ());
    let app = || -> Rocket<_> { rocket::custom(&figment).attach(MetricsGuard::fairing().mount("/metrics", routes![])) };
    match Client::untracked(app()) {
        Ok(client) => drop(client.get("/metrics").dispatch()),
        Err(error) => println!("{error} {error:?} {}", error.pretty_print()),
    }
}

#[test]
fn no_misplaced_key_of_rocket_toml_is_printed() {
    let text = |value: &str| serde_json::json!(value).to_string();
    let folder = tempfile::tempdir().unwrap();
    let keys: Vec<_> = alphabets().iter().map(random).collect();
    let mut files = 0;
    for (number, key) in keys.iter().enumerate() {
        // Two spellings of each, so that a run takes seconds.
        for value in [0, 1 + number % 5].map(|spelling| spellings(key)[spelling].clone()) {
            let unquoted = [
                format!("{value} = 1"),
                format!("{value}.key = 1\n[default.metrics_guard.{value}]\nkey = 1"),
                format!("key = {value}"),
                format!("key = \"{value}"),
                format!("key_file \"{value}\""),
                value.clone(),
            ];
            let value = text(&value);
            let mut tables: Vec<_> =
                SETTINGS.into_iter().map(|setting| format!("[default.metrics_guard]\n{setting} = {value}")).collect();
            tables.push(format!("[default.metrics_guard]\nnetworks = [{value}]"));
            tables.push(format!("[default.metrics_guard]\nclient_names = [{value}, 1]"));
            tables.push(format!("[default.metrics_guard]\nkey = [{value}, {value}]"));
            tables.push(format!("[default.metrics_guard]\nkey = {{ value = {value} }}"));
            tables.push(format!("[default.metrics_guard]\n{value} = 1"));
            tables.push(format!("[default.metrics_guard.{value}]\nkey = 1"));
            tables.push(format!("[default]\nmetrics_guard = {value}"));
            tables.push(format!("[default.{value}]\nkey = 1"));
            tables.push(format!("[default]\nmetrics_guard_key = {value}"));
            tables.push(format!("[{value}.metrics_guard]\nkey = 1"));
            tables.push(format!("[{value}.metrics-guard]\nkey = 1"));
            tables.push(format!("[metrics_guard.{value}]\nkey = 1"));
            tables.push(format!("[default.metrics.{value}]\nkey = 1"));
            tables.extend(unquoted.map(|line| format!("[default.metrics_guard]\n{line}")));
            for table in tables {
                // Beside a good key, so that the guard comes to life.
                let good = format!("[global.metrics_guard]\nkey = '{KEY}'\n");
                for table in [format!("{good}{table}"), table] {
                    let folder = folder.path().join(files.to_string());
                    fs::create_dir(&folder).unwrap();
                    fs::write(folder.join("Rocket.toml"), table).unwrap();
                    files += 1;
                }
            }
        }
    }
    let said = child("child_of_rocket_toml", folder.path(), &[("FILES".to_owned(), files.to_string())]);
    assert!(said.contains("the end of the child"), "{said}");
    for key in &keys {
        assert_hidden(key, &said, "Rocket.toml");
    }
}

#[test]
#[ignore = "started by no_misplaced_key_of_rocket_toml_is_printed"]
fn child_of_rocket_toml() {
    let files: usize = env::var("FILES").unwrap().parse().unwrap();
    let said = overheard(|said| {
        for file in 0..files {
            let toml = env::current_dir().unwrap().join(file.to_string()).join("Rocket.toml");
            launch(said, Figment::from(Config::debug_default()).merge(Toml::file(toml).nested()));
        }
    });
    println!("{said}\nthe end of the child");
}
