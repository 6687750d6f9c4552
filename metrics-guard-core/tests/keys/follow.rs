//! A guard follows its key file without being asked, and stops when it is dropped. Other tests in this program build no guard,
//! because this one counts threads.

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
use metrics_guard_core::{Guard, Key, Warning};

const OLD: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
const NEW: &str = "1f83b6d05ae94c27801d7e6a3c5f9b42";

fn accepts(guard: &Guard, key: &str) -> bool {
    guard.check(&Request::get("/").header("X-Metrics-Key", key).body(()).unwrap()).is_ok()
}

/// Waits for at most three periods, and a little.
fn wait_until(is_true: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(7));
        thread::sleep(Duration::from_millis(20));
    }
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

/// A file for this user alone: another one would bring a warning, some time after its keys are active.
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
    rename_into_place(&path, OLD);
    let warnings = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&warnings);
    let hook = move |_: &Warning| {
        count.fetch_add(1, Ordering::Relaxed);
    };
    let guard = Guard::builder_from_key_file(&path).unwrap().on_warning(hook).build();
    let checked = || guard.key_file().unwrap().checked();

    rename_into_place(&path, &format!("{NEW}\n{OLD}\n"));
    wait_until(|| accepts(&guard, NEW));
    assert!(accepts(&guard, OLD));

    // The guard looks at the file every two seconds, and not more often.
    fs::remove_file(&path).unwrap();
    wait_until(|| guard.key_file().unwrap().problem().is_some());
    let start = Instant::now();
    for _ in 0..2 {
        let last = checked();
        wait_until(|| checked() != last);
    }
    let took = start.elapsed().as_secs_f32();
    assert!((3.6..=6.0).contains(&took), "two looks in {took} seconds");
    assert!(accepts(&guard, NEW) && accepts(&guard, OLD));

    rename_into_place(&path, OLD);
    wait_until(|| !accepts(&guard, NEW));
    assert!(guard.key_file().unwrap().problem().is_none());
    // One warning, over three looks at a file that is gone.
    assert_eq!(warnings.load(Ordering::Relaxed), 1);

    #[cfg(target_os = "linux")]
    {
        assert_eq!(threads(), (1, 1));
        let clone = guard.clone();
        drop(guard);
        assert!(accepts(&clone, OLD));
        assert_eq!(threads(), (1, 1));
        drop(clone);
        wait_until(|| threads() == (0, 0));

        // Without anything to report there is no thread.
        let guard = Guard::new(Key::new(NEW).unwrap());
        assert!(accepts(&guard, NEW));
        assert_eq!(threads(), (0, usize::from(cfg!(feature = "metrics"))));
    }
}
