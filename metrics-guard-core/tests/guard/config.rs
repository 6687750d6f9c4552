//! Tests which settings build a guard, and the errors of the others. A number in a test's name is that of a case in the
//! attack catalogue. [`assert_says`] checks that no error shows a key.

use std::{env, ffi::OsStr, process::Command};

use http::Request;
use metrics_guard_core::{ConfigError, ConfigErrorKind, Guard, GuardBuilder, Reason, adapter::Settings};

use crate::common::{KEY, NAME, OTHER, ask, assert_says, builder, file, from, labels, peer, request, rows, texts};

#[track_caller]
fn assert_problem(variables: &[(&str, &str)], part: &str) {
    assert_says(&from(variables).unwrap_err(), part);
}

fn from_file(content: impl AsRef<[u8]>) -> Result<Guard, ConfigError> {
    let (_folder, path) = file(content);
    from(&[("KEY_FILE", path.to_str().unwrap())])
}

/// Fails unless this key file has this problem, at this place.
#[track_caller]
fn assert_file_problem(content: impl AsRef<[u8]>, part: &str, place: &str) {
    let error = from_file(content).unwrap_err();
    assert_says(&error, part);
    assert!(error.origin().ends_with(place), "{error}");
}

#[test]
fn case_36_rejects_a_missing_and_a_blank_key() {
    assert_problem(&[], "no key is configured");
    let others = [("DISABLED", "false"), ("NETWORKS", "10.0.0.0/8"), ("CLIENT_NAMES", NAME)];
    assert_problem(&others, "no key is configured");
    for blank in ["", " ", "\t \n"] {
        assert_problem(&[("KEY", blank)], "the key is blank");
        assert_file_problem(blank, "the key file holds no key", "");
    }
}

#[test]
fn case_37_ignores_line_ends_and_blank_lines_of_a_key_file() {
    let guard = from_file(format!("\n{KEY}\r\n  \n{OTHER}\n\n")).unwrap();
    assert_eq!(labels(&guard, [KEY, OTHER]), [Some("current"), Some("previous")]);
}

#[test]
fn case_38_rejects_bytes_that_no_scraper_can_send() {
    for bad in [&b"\xef\xbb\xbf"[..], b"\0", b"\xe9", b" ", b"\t", b"\x7f", b"\r"] {
        for content in [[bad, KEY.as_bytes()].concat(), [&KEY.as_bytes()[..9], bad, &KEY.as_bytes()[9..]].concat()] {
            assert_file_problem(content, "not visible ASCII", ", line 1");
        }
    }
    assert_problem(&[("KEY", &format!("{KEY}\n"))], "not visible ASCII");
}

/// `tests/vectors/keys.txt` has examples of each form.
#[test]
fn case_39_rejects_short_sample_and_wrapped_keys() {
    assert_problem(&[("KEY", &KEY[..15])], "fewer than 16 characters");
    assert_problem(&[("KEY", "changeme")], "published example");
    assert_problem(&[("KEY", "${METRICS_VERIFICATION_KEY}")], "a template or a reference");
    let wrapped = format!("METRICS_KEY={KEY}");
    assert_problem(&[("KEY", &wrapped)], "the value is a key behind `NAME=`;");
    assert_file_problem(format!("{KEY}\n{wrapped}\n"), "the value is a key behind `NAME=`;", ", line 2");

    let expected = "METRICS_VERIFICATION_KEY: the key has fewer than 32 characters; replace it at the next rotation by the output of \
         `openssl rand -hex 32`";
    assert_eq!(texts(from(&[("KEY", &KEY[..31])]).unwrap().warnings()), [expected]);
    assert_eq!(texts(from(&[("KEY", KEY)]).unwrap().warnings()), [""; 0]);
}

