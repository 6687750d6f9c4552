//! Nothing delays a rotation: not a hook, a subscriber, a recorder or an observer that blocks, panics or is slow, not a
//! standard error that nobody reads, and not clients that take every file descriptor. Each case is a process of its own,
//! since subscriber and recorder are global.
//!
//! `cargo test -p metrics-guard-tests --test rotation`

#![allow(missing_docs)] // a program

use std::{
    env,
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Read},
    net::{TcpListener, TcpStream},
    panic,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use http::Request;
use libtest_mimic::{Arguments, Failed, Trial};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key as Series, KeyName, Metadata, NoopRecorder, Recorder,
    SharedString, Unit,
};
use metrics_guard_core::{Guard, GuardBuilder};
use metrics_guard_tests::{numbered_key, wait::until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::subscriber::NoSubscriber;

mod full_pipe;

/// The variable that has the name of the case, in the process that runs it.
const CASE: &str = "ROTATION_CASE";

/// The longest time that a new key may take.
const LIMIT: Duration = Duration::from_secs(4);

/// No correct run takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

const ROTATIONS: u32 = 5;

/// The warnings of a case: the same key twice at start and after each rotation, and once an unusable file.
const WARNINGS: u32 = ROTATIONS + 2;

#[derive(Clone, Copy, PartialEq)]
enum Listener {
    Hook,
    Observer,
    Subscriber,
    /// `tracing_subscriber`'s own, on the standard error.
    Log,
    Recorder,
    /// Nothing listens, so that warnings go to the standard error.
    None,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Blocks,
    Panics,
    IsSlow,
    None,
}

struct Case {
    name: &'static str,
    listener: Listener,
    fault: Fault,
    standard_error: StandardError,
}

#[derive(Clone, Copy, PartialEq)]
enum StandardError {
    Read,
    /// A pipe that is full until the rotations are over.
    Full,
    /// The same, where a write fails instead of blocking.
    FullAndNonBlocking,
}

const CASES: [Case; 15] = [
    case("a_hook_that_blocks", Listener::Hook, Fault::Blocks),
    case("a_hook_that_panics", Listener::Hook, Fault::Panics),
    case("a_hook_that_is_slow", Listener::Hook, Fault::IsSlow),
    case("a_subscriber_that_blocks", Listener::Subscriber, Fault::Blocks),
    case("a_subscriber_that_panics", Listener::Subscriber, Fault::Panics),
    case("a_subscriber_that_is_slow", Listener::Subscriber, Fault::IsSlow),
    case("a_recorder_that_blocks", Listener::Recorder, Fault::Blocks),
    case("a_recorder_that_panics", Listener::Recorder, Fault::Panics),
    case("a_recorder_that_is_slow", Listener::Recorder, Fault::IsSlow),
    case("an_observer_that_blocks", Listener::Observer, Fault::Blocks),
    case("an_observer_that_panics", Listener::Observer, Fault::Panics),
    with_full_pipe("a_standard_error_that_is_full", Listener::None, Fault::None),
    Case {
        standard_error: StandardError::FullAndNonBlocking,
        ..with_full_pipe("a_non_blocking_standard_error_that_is_full", Listener::None, Fault::None)
    },
    with_full_pipe("a_log_on_a_standard_error_that_is_full", Listener::Log, Fault::None),
    with_full_pipe("the_message_of_a_panicking_hook_on_a_standard_error_that_is_full", Listener::Hook, Fault::Panics),
];

const fn case(name: &'static str, listener: Listener, fault: Fault) -> Case {
    Case { name, listener, fault, standard_error: StandardError::Read }
}

const fn with_full_pipe(name: &'static str, listener: Listener, fault: Fault) -> Case {
    Case { name, listener, fault, standard_error: StandardError::Full }
}

fn main() -> ExitCode {
    if let Ok(name) = env::var(CASE) {
        return match run(&name) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Not to the standard error, which may be full.
                println!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let delays = CASES.iter().filter(|case| cfg!(unix) || case.standard_error == StandardError::Read).map(|case| {
        Trial::test(format!("{}_delays_no_rotation", case.name), || Ok(watch(case)?)) //
    });
    let others = [
        Trial::test("a_service_that_ends_right_after_build_has_logged_its_warnings", || {
            let said = said_by(Command::new(env::current_exe()?).env(CASE, "ends"))?;
            (said.matches("EVERYONE can read the metrics").count() == 1).then_some(()).ok_or_else(|| said.into())
        }),
        Trial::test("clients_that_take_every_file_descriptor_delay_no_rotation", || {
            said_by(Command::new(env::current_exe()?).env(CASE, "without_descriptors")).map(drop)
        }),
        Trial::test("warnings_of_build_are_reported_if_the_system_starts_no_thread", || {
            // A stack that no address space has room for.
            let stack = (1_u64 << 46).to_string();
            let mut command = Command::new(env::current_exe()?);
            let said = said_by(command.env(CASE, "without_threads").env("RUST_MIN_STACK", stack))?;
            let is_right =
                said.contains("the same key as an earlier one") && said.contains("cannot follow the key file");
            is_right.then_some(()).ok_or_else(|| said.into())
        }),
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(CASES.len() + others.len()); // they wait, most of the time
    libtest_mimic::run(&arguments, delays.chain(others).collect()).exit_code()
}

fn said_by(command: &mut Command) -> Result<String, Failed> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    if output.status.success() { Ok(said) } else { Err(format!("{}: {said}", output.status).into()) }
}

// The process that starts the others.

/// A child that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn watch(case: &Case) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut command = Command::new(env::current_exe()?);
    command.env(CASE, case.name).stdin(Stdio::piped()).stdout(Stdio::piped());
    let (standard_error, writer) = io::pipe()?;
    if case.standard_error != StandardError::Read {
        full_pipe::fill(&writer, case.standard_error == StandardError::Full)?;
    }
    command.stderr(writer);
    let mut child = Running(command.spawn()?);
    drop(command); // with the writing end of the pipe

    let (sender, lines) = mpsc::channel();
    let stdout = child.0.stdout.take().ok_or("no output")?;
    thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let said = Arc::new(Mutex::new(Vec::new()));
    let mut reader = Some((standard_error, Arc::clone(&said)));
    let mut read = || {
        if let Some((pipe, said)) = reader.take() {
            thread::spawn(move || collect(pipe, &said));
        }
    };
    if case.standard_error == StandardError::Read {
        read();
    }
    let wait_for = |expected: &str| -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut before = Vec::new();
        loop {
            let line =
                lines.recv_timeout(PATIENCE).map_err(|error| format!("no `{expected}`, {error}: {before:#?}"))?;
            if line == expected {
                return Ok(());
            }
            before.push(line);
        }
    };
    wait_for("rotated")?;
    read();
    wait_for("reported")?;
    let logs = matches!(case.listener, Listener::None | Listener::Log);
    if logs {
        let is_logged = || {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let said = String::from_utf8_lossy(&said).into_owned();
            let count = |text| said.matches(text).count();
            Ok::<_, io::Error>(
                count("the same key as an earlier one") == ROTATIONS as usize + 1
                    && count("the key file is unusable") == 1
                    && count("were dropped") == 0,
            )
        };
        if !until(PATIENCE, is_logged)? {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            return Err(String::from_utf8_lossy(&said).trim_matches('\0').into());
        }
    }
    drop(child.0.stdin.take());
    if child.0.wait()?.success() { Ok(()) } else { Err("the process failed".into()) }
}

