//! Models replaced keys: the thread that follows the key file, a reload and code replace keys while a check reads them.

use std::fs;

use shuttle::thread;

use super::{Arc, Keys, Reserve, SETTLE_TIME, ShownPath, file, lock};
use crate::{
    Schedules, check, instrumented,
    keys::{key::Key, ring::KeyRing},
};

#[test]
fn keys_of_a_reloaded_file_stay_active() {
    let fault = "the lock is released before the keys are active";
    check(Schedules::Random(1_000), reloaded_file, &[(fault, "replaced keys are active again")]);
}

#[test]
fn later_change_of_file_or_code_counts() {
    let fault = "each look activates the keys of the file";
    check(Schedules::Random(1_000), keys_of_code, &[(fault, "replaced keys are active again")]);
}

fn reloaded_file() {
    let subject = Subject::new();
    let follower = subject.spawn(|subject| subject.keys.refresh(SETTLE_TIME));
    let operator = subject.spawn(|subject| {
        subject.write(2);
        subject.write(3);
        subject.keys.reload().unwrap();
    });
    let mut seen = vec![1];
    subject.look(&mut seen);
    subject.look(&mut seen);
    for thread in [follower, operator] {
        thread.join().unwrap();
    }
    subject.look(&mut seen);
    assert_eq!(seen.last(), Some(&3), "replaced keys are active again");
}

fn keys_of_code() {
    let subject = Subject::new();
    let follower = subject.spawn(|subject| subject.keys.refresh(SETTLE_TIME));
    let code = subject.spawn(|subject| subject.keys.replace(Key::new(text(4)).unwrap().into()));
    let mut seen = vec![1];
    subject.write(2);
    subject.look(&mut seen);
    subject.look(&mut seen);
    for thread in [follower, code] {
        thread.join().unwrap();
    }
    // A change that the follower has not seen yet counts now. A change that it has seen does not count again.
    let is_seen = accepts(&lock(&subject.keys.file.as_ref().unwrap().last_good).ring, 2);
    subject.look(&mut seen);
    let expected = if is_seen { seen[seen.len() - 1] } else { 2 };
    for _ in 0..2 {
        subject.keys.refresh(SETTLE_TIME);
        subject.look(&mut seen);
        assert_eq!(seen.last(), Some(&expected));
    }
}

/// The keys of a guard and their file, which has version 1 at first.
struct Subject {
    folder: tempfile::TempDir,
    keys: Keys,
}

impl Subject {
    fn new() -> Arc<Subject> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        fs::write(&path, text(1)).unwrap();
        let path = ShownPath::new(path.as_os_str(), path.clone(), "the model");
        let content = file::read(&path, &mut Reserve::default()).unwrap();
        Arc::new(Subject { folder, keys: Keys::of_file(path, content) })
    }

    fn spawn(self: &Arc<Subject>, run: fn(&Subject)) -> thread::JoinHandle<()> {
        let subject = Arc::clone(self);
        thread::spawn(move || run(&subject))
    }

    /// Replaces the file by another version.
    fn write(&self, version: usize) {
        instrumented::step();
        let new = self.folder.path().join("new");
        fs::write(&new, text(version)).unwrap();
        fs::rename(new, self.folder.path().join("metrics_key")).unwrap();
    }

    /// Records the version of the active keys. Each version must become active only once.
    fn look(&self, seen: &mut Vec<usize>) {
        let active = self.keys.active.load();
        let version = (1..=4).find(|version| accepts(&active, *version)).expect("the active keys are of no version");
        if seen.last() != Some(&version) {
            assert!(!seen.contains(&version), "replaced keys are active again: {version} after {seen:?}");
            seen.push(version);
        }
    }
}

fn text(version: usize) -> String {
    format!("k{version:016x}-of-one-version")
}

fn accepts(ring: &KeyRing, version: usize) -> bool {
    ring.compare(text(version).as_bytes()).0.any().into()
}
