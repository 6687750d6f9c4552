//! Keys that change while the server runs.
//!
//! One key ring is in force at a time, and a check compares with one of them. It is replaced whole: by
//! [`Guard::replace`](crate::Guard::replace), or when the key file has changed.
//!
//! To rotate a key without a failed scrape: put the new key above the old one in the key file, switch the scraper to the
//! new one, and take the old one out when nobody uses it any more, which
//! [`Authorized::key`](crate::Authorized::key) tells. Put the new file under another name and rename it: what is written
//! in place is for a moment half a file.
//!
//! ```
//! use std::fs;
//! use http::Request;
//! use metrics_guard_core::Guard;
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("accepted_keys");
//! # let random = || Ok::<_, getrandom::Error>(&*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak());
//! # let (old, new) = (random()?, random()?);
//!
//! fs::write(&path, old)?;
//! let guard = Guard::builder_from_key_file(&path)?.build();
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", new).body(())?;
//! assert!(guard.check(&scrape).is_err());
//!
//! fs::write(&path, format!("{new}\n{old}\n"))?;
//! guard.reload()?; // or wait for three seconds
//! assert_eq!(guard.check(&scrape)?.key(), Some("current"));
//!
//! // What is wrong with the file changes nothing but what the guard says of it.
//! fs::remove_file(&path)?;
//! assert!(guard.reload().is_err());
//! assert!(guard.key_file().unwrap().problem().is_some());
//! assert!(guard.check(&scrape).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

use crate::{
    error::{ConfigError, Origin},
    keys::active::InForce,
    keys::file::{self, Content},
    keys::key::KeyRing,
    keys::reserve::Reserve,
    problem,
    shown::ShownPath,
    warning::{self, Warning},
};

/// How long the thread waits between two looks at a key file.
const PERIOD: Duration = Duration::from_secs(2);

/// For how long what has changed about a key file must stay as it is before it counts.
const SETTLED: Duration = Duration::from_millis(100);

/// The key file of a guard, as it was when it was last looked at.
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

    /// When it was last looked at. More than a few seconds ago means that nobody looks any more: the file system hangs, the
    /// process is a fork of the one that built the guard, or no thread could be started.
    #[must_use]
    pub fn checked(&self) -> SystemTime {
        self.checked
    }

    /// When the file was written that the keys were last read from, if the file system says. They are as old at least.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// What is wrong with the file now. The keys in force stay in force: they are stale.
    #[must_use]
    pub fn problem(&self) -> Option<&ConfigError> {
        self.problem.as_ref()
    }
}

/// The ring in force, and where the next one comes from.
pub(crate) struct Keys {
    in_force: InForce,
    file: Option<Followed>,
    // Set once the guard is built.
    report: OnceLock<Report>,
}

/// Takes news about the keys. It must not wait: it is called by the thread that replaces keys, under a lock that keeps the
/// news in order.
type Report = Box<dyn Fn(News) + Send + Sync>;

struct Followed {
    path: ShownPath,
    // Locked for a moment only: a handler may ask.
    seen: Mutex<KeyFileStatus>,
    // Locked for as long as it takes to look at the file.
    last_read: Mutex<LastRead>,
    // Never used: that it is dropped tells the thread to end.
    alive: OnceLock<Sender<Infallible>>,
}

struct LastRead {
    /// What the file held when it was last good, with the warnings of that look.
    ring: KeyRing,
    /// For the next look.
    reserve: Reserve,
}

/// What happened to the keys: in a look at the key file, or without a `file` in a replacement by code.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) file: Option<KeyFileStatus>,
    pub(crate) has_new_keys: bool,
    pub(crate) is_usable_again: bool,
    pub(crate) warnings: Vec<Warning>,
}

impl Keys {
    pub(crate) fn fixed(ring: &KeyRing) -> Keys {
        Keys { in_force: InForce::new(ring), file: None, report: OnceLock::new() }
    }

