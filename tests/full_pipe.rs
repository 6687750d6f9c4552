//! A pipe that nobody reads, as the standard error of a process under test.

use std::io;

/// Writes to a pipe until it takes no more, and leaves it as one that blocks or does not.
#[cfg(unix)]
pub(crate) fn fill(mut pipe: &io::PipeWriter, blocks: bool) -> io::Result<()> {
    use std::io::Write;

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(pipe)?;
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?;
    for size in [4096, 1] {
        loop {
            match pipe.write(&[0; 4096][..size]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    if blocks {
        fcntl_setfl(pipe, flags)?;
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn fill(_: &io::PipeWriter, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
