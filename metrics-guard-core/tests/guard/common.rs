//! Code that the tests share.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use http::{HeaderName, Request};
use metrics_guard_core::{ConfigError, Guard, GuardBuilder, Key, Peer, Reason, Warning, adapter::Settings};

pub(crate) const KEY: &str = "9c2f1e7ab5d84036f1c0a7e3b6925d48";
pub(crate) const OTHER: &str = "1f83b6d05ae94c27801d7e6a3c5f9b42";
pub(crate) const NAME: &str = "prometheus.example";

/// The time limit of a wait; no correct run takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn builder(text: &str) -> GuardBuilder {
    Guard::builder(key(text))
}

/// Builds the guard of an environment with these variables, each without `METRICS_VERIFICATION_`.
pub(crate) fn from(variables: &[(&str, &str)]) -> Result<Guard, ConfigError> {
    let mut settings = Settings::default();
    for (name, value) in variables {
        settings.set(&name.to_lowercase(), format!("METRICS_VERIFICATION_{name}"), value).unwrap();
    }
    settings.builder().map(GuardBuilder::build)
}

/// Returns the rows of `NAME=value => expected` in `table`. Keys replace `{KEY}` and `{OTHER}` in the value.
pub(crate) fn rows(table: &str) -> impl Iterator<Item = (&str, String, &str)> {
    table.trim().lines().map(|row| {
        let (setting, expected) = row.trim_start().split_once(" => ").unwrap();
        let (name, value) = setting.split_once('=').unwrap();
        (name, value.replace("{KEY}", KEY).replace("{OTHER}", OTHER), expected)
    })
}

/// Fails unless the text of `error` contains `part`, and no part of a key.
#[track_caller]
pub(crate) fn assert_says(error: &ConfigError, part: &str) {
    let text = format!("{error} {error:?}");
    let has_key = [KEY, OTHER].iter().any(|key| text.contains(&key[..10]) || text.contains(&key[22..]));
    assert!(text.contains(part) && !has_key, "not {part:?}: {text}");
}

pub(crate) fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

pub(crate) fn peer(address: &str) -> Peer {
    Peer::new(format!("{address}:40000").parse().unwrap())
}

pub(crate) fn request(key: Option<&str>, peer: impl Into<Option<Peer>>) -> Request<()> {
    let mut request = Request::new(());
    request.headers_mut().extend(key.map(|key| (HeaderName::from_static("x-metrics-key"), key.parse().unwrap())));
    peer.into().map(|peer| request.extensions_mut().insert(peer));
    request
}

/// Returns the label of the key with which the guard allows the request, or the reason of its rejection.
pub(crate) fn ask(
    guard: &Guard,
    key: Option<&str>,
    peer: impl Into<Option<Peer>>,
) -> Result<Option<&'static str>, Reason> {
    let outcome = guard.check(&request(key, peer));
    outcome.map(|authorized| authorized.key()).map_err(|denied| denied.reason())
}

/// Returns the label of each key that the guard accepts.
pub(crate) fn labels<const N: usize>(guard: &Guard, keys: [&str; N]) -> [Option<&'static str>; N] {
    keys.map(|key| ask(guard, Some(key), None).ok().flatten())
}

/// Writes a file that only this user can read. Otherwise the guard would warn.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).unwrap();
    #[cfg(unix)]
    set_mode(path, 0o600);
}

#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

pub(crate) fn file(content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics_key");
    write(&path, content);
    (folder, path)
}

/// Receives the warnings of a hook. It is disconnected once the guard is gone and has reported its last warning.
pub(crate) struct Told(Receiver<String>);

impl Told {
    /// Returns what was reported so far.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.try_iter().collect()
    }

    /// Waits for the next warning.
    pub(crate) fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits until the guard is gone, and returns the warnings that were not taken yet.
    pub(crate) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(warning) => rest.push(warning),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("the telemetry thread does not end after {rest:?}"),
            }
        }
    }
}

pub(crate) fn hook() -> (impl Fn(&Warning) + Send + Sync + 'static, Told) {
    let (sender, receiver) = mpsc::channel();
    (move |warning: &Warning| drop(sender.send(warning.to_string())), Told(receiver))
}

/// Returns a hook that waits until the sender is dropped, and the sender.
pub(crate) fn blocked() -> (impl Fn(&Warning) + Send + Sync + 'static, Sender<()>) {
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let wait = move |_: &Warning| {
        let _ = released.lock().unwrap().recv_timeout(PATIENCE);
    };
    (wait, release)
}