    /// The keys that `path` was found to hold. They do not follow it yet.
    pub(crate) fn of_file(path: ShownPath, content: Content) -> Keys {
        let in_force = InForce::new(&content.ring);
        let checked = SystemTime::now();
        let seen = KeyFileStatus { path: path.clone(), checked, modified: content.modified, problem: None };
        let mut last_read = LastRead { ring: content.ring, reserve: Reserve::default() };
        last_read.reserve.fill();
        let file = Followed { path, seen: seen.into(), last_read: last_read.into(), alive: OnceLock::new() };
        Keys { in_force, file: Some(file), report: OnceLock::new() }
    }

    pub(crate) fn in_force(&self) -> &InForce {
        &self.in_force
    }

    pub(crate) fn file(&self) -> Option<KeyFileStatus> {
        self.file.as_ref().map(|file| lock(&file.seen).clone())
    }

    /// From now on, `report` takes the news. It must not wait.
    pub(crate) fn report_to(&self, report: impl Fn(News) + Send + Sync + 'static) {
        let _ = self.report.set(Box::new(report)); // the first, since a builder builds once
    }

    fn report(&self, news: News) {
        if let Some(report) = self.report.get() {
            report(news);
        }
    }

    pub(crate) fn replace(&self, mut ring: KeyRing) {
        let warnings = ring.take_warnings();
        self.in_force.replace(&ring);
        self.report(News { warnings, ..News::default() });
    }

    /// Reads the key file now, and puts its keys in force.
    pub(crate) fn reload(&self) -> Result<(), ConfigError> {
        let Some(file) = &self.file else {
            return Err(problem::no_key_file().at(Origin::new("Guard::reload")));
        };
        let mut last_read = lock(&file.last_read);
        let found = file.look(&mut last_read);
        let news = file.take(found, &mut last_read.ring);
        let problem = lock(&file.seen).problem.clone();
        if problem.is_none() {
            // Also where they have not changed: other keys may have been put in force by hand.
            self.in_force.replace(&last_read.ring);
        }
        self.report(news);
        problem.map_or(Ok(()), Err)
    }

    /// Looks at the key file, and puts its keys in force if they have changed, and then stayed the same for `settled`. Keys put
    /// in force by hand stay until then.
    fn refresh(&self, settled: Duration) {
        let Some(file) = &self.file else { return };
        let mut last_read = lock(&file.last_read);
        let mut found = file.look(&mut last_read);
        let mut is_settled = true;
        if !is_known(&found, &last_read.ring, lock(&file.seen).problem.as_ref()) {
            // It may be being written: half a key can look like a whole one, and a file is empty for a moment.
            thread::sleep(settled);
            let again = file.look(&mut last_read);
            is_settled = is_same(&found, &again);
            found = again;
        }
        let news = if is_settled { file.take(found, &mut last_read.ring) } else { file.take_nothing() };
        if news.has_new_keys {
            self.in_force.replace(&last_read.ring);
        }
        self.report(news);
    }

    /// Starts to follow the key file, if there is one, until the last owner of these keys is gone.
    pub(crate) fn follow(self: &Arc<Keys>) -> Result<(), Warning> {
        let Some(file) = &self.file else { return Ok(()) };
        let (alive, end) = mpsc::channel();
        let keys = Arc::downgrade(self);
        let thread = thread::Builder::new().name("metrics-guard".to_owned()).spawn(move || keep_fresh(&keys, &end));
        match thread {
            Ok(_) => {
                let _ = file.alive.set(alive); // the first, since a builder builds once
                Ok(())
            }
            Err(error) => Err(warning::not_followed(&file.path, error.kind())),
        }
    }
}

