//! Tests keys that change while the server runs: cases 43 to 45 of the attack catalogue, and `Guard::replace`.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use metrics_guard_core::{ConfigError, Guard, KeyRing, adapter::Settings};

use crate::common::{KEY as OLD, NAME, OTHER as NEW, Told, assert_says, builder, file, hook, key, labels, write};

fn stale(error: &ConfigError) -> String {
    format!("{error}. The active keys do not change until the key file is usable.")
}

struct Subject {
    folder: tempfile::TempDir,
    path: PathBuf,
    guard: Guard,
    told: Told,
}

impl Subject {
    fn new(content: &str) -> Subject {
        let (folder, path) = file(content);
        let (tell, told) = hook();
        let mut settings = Settings::default();
        settings.set("key_file", "key_file", &path).unwrap();
        let guard = settings.builder().unwrap().on_warning(tell).build();
        Subject { folder, path, guard, told }
    }

    fn write(&self, content: &str) -> Result<(), ConfigError> {
        let temporary = self.folder.path().join("new");
        write(&temporary, content);
        fs::rename(temporary, &self.path).unwrap();
        self.guard.reload()
    }

    fn labels(&self) -> [Option<&'static str>; 2] {
        labels(&self.guard, [OLD, NEW])
    }

    /// Drops the guard, and returns the warnings that were not taken yet.
    fn other_warnings(self) -> Vec<String> {
        drop(self.guard);
        self.told.rest()
    }
}

