//! What a guard costs a server: each framework, guarded and unguarded, serves one page under wrk, and what is compared is
//! the CPU time of a request, as the system accounts it.
//!
//! `cargo bench -p metrics-guard-tests --bench servers` (on Linux, with wrk; five minutes), and with `-- axum` that one alone
//!
//! In each round, three new processes serve in turns: an unguarded server, the guarded one, and the unguarded one once
//! more. What two processes of the same code differ in, layout in memory included, shows as the control: a difference
//! that is no greater than that is noise. Requests and pages are the same, and present the key, which unguarded servers do
//! not look at. Servers have one thread, so that none waits for another, or takes its CPU time with it when it ends. The
//! core has its features `metrics` and `tracing`, with nobody who listens.

#![allow(clippy::unwrap_used, missing_docs)] // a program of our own

use std::{
    convert::Infallible,
    env,
    error::Error,
    fmt, fs,
    future::ready,
    io,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    sync::LazyLock,
};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use metrics_guard_core::{Guard, Key};
use metrics_guard_tests::{
    KEY,
    process::Process,
    server::Server,
    wire::{exchange, request},
};
use metrics_guard_tower::MetricsGuardLayer;
use rocket::{fairing::AdHoc, routes};
use tokio::net::TcpListener;
use warp::Filter;

const ROUNDS: usize = 20;
const CONNECTIONS: &str = "8";
const SECONDS: &str = "1";

/// How often a new process is asked before it counts.
const WARM_UP: usize = 200;

type Failure = Box<dyn Error + Send + Sync>;

/// The page, of the size of the metrics of a small service.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let line = |n| format!("http_requests_total{{method=\"GET\",route=\"/route/{n:03}\",status=\"200\"}} {n:03}\n");
    (0..90).map(line).collect()
});

static GUARD: LazyLock<Guard> = LazyLock::new(|| Guard::new(Key::new(KEY).unwrap()));

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", name, form] => serve(name, form == GUARDED),
        ["--bench"] => compare(&Server::ALL),
        [name, "--bench"] => compare(&[named(name)?]),
        _ => Ok(()), // a test run, which has no minutes for this
    }
}

fn named(name: &str) -> Result<Server, Failure> {
    Ok(Server::ALL.into_iter().find(|server| server.name() == name).ok_or("no such server")?)
}

const GUARDED: &str = "guarded";
const UNGUARDED: &str = "unguarded";

// The parent.

/// A server's ratios of CPU time to that of an unguarded one, from all rounds.
#[derive(Default)]
struct Ratios {
    guarded: Vec<f64>,
    unguarded: Vec<f64>,
}

fn compare(servers: &[Server]) -> Result<(), Failure> {
    Command::new("wrk").arg("-v").output().map_err(|error| format!("wrk (`apt-get install wrk`): {error}"))?;
    let mut ratios: Vec<_> = servers.iter().map(|server| (*server, Ratios::default())).collect();
    for round in 0..ROUNDS {
        for (server, ratios) in &mut ratios {
            let [open, closed, other] = [UNGUARDED, GUARDED, UNGUARDED].map(|form| Subject::start(*server, form));
            let subjects = [open?, closed?, other?];
            let mut costs = [0.0; 3];
            for index in ORDERS[round % ORDERS.len()] {
                costs[index] = subjects[index].cost()?;
            }
            let [unguarded, guarded, again] = costs;
            ratios.guarded.push(guarded / unguarded);
            ratios.unguarded.push(again / unguarded);
        }
    }
    println!("CPU time of a request, as a multiple of the unguarded server's: median (its 95 % interval)\n");
    println!("| server | guarded | at most | unguarded, another process |\n|---|---|---|---|");
    for (server, ratios) in ratios {
        let (guarded, control, most) = (Median::of(ratios.guarded), Median::of(ratios.unguarded), at_most(server));
        // An interval that reaches the limit leaves it open whether the limit is kept.
        let missed = if guarded.low > most { " MISSED" } else { "" };
        println!("| {} | {guarded} | {most}{missed} | {control} |", server.name());
    }
    Ok(())
}

/// What a guarded request may cost. The Warp guard copies the header lines that it reads, and Rocket allocates the futures of
/// its guards.
const fn at_most(server: Server) -> f64 {
    match server {
        Server::Axum | Server::Hyper => 1.03,
        Server::Rocket => 1.05,
        Server::Warp => 1.06,
    }
}

/// Each comes in each place, and before and after each other.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]];

/// The median, and where it lies with 95 % certainty: as many tosses of a coin have no more heads than that from half.
struct Median {
    middle: f64,
    low: f64,
    high: f64,
}

impl Median {
    fn of(mut values: Vec<f64>) -> Median {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let low = n / 2 - 1 - n.isqrt();
        Median {
            middle: f64::midpoint(values[(n - 1) / 2], values[n / 2]),
            low: values[low],
            high: values[n - 1 - low],
        }
    }
}

impl fmt::Display for Median {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} ({:.4} to {:.4})", self.middle, self.low, self.high)
    }
}

/// A server as a child.
struct Subject {
    process: Process,
    address: SocketAddr,
}