impl Followed {
    /// What the file holds, if that can follow what it held before.
    fn look(&self, last_read: &mut LastRead) -> Result<Content, ConfigError> {
        let content = file::read(&self.path, &mut last_read.reserve);
        last_read.reserve.fill();
        let content = content?;
        let is_cut = content.ring.is_cut_from(&last_read.ring);
        if is_cut { Err(problem::cut_off().at(Origin::file(&self.path))) } else { Ok(content) }
    }

    /// Notes what a look gave.
    fn take(&self, found: Result<Content, ConfigError>, last_read: &mut KeyRing) -> News {
        let mut news = self.take_nothing();
        let mut seen = lock(&self.seen);
        match found {
            Ok(Content { ring, modified }) => {
                news.has_new_keys = !ring.is_same(last_read);
                // Of the same keys, what is new: the rights of the file or of a folder can have changed. As texts, because the
                // first look had the path as it was written, and these have the absolute one.
                let before: Vec<_> = last_read.warnings().iter().map(ToString::to_string).collect();
                let is_new = |warning: &&Warning| news.has_new_keys || !before.contains(&warning.to_string());
                news.warnings = ring.warnings().iter().filter(is_new).cloned().collect();
                *last_read = ring;
                news.is_usable_again = seen.problem.take().is_some();
                seen.modified = modified;
            }
            Err(error) => {
                if !seen.problem.as_ref().is_some_and(|known| known.is_same(&error)) {
                    seen.problem = Some(error.clone());
                    news.warnings.push(warning::stale(error));
                }
            }
        }
        news.file = Some(seen.clone());
        news
    }

    /// Notes that the file was looked at.
    fn take_nothing(&self) -> News {
        let mut seen = lock(&self.seen);
        seen.checked = SystemTime::now();
        News { file: Some(seen.clone()), ..News::default() }
    }
}

/// Whether a look at the file gave what is known already: the keys that were last read, or the same problem.
fn is_known(found: &Result<Content, ConfigError>, last_read: &KeyRing, problem: Option<&ConfigError>) -> bool {
    match found {
        Ok(content) => content.ring.is_same(last_read) && problem.is_none(),
        Err(error) => problem.is_some_and(|known| known.is_same(error)),
    }
}

fn is_same(one: &Result<Content, ConfigError>, other: &Result<Content, ConfigError>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.ring.is_same(&other.ring),
        (Err(one), Err(other)) => one.is_same(other),
        _ => false,
    }
}

fn keep_fresh(keys: &Weak<Keys>, end: &Receiver<Infallible>) {
    while end.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        let Some(keys) = keys.upgrade() else { return };
        keys.refresh(SETTLED);
    }
}

