//! From settings to a guard, or to an error that names the place and never the value: the configuration cases of the
//! attack catalogue, by their numbers.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{assert_says, from};
use http::Request;
use metrics_guard_core::{
    ConfigError, Guard, GuardBuilder, Key, Warning,
    adapter::{SETTINGS, Settings, shown},
};

mod common;

const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
const OTHER: &str = "1f83b6d05ae94c27801d7e6a3c5f9b42";

#[track_caller]
fn assert_problem(variables: &[(&str, &str)], part: &str) {
    let error = from(variables).unwrap_err();
    for (variable, value) in variables {
        let text = format!("{error} {error:?}");
        let may_show = value.trim().is_empty() || value == variable || shown(value).as_deref() == Some(value);
        assert!(may_show || !text.contains(value), "{variable} shows in: {text}");
    }
    assert_says(&error, part);
}

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn from_file(content: &[u8]) -> Result<Guard, ConfigError> {
    let (_folder, path) = file(content);
    from(&[("METRICS_VERIFICATION_KEY_FILE", path.to_str().unwrap())])
}

fn label(guard: &Guard, key: &str) -> Option<&'static str> {
    guard.check(&Request::get("/").header("X-Metrics-Key", key).body(()).unwrap()).ok()?.key()
}

#[test]
fn case_36_no_key_and_blank_keys() {
    assert_problem(&[], "no key is configured");
    for blank in ["", " ", "\t \n"] {
        let expected = if blank.is_empty() { "is empty" } else { "the key is blank" };
        assert_problem(&[("METRICS_VERIFICATION_KEY", blank)], expected);
        assert_says(&from_file(blank.as_bytes()).unwrap_err(), "the key is blank");
    }
    assert_problem(&[("METRICS_VERIFICATION_DISABLED", "false")], "no key is configured");
}

#[test]
fn case_37_line_ends_of_a_key_file() {
    for end in ["", "\n", "\r\n"] {
        let guard = from_file(format!("{KEY}{end}").as_bytes()).unwrap();
        assert_eq!(label(&guard, KEY), Some("current"), "{end:?}");
    }
    let guard = from_file(format!("\n{KEY}\r\n  \n{OTHER}\n\n").as_bytes()).unwrap();
    assert_eq!((label(&guard, KEY), label(&guard, OTHER)), (Some("current"), Some("previous")));
}

#[test]
fn case_38_unsendable_bytes() {
    for bad in [&b"\xef\xbb\xbf"[..], b"\0", b"\xe9", b" ", b"\t", b"\x7f", b"\r"] {
        for content in [[bad, KEY.as_bytes()].concat(), [&KEY.as_bytes()[..9], bad, &KEY.as_bytes()[9..]].concat()] {
            let error = from_file(&content).unwrap_err();
            assert_says(&error, "not visible ASCII");
            assert!(error.origin().to_string().ends_with(", line 1"), "{error}");
        }
    }
    assert_problem(&[("METRICS_VERIFICATION_KEY", &format!("{KEY}\n"))], "not visible ASCII");
}

#[test]
fn case_39_short_and_sample_keys() {
    assert_problem(&[("METRICS_VERIFICATION_KEY", &KEY[..15])], "fewer than 16 characters");
    for sample in [
        "some-super-secret-key",
        "Some_Super_Secret_Key",
        "changeme",
        "METRICS_VERIFICATION_KEY",
        "change_me_in_production",
        "00000000-0000-0000-0000-000000000000",
        "0000000000000000000000000000000000000000",
    ] {
        assert_problem(&[("METRICS_VERIFICATION_KEY", sample)], "published example");
    }
    for placeholder in ["${METRICS_VERIFICATION_KEY}", "$METRICS_VERIFICATION_KEY", "<your-metrics-key-here>"] {
        assert_problem(&[("METRICS_VERIFICATION_KEY", placeholder)], "template or reference");
    }
    for (wrapped, what) in [
        (format!("\"{KEY}\""), "a key in quotes"),
        (format!("{{\"key\":\"{KEY}\"}}"), "a key in JSON"),
        (format!("METRICS_KEY={KEY}"), "a key behind `NAME=`"),
        (format!("prometheus:{KEY}"), "a key behind `NAME:`"),
        (format!("# {KEY}"), "a key behind a comment sign"),
    ] {
        assert_problem(&[("METRICS_VERIFICATION_KEY", &wrapped)], &format!("the value is {what};"));
        let error = from_file(format!("{KEY}\n{wrapped}\n").as_bytes()).unwrap_err();
        assert_says(&error, &format!("the value is {what};"));
        assert!(error.origin().to_string().ends_with(", line 2") && !error.to_string().contains(KEY), "{error}");
    }
    let short = from(&[("METRICS_VERIFICATION_KEY", &KEY[..31])]).unwrap();
    let expected =
        "METRICS_VERIFICATION_KEY: the key has fewer than 32 characters; `openssl rand -hex 32` makes a longer one";
    assert_eq!(texts(short.warnings()), [expected]);
    assert_eq!(texts(from(&[("METRICS_VERIFICATION_KEY", KEY)]).unwrap().warnings()), [""; 0]);
}

