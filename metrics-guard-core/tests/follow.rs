//! A guard follows its key file without being asked, and stops when it is dropped. Alone in its program, since it counts
//! threads.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use http::Request;
use metrics_guard_core::Guard;

const OLD: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
const NEW: &str = "1f83b6d05ae94c27801d7e6a3c5f9b42";

fn accepts(guard: &Guard, key: &str) -> bool {
    guard.check(&Request::get("/").header("X-Metrics-Key", key).body(()).unwrap()).is_ok()
}

/// Waits for at most three periods, and a little.
fn wait_until(is_true: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(7));
        thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

/// Returns how many threads of this program follow a key file, and how many report.
#[cfg(target_os = "linux")]
fn threads() -> (usize, usize) {
    let names = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        // A thread can end between the two looks.
        fs::read_to_string(task.ok()?.path().join("comm")).ok()
    });
    let names: Vec<_> = names.collect();
    let count = |name| names.iter().filter(|other| other.trim() == name).count();
    (count("guard-key-file"), count("guard-telemetry"))
}

/// A file for this user alone: of another there would be a warning, some time after its keys are in force.
fn rename_into_place(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn a_key_file_is_followed_until_its_guard_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    fs::write(&path, OLD).unwrap();
    let warnings = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&warnings);
    let builder = Guard::builder_from_key_file(&path).unwrap();
    let guard = builder.on_warning(|_| panic!("a hook that panics is not the end of new keys"));
    let guard = guard
        .on_warning(move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
        })
        .build();

    rename_into_place(&path, &format!("{NEW}\n{OLD}\n"));
    let took = wait_until(|| accepts(&guard, NEW));
    assert!(accepts(&guard, OLD));
    println!("a new key is in force after {took:?}");

    // Over several looks at a file that is gone: one warning.
    let before = warnings.load(Ordering::Relaxed);
    fs::remove_file(&path).unwrap();
    wait_until(|| guard.key_file().unwrap().problem().is_some());
    thread::sleep(Duration::from_secs(5)); // two looks more, and time to report
    assert_eq!(warnings.load(Ordering::Relaxed), before + 1);
    assert!(accepts(&guard, NEW) && accepts(&guard, OLD));

    rename_into_place(&path, OLD);
    wait_until(|| !accepts(&guard, NEW));
    assert!(guard.key_file().unwrap().problem().is_none());

    // It is looked at every two seconds, and not more often.
    let mut looks = HashSet::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(9) {
        looks.insert(guard.key_file().unwrap().checked());
        thread::sleep(Duration::from_millis(5));
    }
    let looks = looks.len() - 1;
    assert!((3..=5).contains(&looks), "{looks} looks in nine seconds");

    // What is put in force by hand stays while the file does.
    guard.replace(metrics_guard_core::Key::new(NEW).unwrap()).unwrap();
    thread::sleep(Duration::from_secs(5));
    assert!(accepts(&guard, NEW) && !accepts(&guard, OLD));

    #[cfg(target_os = "linux")]
    {
        assert_eq!(threads(), (1, 1));
        let clone = guard.clone();
        drop(guard);
        assert!(accepts(&clone, NEW));
        assert_eq!(threads(), (1, 1));
        drop(clone);
        let took = wait_until(|| threads() == (0, 0));
        println!("the threads are gone after {took:?}");

        // Without anything to report there is no thread.
        let guard = Guard::new(metrics_guard_core::Key::new(NEW).unwrap());
        assert!(accepts(&guard, NEW));
        assert_eq!(threads(), (0, usize::from(cfg!(feature = "metrics"))));
    }
}
