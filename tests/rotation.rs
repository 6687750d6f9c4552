//! Tests that a new key is not delayed by hooks, subscribers, recorders or observers that block or panic, by a full
//! standard error without a reader, or by clients that take every file descriptor. Each case has its own process,
//! because the subscriber and the recorder are global.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
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
use metrics_guard_tests::{numbered_key, process::said, wait::until};
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use tracing::{Level, subscriber::NoSubscriber};

/// The variable that selects what a child does.
const CASE: &str = "ROTATION_CASE";

/// The time within which the guard must accept a new key.
const LIMIT: Duration = Duration::from_secs(4);

/// The time limit of a wait; no correct run takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

const ROTATIONS: u32 = 3;

/// The number of warnings in a case: a repeated key at the start and after each rotation, and one unusable file.
const WARNINGS: usize = ROTATIONS as usize + 2;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Listener {
    Hook,
    Observer,
    Subscriber,
    Recorder,
    /// The subscriber of `tracing_subscriber`, which writes to the standard error.
    Log,
    /// No listener, so that warnings go to the standard error.
    StandardError,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Blocks,
    Panics,
    /// The standard error is a pipe that is full until the rotations are over.
    Full,
    /// Like `Full`, but a write fails instead of blocking.
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

fn child(case: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "builds_or_rotates_a_guard_in_a_child_process", "--ignored", "--nocapture"]);
    command.env(CASE, case).env("RUST_BACKTRACE", "0");
    command
}

#[test]
#[ignore = "other tests start it"]
fn builds_or_rotates_a_guard_in_a_child_process() {
    match env::var(CASE).as_deref() {
        Ok("builds and ends") => {
            drop(GuardBuilder::disabled().build());
            process::exit(0); // without waiting for the other threads
        }
        Ok("builds") => {
            let file = tempfile::NamedTempFile::new().unwrap();
            write(file.path(), 0);
            drop(Guard::builder_from_key_file(&file).unwrap().build());
        }
        Ok("has no descriptors") => rotates_without_descriptors(),
        Ok(_) => runs_a_case(),
        Err(_) => {} // a run of all ignored tests
    }
}