fn collect(mut pipe: impl Read, said: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = pipe.read(&mut bytes) {
        said.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..len]);
    }
}

// The process that runs a case.

/// What a listener does with each call, and how many there were.
struct Behaviour {
    fault: Fault,
    calls: AtomicU32,
    is_released: Mutex<bool>,
    changed: Condvar,
}

impl Behaviour {
    fn new(fault: Fault) -> Arc<Behaviour> {
        Arc::new(Behaviour { fault, calls: AtomicU32::new(0), is_released: Mutex::default(), changed: Condvar::new() })
    }

    #[allow(clippy::panic)] // as user code does
    fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::Blocks => {
                let is_released = self.is_released.lock().unwrap_or_else(PoisonError::into_inner);
                drop(self.changed.wait_while(is_released, |is_released| !*is_released));
            }
            Fault::Panics => panic!("a listener panics"),
            Fault::IsSlow => thread::sleep(Duration::from_secs(1)),
            Fault::None => {}
        }
    }

    fn release(&self) {
        *self.is_released.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Counts warnings, and misbehaves at each event.
struct Subscriber(Arc<Behaviour>, Arc<AtomicU32>);

impl tracing::Subscriber for Subscriber {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "metrics_guard"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        if *event.metadata().level() == tracing::Level::WARN {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        self.0.call();
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Misbehaves wherever it is called, and remembers the last time that the key file was looked at.
struct Faulty(Arc<Behaviour>, Arc<Mutex<f64>>);

struct LastLook(Arc<Behaviour>, Arc<Mutex<f64>>);

impl Recorder for Faulty {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        self.0.call();
    }
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        self.0.call();
    }
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Series, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(LastLook(Arc::clone(&self.0), Arc::default())))
    }
    fn register_gauge(&self, series: &Series, _: &Metadata<'_>) -> Gauge {
        let is_last_look = series.name() == "metrics_guard_key_file_checked_timestamp_seconds";
        let last_look = if is_last_look { Arc::clone(&self.1) } else { Arc::default() };
        Gauge::from_arc(Arc::new(LastLook(Arc::clone(&self.0), last_look)))
    }
    fn register_histogram(&self, _: &Series, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl CounterFn for LastLook {
    fn increment(&self, _: u64) {
        self.0.call();
    }
    fn absolute(&self, _: u64) {}
}

impl GaugeFn for LastLook {
    fn increment(&self, _: f64) {}
    fn decrement(&self, _: f64) {}
    fn set(&self, value: f64) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = value;
        self.0.call();
    }
}