#[test]
fn case_40_long_keys_and_files_that_have_no_end() {
    let long = KEY.repeat(8);
    assert!(from(&[("METRICS_VERIFICATION_KEY", &long)]).is_ok());
    assert_problem(&[("METRICS_VERIFICATION_KEY", &format!("{long}0"))], "more than 256 characters");
    assert_says(&from_file(KEY.repeat(64).as_bytes()).unwrap_err(), "more than 256 characters");
    assert_says(&from_file(format!("{}0", KEY.repeat(64)).as_bytes()).unwrap_err(), "too large");
    #[cfg(unix)]
    {
        assert_problem(&[("METRICS_VERIFICATION_KEY_FILE", "/dev/zero")], "must be a regular file");
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_problem(&[("METRICS_VERIFICATION_KEY_FILE", pipe.to_str().unwrap())], "must be a regular file");
    }
}

#[test]
fn case_41_many_keys() {
    let (_folder, path) = file(format!("{KEY}\n{KEY}\n{OTHER}\n").as_bytes());
    let guard = from(&[("METRICS_VERIFICATION_KEY_FILE", path.to_str().unwrap())]).unwrap();
    assert_eq!((label(&guard, KEY), label(&guard, OTHER)), (Some("current"), Some("previous")));
    let is_same_key = |text: &String| text.contains(", line 2: the same key");
    assert!(texts(guard.warnings()).iter().any(is_same_key), "{:?}", guard.warnings());

    let error = from_file(format!("{KEY}\n{OTHER}\nshort\n").as_bytes()).unwrap_err();
    assert_says(&error, "fewer than 16 characters");
    assert!(error.origin().to_string().ends_with(", line 3"), "{error}");

    let keys = ["a", "b", "c", "d", "e"].map(|first| format!("{first}{KEY}"));
    assert_says(&from_file(keys.join("\n").as_bytes()).unwrap_err(), "more than 4 keys");
    assert!(from_file(keys[..4].join("\n").as_bytes()).is_ok());
}

#[test]
fn case_42_files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_problem(&[("METRICS_VERIFICATION_KEY_FILE", path)], "must be a regular file");

    // Also shown if its folder is missing, as that of a volume that is not mounted.
    for missing in ["/run/no-such-volume/key", "./no_such_key", "~/no_such_key"] {
        let error = from(&[("METRICS_VERIFICATION_KEY_FILE", missing)]).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{missing}: no such file")), "{error}");
    }
    for (missing, shown) in [
        ("no_such_key", "METRICS_VERIFICATION_KEY_FILE: no such file"),
        ("/run/NoSuchVolume/key", "METRICS_VERIFICATION_KEY_FILE, /run/…/key: no such file"),
    ] {
        let error = from(&[("METRICS_VERIFICATION_KEY_FILE", missing)]).unwrap_err();
        assert!(error.to_string().starts_with(shown), "{error}");
    }

    // It is there and opens, and cannot be read: unlike a file without rights, not even by root.
    #[cfg(target_os = "linux")]
    assert_problem(&[("METRICS_VERIFICATION_KEY_FILE", "/proc/self/mem")], "cannot be read");

    // The key where its path belongs: with and without what looks like a folder.
    for key in [KEY, "q9Zk/7yH2mVx0Lr4TtBw8sEc+Nd1JfUa", "/q9Zk7yH2mVx0Lr4TtBw8sEc+Nd1JfUa", &format!("./{KEY}")] {
        assert_problem(&[("METRICS_VERIFICATION_KEY_FILE", key)], "no such file");
    }
    // And the path where the key belongs, whether or not a file is there.
    let (_folder, path) = file(KEY.as_bytes());
    for path in [path.to_str().unwrap(), "/etc/my-service/keys/accepted_keys"] {
        assert_problem(&[("METRICS_VERIFICATION_KEY", path)], "the key is a path");
    }
}

#[test]
fn case_46_two_places() {
    let (_folder, path) = file(KEY.as_bytes());
    let both = [("METRICS_VERIFICATION_KEY", OTHER), ("METRICS_VERIFICATION_KEY_FILE", path.to_str().unwrap())];
    assert_problem(&both, "set here and in METRICS_VERIFICATION_KEY_FILE;");

    let mut settings = Settings::default();
    settings.set("query", "METRICS_VERIFICATION_QUERY", "key").unwrap();
    let error = settings.set("query", "query", "key").unwrap_err();
    assert_says(&error, "set here and in METRICS_VERIFICATION_QUERY;");
}