#[test]
fn case_40_rejects_long_keys_and_endless_files() {
    let long = KEY.repeat(8);
    assert!(from(&[("KEY", &long)]).is_ok());
    assert_problem(&[("KEY", &format!("{long}0"))], "more than 256 characters");
    assert_file_problem(KEY.repeat(64), "more than 256 characters", ", line 1");
    assert_file_problem(format!("{}0", KEY.repeat(64)), "too large", "");
    #[cfg(unix)]
    assert_problem(&[("KEY_FILE", "/dev/zero")], "the path is a folder, a pipe or a device"); // `reload.rs` has a pipe
}

#[test]
fn case_41_counts_a_repeated_key_once_and_rejects_an_invalid_key_among_valid_ones() {
    let guard = from_file(format!("{KEY}\n{KEY}\n{OTHER}\n")).unwrap();
    assert_eq!(labels(&guard, [KEY, OTHER]), [Some("current"), Some("previous")]);
    assert!(matches!(&texts(guard.warnings())[..], [text] if text.contains(", line 2: this key repeats")));

    assert_file_problem(format!("{KEY}\n{OTHER}\nshort\n"), "fewer than 16 characters", ", line 3");
    let keys = ["a", "b", "c", "d", "e"].map(|first| format!("{first}{KEY}"));
    assert_file_problem(keys.join("\n"), "more than 4 keys", "");
    assert!(from_file(keys[..4].join("\n")).is_ok());
}

#[test]
fn case_42_rejects_a_key_file_that_cannot_be_read() {
    let (folder, path) = file(KEY);
    assert_problem(&[("KEY_FILE", folder.path().to_str().unwrap())], "the path is a folder, a pipe or a device");
    // Even root can open this file but not read it.
    #[cfg(target_os = "linux")]
    assert_problem(&[("KEY_FILE", "/proc/self/mem")], "cannot be read");

    // The error shows the path even if its folder is missing, for example because a volume is not mounted.
    assert_problem(&[("KEY_FILE", "/run/no-such-volume/key")], "/run/no-such-volume/key: there is no key file");
    assert_problem(&[("KEY_FILE", "/run/NoSuchVolume/key")], "METRICS_VERIFICATION_KEY_FILE, /run/…/key: there is no");
    // A key in place of the path.
    for key in [KEY, &format!("./{KEY}")] {
        assert_problem(&[("KEY_FILE", key)], "there is no key file");
    }
    // A path in place of the key.
    assert_problem(&[("KEY", path.to_str().unwrap())], "the key is a path");
}

#[test]
fn case_46_rejects_a_setting_in_two_places() {
    let (_folder, path) = file(KEY);
    let both = [("KEY", OTHER), ("KEY_FILE", path.to_str().unwrap())];
    assert_problem(&both, "set here and in METRICS_VERIFICATION_KEY_FILE;");

    let mut settings = Settings::default();
    settings.set("disabled", "disabled", "true").unwrap();
    settings.set("networks", "METRICS_VERIFICATION_NETWORKS", "10.0.0.0/8").unwrap();
    let expected = "set here and in METRICS_VERIFICATION_NETWORKS;";
    assert_says(&settings.set("networks", "networks", "10.0.0.0/8").unwrap_err(), expected);
    assert_says(&settings.builder().unwrap().allow_networks(["203.0.113.0/24"]).unwrap_err(), expected);
    for error in [
        builder(KEY).header("X-A").unwrap().header("X-B").unwrap_err(),
        builder(KEY).query("a").unwrap().query("b").unwrap_err(),
        builder(KEY).require_client_name([NAME]).unwrap().require_client_name([NAME]).unwrap_err(),
        Guard::builder_with_client_names([NAME]).unwrap().require_client_name([NAME]).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ConfigErrorKind::DuplicateSetting);
    }
}