impl Subject {
    fn start(server: Server, form: &str) -> io::Result<Subject> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["serve", server.name(), form]);
        let mut process = Process::start(&mut command)?;
        let address = process.wait_for(|line| line.strip_prefix(ANNOUNCEMENT)?.parse().ok())?;
        let request = request("GET", "/metrics", &[format!("X-Metrics-Key: {KEY}").as_bytes()]);
        for _ in 0..WARM_UP {
            let response = exchange(address, &request)?;
            if response.text() != *PAGE {
                return Err(io::Error::other(format!("not the page: {response:?}")));
            }
        }
        Ok(Subject { process, address })
    }

    /// The CPU time of a request, in nanoseconds.
    fn cost(&self) -> Result<f64, Failure> {
        let before = self.cpu_time()?;
        let output = Command::new("wrk")
            .args(["--threads", "1", "--connections", CONNECTIONS, "--duration", SECONDS])
            .args(["--header", &format!("X-Metrics-Key: {KEY}"), &format!("http://{}/metrics", self.address)])
            .output()?;
        let took = self.cpu_time()? - before;
        let report = String::from_utf8_lossy(&output.stdout);
        let requests = report.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse::<f64>().ok());
        match requests {
            Some(requests) if !report.contains("Non-2xx") && !report.contains("Socket errors") => Ok(took / requests),
            _ => Err(format!("wrk: {report}").into()),
        }
    }

    /// What the system has accounted to all threads so far, in nanoseconds.
    fn cpu_time(&self) -> Result<f64, Failure> {
        let mut sum = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let statistics = fs::read_to_string(task?.path().join("schedstat"))?;
            sum += statistics.split(' ').next().unwrap_or_default().parse::<f64>()?;
        }
        Ok(sum)
    }
}

// The children.

const ANNOUNCEMENT: &str = "listening on ";

fn announce(address: SocketAddr) {
    println!("{ANNOUNCEMENT}{address}");
}

fn serve(name: &str, is_guarded: bool) -> Result<(), Failure> {
    let server = named(name)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match server {
            Server::Rocket => serve_rocket(is_guarded).await,
            Server::Warp => serve_warp(is_guarded).await,
            Server::Axum => serve_axum(is_guarded).await,
            Server::Hyper => serve_hyper(is_guarded).await,
        }
    })
}

mod open {
    #[rocket::get("/metrics")]
    pub(super) fn metrics() -> &'static str {
        &super::PAGE
    }
}

mod closed {
    #[metrics_guard_rocket::guard_metrics]
    #[rocket::get("/metrics")]
    pub(super) fn metrics() -> &'static str {
        &super::PAGE
    }
}

async fn serve_rocket(is_guarded: bool) -> Result<(), Failure> {
    let config =
        rocket::Config { port: 0, log_level: rocket::config::LogLevel::Off, ..rocket::Config::release_default() };
    let rocket = rocket::custom(config).attach(AdHoc::on_liftoff("announcement", |rocket| {
        Box::pin(async { announce((rocket.config().address, rocket.config().port).into()) })
    }));
    let rocket = if is_guarded {
        rocket.attach(metrics_guard_rocket::MetricsGuard::with(GUARD.clone())).mount("/", routes![closed::metrics])
    } else {
        rocket.mount("/", routes![open::metrics])
    };
    rocket.launch().await?;
    Ok(())
}

async fn serve_warp(is_guarded: bool) -> Result<(), Failure> {
    #[metrics_guard_warp::guard_metrics]
    fn guarded() -> &'static str {
        &PAGE
    }
    let listener = listener().await?;
    if is_guarded {
        let guard = metrics_guard_warp::MetricsGuard::with(GUARD.clone());
        let routes = guard.protect(warp::path!("metrics"), warp::get().map(guarded));
        warp::serve(routes).incoming(listener).run().await;
    } else {
        let routes = warp::path!("metrics").and(warp::get()).map(|| PAGE.as_str());
        warp::serve(routes).incoming(listener).run().await;
    }
    Ok(())
}

async fn serve_axum(is_guarded: bool) -> Result<(), Failure> {
    let page = axum::routing::get(|| async { PAGE.as_str() });
    let page = if is_guarded { page.layer(MetricsGuardLayer::new(GUARD.clone())) } else { page };
    axum::serve(listener().await?, axum::Router::new().route("/metrics", page)).await?;
    Ok(())
}

async fn serve_hyper(is_guarded: bool) -> Result<(), Failure> {
    let listener = listener().await?;
    let metrics = if is_guarded { closed_metrics } else { open_metrics };
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let answer = service_fn(move |request| ready(Ok::<_, Infallible>(route(&request, metrics))));
            Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await
        });
    }
}

fn route(request: &Request<Incoming>, metrics: fn(&Request<Incoming>) -> Answer) -> Answer {
    if request.uri().path() == "/metrics" {
        return metrics(request);
    }
    let mut answer = Answer::default();
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}

type Answer = Response<Full<Bytes>>;

fn open_metrics(_: &Request<Incoming>) -> Answer {
    Response::new(PAGE.as_str().into())
}

#[metrics_guard_core::guard_metrics(guard = GUARD)]
fn closed_metrics(request: &Request<Incoming>) -> Answer {
    Response::new(PAGE.as_str().into())
}

async fn listener() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(listener.local_addr()?);
    Ok(listener)
}