/// A thread that panicked with the lock has left nothing half done: nothing that is done under lock can panic half-way.
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
            Mutex,
            atomic::{AtomicBool, Ordering},
        },
        thread,
        time::Duration,
    };

    use super::{Keys, SETTLED, lock};
    use crate::{keys::file, keys::key::Key, keys::key::KeyRing, keys::reserve::Reserve, shown::ShownPath};

    fn keys_of(path: &Path) -> Keys {
        let path = ShownPath::new(path.as_os_str(), path.to_owned(), "the test");
        let content = file::read(&path, &mut Reserve::default()).unwrap();
        Keys::of_file(path, content)
    }

    /// In every valid ring of the test.
    const PERMANENT: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";

    /// The numbers of xorshift64, the same ones each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }
    }

    /// The content of a key file with the permanent key and others of one generation.
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
        ring.slots().compare(key.as_bytes()).any().into()
    }

    struct Subject {
        folder: tempfile::TempDir,
        keys: Keys,
        // All that may ever be in force.
        whole: Mutex<Vec<KeyRing>>,
        is_over: AtomicBool,
    }

    impl Subject {
        fn path(&self) -> PathBuf {
            self.folder.path().join("metrics_key")
        }

        /// Looks at each ring in force until the test is over, and says how many there were.
        fn watch(&self) -> u64 {
            let mut rings = 0;
            let mut known: Option<KeyRing> = None;
            while !self.is_over.load(Ordering::Relaxed) {
                let ring = self.keys.in_force().ring();
                if known.as_ref().is_none_or(|known| !known.is_same(&ring)) {
                    assert!(accepts(&ring, PERMANENT), "an empty ring");
                    let whole = lock(&self.whole);
                    assert!(whole.iter().rev().any(|whole| whole.is_same(&ring)), "a torn ring");
                    known = Some(ring);
                    rings += 1;
                }
            }
            rings
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

        /// Cuts the file off within a key that the keys have seen whole.
        fn cut_off(&self, path: &Path, numbers: &mut Numbers) {
            if self.keys.reload().is_err() {
                return;
            }
            let len = fs::metadata(path).unwrap().len();
            let rest = fs::read(path).unwrap();
            let cut = usize::try_from(numbers.below(len)).unwrap();
            // At the end of a line it is a file with fewer keys, and nothing is wrong with it.
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
    fn in_a_thousand_interleavings_the_ring_is_never_empty_and_never_torn() {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let first = content(0, &mut numbers);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        fs::write(&path, &first).unwrap();
        let keys = keys_of(&path);
        let subject = Subject { folder, keys, whole: Mutex::new(vec![ring(&first)]), is_over: AtomicBool::new(false) };

        thread::scope(|scope| {
            let watcher = scope.spawn(|| subject.watch());
            // Its reads fall between any two steps of the changes, and so do those that a guard does by itself.
            let reader = scope.spawn(|| {
                let mut reads = 0;
                while !subject.is_over.load(Ordering::Relaxed) {
                    reads += u64::from(subject.keys.reload().is_ok());
                    subject.keys.refresh(Duration::from_micros(50));
                    // Not at once: the lock would never be free.
                    thread::sleep(Duration::from_micros(100));
                }
                reads
            });
            let changes = scope.spawn(|| {
                for generation in 1..=1000 {
                    subject.disturb(generation, &mut numbers);
                }
            });
            while !changes.is_finished() && !watcher.is_finished() && !reader.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            subject.is_over.store(true, Ordering::Relaxed);
            changes.join().unwrap();
            assert!(watcher.join().unwrap() > 100 && reader.join().unwrap() > 100);
        });

        subject.rename_into_place(&first);
        subject.keys.reload().unwrap();
        assert!(subject.keys.in_force().ring().is_same(&ring(&first)));
    }

    #[test]
    fn what_is_put_in_force_by_hand_stays_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        let [first, second, by_hand] = [1, 2, 3].map(|generation| content(generation, &mut Numbers(1)));
        fs::write(&path, &first).unwrap();
        let keys = keys_of(&path);
        keys.replace(ring(&by_hand));
        keys.refresh(SETTLED);
        assert!(keys.in_force().ring().is_same(&ring(&by_hand)));
        keys.reload().unwrap();
        assert!(keys.in_force().ring().is_same(&ring(&first)));
        keys.replace(ring(&by_hand));
        fs::write(&path, &second).unwrap();
        keys.refresh(SETTLED);
        assert!(keys.in_force().ring().is_same(&ring(&second)));
    }

    #[test]
    fn a_file_that_is_still_being_written_does_not_count_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics_key");
        let [first, second] = [1, 2].map(|generation| content(generation, &mut Numbers(1)));
        fs::write(&path, &first).unwrap();
        let keys = keys_of(&path);
        // Two halves, of which each could be taken for keys, and then all of it.
        let lines: Vec<_> = second.lines().collect();
        fs::write(&path, lines[0]).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| keys.refresh(Duration::from_millis(600)));
            thread::sleep(Duration::from_millis(300));
            fs::write(&path, lines[1]).unwrap();
        });
        assert!(keys.in_force().ring().is_same(&ring(&first)));
        fs::write(&path, &second).unwrap();
        keys.refresh(SETTLED);
        assert!(keys.in_force().ring().is_same(&ring(&second)));
    }
}