/// Each warning advises a command that takes rights away, adds none, and ends the warning. `permissions.rs` tests which folders
/// others can write.
#[cfg(unix)]
#[test]
fn case_47_warns_of_key_files_that_others_can_read_or_write() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = file(KEY);
    let mode = || path.metadata().unwrap().permissions().mode() & 0o7777;
    let warnings = || texts(Guard::builder_from_key_file(&path).unwrap().on_warning(|_| ()).build().warnings());
    for before in (0..0o100).map(|others| 0o600 | others) {
        crate::common::set_mode(&path, before);
        let count = usize::from(before & 0o004 != 0) + usize::from(before & 0o022 != 0);
        assert_eq!(warnings().len(), count, "{before:o}");
        for text in warnings() {
            let (condition, advice) = text.split_once("`chmod ").unwrap();
            let is_readable = text.contains("/metrics_key: every user of this machine can read the key file");
            // A service that is not the owner must keep the right to read the file.
            assert!(condition.contains("its owner") || !is_readable, "{text}");
            let change = advice.split('`').next().unwrap();
            assert!(Command::new("chmod").arg(change).arg(&path).status().unwrap().success());
            // Each advice alone is enough: others can no longer read the file, or no longer write it.
            let rights = if is_readable { 0o007 } else { 0o022 };
            assert_eq!((mode() & !before, mode() & rights), (0, 0), "{before:o}: {text}");
        }
        assert_eq!(warnings(), [""; 0], "{before:o}");
    }
}

