//! Reads a key file into a key ring.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use zeroize::Zeroizing;

#[cfg(unix)]
use crate::keys::permissions;
use crate::{
    error::{ConfigError, Origin, Problem},
    keys::key::Key,
    keys::reserve::{self, Reserve},
    keys::ring::KeyRing,
    limits::{MAX_KEYS, MAX_LEN},
    problem,
    shown::ShownPath,
    warning,
};

/// The content of a key file.
pub(crate) struct Content {
    pub(crate) ring: KeyRing,
    /// The time of the last modification, if the file system has one.
    pub(crate) modified: Option<SystemTime>,
}

/// The maximum length of a key file: four keys of 256 bytes, with room for line ends and blank lines.
const MAX_FILE_LEN: usize = 2 * MAX_KEYS * MAX_LEN;

/// Reads the file that is at `path` now: one to four keys, one per line, and blank lines.
pub(crate) fn read(path: &ShownPath, reserve: &mut Reserve) -> Result<Content, ConfigError> {
    let origin = Origin::from(path.to_string());
    let (text, metadata) =
        with_retries(|| read_unless_changing(path.path(), reserve)).map_err(|problem| problem.at(origin.clone()))?;

    let mut keys = Vec::with_capacity(MAX_KEYS);
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.trim_ascii().is_empty() {
            keys.push(Key::found_at(format!("{path}, line {}", index + 1), line)?);
        }
    }
    if keys.is_empty() {
        return Err(problem::no_keys().at(origin));
    }
    let mut ring = KeyRing::found_at(&origin, keys)?;
    if is_one_value(&text) {
        ring.warnings.push(warning::split_key(path));
    }
    #[cfg(unix)]
    {
        if permissions::is_readable_by_all(&metadata) {
            ring.warnings.push(warning::readable_by_all(path));
        }
        if let Some(writable) = permissions::writable_by_others(path.path(), &metadata, reserve) {
            ring.warnings.push(warning::writable_by_others(path.with_path(writable)));
        }
    }
    Ok(Content { ring, modified: metadata.modified().ok() })
}

/// The text of a file, and its metadata.
type Whole = (Zeroizing<Vec<u8>>, fs::Metadata);

/// Calls `read` up to ten times, until the file is stable and no other process holds a lease on it. A file server ends its
/// lease soon after the first attempt to open the file, because the system notifies it of the attempt.
fn with_retries<T>(mut read: impl FnMut() -> Result<Option<T>, Problem>) -> Result<T, Problem> {
    let mut problem = problem::changing();
    for _ in 0..MAX_READINGS {
        match read() {
            Ok(Some(whole)) => return Ok(whole),
            Ok(None) => problem = problem::changing(),
            Err(other) if other.cause() == Some(io::ErrorKind::Interrupted) => problem = problem::changing(),
            Err(leased) if leased.cause() == Some(io::ErrorKind::WouldBlock) => {
                problem = leased;
                thread::sleep(LEASE_WAIT);
            }
            Err(other) => return Err(other),
        }
    }
    Err(problem)
}

const MAX_READINGS: usize = 10;
const LEASE_WAIT: Duration = Duration::from_millis(20);

/// Reads the file once. Returns `None` if the file grew meanwhile, or if the first call returned only a part of it.
fn read_unless_changing(path: &Path, reserve: &mut Reserve) -> Result<Option<Whole>, Problem> {
    let file = reserve.with(|| open(path)).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // Reading a pipe or a device could block.
    if !metadata.is_file() {
        return Err(problem::not_a_file());
    }
    match read_in_one_call(file).map_err(unreadable)? {
        Some(text) if text.len() > MAX_FILE_LEN => Err(problem::file_too_large()),
        text => Ok(text.map(|text| (text, metadata))),
    }
}

fn unreadable(error: io::Error) -> Problem {
    let problem = match error.kind() {
        _ if reserve::is_exhausted(&error) => problem::too_many_open_files(),
        io::ErrorKind::NotFound => problem::no_such_file(),
        io::ErrorKind::WouldBlock => problem::leased(),
        io::ErrorKind::PermissionDenied => problem::forbidden(),
        kind => problem::unreadable(kind),
    };
    problem.caused_by(error)
}

/// Opens `path`. If it is a pipe, this does not wait for a writer.
fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.read(true).open(path)
}

/// Returns what one call reads of `file`. Returns `None` if there is more, because several calls could join the
/// beginning of the old content with the end of the new one.
fn read_in_one_call(mut file: impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut text = Zeroizing::new(vec![0; MAX_FILE_LEN + 1]);
    let len = file.read(&mut text)?;
    text.truncate(len);
    let is_all = len > MAX_FILE_LEN || file.read(&mut [0])? == 0;
    Ok(is_all.then_some(text))
}

/// Returns whether the lines look like one base64 value that was broken into lines, as `openssl rand -base64 64` prints it:
/// full lines of the same length, and a last line that is shorter or ends in `=`. Hexadecimal keys do not look like that.
fn is_one_value(text: &[u8]) -> bool {
    const MIN_WIDTH: usize = 60; // OpenSSL has 64, and base64 has 76
    let lines: Vec<_> = text.trim_ascii().split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    let [full @ .., last] = &lines[..] else { return false };
    let is_full = |line: &&[u8]| line.len() == full[0].len() && line.iter().all(|&byte| is_digit(byte));
    let digits = last.strip_suffix(b"==").or_else(|| last.strip_suffix(b"=")).unwrap_or(last);
    let has = |is_it: fn(&u8) -> bool| full.iter().copied().flatten().any(is_it);
    let is_it = !full.is_empty()
        && full[0].len() >= MIN_WIDTH
        && full.iter().all(is_full)
        && (last.len() < full[0].len() || last.len() == full[0].len() && digits.len() < last.len())
        && (full[0].len() * full.len() + last.len()) % 4 == 0
        && digits.iter().all(|&byte| is_digit(byte));
    // Lines of letters and digits alone are more likely two keys.
    is_it && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && text.iter().any(|byte| b"+/=".contains(byte))
}

