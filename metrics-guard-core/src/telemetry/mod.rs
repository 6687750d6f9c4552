//! Reports a guard's events to its listeners: observers, warning hooks, and the features `metrics` and `tracing`.
//!
//! The code of listeners can block or panic, and neither may delay a new key. The outcome of a check is reported at once, on
//! the thread of its request. All other events go through one bounded queue to one thread, which each guard starts when it
//! has something to report. With one thread for all guards, the blocked hook of one guard would delay the warnings of another.

use std::{
    cell::Cell,
    collections::VecDeque,
    fmt,
    io::{self, Write},
    mem,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    keys::watch::{KeyFileStatus, News},
    warning::{self, Warning},
};

mod event;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod tracing;

pub use event::Check;
pub(crate) use event::Event;

/// The maximum number of waiting events. Later events are counted and dropped.
const MAX_WAITING: usize = 64;

/// The maximum time that building a guard waits until its first warnings are reported.
const MAX_FLUSH_TIME: Duration = Duration::from_secs(1);

/// Receives each event, and returns whether it has reported a warning.
type Listener = Box<dyn Fn(&Event<'_>) -> bool + Send + Sync>;

/// Receives the events of one guard.
#[derive(Default)]
pub(crate) struct Listeners {
    all: Vec<Listener>,
    want_checks: bool,
    want_peer: bool,
}

impl Listeners {
    pub(crate) fn add_observer(&mut self, observer: impl Fn(&Check<'_>) + Send + Sync + 'static) {
        (self.want_checks, self.want_peer) = (true, true);
        self.all.push(Box::new(move |event| {
            if let Event::Checked(check) = event {
                observer(check);
            }
            false
        }));
    }

    pub(crate) fn add_hook(&mut self, hook: impl Fn(&Warning) + Send + Sync + 'static) {
        self.all.push(Box::new(move |event| {
            let Event::Warning(warning) = event else { return false };
            hook(warning);
            true
        }));
    }

    /// Calls every listener, on this thread.
    fn report(&self, event: &Event<'_>) {
        let mut is_reported = false;
        for listener in &self.all {
            is_reported |= contained(|| listener(event)).unwrap_or_default();
        }
        if let (Event::Warning(warning), false) = (event, is_reported) {
            print(format!("warning: metrics-guard: {warning}\n").as_bytes());
        }
    }
}

/// Writes to the standard error, in one call if possible, so that the output of other threads does not come between. Drops the
/// text if the stream is closed, because it has no reader.
fn print(mut text: &[u8]) {
    while !text.is_empty() {
        match io::stderr().write(text) {
            Ok(0) => return,
            Ok(written) => text = &text[written..],
            // Another process can have made the stream non-blocking. The warning must not be lost.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(100)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Calls user code and contains its panic, so that the check or the thread that calls it goes on.
fn contained<T>(call: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(call))
        .map_err(|payload| {
            // A payload can panic when it is dropped, and so can the payload of that panic.
            let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
            dropped.unwrap_or_else(mem::forget);
        })
        .ok()
}

/// The listeners of one guard, with the queue in front of them. When it is dropped, the thread reports the waiting events and
/// ends.
#[derive(Debug, Default)]
pub(crate) struct Telemetry(Arc<Dispatcher>);

impl Telemetry {
    /// Makes the telemetry of the guard with this name, which its series and events carry. The features come before other
    /// listeners.
    #[cfg_attr(not(any(feature = "metrics", feature = "tracing")), allow(unused_variables))]
    pub(crate) fn new(guard: &str, mut listeners: Listeners) -> Telemetry {
        #[cfg(feature = "tracing")]
        listeners.all.insert(0, Box::new(tracing::listener(guard)));
        #[cfg(feature = "metrics")]
        listeners.all.insert(0, Box::new(metrics::listener(guard)));
        listeners.want_peer |= cfg!(feature = "tracing");
        listeners.want_checks |= cfg!(feature = "metrics") || cfg!(feature = "tracing");
        Telemetry(Arc::new(Dispatcher { listeners, queue: Mutex::default(), changed: Condvar::new() }))
    }

    /// Returns whether no listener wants the outcome of a check.
    #[inline]
    pub(crate) fn ignores_checks(&self) -> bool {
        !self.0.listeners.want_checks
    }

    /// Returns whether a listener wants the client of each check.
    pub(crate) fn wants_peer(&self) -> bool {
        self.0.listeners.want_peer
    }

    /// Reports a check at once. Its listeners delay this request and all others on its thread. A check by one of them is
    /// not reported, because each report could cause the next one until the stack overflows.
    pub(crate) fn checked(&self, check: Check<'_>) {
        thread_local!(static IS_REPORTING: Cell<bool> = const { Cell::new(false) });
        if !IS_REPORTING.replace(true) {
            self.0.listeners.report(&Event::Checked(check));
            IS_REPORTING.set(false);
        }
    }

    pub(crate) fn warn(&self, warning: Warning) {
        self.0.push(Event::Warning(warning));
    }

    /// Returns a function that takes the news about the keys and never waits for a listener.
    pub(crate) fn for_news(&self) -> impl Fn(News) + Send + Sync + 'static {
        let dispatcher = Arc::clone(&self.0);
        move |news| dispatcher.push_news(news)
    }

    /// Reports a guard that was just built, and waits up to a second. So a service that ends right afterwards has logged its
    /// warnings, and a service whose log is blocked still starts.
    pub(crate) fn start(&self, is_open: bool, file: Option<KeyFileStatus>, warnings: &[Warning]) {
        self.0.push(Event::Built { is_open });
        for warning in warnings {
            self.warn(warning.clone());
        }
        if let Some(file) = file {
            self.0.push(Event::KeyFileSeen(file));
        }
        self.0.flush();
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.0.queue().is_over = true;
        self.0.changed.notify_all();
    }
}

#[derive(Debug, Default)]
struct Dispatcher {
    listeners: Listeners,
    // Never locked while a listener is called.
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event<'static>>,
    // Only the last look at the key file is kept, so that a blocked recorder does not fill the queue with looks.
    key_file: Option<KeyFileStatus>,
    dropped: u64,
    has_thread: bool,
    is_reporting: bool,
    is_over: bool,
}

impl Queue {
    fn add(&mut self, event: Event<'static>) {
        match event {
            Event::KeyFileSeen(file) => self.key_file = Some(file),
            event if self.events.len() < MAX_WAITING => self.events.push_back(event),
            _ => self.dropped += 1,
        }
    }

    /// Takes the next event. The number of dropped events comes first, so that a queue that is never empty does not hide it.
    fn take(&mut self) -> Option<Event<'static>> {
        if self.dropped > 0 {
            return Some(Event::Warning(warning::dropped(mem::take(&mut self.dropped))));
        }
        self.events.pop_front().or_else(|| self.key_file.take().map(Event::KeyFileSeen))
    }
}

impl Dispatcher {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push_news(self: &Arc<Dispatcher>, News { file, warnings, has_new_keys, is_usable_again }: News) {
        for warning in warnings {
            self.push(Event::Warning(warning));
        }
        let Some(file) = file else { return };
        if is_usable_again {
            self.push(Event::KeyFileUsable(file.clone()));
        }
        if has_new_keys {
            self.push(Event::NewKeys(file.clone()));
        }
        self.push(Event::KeyFileSeen(file));
    }

    /// Adds an event to the queue, or counts it as dropped if the queue is full. Does not wait for a listener.
    fn push(self: &Arc<Dispatcher>, event: Event<'static>) {
        if !event.is_wanted() {
            return;
        }
        let mut queue = self.queue();
        queue.add(event);
        if !queue.has_thread && !queue.is_over {
            let dispatcher = Arc::clone(self);
            let thread = thread::Builder::new().name("guard-telemetry".to_owned());
            // If no thread can start, the event stays in the queue, and the next event tries again.
            queue.has_thread = thread.spawn(move || dispatcher.run()).is_ok();
        }
        self.changed.notify_all();
    }

    fn run(&self) {
        while let Some(event) = self.next() {
            self.listeners.report(&event);
        }
    }

    /// Waits for an event. Returns `None` if no event is left and the guard is gone.
    fn next(&self) -> Option<Event<'static>> {
        let mut queue = self.queue();
        queue.is_reporting = false;
        self.changed.notify_all();
        loop {
            if let Some(event) = queue.take() {
                queue.is_reporting = true;
                return Some(event);
            }
            if queue.is_over {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits up to a second until all events are reported. If no thread could start, this thread reports them.
    fn flush(&self) {
        let queue = self.queue();
        if queue.has_thread {
            let is_busy =
                |queue: &mut Queue| !queue.events.is_empty() || queue.key_file.is_some() || queue.is_reporting;
            drop(self.changed.wait_timeout_while(queue, MAX_FLUSH_TIME, is_busy));
            return;
        }
        drop(queue);
        loop {
            let Some(event) = self.queue().take() else { return };
            self.listeners.report(&event);
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listeners({})", self.all.len())
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::{Event, MAX_WAITING, Queue, warning};
    use crate::Guard;

    #[test]
    fn a_full_queue_counts_dropped_events_and_keeps_the_last_look_at_the_key_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "9c2f1e7ab5d84036f1c0a7e3b6925d48").unwrap();
        let guard = Guard::builder_from_key_file(&file).unwrap().build();
        let mut queue = Queue::default();
        let mut looks = Vec::new();
        for _ in 0..MAX_WAITING + 3 {
            guard.reload().unwrap();
            looks.extend(guard.key_file());
            queue.add(Event::KeyFileSeen(looks[looks.len() - 1].clone()));
            queue.add(Event::Warning(warning::disabled("disabled")));
        }
        let events: Vec<_> = iter::from_fn(|| queue.take()).collect();
        assert!(format!("{:?}", events[0]).contains("3 warnings or key file events were dropped"), "{events:?}");
        let is_kept = |event: &Event<'_>| matches!(event, Event::Warning(warning) if warning.to_string().starts_with("disabled: "));
        assert!(events[1..=MAX_WAITING].iter().all(is_kept), "{events:?}");
        assert!(
            matches!(&events[MAX_WAITING + 1..], [Event::KeyFileSeen(last)] if looks[looks.len() - 1].checked() == last.checked()),
            "{events:?}"
        );
    }
}