#[test]
fn judges_the_values_of_the_other_settings() {
    let guard = from(&[("KEY", KEY), ("HEADER", "x-SCRAPE-key")]).unwrap();
    assert_eq!(labels(&guard, [KEY]), [None]);
    assert!(guard.check(&Request::get("/").header("X-Scrape-Key", KEY).body(()).unwrap()).is_ok());
    let guard = from(&[("KEY", KEY), ("QUERY", "metrics_key")]).unwrap();
    assert!(guard.check(&Request::get(format!("/?metrics_key={KEY}")).body(()).unwrap()).is_ok());

    let guard = from(&[("KEY", KEY), ("NETWORKS", "10.0.0.0/8, 0.0.0.0/0")]).unwrap();
    assert!(texts(guard.warnings())[0].starts_with("METRICS_VERIFICATION_NETWORKS: the networks together allow"));

    for (variable, value, expected) in rows(
        "HEADER=X Key => invalid header name
         HEADER=authorization => invalid header name
         HEADER=X_Metrics_Key => invalid header name
         HEADER=transfer-Encoding => this header has another use (it describes the connection
         HEADER={OTHER} => the name looks like a key
         HEADER= None  => not a name; write a name such as `X-Scrape-Key`
         QUERY=0 => not a name; write a name such as `metrics_key`
         QUERY=a b => invalid query parameter name
         QUERY={OTHER} => the name looks like a key
         NETWORKS=  => no network is listed
         CLIENT_NAMES= => no client name is listed
         NETWORKS=10.0.0.1,, => entry 2 is an invalid network
         NETWORKS=10.0.0.0/8;fd00::/8 => entry 1 is an invalid network
         CLIENT_NAMES=a.example, none => not a name; write a name such as `prometheus.example`
         DISABLED=yes => must be `true` or `false`",
    ) {
        assert_problem(&[("KEY", KEY), (variable, &value)], expected);
    }
}

#[test]
fn names_the_empty_setting_beside_a_good_one() {
    let (_folder, path) = file(KEY);
    let path = path.to_str().unwrap();
    for (empty, other) in [("KEY", ("KEY_FILE", path)), ("KEY_FILE", ("KEY", KEY)), ("KEY", ("DISABLED", "true"))] {
        for variables in [[(empty, ""), other], [other, (empty, "")]] {
            let error = from(&variables).unwrap_err().to_string();
            let text = if empty == "KEY" { "the key is blank" } else { "the path of the key file is empty" };
            assert!(error.starts_with(&format!("METRICS_VERIFICATION_{empty}: {text}; ")), "{error}");
        }
    }
}

#[test]
fn a_disabled_guard_ignores_keys_and_clients_and_still_checks_the_other_settings() {
    let disabled = ("DISABLED", "true");
    let guard = from(&[disabled, ("NETWORKS", "10.0.0.0/8"), ("CLIENT_NAMES", NAME), ("QUERY", "key")]).unwrap();
    assert!(matches!(guard.warnings(), [warning] if warning.to_string().contains("EVERYONE")));
    assert_eq!(ask(&guard, None, None), Ok(None));
    assert!(guard.is_disabled() && !guard.requires_client_name());
    assert_eq!(guard.redacted_query("key=abc&a=1"), "a=1");
    for (variable, value, expected) in rows(
        "HEADER=X Key => invalid header name
         NETWORKS= => no network is listed
         NETWORKS=10.0.0.1/8 => entry 1 has address bits
         CLIENT_NAMES=* => entry 1 is an invalid client name",
    ) {
        assert_problem(&[disabled, (variable, &value)], expected);
    }
}

/// A configuration file can have lists, but the environment cannot.
#[test]
fn a_list_is_a_value_of_the_networks_and_names_alone() {
    let list = |entry: &str| Some(vec![Some(entry.to_owned())]);
    for (name, value, expected) in [
        ("networks", None, "must be a list of strings, such as [\"10.0.0.0/8\"]"),
        ("client_names", None, "must be a list of strings, such as [\"prometheus.example\"]"),
        ("networks", Some(vec![None]), "entry 1 must be a string"),
        ("disabled", list("true"), "must be `true` or `false`"),
        ("key", list(KEY), "must be one key"),
        ("key", None, "must be a string in quotes"),
        ("key_file", list("./metrics_key"), "must be a string in quotes"),
    ] {
        assert_says(&Settings::default().set_list(name, name, value).unwrap_err(), expected);
    }
    for (name, entry, reason) in
        [("networks", "10.0.0.0/8", Reason::Address), ("client_names", "prometheus.example", Reason::Certificate)]
    {
        let mut settings = Settings::default();
        settings.set("key", "key", KEY).unwrap();
        settings.set_list(name, name, list(entry)).unwrap();
        assert_eq!(ask(&settings.builder().unwrap().build(), Some(KEY), peer("11.1.2.3")), Err(reason));
    }
}

#[test]
fn rejects_an_invalid_name_of_a_guard() {
    for name in ["m", "pprof-2_b", &"a-".repeat(32)] {
        assert!(builder(KEY).name(name).is_ok(), "{name}");
    }
    for name in ["", "PPROF", "p prof", "pprof.", "é", &format!("{}a", "a-".repeat(32))] {
        assert_says(&builder(KEY).name(name).unwrap_err(), "GuardBuilder::name: invalid name of a guard; ");
    }
    assert_says(&builder(KEY).name(OTHER).unwrap_err(), "the name looks like a key");
}

/// Returns what [`prints_the_result_of_a_check_from_a_child_process`] prints in an environment with these variables. A process
/// cannot change its own environment without `unsafe`, so the test starts itself again. `guard` is `from_env`, `or_open`, or a
/// prefix.
fn child<N: AsRef<OsStr>, V: AsRef<OsStr>>(guard: &str, variables: impl IntoIterator<Item = (N, V)>) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "config::prints_the_result_of_a_check_from_a_child_process", "--ignored", "--nocapture"]);
    let output = command.env_clear().env("GUARD", guard).envs(variables).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
#[ignore = "the other tests start it, by `child`"]
fn prints_the_result_of_a_check_from_a_child_process() {
    println!(); // ends a line of the test harness
    let guard = match &*env::var("GUARD").unwrap_or_default() {
        "" => return, // a run of all ignored tests
        "from_env" => Guard::from_env(),
        "or_open" => Guard::from_env_or_open(),
        prefix => GuardBuilder::from_env_with_prefix(prefix).map(GuardBuilder::build),
    };
    match guard.map(|guard| guard.check(&request(Some(KEY), None))) {
        Ok(Ok(authorized)) => println!("key: {:?}", authorized.key()),
        Ok(Err(denied)) => println!("{denied}"),
        Err(error) => println!("{error}"),
    }
}

const ACCEPTED: &str = "key: Some(\"current\")";
const WRONG: &str = "the presented key is not accepted";
const UNKNOWN: &str = ": unknown setting; correct its name, such as `key_file`, or remove it";

