//! Keys that change while the server runs: cases 43 to 45 of the attack catalogue, and changes by hand.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use http::Request;
use metrics_guard_core::{ConfigError, Guard, Key, KeyRing, adapter::Settings};

/// No correct run takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

const OLD: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
const NEW: &str = "1f83b6d05ae94c27801d7e6a3c5f9b42";

fn label(guard: &Guard, key: &str) -> Option<&'static str> {
    guard.check(&Request::get("/").header("X-Metrics-Key", key).body(()).unwrap()).ok()?.key()
}

/// Fails unless the text of `error` contains `part`.
#[track_caller]
fn assert_says(error: &ConfigError, part: &str) {
    assert!(error.to_string().contains(part), "not {part:?}: {error}");
}

fn stale(error: &ConfigError) -> String {
    format!("the key file is unusable; the previous keys stay active until it is fixed: {error}")
}

/// For this user alone: of another file there would be a warning.
fn write_for_this_user(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

struct Subject {
    folder: tempfile::TempDir,
    guard: Guard,
    // Disconnected once the guard is gone and its last warning is reported.
    warnings: Receiver<String>,
}

impl Subject {
    fn new(content: &str) -> Subject {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        write_for_this_user(&path, content);
        let (sender, warnings) = mpsc::channel();
        let builder = Guard::builder_from_key_file(&path).unwrap();
        let guard = builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build();
        Subject { folder, guard, warnings }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("metrics_key")
    }

    fn next_warning(&self) -> String {
        self.warnings.recv_timeout(PATIENCE).unwrap()
    }

    /// Drops the guard, and returns the warnings that were not taken yet.
    fn other_warnings(self) -> Vec<String> {
        drop(self.guard);
        let mut others = Vec::new();
        loop {
            match self.warnings.recv_timeout(PATIENCE) {
                Ok(warning) => others.push(warning),
                Err(RecvTimeoutError::Disconnected) => return others,
                Err(RecvTimeoutError::Timeout) => panic!("the telemetry thread does not end after {others:?}"),
            }
        }
    }

    fn write(&self, content: &str) -> Result<(), ConfigError> {
        let temporary = self.folder.path().join("new");
        write_for_this_user(&temporary, content);
        fs::rename(temporary, self.path()).unwrap();
        self.guard.reload()
    }
}

#[test]
fn a_key_is_rotated_with_both_in_force_for_a_while() {
    let subject = Subject::new(OLD);
    assert_eq!((label(&subject.guard, OLD), label(&subject.guard, NEW)), (Some("current"), None));
    subject.write(&format!("{NEW}\n{OLD}\n")).unwrap();
    assert_eq!((label(&subject.guard, OLD), label(&subject.guard, NEW)), (Some("previous"), Some("current")));
    subject.write(&format!("{NEW}\n")).unwrap();
    assert_eq!((label(&subject.guard, OLD), label(&subject.guard, NEW)), (None, Some("current")));
    let file = subject.guard.key_file().unwrap();
    assert!(file.label().ends_with("/metrics_key"), "{}", file.label());
    assert!(file.problem().is_none());
    assert_eq!(file.modified(), fs::metadata(subject.path()).unwrap().modified().ok());
    assert_eq!(subject.other_warnings(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn case_43_the_path_is_followed_and_not_the_file() {
    use std::os::unix::fs::symlink;
    // As the kubelet does it: metrics_key -> ..data/metrics_key, ..data -> a folder, and ..data is renamed over.
    let folder = tempfile::tempdir().unwrap();
    let swap = |name: &str, key: &str| {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("metrics_key"), key).unwrap();
        symlink(name, folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
    };
    swap("..2026_01", OLD);
    symlink("..data/metrics_key", folder.path().join("metrics_key")).unwrap();
    let guard = Guard::builder_from_key_file(folder.path().join("metrics_key")).unwrap().build();
    swap("..2026_02", NEW);
    guard.reload().unwrap();
    assert_eq!((label(&guard, OLD), label(&guard, NEW)), (None, Some("current")));
}

#[test]
fn case_44_a_file_that_breaks_leaves_the_last_good_keys_in_force_and_says_so_once() {
    type Fault = (&'static str, fn(&Path), &'static str);
    let faults: &[Fault] = &[
        ("emptied", |path| drop(File::create(path).unwrap()), "the key is blank"),
        ("blank", |path| fs::write(path, " \n\n").unwrap(), "the key is blank"),
        (
            "truncated",
            |path| File::options().write(true).open(path).unwrap().set_len(20).unwrap(),
            "the beginning of a longer key",
        ),
        (
            "truncated to less than a key",
            |path| File::options().write(true).open(path).unwrap().set_len(10).unwrap(),
            "fewer than 16 characters",
        ),
        ("deleted", |path| fs::remove_file(path).unwrap(), "no such file"),
        ("invalid", |path| fs::write(path, format!("{NEW}\n{OLD}\u{1}\n")).unwrap(), "not visible ASCII"),
        ("a sample", |path| fs::write(path, "changeme").unwrap(), "published example"),
        (
            "a directory",
            |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            },
            "must be a regular file",
        ),
        #[cfg(target_os = "linux")]
        (
            // It opens, and cannot be read: unlike a file without rights, not even by root.
            "unreadable",
            |path| {
                fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("/proc/self/mem", path).unwrap();
            },
            "cannot be read",
        ),
    ];
    for (name, break_it, expected) in faults {
        let subject = Subject::new(&format!("{OLD}\n"));
        break_it(&subject.path());
        for _ in 0..3 {
            let error = subject.guard.reload().unwrap_err();
            assert_says(&error, expected);
            assert!(!error.to_string().contains(&OLD[..16]) && !error.to_string().contains(&NEW[..16]), "{error}");
            assert_eq!(subject.guard.key_file().unwrap().problem().unwrap().to_string(), error.to_string(), "{name}");
            assert_eq!(label(&subject.guard, OLD), Some("current"), "{name}");
            assert_eq!(label(&subject.guard, &OLD[..20]), None, "{name}");
            assert_eq!(label(&subject.guard, NEW), None, "{name}");
        }
        let error = subject.guard.reload().unwrap_err();
        assert_eq!(subject.next_warning(), stale(&error), "{name}");
        // Broken in another way: that is news, and so is what comes after it is mended.
        if subject.path().is_dir() {
            fs::remove_dir(subject.path()).unwrap();
        }
        let error = subject.write(&"k".repeat(5000)).unwrap_err();
        assert_says(&error, "too large");
        assert_eq!(subject.guard.key_file().unwrap().problem().unwrap().to_string(), error.to_string(), "{name}");
        assert_eq!(subject.next_warning(), stale(&error), "{name}: once");
        subject.write(NEW).unwrap();
        assert!(subject.guard.key_file().unwrap().problem().is_none(), "{name}");
        assert_eq!((label(&subject.guard, OLD), label(&subject.guard, NEW)), (None, Some("current")), "{name}");
        fs::remove_file(subject.path()).unwrap();
        let error = subject.guard.reload().unwrap_err();
        assert_eq!(subject.other_warnings(), [stale(&error)], "{name}");
    }
}

#[test]
fn keys_of_which_one_begins_the_other_can_both_be_there_and_both_go() {
    let longer = format!("{OLD}-v2");
    let subject = Subject::new(&format!("{longer}\n{OLD}\n"));
    subject.guard.reload().unwrap();
    subject.write(&format!("{NEW}\n{longer}\n{OLD}\n")).unwrap();
    subject.write(OLD).unwrap();
    assert_eq!((label(&subject.guard, OLD), label(&subject.guard, &longer)), (Some("current"), None));
    assert_eq!(subject.other_warnings(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_the_file_keeps_nobody_waiting() {
    let subject = Subject::new(OLD);
    let pipe = subject.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // In a thread: were it to wait, the test should not.
    let (guard, path) = (subject.guard.clone(), subject.path());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for _ in 0..2000 {
            fs::write(path.with_extension("new"), OLD).unwrap();
            fs::rename(path.with_extension("new"), &path).unwrap();
            let reload = thread::spawn({
                let guard = guard.clone();
                move || drop(guard.reload())
            });
            fs::hard_link(&pipe, path.with_extension("pipe")).unwrap();
            fs::rename(path.with_extension("pipe"), &path).unwrap();
            reload.join().unwrap();
        }
        sender.send(guard.reload().unwrap_err()).unwrap();
    });
    let error = receiver.recv_timeout(Duration::from_secs(60)).expect("opening the pipe waits for its other end");
    assert_says(&error, "must be a regular file");
}

#[test]
fn a_relative_path_is_that_of_the_working_directory_at_start() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let relative = Path::new(".").join(folder.path().file_name().unwrap()).join("metrics_key");
    fs::write(&relative, OLD).unwrap();
    let guard = Guard::builder_from_key_file(&relative).unwrap().build();
    guard.reload().unwrap();
    let error = Guard::builder_from_key_file("no-such-key-file").unwrap_err();
    assert_eq!(error.origin().to_string(), "Guard::builder_from_key_file");
    assert!(error.to_string().starts_with("Guard::builder_from_key_file: no such file"), "{error}");
}

#[test]
fn a_file_cut_off_between_keys_is_a_file_with_fewer() {
    let subject = Subject::new(&format!("{NEW}\n{OLD}\n"));
    subject.write(NEW).unwrap();
    assert_eq!((label(&subject.guard, OLD), label(&subject.guard, NEW)), (None, Some("current")));
}

#[test]
fn case_45_a_check_sees_one_ring() {
    let key = |key, label| Key::new(key).unwrap().with_label(label);
    let first = || KeyRing::new([key(OLD, "old-in-first"), key(NEW, "new-in-first")]).unwrap();
    let second = || KeyRing::new([key(NEW, "new-in-second"), key(OLD, "old-in-second")]).unwrap();
    let guard = Guard::new(first());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let checks = [(OLD, "old"), (NEW, "new")].map(|(key, name)| {
            let (guard, is_over) = (&guard, &is_over);
            scope.spawn(move || {
                let mut seen = [0_u32; 2];
                while !is_over.load(Ordering::Relaxed) {
                    let label = label(guard, key).unwrap();
                    assert!(label.starts_with(name), "{key}: {label}");
                    seen[usize::from(label.ends_with("second"))] += 1;
                }
                seen
            })
        });
        for _ in 0..2000 {
            guard.replace(second()).unwrap();
            guard.replace(first()).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        for seen in checks.map(|check| check.join().unwrap()) {
            assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
        }
    });
}

#[test]
fn keys_are_replaced_by_hand() {
    let (sender, warnings) = mpsc::channel();
    let builder = Guard::builder(Key::new(OLD).unwrap());
    let guard = builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build();
    let clone = guard.clone();
    guard.replace(Key::new(&NEW[..20]).unwrap().with_label("short")).unwrap();
    assert_eq!((label(&clone, OLD), label(&clone, &NEW[..20])), (None, Some("short")));
    assert!(warnings.recv_timeout(PATIENCE).unwrap().contains("fewer than 32 characters"));
    assert!(guard.key_file().is_none());
    assert_says(&guard.reload().unwrap_err(), "not from a file");
}

#[test]
fn keys_put_in_force_by_hand_are_not_undone_by_a_broken_file() {
    let subject = Subject::new(OLD);
    subject.guard.replace(Key::new(NEW).unwrap()).unwrap();
    fs::write(subject.path(), "").unwrap();
    subject.guard.reload().unwrap_err();
    assert_eq!((label(&subject.guard, OLD), label(&subject.guard, NEW)), (None, Some("current")));
}

#[test]
fn the_time_of_the_file_is_that_of_its_last_writing() {
    let subject = Subject::new(OLD);
    let before = subject.guard.key_file().unwrap();
    let later = before.modified().unwrap() + Duration::from_secs(100);
    File::options().write(true).open(subject.path()).unwrap().set_modified(later).unwrap();
    subject.guard.reload().unwrap();
    let after = subject.guard.key_file().unwrap();
    assert_eq!(after.modified(), Some(later));
    assert!(after.checked() > before.checked());
}

#[test]
fn a_blocked_hook_delays_neither_reload_nor_replace_nor_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    write_for_this_user(&path, OLD);
    let (told, is_told) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let builder = Guard::builder_from_key_file(&path).unwrap();
    let guard = builder.on_warning(move |warning| {
        told.send(warning.to_string()).unwrap();
        let _ = may_go_on.lock().unwrap().recv_timeout(PATIENCE);
    });
    let guard = guard.build();
    fs::remove_file(&path).unwrap();
    let error = guard.reload().unwrap_err();
    assert_eq!(is_told.recv_timeout(PATIENCE).unwrap(), stale(&error));

    // The hook is at its first warning.
    assert_eq!(label(&guard, OLD), Some("current"));
    assert!(guard.key_file().unwrap().problem().is_some());
    guard.replace(Key::new(NEW).unwrap()).unwrap();
    assert_eq!(label(&guard, NEW), Some("current"));
    write_for_this_user(&path, &format!("{NEW}\n{NEW}\n"));
    guard.reload().unwrap();
    assert!(guard.key_file().unwrap().problem().is_none());
    assert!(is_told.try_recv().is_err());
    drop(go_on);
    assert!(is_told.recv_timeout(PATIENCE).unwrap().contains("the same key"));
}

#[test]
fn a_guard_that_asks_for_no_key_takes_none() {
    let by_name = Guard::builder_with_client_names(["prometheus.example"]).unwrap();
    for guard in [Guard::disabled(), by_name.build()] {
        assert_says(&guard.replace(Key::new(NEW).unwrap()).unwrap_err(), "requires no key");
        assert_says(&guard.reload().unwrap_err(), "requires no key");
        assert!(guard.key_file().is_none());
    }
}

#[test]
fn new_keys_bring_their_warnings() {
    let subject = Subject::new(OLD);
    subject.write(&format!("{NEW}\n{NEW}\n")).unwrap();
    let texts = subject.other_warnings();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].ends_with("metrics_key, line 2: the same key as an earlier one; it counts once"), "{texts:?}");
}