/// Returns whether `byte` is a digit of base64.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};

    use super::{MAX_FILE_LEN, MAX_READINGS, is_one_value, read_in_one_call, unreadable, with_retries};
    use crate::{error::Problem, problem};

    #[test]
    fn recognises_one_base64_value_that_was_broken_into_lines() {
        let first = "Qn6m1i5c1o0P0kcV8wN3yqv2Fh9sVJbX+Tt4aLxR7uGdKeYzZpWm/BCrEHfS2jUk";
        assert!(is_one_value(format!("{first}\n3gQ7sJp8Zb1xVn5tKfYwRw==\n").as_bytes()));
        assert!(is_one_value(format!("{first}\r\n3gQ7sJp8Zb1xVn5tKfYwRw==\r\n").as_bytes()));
        assert!(is_one_value(format!("{first}\n{first}\n3gQ7sJp8Zb1xVn5tKfYwRw==\n").as_bytes()));
        assert!(is_one_value(
            format!("{first}3gQ7sJp8Zb1x\nVn5tKfYwRwVn5tKfYwRwVn5tKfYwRwVn5tKfYwRwVn5t\n").as_bytes()
        ));

        let last = format!("{}==", &first[..62]);
        assert!(is_one_value(format!("{first}\n{last}\n").as_bytes()));
        // Lines of any width can be broken from one value, whose whole length is a multiple of four.
        let long = first.repeat(3);
        assert!(is_one_value(format!("{}\n{}=\n", &long[..61], &long[61..83]).as_bytes()));
        assert!(is_one_value(format!("{}\n{}\n{}==\n", &long[..62], &long[62..124], &long[124..146]).as_bytes()));

        let hex = "5f0c1d9e7b3a4268a1c8e6d2074fb9350e8a6c4f2d1b3957ec0f8a7d6b5c4e3f";
        for keys in [
            hex.to_owned(),
            first.to_owned(),
            format!("{hex}\n{hex}\n"),
            format!("{hex}\n{}\n", &hex[..32]),
            format!("{first}\n{first}\n"),
            format!("{first}\n{hex}\n"),
            format!("{hex}\n3gQ7sJp8Zb1xVn5tKfYwRw==\n"),
            format!("{first}\n\n3gQ7sJp8Zb1xVn5tKfYwRw==\n"),
            format!("{}\n3gQ7sJp8Zb1xVn5tKfYwRw==\n", first.replace('+', "-")),
            format!("{}\n{}\n", &first.replace(['+', '/'], "x"), &first[..32]),
            format!("{}=\n{}=\n", &first[..43], &first[20..63]),
        ] {
            assert!(!is_one_value(keys.as_bytes()), "{keys}");
        }
    }

    #[test]
    fn never_joins_two_reads_of_a_key_file() {
        let read = |file: &mut dyn Read| read_in_one_call(file).unwrap().map(|text| text.to_vec());
        assert_eq!(read(&mut &b"whole"[..]), Some(b"whole".to_vec()));
        assert_eq!(read(&mut b"the old".chain(&b" and the end of the new"[..])), None);
        assert_eq!(read(&mut (&[b'k'; MAX_FILE_LEN][..]).chain(&b"k"[..])), None);
        assert_eq!(read(&mut &b""[..]), Some(Vec::new()));
        assert_eq!(read(&mut std::io::repeat(b'k')).map(|text| text.len()), Some(MAX_FILE_LEN + 1));
    }

    #[cfg(unix)]
    #[test]
    fn tells_open_files_and_leases_from_other_reasons() {
        let text = |number| unreadable(std::io::Error::from_raw_os_error(number)).text;
        assert_eq!(text(libc::EMFILE), problem::too_many_open_files().text);
        assert_eq!(text(libc::ENFILE), problem::too_many_open_files().text);
        assert_eq!(text(libc::EAGAIN), problem::leased().text);
        assert_eq!(text(libc::EACCES), problem::forbidden().text);
        assert_eq!(text(libc::ENOENT), problem::no_such_file().text);
    }

    #[test]
    fn retries_while_another_process_has_a_lease_on_the_key_file() {
        let leased = unreadable(ErrorKind::WouldBlock.into());
        let read = |first: usize, problem: &Problem| {
            let mut before = 0..first;
            with_retries(|| before.next().map_or(Ok(Some("keys")), |_| Err(problem.clone())))
                .map_err(|problem| problem.text)
        };
        assert_eq!(read(MAX_READINGS - 1, &leased), Ok("keys"));
        assert_eq!(read(MAX_READINGS, &leased), Err(leased.text));
        assert_eq!(read(MAX_READINGS - 1, &unreadable(ErrorKind::Interrupted.into())), Ok("keys"));
        assert_eq!(read(1, &problem::not_a_file()), Err(problem::not_a_file().text));
        assert_eq!(read(1, &unreadable(ErrorKind::PermissionDenied.into())), Err(problem::forbidden().text));
        assert_eq!(with_retries(|| Ok(None::<()>)).unwrap_err().text, problem::changing().text);
    }
}
