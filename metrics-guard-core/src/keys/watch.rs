//! Replaces the keys while the server runs.
//!
//! One key ring is active at a time, and a check compares with one ring. [`Guard::replace`](crate::Guard::replace) and a
//! changed key file replace the whole ring.
//!
//! The guide's page `docs/guide/rotation.md` shows how an operator changes a key without a failed scrape.

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;

use crate::{
    error::ConfigError,
    keys::file::{self, Content},
    keys::reserve::Reserve,
    keys::ring::{KeyRing, Labels},
    keys::slots::Matches,
    problem,
    shown::ShownPath,
    warning::{self, Warning},
};

/// The time between two looks at a key file.
const PERIOD: Duration = Duration::from_secs(2);

/// The time that a changed key file must stay unchanged before its keys become active.
const SETTLE_TIME: Duration = Duration::from_millis(100);

/// The key file of a guard, as it was when the guard last looked at it.
#[derive(Debug, Clone)]
pub struct KeyFileStatus {
    path: ShownPath,
    checked: SystemTime,
    modified: Option<SystemTime>,
    problem: Option<ConfigError>,
}

impl KeyFileStatus {
    /// Returns the path as the operator wrote it, with `…` for each segment that could be a key. For a value without `/`, which
    /// could be a key as a whole, it returns the name of the setting instead.
    #[must_use]
    pub fn label(&self) -> &str {
        self.path.label()
    }

    /// Returns when the guard last looked at the file, by itself or in [`Guard::reload`](crate::Guard::reload).
    ///
    /// If this is more than a few seconds ago, the guard no longer follows the file: the file system hangs, the process is a
    /// fork of the one that built the guard, or no thread could start.
    #[must_use]
    pub fn checked(&self) -> SystemTime {
        self.checked
    }

    /// Returns the modification time of the file that the keys were last read from, if the file system has one.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Returns the last problem with the file. The guard found it in [`Guard::reload`](crate::Guard::reload), or at a look
    /// whose result stayed the same for 0.1 s. While there is one, the active keys stay: those that the file held before, or
    /// those of [`Guard::replace`](crate::Guard::replace).
    #[must_use]
    pub fn problem(&self) -> Option<&ConfigError> {
        self.problem.as_ref()
    }
}

/// The active keys, and the key file that they come from, if there is one.
pub(crate) struct Keys {
    // The ring is replaced as a whole. A check compares with one ring and does not wait.
    active: ArcSwap<KeyRing>,
    file: Option<Followed>,
    // Set when the guard is built.
    report: OnceLock<Report>,
}

/// Takes news about the keys. It must not wait, because the thread that replaces keys calls it. A look at the key file calls it
/// under a lock, so that the news of two looks stay in order.
type Report = Box<dyn Fn(News) + Send + Sync>;

struct Followed {
    path: ShownPath,
    // Locked only for a moment, because a handler may read it.
    status: Mutex<KeyFileStatus>,
    // Locked during a look at the file, which includes the wait until a change has settled.
    last_good: Mutex<LastGood>,
    // Never used. When it is dropped, the thread ends.
    alive: OnceLock<Sender<Infallible>>,
}

struct LastGood {
    /// The last usable content of the file, with the warnings of that look.
    ring: Arc<KeyRing>,
    /// Descriptors for the next look.
    reserve: Reserve,
}

/// News about the keys: from a look at the key file, or without a `file`, from code that replaced the keys.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) file: Option<KeyFileStatus>,
    pub(crate) has_new_keys: bool,
    pub(crate) is_usable_again: bool,
    pub(crate) warnings: Vec<Warning>,
}

impl Keys {
    pub(crate) fn fixed(ring: KeyRing) -> Keys {
        Keys { active: ArcSwap::from_pointee(ring), file: None, report: OnceLock::new() }
    }

    /// Returns the keys that `path` held. They do not follow the file yet.
    pub(crate) fn of_file(path: ShownPath, Content { ring, modified }: Content) -> Keys {
        let ring = Arc::new(ring);
        let status =
            Mutex::new(KeyFileStatus { path: path.clone(), checked: SystemTime::now(), modified, problem: None });
        let mut last_good = LastGood { ring: Arc::clone(&ring), reserve: Reserve::default() };
        last_good.reserve.fill();
        let file = Followed { path, status, last_good: Mutex::new(last_good), alive: OnceLock::new() };
        Keys { active: ring.into(), file: Some(file), report: OnceLock::new() }
    }

    /// Compares `presented` with the active keys.
    #[inline]
    pub(crate) fn compare(&self, presented: &[u8]) -> (Matches, Labels) {
        self.active.load().compare(presented)
    }

