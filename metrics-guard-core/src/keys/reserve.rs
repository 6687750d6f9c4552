//! Reserves file descriptors for the key file. Connections of clients can use all other descriptors of the process, and must
//! not delay a new key.

use std::{fs::File, io};

/// The number of reserved descriptors. Another thread of the process can take one between its release and its use.
const RESERVED: usize = 4;

/// Open descriptors that no other part of the process can use.
#[derive(Debug, Default)]
pub(crate) struct Reserve(Vec<File>);

impl Reserve {
    /// Calls `open`. Each time that no descriptor is free, releases a reserved one and calls `open` again.
    pub(crate) fn with<T>(&mut self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            match open() {
                Err(error) if is_exhausted(&error) && self.0.pop().is_some() => {}
                result => return result,
            }
        }
    }

    /// Opens the descriptors that the reserve lacks, if any are free.
    pub(crate) fn fill(&mut self) {
        let missing = RESERVED - self.0.len();
        self.0.extend((0..missing).map_while(|_| spare().ok()));
    }
}

/// Opens a descriptor for the reserve. A `chroot` can lack the file, and a sandbox can forbid sockets. If both fail, nothing
/// is reserved, and a new key waits for a free descriptor.
fn spare() -> io::Result<File> {
    let file = File::open("/dev/null");
    #[cfg(unix)]
    let file = file.or_else(|_| socket());
    file
}

/// Opens a descriptor that needs no file. It belongs to the effective user of the process.
#[cfg(unix)]
pub(crate) fn socket() -> io::Result<File> {
    std::os::unix::net::UnixDatagram::unbound().map(|socket| std::os::fd::OwnedFd::from(socket).into())
}

/// Returns whether the process or the system has reached its limit of open files.
#[cfg(unix)]
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Returns false, because on other systems connections do not use up what opening a file needs.
#[cfg(not(unix))]
pub(crate) fn is_exhausted(_: &io::Error) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::{cell::Cell, io, os::unix::fs::FileTypeExt};

    use super::{RESERVED, Reserve};

    #[test]
    fn reserves_descriptors_without_using_sockets() {
        let mut reserve = Reserve::default();
        reserve.fill();
        reserve.fill();
        let sockets = reserve.0.iter().filter(|kept| kept.metadata().unwrap().file_type().is_socket());
        assert_eq!((reserve.0.len(), sockets.count()), (RESERVED, 0));
    }

    #[test]
    fn gives_a_descriptor_to_each_attempt_that_finds_none() {
        let exhausted = || io::Error::from_raw_os_error(libc::EMFILE);
        let mut reserve = Reserve::default();
        reserve.fill();
        let attempts = Cell::new(0);
        let open_at_third = || if attempts.replace(attempts.get() + 1) < 2 { Err(exhausted()) } else { Ok(()) };
        assert!(reserve.with(open_at_third).is_ok());
        assert!(reserve.with(|| Err::<(), _>(io::ErrorKind::NotFound.into())).is_err());
        assert_eq!(reserve.0.len(), RESERVED - 2);
        assert!(reserve.with(|| Err::<(), _>(exhausted())).is_err());
        assert!(reserve.0.is_empty());
    }
}