#[test]
fn a_key_is_rotated_with_both_active_for_a_while() {
    let subject = Subject::new(OLD);
    assert_eq!(subject.labels(), [Some("current"), None]);
    subject.write(&format!("{NEW}\n{OLD}\n")).unwrap();
    assert_eq!(subject.labels(), [Some("previous"), Some("current")]);
    // A file that was truncated between two keys would look the same.
    subject.write(&format!("{NEW}\n")).unwrap();
    assert_eq!(subject.labels(), [None, Some("current")]);

    let status = subject.guard.key_file().unwrap();
    assert!(status.label().ends_with("/metrics_key"), "{}", status.label());
    assert!(status.problem().is_none());
    let later = status.modified().unwrap() + Duration::from_secs(100);
    File::options().write(true).open(&subject.path).unwrap().set_modified(later).unwrap();
    subject.guard.reload().unwrap();
    let after = subject.guard.key_file().unwrap();
    assert_eq!(after.modified(), Some(later));
    assert!(after.checked() > status.checked());
    assert_eq!(subject.other_warnings(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn case_43_the_path_is_followed_and_not_the_file() {
    use std::os::unix::fs::symlink;
    // Like the kubelet: metrics_key -> ..data/metrics_key, ..data -> a folder, and a rename replaces ..data.
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
    assert_eq!(labels(&guard, [OLD, NEW]), [None, Some("current")]);
}

#[test]
fn case_44_a_file_that_breaks_leaves_the_active_keys_and_is_reported_once() {
    type Fault = (fn(&Path), &'static str);
    fn truncate(path: &Path, len: u64) {
        File::options().write(true).open(path).unwrap().set_len(len).unwrap();
    }
    let faults: &[Fault] = &[
        (|path| truncate(path, 0), "the key file holds no key"),
        (|path| truncate(path, 20), "a prefix of a longer key"),
        (|path| truncate(path, 10), "fewer than 16 characters"),
        (|path| fs::remove_file(path).unwrap(), "there is no key file"),
        (|path| fs::write(path, format!("{NEW}\n{OLD}\u{1}\n")).unwrap(), "not visible ASCII"),
        (|path| fs::write(path, "changeme").unwrap(), "published example"),
        (
            |path| fs::remove_file(path).and_then(|()| fs::create_dir(path)).unwrap(),
            "the path is a folder, a pipe or a device",
        ),
        // Opening a pipe could wait for another process that writes to it.
        #[cfg(unix)]
        (
            |path| {
                fs::remove_file(path).unwrap();
                assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
            },
            "the path is a folder, a pipe or a device",
        ),
        // Even root can open this file but not read it.
        #[cfg(target_os = "linux")]
        (
            |path| fs::remove_file(path).and_then(|()| std::os::unix::fs::symlink("/proc/self/mem", path)).unwrap(),
            "cannot be read",
        ),
    ];
    for (break_it, expected) in faults {
        let subject = Subject::new(&format!("{OLD}\n"));
        break_it(&subject.path);
        for _ in 0..3 {
            let error = subject.guard.reload().unwrap_err();
            assert_says(&error, expected);
            assert_eq!(subject.guard.key_file().unwrap().problem().unwrap().to_string(), error.to_string());
            assert_eq!(labels(&subject.guard, [OLD, NEW, &OLD[..20]]), [Some("current"), None, None], "{expected}");
        }
        assert_eq!(subject.told.next(), stale(&subject.guard.reload().unwrap_err()));
        // The guard warns again of another problem, and of a problem after the file was usable.
        if subject.path.is_dir() {
            fs::remove_dir(&subject.path).unwrap();
        }
        let error = subject.write(&"k".repeat(5000)).unwrap_err();
        assert_says(&error, "too large");
        assert_eq!(subject.told.next(), stale(&error), "{expected}: once");
        subject.write(NEW).unwrap();
        assert!(subject.guard.key_file().unwrap().problem().is_none(), "{expected}");
        assert_eq!(subject.labels(), [None, Some("current")], "{expected}");
        fs::remove_file(&subject.path).unwrap();
        let error = subject.guard.reload().unwrap_err();
        assert_eq!(subject.other_warnings(), [stale(&error)], "{expected}");
    }
}

/// Opening the pipe would wait for a process that writes to it. The file becomes a pipe while the guard reads it.
#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_the_file_delays_no_reload() {
    let subject = Subject::new(OLD);
    let [pipe, next] = ["pipe", "next"].map(|name| subject.folder.path().join(name));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for _ in 0..1000 {
        thread::scope(|scope| {
            fs::write(&next, OLD).unwrap();
            fs::rename(&next, &subject.path).unwrap();
            scope.spawn(|| drop(subject.guard.reload()));
            fs::hard_link(&pipe, &next).unwrap();
            fs::rename(&next, &subject.path).unwrap();
        });
    }
    assert_says(&subject.guard.reload().unwrap_err(), "the path is a folder, a pipe or a device");
}

#[test]
fn case_45_a_check_sees_one_ring() {
    let ring =
        |keys: [(&str, &'static str); 2]| KeyRing::new(keys.map(|(text, label)| key(text).with_label(label))).unwrap();
    let first = || ring([(OLD, "old-in-first"), (NEW, "new-in-first")]);
    let second = || ring([(NEW, "new-in-second"), (OLD, "old-in-second")]);
    let guard = Guard::new(first());
    thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for _ in 0..2000 {
                guard.replace(second()).unwrap();
                guard.replace(first()).unwrap();
            }
        });
        let mut seen = HashSet::new();
        while !changes.is_finished() {
            seen.extend(labels(&guard, [OLD]));
        }
        assert_eq!(seen, HashSet::from([Some("old-in-first"), Some("old-in-second")]));
    });
}

#[test]
fn code_replaces_the_keys_of_a_guard_that_requires_one() {
    let (tell, told) = hook();
    let guard = builder(OLD).on_warning(tell).build();
    let clone = guard.clone();
    guard.replace(key(&NEW[..20]).with_label("short")).unwrap();
    assert_eq!(labels(&clone, [OLD, &NEW[..20]]), [None, Some("short")]);
    assert!(told.next().contains("fewer than 32 characters"));
    assert!(guard.key_file().is_none());
    assert_says(&guard.reload().unwrap_err(), "not from a file");

    // If the file breaks, the replaced keys stay active.
    let subject = Subject::new(OLD);
    subject.guard.replace(key(NEW)).unwrap();
    subject.write("").unwrap_err();
    assert_eq!(subject.labels(), [None, Some("current")]);

    for guard in [Guard::disabled(), Guard::builder_with_client_names([NAME]).unwrap().build()] {
        assert_says(&guard.replace(key(NEW)).unwrap_err(), "requires no key");
        assert_says(&guard.reload().unwrap_err(), "requires no key");
        assert!(guard.key_file().is_none());
    }
}

#[cfg(unix)]
#[test]
fn wrong_rights_are_reported_once_and_again_after_they_were_right() {
    use crate::common::set_mode;
    let subject = Subject::new(OLD);
    let reload = || (0..2).for_each(|_| subject.guard.reload().unwrap());
    reload();
    for _ in 0..2 {
        set_mode(&subject.path, 0o622);
        reload();
        assert!(subject.told.next().contains("/metrics_key: a user other than root"));
        set_mode(&subject.path, 0o604);
        reload();
        assert!(subject.told.next().contains("every user of this machine can read"));
        set_mode(subject.folder.path(), 0o777);
        reload(); // the file is readable as before
        let warning = subject.told.next();
        assert!(warning.contains(": a user other than root") && !warning.contains("metrics_key"), "{warning}");
        set_mode(subject.folder.path(), 0o755);
        set_mode(&subject.path, 0o600);
        reload();
    }
    // The guard also warns without `reload`, and after new keys.
    subject.write(NEW).unwrap();
    set_mode(&subject.path, 0o602);
    assert!(subject.told.next().contains("a user other than root"));
    assert_eq!(subject.other_warnings(), [""; 0]);
}

#[test]
fn reports_a_warning_again_for_new_keys_and_not_for_the_absolute_path_of_a_relative_one() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let relative = Path::new(".").join(folder.path().file_name().unwrap()).join("metrics_key");
    write(&relative, format!("{OLD}\n{OLD}\n"));
    let (tell, told) = hook();
    let guard = Guard::builder_from_key_file(&relative).unwrap().on_warning(tell).build();
    let same_key = ", line 2: this key repeats an earlier one; write the new key in its place, or remove it";
    assert!(told.next().ends_with(same_key));
    guard.reload().unwrap();
    write(&relative, format!("{NEW}\n{NEW}\n"));
    guard.reload().unwrap();
    drop(guard);
    let others = told.rest();
    assert!(matches!(&others[..], [text] if text.ends_with(same_key)), "{others:?}");
}