#[cfg(unix)]
#[test]
fn case_47_file_or_folder_that_others_can_read_or_write() {
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    for (folder_mode, mode, is_readable, is_writable) in [
        (0o755, 0o640, false, false),
        (0o755, 0o644, true, false),
        (0o755, 0o622, false, true),
        (0o755, 0o660, false, true),
        (0o755, 0o666, true, true),
        (0o777, 0o600, false, true),
        (0o1777, 0o600, false, false),
    ] {
        let (folder, path) = file(KEY.as_bytes());
        set_mode(&path, mode);
        set_mode(folder.path(), folder_mode);
        let guard = from(&[("METRICS_VERIFICATION_KEY_FILE", path.to_str().unwrap())]).unwrap();
        let mut expected = Vec::new();
        expected.extend(is_readable.then(|| "/metrics_key: every user of this machine can read".to_owned()));
        let writable = if mode & 0o022 == 0 { "" } else { "/metrics_key" };
        expected.extend(is_writable.then(|| format!("{writable}: users other than root")));
        let found = texts(guard.warnings());
        let is_expected = |(text, expected): (&String, &String)| {
            text.contains(&**expected) && text.contains("/metrics_key: ") != expected.starts_with(": ")
        };
        assert!(found.iter().zip(&expected).all(is_expected), "{folder_mode:o} {mode:o}: {found:?}");
        assert_eq!(found.len(), expected.len(), "{folder_mode:o} {mode:o}: {found:?}");
    }
}

/// After what a warning advises, nobody has a right who had none before, and the warning is gone.
#[cfg(unix)]
#[test]
fn the_advice_about_rights_gives_nobody_a_new_one() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = file(KEY.as_bytes());
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    for before in (0..0o100).map(|others| 0o600 | others) {
        fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
        let warnings = || Guard::builder_from_key_file(&path).unwrap().on_warning(|_| ()).build().warnings().to_vec();
        for warning in warnings() {
            let text = warning.to_string();
            let (_, advice) = text.split_once("`chmod ").unwrap();
            let change = advice.split('`').next().unwrap();
            // A service that reads the file as one of the others must not lose it.
            let has_owner = text.find("its owner").is_some_and(|at| at < text.find("`chmod ").unwrap());
            let is_readable = text.contains("can read the key file");
            assert!(has_owner || !is_readable, "{text}");
            assert!(Command::new("chmod").arg(change).arg(&path).status().unwrap().success());
            assert_eq!(mode() & !before, 0, "{before:o}: {text}");
            // Each advice alone is enough: the file is not left for others to write, and no more to read.
            let (rights, who) = if is_readable { (0o007, "others") } else { (0o022, "writers") };
            assert_eq!(mode() & rights, 0, "{before:o}, {who}: {text}");
        }
        assert_eq!(texts(&warnings()), [""; 0], "{before:o}");
    }
}

#[test]
fn a_key_file_with_one_value_that_was_broken_into_lines() {
    let lines = "Qn6m1i5c1o0P0kcV8wN3yqv2Fh9sVJbX+Tt4aLxR7uGdKeYzZpWm/BCrEHfS2jUk\n3gQ7sJp8Zb1xVn5tKfYwRw==\n";
    let (_folder, path) = file(lines.as_bytes());
    let guard = from(&[("METRICS_VERIFICATION_KEY_FILE", path.to_str().unwrap())]).unwrap();
    let is_split = |text: &String| text.contains("/metrics_key: the lines look like one base64 value");
    assert!(texts(guard.warnings()).iter().any(is_split), "{:?}", guard.warnings());
}