/// Sets the variable of each row beside `others`. Fails unless the guard prints the expected line and does not show the
/// value. `..` means that the row has only the beginning of the line. `NAME?` means that the name is unknown.
fn assert_rows(guard: &str, others: &[(&str, &str)], table: &str) {
    for (name, value, expected) in rows(table) {
        let said = child(guard, others.iter().copied().chain([(name, &*value)]));
        let expected = match expected.split_once("?: ") {
            Some((name, right)) => format!("{name}: unknown setting; write {right} instead"),
            None => expected.replace("ACCEPTED", ACCEPTED).replace("WRONG", WRONG).replace('?', UNKNOWN),
        };
        let is_it = said.lines().any(|line| match expected.strip_suffix("..") {
            Some(beginning) => line.starts_with(beginning),
            None => line == expected,
        });
        let is_open = expected == "key: None" || expected.starts_with("warning: ");
        assert!(is_it && said.contains("key: None") == is_open && !said.contains(OTHER), "{name}={value}: {said}");
    }
}

/// `setting_names.rs` and `near_names.rs` test which names are close, and which belong to other programs.
#[test]
fn from_env_rejects_variables_that_are_close_to_a_setting() {
    assert_rows(
        "from_env",
        &[("METRICS_VERIFICATION_KEY", KEY)],
        "METRICS_VERIFICATION_TIMEOUT={OTHER} => METRICS_VERIFICATION_TIMEOUT?
         METRIC_VERIFICATION_KEY={OTHER} => METRIC_VERIFICATION_KEY?: METRICS_VERIFICATION_KEY
         METRICS_GUARD_ALLOWED_IPS=10.0.0.0/8, ::1 => METRICS_GUARD_ALLOWED_IPS?: METRICS_VERIFICATION_NETWORKS
         METRICS_VERIFICATION=on => METRICS_VERIFICATION?
         METRICS_GUARD={networks=\"10.0.0.0/8\"} => METRICS_GUARD?
         METRICS_GUARD=on => ACCEPTED
         Environment=\"METRICS_VERIFICATION_NETWORKS=10.0.0.0/8\" => Environment?: METRICS_VERIFICATION_NETWORKS
         export=METRICS_VERIFICATION_NETWORKS=10.0.0.0/8 => export?: METRICS_VERIFICATION_NETWORKS
         export=METRICS_VERIFICATION_KEY={OTHER} => ACCEPTED
         ARGUMENTS=METRICS_VERIFICATION_NETWORKS=10.0.0.0/8 => ACCEPTED",
    );
    let row = "METRICS_VERIFICATION_TIMEOUT={OTHER} => METRICS_VERIFICATION_TIMEOUT?";
    assert_rows("from_env", &[("METRICS_VERIFICATION_DISABLED", "true")], row);
    #[cfg(unix)]
    {
        let name: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"METRICS_VERIFICATION_KEY_FILE\xff");
        let said = child("from_env", [(OsStr::new("METRICS_VERIFICATION_KEY"), KEY), (name, OTHER)]);
        assert!(said.contains("METRICS_VERIFICATION_…: unknown setting; write METRICS"), "{said}");
    }
}