fn printed_by(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

#[test]
fn a_service_that_ends_right_after_build_has_logged_its_warnings() {
    let text = printed_by(&mut child("builds and ends"));
    assert_eq!(text.matches("EVERYONE can read what it should protect").count(), 1, "{text}");
}

#[test]
fn build_reports_its_warnings_if_the_system_starts_no_thread() {
    // No address space has room for a stack of this size.
    let text = printed_by(child("builds").env("RUST_MIN_STACK", (1_u64 << 46).to_string()));
    let has_all = text.contains("this key repeats an earlier one")
        && text.contains("cannot start the thread that follows the key file");
    assert!(has_all, "{text}");
}

#[test]
fn clients_that_take_every_file_descriptor_delay_no_new_key() {
    let text = printed_by(&mut child("has no descriptors"));
    assert!(text.contains("1 passed"), "{text}");
}

/// Rotates keys while a thread takes each free descriptor, like the connections of clients.
fn rotates_without_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accepted_keys");
    rename_into_place(&path, 0);
    let guard = Guard::builder_from_key_file(&path).unwrap().build();
    let next = |number: u32| path.with_extension(number.to_string());
    for number in 1..=ROTATIONS {
        write(&next(number), number); // in advance, because writing takes a descriptor
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

#[test]
fn no_faulty_listener_and_no_full_standard_error_delays_a_new_key() {
    thread::scope(|scope| {
        for number in 0..CASES.len() {
            scope.spawn(move || watch(number));
        }
    });
}

/// Fills a pipe, so that further writes block, or fail if `blocks` is false.
fn fill(mut pipe: &io::PipeWriter, blocks: bool) -> io::Result<()> {
    let flags = fcntl_getfl(pipe)?;
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?;
    for size in [4096, 1] {
        while pipe.write(&[0; 4096][..size]).is_ok() {}
    }
    if blocks {
        fcntl_setfl(pipe, flags)?;
    }
    Ok(())
}

/// Starts a case, waits until its keys are rotated, and reads its warnings from the standard error.
fn watch(number: usize) {
    let (listener, fault) = CASES[number];
    let (pipe, writer) = io::pipe().unwrap();
    if matches!(fault, Full | FullAndNonBlocking) {
        fill(&writer, fault == Full).unwrap();
    }
    let mut command = child(&number.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(writer).spawn().unwrap();
    drop(command); // this process's writing end of the pipe
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let is_rotated = stdout.any(|line| {
        println!("{listener:?} {fault:?}: {line}");
        line == "rotated"
    });
    assert!(is_rotated, "{listener:?} {fault:?}");

    let is_warning = |line: &String| {
        let texts = ["this key repeats an earlier one", "The active keys do not change", "were dropped"];
        texts.iter().any(|text| line.contains(text))
    };
    let mut warnings = BufReader::new(pipe).lines().map_while(Result::ok).filter(is_warning);
    let is_log = matches!(listener, Log | StandardError);
    if is_log {
        let warnings: Vec<_> = warnings.by_ref().take(WARNINGS).collect();
        let count = |text| warnings.iter().filter(|warning| warning.contains(text)).count();
        let counts = (count("this key repeats"), count("The active keys"));
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
/// Counts the calls of a faulty observer.
static CALLS: AtomicUsize = AtomicUsize::new(0);
/// Counts the warnings, or a recorder's reports of the key file, on the guard's own thread.
static REPORTS: AtomicUsize = AtomicUsize::new(0);

fn case() -> Option<(Listener, Fault)> {
    CASES.get(env::var(CASE).unwrap().parse::<usize>().ok()?).copied()
}

/// Blocks or panics, if the case says so. Each faulty listener calls it.
#[allow(clippy::panic)] // as user code does
fn misbehave() {
    match case() {
        Some((_, Blocks)) => drop(GATE.read()),
        Some((_, Panics)) => panic!("a listener panics"),
        _ => {}
    }
}

struct Faulty;

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

fn runs_a_case() {
    // Ends a case that hangs, so that the parent does not wait forever.
    thread::spawn(|| {
        thread::sleep(PATIENCE * 2);
        process::exit(1);
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accepted_keys");
    rename_into_place(&path, 0);
    let mut builder = Guard::builder_from_key_file(&path).unwrap();
    let gate = GATE.write().unwrap();
    let (listener, _) = case().unwrap();
    let report = || {
        REPORTS.fetch_add(usize::from(thread::current().name() == Some("guard-telemetry")), Relaxed);
        misbehave();
    };
    match listener {
        Hook => builder = builder.on_warning(move |_| report()),
        Observer => {
            builder = builder.observe(|check| {
                if check.outcome() == "missing" {
                    CALLS.fetch_add(1, Relaxed);
                    misbehave();
                }
            });
        }
        Subscriber => {
            let writer = move || {
                report();
                io::sink()
            };
            tracing_subscriber::fmt().with_max_level(Level::WARN).with_writer(writer).init();
        }
        Log => tracing_subscriber::fmt().with_writer(io::stderr).init(),
        Recorder => metrics::set_global_recorder(Faulty).unwrap(),
        StandardError => {}
    }
    let start = Instant::now();
    let guard = builder.build();
    println!("\nbuild took {:?}", start.elapsed());
    assert!(start.elapsed() < LIMIT, "build waits for a listener");
    for _ in 0..if listener == Observer { 3 } else { 0 } {
        // These requests have no key, so the observer blocks their threads.
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
    let is_reported = || match listener {
        Hook | Subscriber => REPORTS.load(Relaxed) == WARNINGS,
        Recorder => REPORTS.load(Relaxed) >= before + 2,
        Observer => CALLS.load(Relaxed) == 3,
        Log | StandardError => true,
    };
    assert!(wait(is_reported), "not all is reported");
    let _ = io::stdin().read(&mut [0]); // waits until the parent closes the pipe
}

fn wait(condition: impl Fn() -> bool) -> bool {
    until(PATIENCE, || Ok::<_, Infallible>(condition())).unwrap()
}

/// Fails unless the guard soon accepts the key with this number and rejects the previous one.
fn assert_rotated(guard: &Guard, number: u32) {
    let start = Instant::now();
    wait(|| accepts(guard, number));
    println!("rotation {number} took {:?}", start.elapsed());
    assert!(start.elapsed() < LIMIT && !accepts(guard, number - 1), "{:?}", guard.key_file());
}

fn accepts(guard: &Guard, number: u32) -> bool {
    let request = Request::get("/metrics").header("X-Metrics-Key", numbered_key(number)).body(()).unwrap();
    let is_accepted = || guard.check(&request).is_ok();
    // A listener that panics changes no outcome. A listener that blocks would block this thread.
    if case().is_some_and(|(_, fault)| fault == Panics) { is_accepted() } else { quietly(is_accepted) }
}

/// Calls `check` with neither recorder nor subscriber on this thread.
fn quietly<T>(check: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(NoSubscriber::new(), || metrics::with_local_recorder(&NoopRecorder, check))
}

fn rename_into_place(path: &Path, number: u32) {
    write(&path.with_extension("new"), number);
    fs::rename(path.with_extension("new"), path).unwrap();
}

/// Writes the same key twice, readable by this user alone, so that the only warning is about the repeated key.
fn write(path: &Path, number: u32) {
    let key = numbered_key(number);
    fs::write(path, format!("{key}\n{key}\n")).unwrap();
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}
