//! Tests that a guard follows its key file without a call of `reload`, and stops when it is dropped. Other tests in
//! this program build no guard, because this one counts threads.

use std::{
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
use metrics_guard_core::{Guard, Key};

const OLD: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
const NEW: &str = "1f83b6d05ae94c27801d7e6a3c5f9b42";

fn accepts(guard: &Guard, key: &str) -> bool {
    guard.check(&Request::get("/").header("X-Metrics-Key", key).body(()).unwrap()).is_ok()
}

/// Waits for at most a little more than three periods.
fn wait_until(is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(7));
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns how many threads of this program follow a key file, and how many report.
#[cfg(target_os = "linux")]
fn threads() -> [usize; 2] {
    // A thread can end while the folder is read.
    let name = |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("comm")).ok();
    let names: Vec<_> = fs::read_dir("/proc/self/task").unwrap().filter_map(name).collect();
    ["guard-key-file", "guard-telemetry"].map(|name| names.iter().filter(|other| other.trim() == name).count())
}

/// Writes a file that only this user can read. Otherwise the guard would warn, some time after the keys are active.
fn rename_into_place(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn follows_a_key_file_until_the_guard_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    rename_into_place(&path, OLD);
    let warnings = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&warnings);
    let builder = Guard::builder_from_key_file(&path).unwrap();
    let guard = builder.on_warning(move |_| _ = count.fetch_add(1, Ordering::Relaxed)).build();
    let status = || guard.key_file().unwrap();

    rename_into_place(&path, &format!("{NEW}\n{OLD}\n"));
    wait_until(|| accepts(&guard, NEW));
    assert!(accepts(&guard, OLD));

    fs::remove_file(&path).unwrap();
    wait_until(|| status().problem().is_some());
    let last = status().checked();
    wait_until(|| status().checked() != last);
    assert!(accepts(&guard, NEW) && accepts(&guard, OLD));

    rename_into_place(&path, OLD);
    wait_until(|| !accepts(&guard, NEW));
    assert!(status().problem().is_none());
    assert_eq!(warnings.load(Ordering::Relaxed), 1); // although the guard twice found no file

    #[cfg(target_os = "linux")]
    {
        assert_eq!(threads(), [1, 1]);
        let clone = guard.clone();
        drop(guard);
        assert!(accepts(&clone, OLD));
        assert_eq!(threads(), [1, 1]);
        drop(clone);
        wait_until(|| threads() == [0, 0]);

        // A guard without anything to report has no thread.
        let guard = Guard::new(Key::new(NEW).unwrap());
        assert!(accepts(&guard, NEW));
        assert_eq!(threads(), [0, usize::from(cfg!(feature = "metrics"))]);
    }
}