fn run(name: &str) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("accepted_keys");
    rename_into_place(&path, 0)?;
    match name {
        "ends" => {
            drop(GuardBuilder::disabled().build());
            return Ok(());
        }
        "without_descriptors" => return without_descriptors(&path),
        "without_threads" => {
            drop(Guard::builder_from_key_file(&path)?.build());
            return Ok(());
        }
        _ => {}
    }
    let case = CASES.iter().find(|case| case.name == name).ok_or("no such case")?;
    let behaviour = Behaviour::new(case.fault);
    let warnings = Arc::new(AtomicU32::new(0));
    let last_look = Arc::new(Mutex::new(0.0));
    let mut builder = Guard::builder_from_key_file(&path)?;
    match case.listener {
        Listener::Hook => {
            let (behaviour, warnings) = (Arc::clone(&behaviour), Arc::clone(&warnings));
            builder = builder.on_warning(move |warning| {
                if !warning.to_string().contains("were dropped") {
                    warnings.fetch_add(1, Ordering::Relaxed);
                }
                behaviour.call();
            });
        }
        Listener::Observer => {
            let behaviour = Arc::clone(&behaviour);
            builder = builder.observe(move |check| {
                if check.outcome() == "missing" {
                    behaviour.call();
                }
            });
        }
        Listener::Subscriber => {
            tracing::subscriber::set_global_default(Subscriber(Arc::clone(&behaviour), Arc::clone(&warnings)))?;
        }
        Listener::Log => tracing_subscriber::fmt().with_writer(io::stderr).init(),
        Listener::Recorder => {
            metrics::set_global_recorder(Faulty(Arc::clone(&behaviour), Arc::clone(&last_look)))?;
        }
        Listener::None => {}
    }

    let start = Instant::now();
    let guard = builder.build();
    println!("build took {:?}", start.elapsed());
    if start.elapsed() > LIMIT {
        return Err("build waits for a listener".into());
    }
    if case.listener == Listener::Observer {
        // Requests without a key, which the observer holds.
        for _ in 0..3 {
            let guard = guard.clone();
            thread::spawn(move || guard.check(&Request::new(())).is_err());
        }
    }
    rotate(&guard, &path)?;
    println!("rotated");

    behaviour.release();
    let is_reported = || {
        Ok::<_, io::Error>(match case.listener {
            Listener::Hook | Listener::Subscriber => warnings.load(Ordering::Relaxed) == WARNINGS,
            Listener::Recorder => {
                let seen = *last_look.lock().unwrap_or_else(PoisonError::into_inner);
                // A recorder that panics at the first series of several gets no further.
                let is_current = guard.key_file().is_some_and(|file| {
                    file.checked().elapsed().is_ok_and(|age| age < LIMIT) && seconds(file.checked()) - seen < 4.0
                });
                if case.fault == Fault::Panics { behaviour.calls() > ROTATIONS } else { is_current }
            }
            Listener::Observer => behaviour.calls() == 3,
            Listener::Log | Listener::None => true,
        })
    };
    if !until(PATIENCE, is_reported)? {
        let (warnings, calls) = (warnings.load(Ordering::Relaxed), behaviour.calls());
        return Err(format!("not all is reported: {warnings} warnings, {calls} calls").into());
    }
    println!("reported");
    let _ = io::stdin().read(&mut [0]); // until the parent has seen it
    Ok(())
}

