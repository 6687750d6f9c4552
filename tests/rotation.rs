//! Nothing delays a new key: not a hook, a subscriber, a recorder or an observer that blocks or panics, not a standard error
//! without a reader, and not clients that take every file descriptor. Each case is a process of its own, because subscriber
//! and recorder are global.
//!
//! `cargo test -p metrics-guard-tests --test rotation`

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    env, fs,
    io::{self, BufRead, BufReader, Read},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{self, Command, Stdio},
    sync::{
        RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use Fault::{Blocks, Full, FullAndNonBlocking, Panics};
use Listener::{Hook, Log, Observer, Recorder, StandardError, Subscriber};
use http::Request;
use metrics::{Counter, Gauge, Histogram, Key as Series, KeyName, Metadata, NoopRecorder, SharedString, Unit};
use metrics_guard_core::{Guard, GuardBuilder};
use metrics_guard_tests::{numbered_key, wait::until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{Event, span, subscriber::NoSubscriber};

mod full_pipe;

/// The variable with the number of the case, in the process that runs it.
const CASE: &str = "ROTATION_CASE";

/// The longest time that a new key may take.
const LIMIT: Duration = Duration::from_secs(4);

/// No correct run takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

const ROTATIONS: u32 = 5;

/// The warnings of a case: the same key twice at start and after each rotation, and once an unusable file.
const WARNINGS: usize = ROTATIONS as usize + 2;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Listener {
    Hook,
    Observer,
    Subscriber,
    Recorder,
    /// `tracing_subscriber`'s own, on the standard error.
    Log,
    /// Nothing listens, so that warnings go to the standard error.
    StandardError,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Blocks,
    Panics,
    /// The standard error is a pipe that is full until the rotations are over.
    Full,
    /// The same, where a write fails instead of blocking.
    FullAndNonBlocking,
}

const CASES: [(Listener, Fault); 9] = [
    (Hook, Blocks),
    (Observer, Blocks),
    (Subscriber, Blocks),
    (Subscriber, Panics),
    (Recorder, Blocks),
    (Recorder, Panics),
    (StandardError, Full),
    (StandardError, FullAndNonBlocking),
    (Log, Full),
];

#[test]
fn no_faulty_listener_and_no_full_standard_error_delays_a_new_key() {
    thread::scope(|scope| {
        for number in 0..CASES.len() {
            scope.spawn(move || watch(number));
        }
    });
}

#[test]
fn a_service_that_ends_right_after_build_has_logged_its_warnings() {
    let text = printed_by(&mut child("builds_and_ends"));
    assert_eq!(text.matches("EVERYONE can read the metrics").count(), 1, "{text}");
}

#[test]
fn clients_that_take_every_file_descriptor_delay_no_new_key() {
    let text = printed_by(&mut child("has_no_descriptors"));
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn build_reports_its_warnings_if_the_system_starts_no_thread() {
    // A stack that no address space has room for.
    let text = printed_by(child("builds_with_a_key_file").env("RUST_MIN_STACK", (1_u64 << 46).to_string()));
    let has_all = text.contains("the same key as an earlier one") && text.contains("cannot follow the key file");
    assert!(has_all, "{text}");
}

// The process that starts the others.

fn child(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("RUST_BACKTRACE", "0");
    command
}

fn printed_by(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

fn watch(number: usize) {
    let (listener, fault) = CASES[number];
    let (pipe, writer) = io::pipe().unwrap();
    if matches!(fault, Full | FullAndNonBlocking) {
        full_pipe::fill(&writer, fault == Full).unwrap();
    }
    let mut command = child("runs_a_case");
    command.env(CASE, number.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command); // with the writing end of the pipe
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let is_rotated = stdout.any(|line| {
        println!("{listener:?} {fault:?}: {line}");
        line == "rotated"
    });
    assert!(is_rotated, "{listener:?} {fault:?}");

    let is_warning = |line: &String| {
        ["the same key as an earlier one", "the key file is unusable", "were dropped"]
            .iter()
            .any(|part| line.contains(part))
    };
    let mut warnings = BufReader::new(pipe).lines().map_while(Result::ok).filter(is_warning);
    let is_log = matches!(listener, Log | StandardError);
    if is_log {
        let warnings: Vec<_> = warnings.by_ref().take(WARNINGS).collect();
        let count = |text| warnings.iter().filter(|warning| warning.contains(text)).count();
        let counts = (count("the same key"), count("unusable"));
        assert_eq!(counts, (WARNINGS - 1, 1), "{listener:?} {fault:?}: {warnings:#?}");
    }
    drop(child.stdin.take());
    let others = warnings.count();
    assert!(child.wait().unwrap().success(), "{listener:?} {fault:?}: {:#?}", stdout.collect::<Vec<_>>());
    assert!(!is_log || others == 0, "{listener:?} {fault:?}: {others} warnings more");
}

// The process that runs a case.

/// Locked for writing until the rotations are over.
static GATE: RwLock<()> = RwLock::new(());
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// The warnings, or a recorder's reports of the key file, on the guard's own thread.
static REPORTS: AtomicUsize = AtomicUsize::new(0);

fn case() -> (Listener, Fault) {
    CASES[env::var(CASE).unwrap().parse::<usize>().unwrap()]
}

/// What each listener does at each call.
#[allow(clippy::panic)] // as user code does
fn misbehave() {
    CALLS.fetch_add(1, Relaxed);
    match case().1 {
        Blocks => drop(GATE.read()),
        Panics => panic!("a listener panics"),
        Full | FullAndNonBlocking => {}
    }
}

struct Faulty;

impl tracing::Subscriber for Faulty {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "metrics_guard"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let is_warning = *event.metadata().level() == tracing::Level::WARN;
        REPORTS.fetch_add(usize::from(is_warning && thread::current().name() == Some("guard-telemetry")), Relaxed);
        misbehave();
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl metrics::Recorder for Faulty {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        misbehave();
    }
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        misbehave();
    }
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Series, _: &Metadata<'_>) -> Counter {
        misbehave();
        Counter::noop()
    }
    fn register_gauge(&self, series: &Series, _: &Metadata<'_>) -> Gauge {
        REPORTS.fetch_add(usize::from(series.name() == "metrics_guard_key_file_stale"), Relaxed);
        misbehave();
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Series, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
#[ignore = "started by another test"]
fn runs_a_case() {
    // Were it to wait for ever, the other process should not.
    thread::spawn(|| {
        thread::sleep(PATIENCE * 2);
        process::exit(1);
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accepted_keys");
    rename_into_place(&path, 0);
    let mut builder = Guard::builder_from_key_file(&path).unwrap();
    let gate = GATE.write().unwrap();
    let listener = case().0;
    match listener {
        Hook => {
            builder = builder.on_warning(|_| {
                REPORTS.fetch_add(1, Relaxed);
                misbehave();
            });
        }
        Observer => {
            builder = builder.observe(|check| {
                if check.outcome() == "missing" {
                    misbehave();
                }
            });
        }
        Subscriber => tracing::subscriber::set_global_default(Faulty).unwrap(),
        Log => tracing_subscriber::fmt().with_writer(io::stderr).init(),
        Recorder => metrics::set_global_recorder(Faulty).unwrap(),
        StandardError => {}
    }
    let start = Instant::now();
    let guard = builder.build();
    println!("\nbuild took {:?}", start.elapsed());
    assert!(start.elapsed() < LIMIT, "build waits for a listener");
    for _ in 0..if listener == Observer { 3 } else { 0 } {
        // Without a key: the observer holds them.
        let guard = guard.clone();
        thread::spawn(move || quietly(|| guard.check(&Request::new(())).is_err()));
    }

    fs::write(&path, "").unwrap();
    wait(|| guard.key_file().unwrap().problem().is_some());
    for number in 1..=ROTATIONS {
        rename_into_place(&path, number);
        assert_rotated(&guard, number);
    }
    println!("rotated");

    let before = REPORTS.load(Relaxed);
    drop(gate);
    assert!(
        wait(|| match listener {
            Hook | Subscriber => REPORTS.load(Relaxed) == WARNINGS,
            Recorder => REPORTS.load(Relaxed) >= before + 2,
            Observer => CALLS.load(Relaxed) == 3,
            Log | StandardError => true,
        }),
        "not all is reported"
    );
    let _ = io::stdin().read(&mut [0]); // until the parent has seen it
}

#[test]
#[ignore = "started by another test"]
fn builds_and_ends() {
    drop(GuardBuilder::disabled().build());
    process::exit(0); // at once, and not when the other threads are done
}

#[test]
#[ignore = "started by another test"]
fn builds_with_a_key_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), 0);
    drop(Guard::builder_from_key_file(&file).unwrap().build());
}

/// Rotates while a thread takes each descriptor that is free, as a server does that clients hold connections to.
#[test]
#[ignore = "started by another test"]
fn has_no_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accepted_keys");
    rename_into_place(&path, 0);
    let guard = Guard::builder_from_key_file(&path).unwrap().build();
    let next = |number: u32| path.with_extension(number.to_string());
    for number in 1..=ROTATIONS {
        write(&next(number), number); // now, because it takes a descriptor
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut connections = Vec::new();
        loop {
            match TcpStream::connect(address) {
                Ok(connection) => connections.push(connection),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    });
    wait(|| listener.try_clone().is_err());
    for number in 1..=ROTATIONS {
        fs::rename(next(number), &path).unwrap();
        assert_rotated(&guard, number);
        assert!(listener.try_clone().is_err(), "there are descriptors");
    }
}

fn wait(condition: impl Fn() -> bool) -> bool {
    until(PATIENCE, || Ok::<_, Infallible>(condition())).unwrap()
}

/// Fails unless the guard soon accepts the key with this number, and no longer the one before.
fn assert_rotated(guard: &Guard, number: u32) {
    let start = Instant::now();
    wait(|| accepts(guard, number));
    println!("rotation {number} took {:?}", start.elapsed());
    assert!(start.elapsed() < LIMIT && !accepts(guard, number - 1), "{:?}", guard.key_file());
}

fn accepts(guard: &Guard, number: u32) -> bool {
    let request = Request::get("/metrics").header("X-Metrics-Key", numbered_key(number)).body(()).unwrap();
    let is_accepted = || guard.check(&request).is_ok();
    // A listener that panics changes no outcome. One that blocks would hold this thread.
    if env::var(CASE).is_ok() && case().1 == Panics { is_accepted() } else { quietly(is_accepted) }
}

/// Calls `check` with neither recorder nor subscriber on this thread.
fn quietly<T>(check: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(NoSubscriber::new(), || metrics::with_local_recorder(&NoopRecorder, check))
}

fn rename_into_place(path: &Path, number: u32) {
    write(&path.with_extension("new"), number);
    fs::rename(path.with_extension("new"), path).unwrap();
}

/// The same key twice, for this user alone: the one thing to warn of is that.
fn write(path: &Path, number: u32) {
    let key = numbered_key(number);
    fs::write(path, format!("{key}\n{key}\n")).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}
