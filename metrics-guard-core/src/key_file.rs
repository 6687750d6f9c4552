//! A key file: its bytes -> a key ring.
//!
//! ```
//! use std::fs;
//! use http::Request;
//! use metrics_guard_core::{Guard, Problem};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("metrics_key");
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
    key::{Key, KeyRing, MAX_KEYS, MAX_LEN},
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
pub(crate) fn read(path: &Path) -> Result<Content, ConfigError> {
    let place = Place::File(path.to_owned());
    let (text, metadata) = read_whole(path).map_err(|problem| ConfigError::new(place.clone(), problem))?;

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

/// Reads until it has read the same twice: of a file that is written to meanwhile, one reading can give the beginning of
/// what was there and the end of what came.
fn read_whole(path: &Path) -> Result<(Zeroizing<Vec<u8>>, fs::Metadata), Problem> {
    let mut last = read_bounded(path)?.0;
    for _ in 0..MAX_READINGS {
        let (text, metadata) = read_bounded(path)?;
        if text == last {
            return Ok((text, metadata));
        }
        last = text;
    }
    Err(Problem::Changing)
}

const MAX_READINGS: usize = 10;

/// A regular file alone is read, since a pipe or a device could keep us waiting.
fn read_bounded(path: &Path) -> Result<(Zeroizing<Vec<u8>>, fs::Metadata), Problem> {
    let unreadable = |error: io::Error| Problem::Unreadable(error.kind());
    // Looked at before it is opened, for opening a pipe waits too; and again when nobody can change it any more.
    let is_file = |metadata: fs::Metadata| if metadata.is_file() { Ok(metadata) } else { Err(Problem::NotAFile) };
    is_file(fs::metadata(path).map_err(unreadable)?)?;
    let file = File::open(path).map_err(unreadable)?;
    let metadata = is_file(file.metadata().map_err(unreadable)?)?;

    // Room for more than is kept, so that the buffer does not move and leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * MAX_FILE_LEN));
    file.take(MAX_FILE_LEN as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() > MAX_FILE_LEN {
        return Err(Problem::FileTooLarge);
    }
    Ok((text, metadata))
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