    /// Returns the warnings of the active keys.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        self.active.load().warnings.clone()
    }

    pub(crate) fn file(&self) -> Option<KeyFileStatus> {
        self.file.as_ref().map(|file| lock(&file.status).clone())
    }

    /// Sets the function that takes the news from now on. It must not wait.
    pub(crate) fn report_to(&self, report: impl Fn(News) + Send + Sync + 'static) {
        let _ = self.report.set(Box::new(report)); // never set before, because a builder builds once
    }

    fn report(&self, news: News) {
        if let Some(report) = self.report.get() {
            report(news);
        }
    }

    pub(crate) fn replace(&self, ring: KeyRing) {
        let warnings = ring.warnings.clone();
        self.active.store(Arc::new(ring));
        self.report(News { warnings, ..News::default() });
    }

    /// Reads the key file now and makes its keys active.
    pub(crate) fn reload(&self) -> Result<(), ConfigError> {
        let Some(file) = &self.file else {
            return Err(problem::no_key_file().at("Guard::reload"));
        };
        let mut last_good = lock(&file.last_good);
        let found = file.look(&mut last_good);
        let result = found.as_ref().map(|_| ()).map_err(Clone::clone);
        let news = file.note(Some(found), &mut last_good.ring);
        if result.is_ok() {
            // Unchanged keys are stored too, because code may have replaced them.
            self.active.store(Arc::clone(&last_good.ring));
        }
        self.report(news);
        result
    }

    /// Looks at the key file. If its keys have changed, and then stay the same for `settle_time`, they become the active ones.
    fn refresh(&self, settle_time: Duration) {
        let Some(file) = &self.file else { return };
        let mut last_good = lock(&file.last_good);
        let found = file.look(&mut last_good);
        let problem = lock(&file.status).problem.clone();
        let known = problem.as_ref().map_or(Ok(&*last_good.ring), Err);
        let settled = if is_same(&found, known) {
            Some(found)
        } else {
            // The file may be half written: half a key can look like a whole one, and a file is empty for a moment.
            thread::sleep(settle_time);
            let again = file.look(&mut last_good);
            is_same(&again, found.as_ref().map(|content| &content.ring)).then_some(again)
        };
        let news = file.note(settled, &mut last_good.ring);
        if news.has_new_keys {
            self.active.store(Arc::clone(&last_good.ring));
        }
        self.report(news);
    }

    /// Starts to follow the key file, if there is one, until the last owner of these keys is gone.
    pub(crate) fn follow(self: &Arc<Keys>) -> Result<(), Warning> {
        let Some(file) = &self.file else { return Ok(()) };
        let (alive, end) = mpsc::channel();
        let keys = Arc::downgrade(self);
        let thread = thread::Builder::new().name("guard-key-file".to_owned()).spawn(move || keep_fresh(&keys, &end));
        match thread {
            Ok(_) => {
                let _ = file.alive.set(alive); // never set before, because a builder builds once
                Ok(())
            }
            Err(error) => Err(warning::not_followed(&file.path, error.kind())),
        }
    }
}

impl Followed {
    /// Reads the file. A file that looks truncated after its last usable content is an error.
    fn look(&self, last_good: &mut LastGood) -> Result<Content, ConfigError> {
        let content = file::read(&self.path, &mut last_good.reserve);
        last_good.reserve.fill();
        let content = content?;
        let is_cut = content.ring.is_cut_from(&last_good.ring);
        if is_cut { Err(problem::cut_off().at(self.path.to_string())) } else { Ok(content) }
    }

    /// Records a look, and returns its news. `found` is `None` if the file has not settled yet.
    fn note(&self, found: Option<Result<Content, ConfigError>>, last_good: &mut Arc<KeyRing>) -> News {
        let mut news = News::default();
        let mut status = lock(&self.status);
        status.checked = SystemTime::now();
        match found {
            Some(Ok(Content { ring, modified })) => {
                news.has_new_keys = !ring.is_same(last_good);
                // For the same keys, only new warnings count: the permissions of the file or of a folder can have changed. They
                // are compared as texts, because the first look had the path as the operator wrote it, and later looks have the
                // absolute path.
                let before: Vec<_> = last_good.warnings.iter().map(ToString::to_string).collect();
                let is_new = |warning: &&Warning| news.has_new_keys || !before.contains(&warning.to_string());
                news.warnings = ring.warnings.iter().filter(is_new).cloned().collect();
                *last_good = Arc::new(ring);
                news.is_usable_again = status.problem.take().is_some();
                status.modified = modified;
            }
            Some(Err(error)) => {
                let known = status.problem.replace(error.clone());
                if !known.is_some_and(|known| known.is_same(&error)) {
                    news.warnings.push(warning::stale(error));
                }
            }
            None => {}
        }
        news.file = Some(status.clone());
        news
    }
}