/// Rotates while a thread takes each descriptor that is free, as a server does that clients hold connections to.
fn without_descriptors(path: &Path) -> Result<(), Box<dyn Error>> {
    let guard = Guard::builder_from_key_file(path)?.build();
    let next = |number: u32| path.with_extension(number.to_string());
    for number in 1..=ROTATIONS {
        write(&next(number), number)?; // now, because it takes a descriptor
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) })?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let mut connections = Vec::new();
        loop {
            match TcpStream::connect(address) {
                Ok(connection) => connections.push(connection),
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    });
    until(PATIENCE, || Ok::<_, io::Error>(listener.try_clone().is_err()))?;
    for number in 1..=ROTATIONS {
        fs::rename(next(number), path)?;
        let start = Instant::now();
        until(LIMIT, || Ok::<_, io::Error>(accepts(&guard, number)))?;
        println!("rotation {number} took {:?}", start.elapsed());
        if !accepts(&guard, number) || accepts(&guard, number - 1) || listener.try_clone().is_ok() {
            return Err(format!("a rotation is delayed: {:?}", guard.key_file()).into());
        }
    }
    Ok(())
}

fn seconds(time: std::time::SystemTime) -> f64 {
    time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Breaks the key file once, and then rotates the key, and measures how long that takes.
fn rotate(guard: &Guard, path: &Path) -> Result<(), Box<dyn Error>> {
    fs::write(path, "")?;
    let is_noticed = || Ok::<_, io::Error>(guard.key_file().is_some_and(|file| file.problem().is_some()));
    if !until(LIMIT, is_noticed)? {
        return Err("the broken file is not noticed".into());
    }
    for number in 1..=ROTATIONS {
        rename_into_place(path, number)?;
        let start = Instant::now();
        until(PATIENCE, || Ok::<_, io::Error>(accepts(guard, number)))?;
        println!("rotation {number} took {:?}", start.elapsed());
        if start.elapsed() > LIMIT || accepts(guard, number - 1) {
            return Err("a rotation is delayed".into());
        }
    }
    Ok(())
}

/// Checks a request, with neither recorder nor subscriber on its thread.
fn accepts(guard: &Guard, number: u32) -> bool {
    let Ok(request) = Request::get("/metrics").header("X-Metrics-Key", numbered_key(number)).body(()) else {
        return false;
    };
    tracing::subscriber::with_default(NoSubscriber::new(), || {
        metrics::with_local_recorder(&NoopRecorder, || guard.check(&request).is_ok()) //
    })
}

/// The same key twice, for this user alone: the one thing to warn of is that.
fn rename_into_place(path: &Path, number: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    write(&new, number)?;
    fs::rename(new, path)
}

fn write(path: &Path, number: u32) -> io::Result<()> {
    let key = numbered_key(number);
    fs::write(path, format!("{key}\n{key}\n"))?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}
