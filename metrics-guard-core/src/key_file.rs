//! A key file: its bytes -> a key ring.
//!
//! ```
//! use std::fs;
//! use http::Request;
//! use metrics_guard_core::{Guard, Problem};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("accepted_keys");
//! # let (old, new) = ("7d1f0c5b9a3e48f2b6a0d4c8e1f75392", "e5b8a17c64d0f2395e8c1b7a0d63f498");
//!
//! fs::write(&path, format!("{new}\n{old}\n"))?;
//! let guard = Guard::builder_from_file(&path)?.build();
//!
//! let scrape = Request::get("/metrics").header("X-Metrics-Key", old).body(())?;
//! assert_eq!(guard.check(&scrape)?.key(), Some("previous"));
//!
//! let stranger = Request::get("/metrics").header("X-Metrics-Key", &old[1..]).body(())?;
//! assert!(guard.check(&stranger).is_err());
//!
//! fs::write(&path, "\n")?;
//! assert_eq!(*Guard::builder_from_file(&path).unwrap_err().problem(), Problem::Blank);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    time::SystemTime,
};

use zeroize::Zeroizing;

use crate::{
    error::{ConfigError, Place, Problem, Warning},
    key::{Key, KeyRing},
    shown::ShownPath,
    slots::{MAX_KEYS, MAX_LEN},
};

/// What was in a key file.
pub(crate) struct Content {
    pub(crate) ring: KeyRing,
    /// When it was last written to, if the file system says.
    pub(crate) modified: Option<SystemTime>,
}

/// Four keys of 256 bytes, with room for line ends and blank lines.
const MAX_FILE_LEN: usize = 2 * MAX_KEYS * MAX_LEN;

/// Reads the file that is at `path` now: one to four keys, one a line, and blank lines.
pub(crate) fn read(path: &ShownPath) -> Result<Content, ConfigError> {
    let place = Place::File(path.to_owned());
    let (text, metadata) = read_whole(path.path()).map_err(|problem| ConfigError::new(place.clone(), problem))?;

    let mut keys = Vec::with_capacity(MAX_KEYS);
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            keys.push(Key::found_at(Place::Line(path.to_owned(), index + 1), line)?);
        }
    }
    if keys.is_empty() {
        return Err(ConfigError::new(place, Problem::Blank));
    }
    let mut ring = KeyRing::found_at(&place, keys)?;
    if is_readable_by_all(&metadata) {
        ring.warn(Warning::ReadableByAll(path.to_owned()));
    }
    Ok(Content { ring, modified: metadata.modified().ok() })
}

/// The text of a file, and what the file system says of it.
type Whole = (Zeroizing<Vec<u8>>, fs::Metadata);

fn read_whole(path: &Path) -> Result<Whole, Problem> {
    for _ in 0..MAX_READINGS {
        if let Some(whole) = read_once(path)? {
            return Ok(whole);
        }
    }
    Err(Problem::Changing)
}

const MAX_READINGS: usize = 10;

/// None if it has grown meanwhile, or the reading was interrupted.
fn read_once(path: &Path) -> Result<Option<Whole>, Problem> {
    let unreadable = |error: io::Error| Problem::Unreadable(error.kind());
    let file = open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // A pipe or a device could keep us waiting.
    if !metadata.is_file() {
        return Err(Problem::NotAFile);
    }
    let text = match by_one_call(file) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
        text => text.map_err(unreadable)?,
    };
    match text {
        Some(text) if text.len() > MAX_FILE_LEN => Err(Problem::FileTooLarge),
        text => Ok(text.map(|text| (text, metadata))),
    }
}

/// Opens what is there, without waiting for the other end if it is a pipe.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.read(true).open(path)
}

/// What one call reads of `file`, none if there is more. Read until there is no more, what was there before could get the end
/// of what came appended to it.
fn by_one_call(mut file: impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut text = Zeroizing::new(vec![0; MAX_FILE_LEN + 1]);
    let len = file.read(&mut text)?;
    text.truncate(len);
    let is_all = len > MAX_FILE_LEN || file.read(&mut [0])? == 0;
    Ok(is_all.then_some(text))
}

#[cfg(unix)]
fn is_readable_by_all(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_readable_by_all(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{MAX_FILE_LEN, by_one_call};

    #[test]
    fn nothing_is_appended_to_what_one_call_has_read() {
        let read = |file: &mut dyn Read| by_one_call(file).unwrap().map(|text| text.to_vec());
        assert_eq!(read(&mut &b"whole"[..]), Some(b"whole".to_vec()));
        assert_eq!(read(&mut b"the old".chain(&b" and the end of the new"[..])), None);
        assert_eq!(read(&mut &b""[..]), Some(Vec::new()));
        assert_eq!(read(&mut std::io::repeat(b'k')).map(|text| text.len()), Some(MAX_FILE_LEN + 1));
    }
}