/// Returns whether `look` found the same keys or the same problem as `other`.
fn is_same(look: &Result<Content, ConfigError>, other: Result<&KeyRing, &ConfigError>) -> bool {
    match (look, other) {
        (Ok(content), Ok(ring)) => content.ring.is_same(ring),
        (Err(one), Err(other)) => one.is_same(other),
        _ => false,
    }
}

fn keep_fresh(keys: &Weak<Keys>, end: &Receiver<Infallible>) {
    while end.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        let Some(keys) = keys.upgrade() else { return };
        keys.refresh(SETTLE_TIME);
    }
}

/// Locks `mutex`. A thread that panicked with the lock has left nothing half done, because nothing under a lock can panic
/// half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("file", &self.file()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        path::{Path, PathBuf},
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, AtomicU64, Ordering},
        },
        thread,
        time::Duration,
    };

    use super::{Keys, SETTLE_TIME, lock};
    use crate::{keys::file, keys::key::Key, keys::reserve::Reserve, keys::ring::KeyRing, shown::ShownPath};

    fn keys_of(path: &Path) -> Keys {
        let path = ShownPath::new(path.as_os_str(), path.to_owned(), "the test");
        let content = file::read(&path, &mut Reserve::default()).unwrap();
        Keys::of_file(path, content)
    }

    /// A key in every valid ring of the test.
    const PERMANENT: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";

    /// Generates the numbers of xorshift64, the same ones each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }
    }

    /// Returns the content of a key file with the permanent key and others of one generation.
    fn content(generation: u64, numbers: &mut Numbers) -> String {
        let others = (0..=numbers.below(3)).map(|n| format!("k{generation:016x}x{n}-of-one-generation\n"));
        let mut lines: Vec<_> = others.collect();
        let place = usize::try_from(numbers.below(lines.len() as u64 + 1)).unwrap();
        lines.insert(place, format!("{PERMANENT}\n"));
        lines.concat()
    }

    fn ring(content: &str) -> KeyRing {
        KeyRing::new(content.lines().map(|line| Key::new(line).unwrap())).unwrap()
    }

    fn accepts(ring: &KeyRing, key: &str) -> bool {
        ring.compare(key.as_bytes()).0.any().into()
    }

    struct Subject {
        folder: tempfile::TempDir,
        keys: Keys,
        // All rings that may become active.
        whole: Mutex<Vec<KeyRing>>,
        is_over: AtomicBool,
    }

    impl Subject {
        fn path(&self) -> PathBuf {
            self.folder.path().join("metrics_key")
        }

        /// Looks at the active ring until the test is over, and counts the changes.
        fn watch(&self, rings: &AtomicU64) {
            let mut known: Option<Arc<KeyRing>> = None;
            while !self.is_over.load(Ordering::Relaxed) {
                let ring = self.keys.active.load_full();
                if known.as_ref().is_none_or(|known| !known.is_same(&ring)) {
                    assert!(accepts(&ring, PERMANENT), "an empty ring");
                    let whole = lock(&self.whole);
                    assert!(whole.iter().rev().any(|whole| whole.is_same(&ring)), "a torn ring");
                    known = Some(ring);
                    rings.fetch_add(1, Ordering::Relaxed);
                }
            }
        }

        fn disturb(&self, generation: u64, numbers: &mut Numbers) {
            let path = self.path();
            let new = content(generation, numbers);
            lock(&self.whole).push(ring(&new));
            match numbers.below(8) {
                0 => fs::write(&path, &new).unwrap(),
                1 => self.keys.replace(ring(&new)),
                2 => self.cut_off(&path, numbers),
                3 => fs::remove_file(&path).unwrap(),
                4 => fs::write(&path, "\n \n").unwrap(),
                5 => fs::write(&path, format!("{new}short\n")).unwrap(),
                6 => {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                    let _ = self.keys.reload();
                    fs::remove_dir(&path).unwrap();
                }
                _ => self.rename_into_place(&new),
            }
            let _ = self.keys.reload();
            if !path.is_file() {
                self.rename_into_place(&new);
            }
        }

        /// Truncates the file within a key that was in it as a whole before.
        fn cut_off(&self, path: &Path, numbers: &mut Numbers) {
            if self.keys.reload().is_err() {
                return;
            }
            let len = fs::metadata(path).unwrap().len();
            let rest = fs::read(path).unwrap();
            let cut = usize::try_from(numbers.below(len)).unwrap();
            // Truncated at the end of a line, it is a usable file with fewer keys.
            let is_between = cut == 0 || rest[cut - 1] == b'\n' || rest[cut] == b'\n';
            if !is_between {
                File::options().write(true).open(path).unwrap().set_len(cut as u64).unwrap();
                assert!(self.keys.reload().is_err(), "cut off at {cut}");
            }
        }

        fn rename_into_place(&self, content: &str) {
            let temporary = self.folder.path().join("new");
            fs::write(&temporary, content).unwrap();
            fs::rename(temporary, self.path()).unwrap();
        }
    }

    #[test]
    fn a_thousand_changes_activate_no_empty_and_no_mixed_key_ring() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let first = content(0, &mut numbers);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        fs::write(&path, &first).unwrap();
        let keys = keys_of(&path);
        let subject = Subject { folder, keys, whole: Mutex::new(vec![ring(&first)]), is_over: AtomicBool::new(false) };

        let (rings, reads) = (AtomicU64::new(0), AtomicU64::new(0));
        let has_run = || [&rings, &reads].iter().all(|count| count.load(Ordering::Relaxed) > 100);
        thread::scope(|scope| {
            let watcher = scope.spawn(|| subject.watch(&rings));
            // Its reads fall between any two steps of the changes, like the reads of the guard's own thread.
            let reader = scope.spawn(|| {
                while !subject.is_over.load(Ordering::Relaxed) {
                    reads.fetch_add(subject.keys.reload().is_ok().into(), Ordering::Relaxed);
                    subject.keys.refresh(Duration::from_micros(50));
                    // It pauses, because the lock would otherwise never be free.
                    thread::sleep(Duration::from_micros(100));
                }
            });
            let changes = scope.spawn(|| {
                // There are more than a thousand if the machine is so busy that the other threads have not run.
                let is_over = || subject.is_over.load(Ordering::Relaxed);
                for generation in (1..=100_000).take_while(|at| !is_over() && (*at <= 1000 || !has_run())) {
                    subject.disturb(generation, &mut numbers);
                }
            });
            while !changes.is_finished() && !watcher.is_finished() && !reader.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            subject.is_over.store(true, Ordering::Relaxed);
            for thread in [changes, watcher, reader] {
                thread.join().unwrap();
            }
            assert!(has_run());
        });

        subject.rename_into_place(&first);
        subject.keys.reload().unwrap();
        assert!(subject.keys.active.load_full().is_same(&ring(&first)));
    }

    #[test]
    fn drops_replaced_keys_when_the_last_check_that_uses_them_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        let [first, second, third] = [1, 2, 3].map(|generation| content(generation, &mut Numbers(1)));
        fs::write(&path, &first).unwrap();
        let keys = keys_of(&path);

        let reader = keys.active.load();
        let replaced = Arc::downgrade(&reader);
        fs::write(&path, &second).unwrap();
        keys.reload().unwrap();
        assert!(reader.is_same(&ring(&first)), "overwritten while it is read");
        assert_eq!(replaced.strong_count(), 1);
        drop(reader);
        assert_eq!(replaced.strong_count(), 0);

        let replaced = Arc::downgrade(&keys.active.load());
        fs::write(&path, &third).unwrap();
        keys.refresh(SETTLE_TIME);
        assert_eq!(replaced.strong_count(), 0);
    }

    #[test]
    fn keys_that_code_replaced_stay_active_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        let [first, second, in_code] = [1, 2, 3].map(|generation| content(generation, &mut Numbers(1)));
        fs::write(&path, &first).unwrap();
        let keys = keys_of(&path);
        keys.replace(ring(&in_code));
        keys.refresh(SETTLE_TIME);
        assert!(keys.active.load_full().is_same(&ring(&in_code)));
        keys.reload().unwrap();
        assert!(keys.active.load_full().is_same(&ring(&first)));
        keys.replace(ring(&in_code));
        fs::write(&path, &second).unwrap();
        keys.refresh(SETTLE_TIME);
        assert!(keys.active.load_full().is_same(&ring(&second)));
    }

    #[test]
    fn ignores_a_key_file_that_is_still_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        let [first, second] = [1, 2].map(|generation| content(generation, &mut Numbers(1)));
        fs::write(&path, &first).unwrap();
        let keys = keys_of(&path);
        // First two parts that could each be taken for keys, and then the whole file.
        let lines: Vec<_> = second.lines().collect();
        fs::write(&path, lines[0]).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| keys.refresh(Duration::from_millis(600)));
            thread::sleep(Duration::from_millis(300));
            fs::write(&path, lines[1]).unwrap();
        });
        assert!(keys.active.load_full().is_same(&ring(&first)));
        fs::write(&path, &second).unwrap();
        keys.refresh(SETTLE_TIME);
        assert!(keys.active.load_full().is_same(&ring(&second)));
    }
}