#[test]
fn the_other_settings() {
    let with = |variable, value| from(&[("METRICS_VERIFICATION_KEY", KEY), (variable, value)]);
    let guard = with("METRICS_VERIFICATION_HEADER", "x-SCRAPE-key").unwrap();
    assert_eq!(label(&guard, KEY), None);
    assert!(guard.check(&Request::get("/").header("X-Scrape-Key", KEY).body(()).unwrap()).is_ok());
    let guard = with("METRICS_VERIFICATION_QUERY", "metrics_key").unwrap();
    assert!(guard.check(&Request::get(format!("/?metrics_key={KEY}")).body(()).unwrap()).is_ok());

    for (variable, value, expected) in [
        ("METRICS_VERIFICATION_HEADER", "", "is empty"),
        ("METRICS_VERIFICATION_HEADER", "X Key", "invalid header name"),
        ("METRICS_VERIFICATION_HEADER", "authorization", "invalid header name"),
        ("METRICS_VERIFICATION_QUERY", "", "is empty"),
        (
            "METRICS_VERIFICATION_HEADER",
            "transfer-Encoding",
            "this header has another use: it describes the connection, and proxies remove it;",
        ),
        ("METRICS_VERIFICATION_HEADER", "Host", "this header has another use: servers and proxies act on it;"),
        ("METRICS_VERIFICATION_HEADER", "X_Metrics_Key", "invalid header name"),
        ("METRICS_VERIFICATION_HEADER", "false", "is not a name; unset it, or write a name such as `X-Scrape-Key`"),
        ("METRICS_VERIFICATION_HEADER", " None ", "is not a name; unset it, or write a name such as `X-Scrape-Key`"),
        ("METRICS_VERIFICATION_QUERY", "off", "is not a name; unset it, or write a name such as `key`"),
        ("METRICS_VERIFICATION_QUERY", "TRUE", "is not a name; unset it, or write a name such as `key`"),
        ("METRICS_VERIFICATION_QUERY", "0", "is not a name; unset it, or write a name such as `key`"),
        (
            "METRICS_VERIFICATION_CLIENT_NAMES",
            "required",
            "is not a name; unset it, or write a name such as `prometheus.example`",
        ),
        (
            "METRICS_VERIFICATION_CLIENT_NAMES",
            "a.example, none",
            "is not a name; unset it, or write a name such as `prometheus.example`",
        ),
        ("METRICS_VERIFICATION_NETWORKS", " ", "is empty"),
        ("METRICS_VERIFICATION_NETWORKS", "10.0.0.0/8, 0.0.0.0", "entry 2 is an address that no client has"),
        ("METRICS_VERIFICATION_CLIENT_NAMES", "", "is empty"),
        ("METRICS_VERIFICATION_QUERY", "a b", "invalid query parameter name"),
        ("METRICS_VERIFICATION_QUERY", OTHER, "the name looks like a key"),
        ("METRICS_VERIFICATION_HEADER", OTHER, "the name looks like a key"),
        ("METRICS_VERIFICATION_HEADER", "0e8a6c4f-2d1b-4957-9c0f-8a7d6b5c4e3f", "the name looks like a key"),
        ("METRICS_VERIFICATION_HEADER", "q9Zk7yH2mVx0Lr4TtBw8sEcNd1JfUavK3oPiGh5bM", "the name looks like a key"),
        ("METRICS_VERIFICATION_QUERY", "k&y", "invalid query parameter name"),
        ("METRICS_VERIFICATION_DISABLED", "", "is empty"),
        ("METRICS_VERIFICATION_DISABLED", "yes", "must be `true` or `false`"),
    ] {
        assert_problem(&[("METRICS_VERIFICATION_KEY", KEY), (variable, value)], expected);
    }
}

#[test]
fn names_the_empty_setting_beside_a_good_one() {
    let (_folder, path) = file(KEY.as_bytes());
    let file = ("METRICS_VERIFICATION_KEY_FILE", path.to_str().unwrap());
    for (empty, other) in [
        ("METRICS_VERIFICATION_KEY", file),
        ("METRICS_VERIFICATION_KEY_FILE", ("METRICS_VERIFICATION_KEY", KEY)),
        ("METRICS_VERIFICATION_KEY", ("METRICS_VERIFICATION_DISABLED", "true")),
    ] {
        for variables in [[(empty, ""), other], [other, (empty, "")]] {
            let error = from(&variables).unwrap_err();
            assert_eq!(error.to_string(), format!("{empty}: is empty; unset it, or give it a value"));
        }
    }
    // The same setting in another place does not hide that this one is empty.
    let mut settings = Settings::default();
    let variable = "METRICS_VERIFICATION_KEY_FILE";
    settings.set("key_file", variable, "").unwrap();
    settings.set("key_file", "key_file", path).unwrap();
    let error = settings.builder().unwrap_err();
    assert_eq!(error.origin(), variable);
    assert_says(&error, "is empty");
}

#[test]
fn disabled_by_its_explicit_name_alone() {
    let guard = from(&[("METRICS_VERIFICATION_DISABLED", "true")]).unwrap();
    assert!(matches!(guard.warnings(), [warning] if warning.to_string().contains("EVERYONE")));
    assert_eq!(guard.check(&Request::get("/").body(()).unwrap()).unwrap().key(), None);
    // The rest is looked at all the same, and the parameter still kept out of logs.
    let disabled = ("METRICS_VERIFICATION_DISABLED", "true");
    assert_problem(&[disabled, ("METRICS_VERIFICATION_HEADER", "X Key")], "invalid header name");
    let guard = from(&[disabled, ("METRICS_VERIFICATION_QUERY", "key")]).unwrap();
    assert_eq!(guard.redacted_query("key=abc&a=1"), "a=1");
}