#[cfg(unix)]
#[test]
fn rights_that_become_wrong_are_reported_once_and_again_after_they_were_right() {
    let subject = Subject::new(OLD);
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    let reload = || (0..3).for_each(|_| subject.guard.reload().unwrap());
    reload();
    for _ in 0..2 {
        set_mode(&subject.path(), 0o622);
        reload();
        assert!(subject.next_warning().contains("/metrics_key: users other than root"));
        set_mode(&subject.path(), 0o604);
        reload();
        assert!(subject.next_warning().contains("every user of this machine can read"));
        set_mode(subject.folder.path(), 0o777);
        reload(); // the file is readable as before
        let folder = subject.folder.path();
        let warning = subject.next_warning();
        assert!(warning.contains(": users other than root") && !warning.contains("metrics_key"), "{warning}");
        set_mode(folder, 0o755);
        set_mode(&subject.path(), 0o600);
        reload();
    }
    // Without `reload`, and after new keys.
    subject.write(NEW).unwrap();
    set_mode(&subject.path(), 0o602);
    assert!(subject.next_warning().contains("users other than root"));
    assert_eq!(subject.other_warnings(), [""; 0]);
}

#[test]
fn a_relative_path_brings_no_warning_again() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let relative = Path::new(".").join(folder.path().file_name().unwrap()).join("metrics_key");
    write_for_this_user(&relative, &format!("{OLD}\n{OLD}\n"));
    let (sender, warnings) = mpsc::channel();
    let builder = Guard::builder_from_key_file(&relative).unwrap();
    let guard = builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build();
    assert!(warnings.recv_timeout(PATIENCE).unwrap().contains("the same key"));
    guard.reload().unwrap();
    drop(guard);
    assert_eq!(warnings.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn settings_with_a_key_file_follow_it() {
    let subject = Subject::new(OLD);
    let mut settings = Settings::default();
    settings.set("key_file", "key_file", subject.path()).unwrap();
    let guard = settings.builder().unwrap().build();
    subject.write(NEW).unwrap();
    guard.reload().unwrap();
    assert_eq!(label(&guard, NEW), Some("current"));
}
