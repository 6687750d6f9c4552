//! Lines for an output that clients can make grow, and that may be a pipe which nobody reads: a module of each example, by
//! a link. A thread of its own writes them, because a full pipe blocks the writer, and must not stop the server.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How many lines wait at most, and how many bytes of each are written.
const WAITING: usize = 256;
const BYTES: usize = 4096;

/// A queue of lines. A line that does not fit in is left out, and the next one gives the number of those.
pub(crate) struct Lines {
    queue: SyncSender<Vec<u8>>,
    left_out: Arc<AtomicUsize>,
}

impl Lines {
    pub(crate) fn to(output: impl Write + Send + 'static) -> Lines {
        let (queue, lines) = sync_channel(WAITING);
        let left_out = Arc::default();
        let counted = Arc::clone(&left_out);
        // Without a thread, all lines are left out.
        let _ = thread::Builder::new().name("output".to_owned()).spawn(move || write(output, lines, &counted));
        Lines { queue, left_out }
    }

    /// Takes a line, unless there is no room in `limit`. It never waits.
    pub(crate) fn push(&self, limit: Option<&Limit>, line: &str) {
        let has_room = limit.is_none_or(Limit::has_room);
        let line = &line.as_bytes()[..line.len().min(BYTES)];
        if !has_room || self.queue.try_send(line.to_owned()).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// For a subscriber of `tracing`, which writes whole lines.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(None, String::from_utf8_lossy(line).trim_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut output: impl Write, lines: Receiver<Vec<u8>>, left_out: &AtomicUsize) {
    for mut line in lines {
        match left_out.swap(0, Ordering::Relaxed) {
            0 => line.push(b'\n'),
            number => line.extend(format!(" ({number} lines left out)\n").bytes()),
        }
        let _ = output.write_all(&line).and_then(|()| output.flush()); // `println!` panics if nobody reads
    }
}

/// How many lines of a kind there may be a minute, because clients can cause any number of them.
pub(crate) struct Limit {
    lines: u32,
    minute: Mutex<Option<(Instant, u32)>>,
}

impl Limit {
    pub(crate) const fn a_minute(lines: u32) -> Limit {
        Limit { lines, minute: Mutex::new(None) }
    }

    fn has_room(&self) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let (begin, printed) = match *minute {
            Some((begin, printed)) if begin.elapsed() < Duration::from_secs(60) => (begin, printed),
            _ => (Instant::now(), 0),
        };
        *minute = Some((begin, printed.saturating_add(1)));
        printed < self.lines
    }
}