#[test]
fn settings_show_where_they_were_found_and_no_value() {
    let mut settings = Settings::default();
    for setting in SETTINGS {
        settings.set(setting, setting, KEY).unwrap();
    }
    let shown = format!("{settings:?}");
    assert!(shown.contains("client_names: Some(client_names)"), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");
}

/// What a guard from this environment says. A process's own cannot be changed without `unsafe`, so the test starts itself
/// with another.
fn child<S: AsRef<OsStr> + Copy>(variables: &[(S, &str)]) -> String {
    child_of("child_of_from_env", variables)
}

fn child_of<S: AsRef<OsStr> + Copy>(test: &str, variables: &[(S, &str)]) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    let output = command.env_clear().envs(variables.iter().copied()).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn from_env_reads_the_variables() {
    let (_folder, path) = file(format!("{OTHER}\n{KEY}").as_bytes());
    assert!(child::<&str>(&[]).contains("METRICS_VERIFICATION_KEY: no key is configured"));
    assert!(child(&[("METRICS_VERIFICATION_KEY", KEY)]).contains(r#"key: Some("current")"#));
    assert!(child(&[("METRICS_VERIFICATION_KEY_FILE", path.to_str().unwrap())]).contains(r#"key: Some("previous")"#));
    assert!(child(&[("METRICS_VERIFICATION_KEY", OTHER)]).contains("the presented key is not an accepted one"));
    assert!(child(&[("METRICS_VERIFICATION_DISABLED", "true")]).contains("key: None"));
    let named = [("METRICS_VERIFICATION_KEY", KEY), ("METRICS_VERIFICATION_HEADER", "X-Other")];
    assert!(child(&named).contains("no key was presented"));
}

#[test]
fn from_env_refuses_a_variable_that_it_does_not_know() {
    let key = (OsStr::new("METRICS_VERIFICATION_KEY"), KEY);
    let disabled = (OsStr::new("METRICS_VERIFICATION_DISABLED"), "true");
    let unknown = |name: &OsStr, shown: &str, right: Option<&str>| {
        let right = right.map(|right| format!(": METRICS_VERIFICATION_{right}")).unwrap_or_default();
        for setting in [key, disabled] {
            let said = child(&[setting, (name, OTHER)]);
            let line = format!("{shown}: is not known here; remove it, or correct its name{right}\n");
            assert!(said.contains(&line), "{line}{said}");
            assert!(!said.contains("key: ") && !said.contains(OTHER), "{said}");
        }
    };
    for (name, right) in [
        ("METRICS_VERIFICATION_NETWORK", Some("NETWORKS")),
        ("METRICS_VERIFICATION_", None),
        ("METRICS_VERIFICATION_TIMEOUT", None),
        ("METRICS_VERIFICATION_KEY_", Some("KEY")),
        ("METRICS_VERIFICATION__NETWORKS", Some("NETWORKS")),
        ("METRICS_VERIFICATION_PORT", None),
        ("METRICS_VERIFICATION_SERVICE_HOST", None),
        ("metrics_verification_networks", Some("NETWORKS")),
        ("Metrics-Verification-Key-File", Some("KEY_FILE")),
        ("METRIC_VERIFICATION_KEY", Some("KEY")),
        ("METRICS_VERFICATION_NETWORKS", Some("NETWORKS")),
        ("METRICS_GUARD_CLIENT_NAMES", Some("CLIENT_NAMES")),
        ("METRICSVERIFICATION_QUERY", Some("QUERY")),
        ("METRICS_VERFICATION_ALLOWED_CIDR", Some("NETWORKS")),
        ("GUARD_METRICS_NETWORKS", Some("NETWORKS")),
        ("declare -x METRICS_VERIFICATION_NETWORKS", Some("NETWORKS")),
        ("METRICS_VERFICATION_TIMEOUT", None),
    ] {
        unknown(OsStr::new(name), name, right);
    }
    for (name, value, said) in [
        ("METRICS_VERIFICATION", "{networks=\"10.0.0.0/8\"}", "METRICS_VERIFICATION: is not known here"),
        ("METRICS_VERIFICATION", "on", "METRICS_VERIFICATION: is not known here"),
        ("$env:METRICS_VERIFICATION_QUERY", "k", "$env:METRICS_VERIFICATION_QUERY: is not known here"),
        (
            "Environment",
            "\"METRICS_VERIFICATION_NETWORKS=10.0.0.0/8\"",
            "Environment: is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS\n",
        ),
        // These are others', such as a command line that npm or sudo keeps.
        ("METRICS_GUARD", "on", r#"key: Some("current")"#),
        ("CI_COMMIT_MESSAGE", "METRICS_VERIFICATION_NETWORKS=10.0.0.0/8 for prod", r#"key: Some("current")"#),
        ("EXTRA_ARGS", "--METRICS_VERIFICATION_NETWORKS=10.0.0.0/8", r#"key: Some("current")"#),
        (
            "export",
            "METRICS_VERIFICATION_NETWORKS=10.0.0.0/8",
            "export: is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS\n",
        ),
        (
            "METRICS_GUARD_ALLOWED_IPS",
            "10.0.0.0/8, ::1",
            "is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS\n",
        ),
        (
            "METRICS_VERIFY_NETWORKS",
            "1",
            "METRICS_VERIFY_NETWORKS: is not known here; remove it, or correct its name: METRICS_VERIFICATION_NETWORKS\n",
        ),
        ("ARGUMENTS", "run METRICS_VERIFICATION_NETWORKS=10.0.0.0/8", r#"key: Some("current")"#),
        ("npm_lifecycle_script", "METRICS_VERIFICATION_KEY=k ./service", r#"key: Some("current")"#),
    ] {
        let output = child(&[("METRICS_VERIFICATION_KEY", KEY), (name, value)]);
        assert!(output.contains(said), "{name}={value}: {output}");
    }
    // What may be a key does not show.
    for name in
        ["METRICS_VERIFICATION_A\nB", "METRICS_VERIFICATION_KEY:c2Vj", "METRICS_VERIFICATION_KEY5f0c1d9e7b3a4268"]
    {
        unknown(OsStr::new(name), "METRICS_VERIFICATION_…", None);
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"METRICS_VERIFICATION_NETWORKS\xff");
        unknown(name, "METRICS_VERIFICATION_…", Some("NETWORKS"));
    }
}

#[test]
fn from_env_ignores_names_of_others_and_service_links() {
    let key = ("METRICS_VERIFICATION_KEY", KEY);
    let others = [
        ("METRICS_VERIFICATIONS", "1"),
        ("APP_METRICS_VERIFICATION_NETWORK", "1"),
        ("METRICS_PORT", "9090"),
        ("METRICS_ENABLED", "true"),
        ("METRICS_KEY", "1"),
        ("METRICS_NOTIFICATION_KEY", "1"),
        ("METRICS_GUARD_URL", "1"),
        ("VERIFICATION_KEY", "1"),
        ("ROCKET_METRICS_PORT", "9090"),
        ("METRICS_VERIFICATION_SERVICE_HOST", "10.96.0.12"),
        ("METRICS_VERIFICATION_SERVICE_PORT", "8080"),
        ("METRICS_VERIFICATION_SERVICE_PORT_HTTP", "8080"),
        ("METRICS_VERIFICATION_PORT", "tcp://10.96.0.12:8080"),
        ("METRICS_VERIFICATION_PORT_8080_TCP", "tcp://10.96.0.12:8080"),
        ("METRICS_VERIFICATION_PORT_8080_TCP_PROTO", "tcp"),
        ("METRICS_VERIFICATION_PORT_8080_TCP_PORT", "8080"),
        ("METRICS_VERIFICATION_PORT_8080_TCP_ADDR", "10.96.0.12"),
        ("METRICS_VERIFICATION_KEY_PORT", "tcp://10.96.0.12:8080"),
        ("METRICS_VERIFICATION_NAME", "/app/metrics_verification"),
        ("METRICS_VERIFICATION_ENV_PATH", "/usr/bin"),
        ("METRICS_GUARDIAN_DISABLED", "1"),
        ("METRICS_GUARDIAN_NETWORKS", "10.0.0.0/8"),
        ("METRICS_GUARDRAILS_DISABLED", "true"),
        ("METRICS_NETWORK_VERIFICATION", "true"),
        ("METRICS_VERIFY", "true"),
    ];
    let said = child(&[&[key], &others[..]].concat());
    assert!(said.contains(r#"key: Some("current")"#), "{said}");
}

#[test]
fn warnings_that_nobody_asked_for_go_to_the_standard_error_once() {
    let said = child(&[("METRICS_VERIFICATION_DISABLED", "true")]);
    let line = "warning: metrics-guard: METRICS_VERIFICATION_DISABLED: the guard is disabled, so EVERYONE ";
    assert_eq!(said.matches(line).count(), 1, "{said}");
    assert_eq!(said.matches("EVERYONE").count(), 1, "{said}");
}

#[test]
#[ignore = "started by child"]
fn child_of_from_env() {
    print(Guard::from_env());
}

fn print(guard: Result<Guard, ConfigError>) {
    let request = Request::get("/").header("X-Metrics-Key", KEY).body(()).unwrap();
    match guard.map(|guard| guard.check(&request)) {
        Ok(Ok(authorized)) => println!("key: {:?}", authorized.key()),
        Ok(Err(denied)) => println!("{denied}"),
        Err(error) => println!("{error}"),
    }
}

#[test]
fn rejects_a_name_that_is_no_label_value() {
    let named = |name: &str| Guard::builder(Key::new(KEY).unwrap()).name(name);
    for name in ["m", "pprof", "pprof-2_b", &"pprof_".repeat(10), &"a-".repeat(32)] {
        assert!(named(name).is_ok(), "{name}");
    }
    for name in ["", "PPROF", "p prof", "pprof.", "é", &format!("{}a", "a-".repeat(32))] {
        let error = named(name).unwrap_err();
        assert!(error.to_string().starts_with("GuardBuilder::name: invalid name of a guard; "), "{name}: {error}");
    }
    for key in [KEY, &KEY.to_uppercase()] {
        assert!(named(key).unwrap_err().to_string().contains("the name looks like a key"), "{key}");
    }
}

#[test]
fn from_env_or_open_is_open_only_if_nothing_is_set() {
    let ask = |variables: &[(&str, &str)]| child_of("child_of_from_env_or_open", variables);
    let others = [
        ("PATH", "/bin"),
        ("METRICS_PORT", "9090"),
        ("METRICS_VERIFICATION_SERVICE_HOST", "10.96.0.12"),
        ("METRICS_VERIFICATION_PORT", "tcp://10.96.0.12:8080"),
    ];
    for variables in [&[][..], &others] {
        let said = ask(variables);
        assert!(said.contains("key: None"), "{said}");
        let line =
            "warning: metrics-guard: METRICS_VERIFICATION_KEY_FILE: no variable configures the guard, so EVERYONE ";
        assert_eq!(said.matches(line).count(), 1, "{said}");
    }
    for (name, value, expected) in [
        ("METRICS_VERIFICATION_KEY", KEY, r#"key: Some("current")"#),
        ("METRICS_VERIFICATION_KEY", OTHER, "the presented key is not an accepted one"),
        ("METRICS_VERIFICATION_DISABLED", "true", "METRICS_VERIFICATION_DISABLED: the guard is disabled, so EVERYONE "),
        ("METRICS_VERIFICATION_DISABLED", "false", "METRICS_VERIFICATION_KEY: no key is configured"),
        ("METRICS_VERIFICATION_KEY", "", "METRICS_VERIFICATION_KEY: is empty"),
        ("METRICS_VERIFICATION_KEY_FILE", "", "METRICS_VERIFICATION_KEY_FILE: is empty"),
        ("METRICS_VERIFICATION_HEADER", "X-Scrape-Key", "METRICS_VERIFICATION_KEY: no key is configured"),
        ("METRICS_VERIFICATION_PORT", "8080", "METRICS_VERIFICATION_PORT: is not known here"),
        ("metrics_verification_key", KEY, "metrics_verification_key: is not known here"),
        ("METRIC_VERIFICATION_KEY", "", "METRIC_VERIFICATION_KEY: is not known here"),
        ("METRICS_GUARD_KEY", KEY, "METRICS_GUARD_KEY: is not known here"),
        // In the form of what Docker makes for a linked container.
        (
            "METRICS_VERIFICATION_KEY_FILE_NAME",
            "/run/secrets/key",
            "METRICS_VERIFICATION_KEY_FILE_NAME: is not known here",
        ),
        ("METRICS_GUARD_KEY_FILE_NAME", "/run/key", "METRICS_GUARD_KEY_FILE_NAME: is not known here"),
        ("METRICS_VERIFICATION_ENV_KEY", KEY, "METRICS_VERIFICATION_KEY: no key is configured"),
        ("METRICS_VERIFICATION_NAME", "/app/metrics-verification", "METRICS_VERIFICATION_KEY: no key is configured"),
        ("METRICS_GUARD", "on", "METRICS_VERIFICATION_KEY: no key is configured"),
        ("export", "METRICS_VERIFICATION_KEY=k", "export: is not known here"),
    ] {
        let said = ask(&[(name, value)]);
        assert!(said.contains(expected), "{name}={value}: {said}");
        assert!(value == "true" || !said.contains("key: None"), "{name}={value}: {said}");
    }
}

#[test]
#[ignore = "started by child"]
fn child_of_from_env_or_open() {
    print(Guard::from_env_or_open());
}

#[test]
fn two_guards_have_their_own_variables() {
    let ask = |variables: &[(&str, &str)]| child_of("child_of_two_guards", variables);
    let keys = [("METRICS_VERIFICATION_KEY", OTHER), ("PPROF_GUARD_KEY", KEY)];
    let both = |name, value| ask(&[&keys[..], &[(name, value)]].concat());
    let said = ask(&keys);
    assert!(said.contains("the presented key is not an accepted one\nkey: Some(\"current\")\n"), "{said}");
    let said = both("PPROF_GUARD_HEADER", "X-Pprof-Key");
    assert!(said.contains("the presented key is not an accepted one\nno key was presented\n"), "{said}");
    let (_folder, path) = file(format!("{OTHER}\n{KEY}").as_bytes());
    let said = ask(&[("METRICS_VERIFICATION_KEY", KEY), ("PPROF_GUARD_KEY_FILE", path.to_str().unwrap())]);
    assert!(said.contains("key: Some(\"current\")\nkey: Some(\"previous\")\n"), "{said}");

    let error = "PPROF_GUARD_KEY: no key is configured; make one with `openssl rand -hex 32`, and set this variable to it, \
                 or PPROF_GUARD_KEY_FILE to the path of a file that holds it\n";
    let said = ask(&[("METRICS_VERIFICATION_KEY", KEY)]);
    assert!(said.contains(&format!("key: Some(\"current\")\n{error}")), "{said}");
    let said = ask(&[("METRICS_VERIFICATION_KEY", KEY), ("PPROF_GUARD_DISABLED", "true")]);
    assert!(said.contains("warning: metrics-guard: PPROF_GUARD_DISABLED: the guard is disabled"), "{said}");
    // Neither guard reads, or rejects, what belongs to the other.
    for (name, value, error) in [
        (
            "PPROF_GUARD_NETWORK",
            "10.0.0.0/8",
            "PPROF_GUARD_NETWORK: is not known here; remove it, or correct its name: PPROF_GUARD_NETWORKS",
        ),
        (
            "pprof_guard_networks",
            "1",
            "pprof_guard_networks: is not known here; remove it, or correct its name: PPROF_GUARD_NETWORKS",
        ),
        (
            "PPROF_GUARD_ALLOWED_IPS",
            "10.0.0.1",
            "PPROF_GUARD_ALLOWED_IPS: is not known here; remove it, or correct its name: PPROF_GUARD_NETWORKS",
        ),
        ("PPROF_GUARD_TIMEOUT", "1", "PPROF_GUARD_TIMEOUT: is not known here; remove it, or correct its name\n"),
        ("PPROF_GUARD_", "1", "PPROF_GUARD_: is not known here; remove it, or correct its name\n"),
        ("PPROF_GUARD_5f0c1d9e7b3a4268", "1", "PPROF_GUARD_…: is not known here; remove it, or correct its name\n"),
        ("PPROF_GUARD_PORT", "8080", "PPROF_GUARD_PORT: is not known here"),
        ("env", "PPROF_GUARD_QUERY=key", "env: is not known here; remove it, or correct its name: PPROF_GUARD_QUERY"),
        ("PPROF_GUARD_QUERY", "", "PPROF_GUARD_QUERY: is empty"),
    ] {
        let said = both(name, value);
        assert!(said.contains(&format!("the presented key is not an accepted one\n{error}")), "{name}: {said}");
    }
    let said = both("METRICS_VERIFICATION_NETWORK", "10.0.0.0/8");
    assert!(said.contains("METRICS_VERIFICATION_NETWORKS\nkey: Some(\"current\")\n"), "{said}");
    for (name, value) in [
        ("PPROF_GUARD_SERVICE_HOST", "10.96.0.12"),
        ("PPROF_GUARD_PORT", "tcp://10.96.0.12:8080"),
        ("PPROF_GUARD_ENV_PATH", "/usr/bin"),
        ("PPROF_GUARD", "on"),
        ("PPROF_TIMEOUT", "1"),
    ] {
        let said = both(name, value);
        assert!(said.contains("key: Some(\"current\")\n"), "{name}: {said}");
    }
}

#[test]
#[ignore = "started by child"]
fn child_of_two_guards() {
    print(Guard::from_env());
    print(GuardBuilder::from_env_with_prefix("PPROF_GUARD_").map(GuardBuilder::build));
}

#[test]
fn a_prefix_has_one_form_and_is_not_close_to_the_first() {
    let rejects = |prefix: &str| {
        let error = GuardBuilder::from_env_with_prefix(prefix).unwrap_err().to_string();
        error.starts_with("GuardBuilder::from_env_with_prefix: invalid prefix of variables; ")
    };
    for prefix in [
        "",
        "_",
        "PPROF_GUARD",
        "pprof_guard_",
        "PPROF-GUARD_",
        "METRICS_VERIFICATION_",
        "METRICS_",
        "N_",
        "METRICS_VERIFICATION_PPROF_",
        "APP_METRICS_VERIFICATION_",
        "METRICS_GUARD_",
        "METRICS_GUARD_PPROF_",
        "GUARD_METRICS_",
        "METRIC_VERFICATION_",
        "METRICS_VERIFY_INTERNALS_",
        "ROCKET_METRICS_GUARD_",
        "9C2F1E7AB5D84036F1C0A7E3B6925D48_",
        "A9C2F1E7AB5D84036F1C0A7E3B6925D48_",
        &format!("{}_", "AB_".repeat(22)),
    ] {
        assert!(rejects(prefix), "{prefix}");
    }
    for prefix in ["PPROF_GUARD_", "P_", "METRICS_2_", "ADMIN__", "2_", "ROCKET_PPROF_", &"ABC_".repeat(16)] {
        assert!(!rejects(prefix), "{prefix}");
    }
}