#[test]
fn from_env_or_open_is_open_only_if_nothing_is_set() {
    assert_rows(
        "or_open",
        &[("METRICS_VERIFICATION_PORT", "tcp://10.96.0.12:8080"), ("METRICS_PORT", "9090")],
        "PATH=/bin => warning: metrics-guard: METRICS_VERIFICATION_KEY_FILE: no variable configures the guard, so EVERYONE..
         METRICS_VERIFICATION_SERVICE_HOST=10.96.0.12 => key: None
         METRICS_VERIFICATION_KEY={KEY} => ACCEPTED
         METRICS_VERIFICATION_KEY={OTHER} => WRONG
         METRICS_VERIFICATION_DISABLED=true => warning: metrics-guard: METRICS_VERIFICATION_DISABLED: the guard is disabled..
         METRICS_VERIFICATION_DISABLED=false => METRICS_VERIFICATION_KEY_FILE: no key is configured..
         METRICS_VERIFICATION_KEY= => METRICS_VERIFICATION_KEY: the key is blank..
         METRICS_VERIFICATION_HEADER=X-Scrape-Key => METRICS_VERIFICATION_KEY_FILE: no key is configured..
         METRICS_GUARD=on => METRICS_VERIFICATION_KEY_FILE: no key is configured..
         METRICS_VERIFICATION_ENV_KEY={KEY} => METRICS_VERIFICATION_KEY_FILE: no key is configured..
         METRICS_VERIFICATION_NAME=/app/metrics-verification => METRICS_VERIFICATION_KEY_FILE: no key is configured..
         export=METRICS_VERIFICATION_KEY=k => export?: METRICS_VERIFICATION_KEY",
    );
    assert!(child("or_open", [("", ""); 0]).contains("key: None"));
}

#[test]
fn two_guards_have_their_own_variables() {
    let (first, second) = (("METRICS_VERIFICATION_KEY", OTHER), ("PPROF_GUARD_KEY", KEY));
    assert_rows(
        "PPROF_GUARD_",
        &[first],
        "PATH=/bin => PPROF_GUARD_KEY_FILE: no key is configured; write the output of `openssl rand -hex 32` to a file, and..
         PPROF_GUARD_DISABLED=true => warning: metrics-guard: PPROF_GUARD_DISABLED: the guard is disabled..",
    );
    assert_rows(
        "PPROF_GUARD_",
        &[first, second],
        "PPROF_GUARD_HEADER=X-Pprof-Key => no key was presented
         PPROF_GUARD_NETWORK=10.0.0.0/8 => PPROF_GUARD_NETWORK?: PPROF_GUARD_NETWORKS
         env=PPROF_GUARD_QUERY=key => env?: PPROF_GUARD_QUERY
         PPROF_GUARD_QUERY= => PPROF_GUARD_QUERY: is empty..
         PPROF_GUARD_PORT=tcp://10.96.0.12:8080 => ACCEPTED
         PPROF_GUARD=on => ACCEPTED
         METRICS_VERIFICATION_NETWORK=10.0.0.0/8 => ACCEPTED",
    );
    // Each guard ignores the variables of the other.
    let row = "PPROF_GUARD_NETWORK=10.0.0.0/8 => WRONG";
    assert_rows("from_env", &[first, second, ("PPROF_GUARD_HEADER", "X-Pprof-Key"), ("PPROF_GUARD_QUERY", "")], row);
}

#[test]
fn a_prefix_has_one_form_and_is_not_close_to_the_first() {
    let is_rejected = |prefix: &str| {
        let error = GuardBuilder::from_env_with_prefix(prefix).unwrap_err().to_string();
        error.starts_with("GuardBuilder::from_env_with_prefix: invalid prefix of variables; ")
    };
    let rejected = "_ PPROF_GUARD pprof_guard_ PPROF-GUARD_ METRICS_VERIFICATION_ METRICS_ N_ APP_METRICS_VERIFICATION_ \
                    METRICS_VERIFICATION_PPROF_ METRICS_GUARD_ METRICS_GUARD_PPROF_ GUARD_METRICS_ METRIC_VERFICATION_ \
                    METRICS_VERIFY_INTERNALS_ ROCKET_METRICS_GUARD_ A9C2F1E7AB5D84036F1C0A7E3B6925D48_";
    for prefix in rejected.split(' ').chain(["", &format!("{}_", "AB_".repeat(22))]) {
        assert!(is_rejected(prefix), "{prefix}");
    }
    for prefix in ["PPROF_GUARD_", "P_", "METRICS_2_", "ADMIN__", "2_", "ROCKET_PPROF_", &"ABC_".repeat(16)] {
        assert!(!is_rejected(prefix), "{prefix}");
    }
}
