//! Gates against servers: if an open app serves the metrics for a spelling of their path, the gated app rejects that
//! spelling without a key.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    fmt::Debug,
    fs,
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    pin::Pin,
    sync::Arc,
};

use axum::{Router, body::Bytes, extract, routing};
use http::{Method, Request, Response, StatusCode, Uri, header::CACHE_CONTROL};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use metrics_guard_core::{Guard, GuardedPath, Key};
use metrics_guard_tests::{
    KEY,
    wire::{self, exchange, exchange_h2},
};
use metrics_guard_tower::MetricsGuardLayer;
use metrics_guard_warp::MetricsGuard;
use proptest::{collection::vec, prelude::*, sample::select};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Runtime};
use tower_http::{normalize_path::NormalizePath, services::ServeDir};
use tower_layer::Layer;
use tower_service::Service;
use warp::Filter;

const METRICS: &str = "up 1\n";
const OTHER: &str = "other\n";

/// A folder with the file `metrics` and another one.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("metrics"), METRICS).unwrap();
    fs::write(folder.path().join("other"), OTHER).unwrap();
    folder
}

/// The body of a request. It is `Sync`, because Warp asks for that.
type Body = Full<Bytes>;

/// An app as a function.
type Ask = Arc<dyn Fn(Request<Body>) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> + Send + Sync>;

fn ask<S, B>(service: S) -> Ask
where
    S: Service<Request<Body>, Response = Response<B>, Error: Debug, Future: Send> + Clone + Send + Sync + 'static,
    B: hyper::body::Body<Data: Send, Error: Debug> + Send,
{
    Arc::new(move |request| {
        let mut service = service.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
            let (head, body) = service.call(request).await.unwrap().into_parts();
            Response::from_parts(head, body.collect().await.unwrap().to_bytes())
        })
    })
}

/// An app without a gate and with one.
struct App {
    name: &'static str,
    /// What is gated.
    path: &'static str,
    /// Spellings for which the open app serves the metrics, among others.
    served: &'static str,
    open: Ask,
    gated: Ask,
}

fn warp_apps(folder: &Path) -> Vec<App> {
    let guard = MetricsGuard::with(Guard::new(Key::new(KEY).unwrap()));
    let gate = |path| guard.gate_path(path).unwrap();
    let files = || warp::fs::dir(folder.to_owned());
    let below = || warp::path("static").and(files());
    let routes = || warp::path("metrics").and(warp::path::tail()).map(|_| METRICS);
    let param = || warp::path::param().map(|name: String| content(&decoded(name.as_bytes())));
    vec![
        App {
            name: "warp::fs::dir",
            path: "/metrics",
            served: "/metrics //metrics /./metrics /%6detrics /%2fmetrics /.%2fmetrics http://localhost/metrics",
            open: ask(warp::service(files())),
            gated: ask(warp::service(gate("/metrics").or(files()))),
        },
        App {
            name: "warp::fs::dir behind a path",
            path: "/static/metrics",
            served: "/static/metrics /static//metrics /static/./metrics /static/%6detrics /static/%2fmetrics",
            open: ask(warp::service(below())),
            gated: ask(warp::service(gate("/static/metrics").or(below()))),
        },
        App {
            name: "gate and warp::fs::dir behind a path",
            path: "/static/metrics",
            served: "/static/metrics /static//metrics",
            open: ask(warp::service(below())),
            gated: ask(warp::service(warp::path("static").and(gate("/metrics").or(files())))),
        },
        App {
            name: "warp::path",
            path: "/metrics",
            served: "/metrics /metrics/ /metrics/x /metrics/.. /metrics/..%2fother http://localhost/metrics",
            open: ask(warp::service(routes())),
            gated: ask(warp::service(gate("/metrics").or(routes()))),
        },
        App {
            name: "warp::path::param, decoded",
            path: "/metrics",
            served: "/metrics /%6detrics /metrics/",
            open: ask(warp::service(param())),
            gated: ask(warp::service(gate("/metrics").or(param()))),
        },
    ]
}

fn axum_apps(folder: &Path) -> Vec<App> {
    let layer = |path| MetricsGuardLayer::new(Guard::new(Key::new(KEY).unwrap())).only_path(path).unwrap();
    let metrics = || Router::new().route("/metrics", routing::any(|| async { METRICS }));
    let files = || -> Router { Router::new().fallback_service(ServeDir::new(folder)) };
    let nested = || -> Router { Router::new().nest("/internal", metrics()) };
    let slashed = || -> Router { Router::new().route("/metrics/", routing::any(|| async { METRICS })) };
    let nested_files = || -> Router { Router::new().nest_service("/static", ServeDir::new(folder)) };
    let named = |extract::Path(name): extract::Path<String>| async move { content(name.as_bytes()) };
    let param = || -> Router { Router::new().route("/{name}", routing::any(named)) };
    let strange = |decodings, dots| -> Router {
        let read = Reading { decodings, dots, has_backslashes: true, has_parameters: true, is_windows: true };
        Router::new().fallback(move |uri: Uri| async move {
            if read.leads(uri.path().as_bytes(), &["metrics"]) { METRICS } else { OTHER }
        })
    };
    let app = |name, path, served, open: Router, gated| App { name, path, served, open: ask(open), gated };
    let around = |name, path, served, open: Router| {
        let gated = ask(layer(path).layer(open.clone()));
        app(name, path, served, open, gated)
    };
    let of_files = "/metrics //metrics /./metrics /%6detrics /%2e/metrics http://localhost/metrics";
    let trimmed = || NormalizePath::trim_trailing_slash(files());
    let appended = || NormalizePath::append_trailing_slash(slashed());
    vec![
        around("ServeDir", "/metrics", of_files, files()),
        around(
            "nested ServeDir",
            "/static/metrics",
            "/static/metrics /static//metrics /static/%6detrics",
            nested_files(),
        ),
        App {
            name: "NormalizePath around the layer",
            path: "/metrics",
            served: "/metrics //metrics /metrics/ /metrics// /%6detrics//",
            open: ask(trimmed()),
            gated: ask(NormalizePath::trim_trailing_slash(layer("/metrics").layer(files()))),
        },
        App {
            name: "NormalizePath that appends, inside of the layer",
            path: "/metrics",
            served: "/metrics //metrics /metrics// http://localhost/metrics",
            open: ask(appended()),
            gated: ask(layer("/metrics").layer(appended())),
        },
        around("nested router", "/internal/metrics", "/internal/metrics", nested()),
        around("a parameter of a route", "/metrics", "/metrics /%6detrics", param()),
        around(
            "a server that decodes twice and resolves dots",
            "/metrics",
            r"/metrics /%256detrics /x/../metrics /%252e%252e/metrics /METRICS /metrics;x /%5cmetrics /metrics%2500 /metrics.",
            strange(2, Dots::Resolve),
        ),
        around(
            "a server that decodes once and keeps dots",
            "/metrics",
            "/metrics /%6detrics /metrics/.. /metrics/%2e%2e/other /metrics%00.txt /metrics%20",
            strange(1, Dots::Keep),
        ),
    ]
}

fn apps(folder: &Path) -> impl Iterator<Item = App> {
    warp_apps(folder).into_iter().chain(axum_apps(folder))
}

fn content(name: &[u8]) -> &'static str {
    if name == b"metrics" { METRICS } else { OTHER }
}

/// The words of `text`, and the empty one.
fn words(text: &str) -> Vec<&str> {
    std::iter::once("").chain(text.split_whitespace()).collect()
}

/// Spellings of `path`, of paths below it, and of some that only look so.
fn spellings(path: &str) -> Vec<String> {
    let before = words(r" /. /.. /%2e%2e /x/.. /x/%2e%2e /x/%252e%252e /x/%252e%252e/.. http://localhost /x");
    let slashes =
        r"/ // /./ /%2e/ /x/../ /x/%2e%2e/ %2f %2F %252f /%2f /.%2f /x%2f..%2f \ /\ %5c /%5c /;x/ /%20/ /x/..;x/"
            .split_whitespace();
    let after = words(
        r" / // /. /.. /../ /%2e%2e /..%2fother %2f.. %2f..%2fother %2f %5c \ /x %2fx /../other /../metrics . %20 %0a %00
        %00.txt %2500 ;x=1 %3bx=1 ?x %3fx #x %23x ::$DATA %ff %c0%af % + x .txt",
    );
    let spelled = |before: &str, slash: &str, after: &str| format!("{before}{}{after}", path.replace('/', slash));
    let mut all = vec![path.to_uppercase()];
    for slash in slashes {
        all.extend(before.iter().map(|before| spelled(before, slash, "")));
        all.extend(after.iter().map(|after| spelled("", slash, after)));
    }
    for before in before {
        all.extend(after.iter().map(|after| spelled(before, "/", after)));
    }
    for (at, letter) in path.bytes().enumerate() {
        let (rest, code) = (&path[at + 1..], format!("{letter:02x}"));
        let (high, low) = code.split_at(1);
        let escapes = [
            format!("%{code}"),
            format!("%{}", code.to_uppercase()),
            format!("%25{code}"),
            format!("%2525{code}"),
            format!("%%3{high}{low}"),
            format!("%{:02x}", letter.to_ascii_uppercase()),
        ];
        all.extend(escapes.iter().map(|escape| format!("{}{escape}{rest}", &path[..at])));
    }
    all
}

/// None if there is no such URI.
async fn get(app: &Ask, method: &Method, target: &str, key: Option<&str>) -> Option<Response<Bytes>> {
    let mut request = Request::builder().method(method).uri(target);
    if let Some(key) = key {
        request = request.header("X-Metrics-Key", key);
    }
    Some(app(request.body(Body::default()).ok()?).await)
}

#[tokio::test]
async fn no_spelling_leads_around_a_gate() {
    let folder = folder();
    for App { name, path, served, open, gated } in apps(folder.path()) {
        let mut all = spellings(path);
        all.extend(served.split(' ').map(str::to_owned));
        let mut leading = Vec::new();
        for target in all {
            let Some(answer) = get(&open, &Method::GET, &target, None).await else { continue };
            let rejected = get(&gated, &Method::GET, &target, None).await.unwrap();
            let accepted = get(&gated, &Method::GET, &target, Some(KEY)).await.unwrap();
            assert_eq!((accepted.status(), accepted.body()), (answer.status(), answer.body()), "{name}: {target}");
            if answer.body() != METRICS {
                assert_ne!(rejected.body(), METRICS, "{name}: {target}");
                continue;
            }
            assert_eq!(rejected.status(), StatusCode::UNAUTHORIZED, "{name}: {target}");
            for method in [Method::HEAD, Method::POST, Method::OPTIONS, Method::from_bytes(b"PROPFIND").unwrap()] {
                let rejected = get(&gated, &method, &target, None).await.unwrap();
                assert_eq!(rejected.status(), StatusCode::UNAUTHORIZED, "{name}: {method} {target}");
            }
            leading.push(target);
        }
        let missing: Vec<_> =
            served.split(' ').filter(|target| !leading.iter().any(|leading| leading == target)).collect();
        assert!(missing.is_empty(), "{name} does not serve the metrics for {missing:?}, but for {leading:?}");
    }
}

#[tokio::test]
async fn a_gate_leaves_other_paths_alone() {
    let folder = folder();
    for App { name, path, open, gated, .. } in apps(folder.path()) {
        let (parent, _) = path.rsplit_once('/').unwrap();
        let others = ["/", "/other", "/other/metrics", "*", parent].map(str::to_owned);
        for target in others.into_iter().chain([format!("{parent}/other"), format!("{path}x"), format!("/x{path}")]) {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let Some(answer) = get(&open, &method, &target, None).await else { continue };
                let passed = get(&gated, &method, &target, None).await.unwrap();
                assert_eq!(
                    (passed.status(), passed.body()),
                    (answer.status(), answer.body()),
                    "{name}: {method} {target}"
                );
                assert_eq!(
                    passed.headers().get(CACHE_CONTROL),
                    answer.headers().get(CACHE_CONTROL),
                    "{name}: {method} {target}"
                );
            }
        }
    }
}

/// Serves `app` with HTTP/1 and HTTP/2 as long as the runtime lives.
async fn serve(app: Ask) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let app = Arc::clone(&app);
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = app(request.map(|_| Body::default()));
                async { Ok::<_, Infallible>(answer.await.map(Full::new)) }
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// Targets as they are sent, also those that a client would change first.
#[test]
fn no_target_on_the_wire_leads_around_a_gate() {
    let folder = folder();
    let runtime = Runtime::new().unwrap();
    for App { name, path, served, open, gated } in apps(folder.path()) {
        let [open, gated] = [open, gated].map(|app| runtime.block_on(serve(app)));
        let mut targets: Vec<_> = served.split(' ').map(str::to_owned).collect();
        let forms = r"{} //{} /.{} /..{} /x/..{} /x/%2e%2e{} \{} {}\ {}/ {}?key=x {}#x {}%00 {}% {}é
            http://localhost{} HTTP://other:1{} http://user@localhost{} https://localhost/x/..{} //localhost{}
            * http://localhost";
        targets.extend(forms.split_whitespace().map(|form| form.replace("{}", path)));
        if !name.contains("warp") {
            // For a target without a path, Warp's own filters panic: `tail` makes an empty one of it, which http 1.4.1 refuses.
            targets.extend(["localhost:80".to_owned(), format!("localhost{path}"), path[1..].to_owned()]);
        }
        let mut leading = 0;
        for target in targets {
            // The other forms of a target belong to certain methods, though servers take them with any.
            let methods = if target.starts_with('/') { &["GET"][..] } else { &["GET", "OPTIONS", "CONNECT"] };
            for method in methods {
                let request = wire::request(method, &target, &[]);
                let exchanges = [
                    Some([open, gated].map(|server| exchange(server, &request).unwrap())),
                    exchange_h2(open, &request)
                        .zip(exchange_h2(gated, &request))
                        .and_then(|(open, gated)| Some([open.ok()?, gated.ok()?])),
                ];
                for [answer, rejected] in exchanges.into_iter().flatten() {
                    assert_ne!(rejected.text(), METRICS, "{name}: {method} {target}");
                    if answer.text() == METRICS {
                        assert_eq!(rejected.status, 401, "{name}: {method} {target}");
                        leading += 1;
                    }
                }
            }
        }
        assert!(leading >= 2 * served.split(' ').count(), "{name}: {leading}");
    }
}

/// Rocket's guard covers routes. `FileServer` resolves `..` and is a route of its own, so that it serves a file also if a
/// guarded route has the path of that file.
#[test]
fn an_open_file_server_of_rocket_serves_a_file_with_the_path_of_a_guarded_route() {
    use metrics_guard_rocket::MetricsGuard;
    use rocket::{Build, Rocket, fs::FileServer, http::Status, local::blocking::Client};

    #[metrics_guard_rocket::guard_metrics]
    #[rocket::get("/metrics")]
    fn metrics() -> &'static str {
        METRICS
    }

    let folder = folder();
    let status = |rocket: Rocket<Build>, path: &str| Client::untracked(rocket).unwrap().get(path).dispatch().status();
    let guard = || MetricsGuard::with(Guard::new(Key::new(KEY).unwrap()));
    let beside = || {
        rocket::build().attach(guard()).mount("/", rocket::routes![metrics]).mount("/", FileServer::from(folder.path()))
    };
    for path in ["/metrics", "//metrics", "/%6detrics", "/metrics/"] {
        assert_eq!(status(beside(), path), Status::Unauthorized, "{path}");
    }
    assert_eq!(status(beside(), "/x/../metrics"), Status::Ok);

    // Mounted through the guard, all of the folder is guarded.
    let through = || rocket::build().attach(guard().mount("/", FileServer::from(folder.path())));
    for path in ["/metrics", "//metrics", "/%6detrics", "/metrics/", "/x/../metrics", "/other"] {
        assert_eq!(status(through(), path), Status::Unauthorized, "{path}");
    }
}

#[test]
fn a_path_without_escapes_is_read_without_an_allocation() {
    let metrics = GuardedPath::new("/metrics").unwrap();
    for (path, allocations) in [("/", 0), ("/metrics", 0), (r"//x/../METRICS\;a/..", 0), ("/%6detrics", 1)] {
        let read = || _ = std::hint::black_box(metrics.covers(path));
        assert_eq!(allocation_counter::measure(read).count_total, allocations, "{path}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Dots {
    Resolve,
    Keep,
    Drop,
}

/// How a server may read a path.
#[derive(Debug, Clone, Copy)]
struct Reading {
    decodings: usize,
    dots: Dots,
    has_backslashes: bool,
    /// What a `;`, `?` or `#` begins is not part of a segment.
    has_parameters: bool,
    /// Neither is what a `:` begins, nor white space around and dots at the end.
    is_windows: bool,
}

impl Reading {
    fn all() -> impl Iterator<Item = Reading> {
        let flags = |flags: usize| [flags & 1 != 0, flags & 2 != 0, flags & 4 != 0];
        [0, 1, 2, 3, 30].into_iter().flat_map(move |decodings| {
            [Dots::Resolve, Dots::Keep, Dots::Drop].into_iter().flat_map(move |dots| {
                (0..8).map(flags).map(move |[has_backslashes, has_parameters, is_windows]| Reading {
                    decodings,
                    dots,
                    has_backslashes,
                    has_parameters,
                    is_windows,
                })
            })
        })
    }

    /// Whether this reading of `path` is `guarded`, or below.
    fn leads(self, path: &[u8], guarded: &[&str]) -> bool {
        let path = (0..self.decodings).fold(path.to_vec(), |path, _| decoded(&path));
        let path = String::from_utf8_lossy(&path).to_lowercase();
        let path = path.split('\0').next().unwrap(); // as C ends a string
        let mut segments = Vec::new();
        for mut segment in path.split(|char| char == '/' || self.has_backslashes && char == '\\') {
            if self.has_parameters {
                segment = segment.split([';', '?', '#']).next().unwrap();
            }
            if self.is_windows && !matches!(segment, "." | "..") {
                segment = segment.split(':').next().unwrap().trim_start().trim_end_matches(['.', ' ']);
            }
            match (segment, self.dots) {
                ("" | ".", _) | ("..", Dots::Drop) => {}
                ("..", Dots::Resolve) => drop(segments.pop()),
                _ => segments.push(segment),
            }
        }
        segments.starts_with(guarded)
    }
}

/// `path`, decoded once.
fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::new(), path);
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    decoded
}

/// Escapes `path` where `where_` says so, and what a target cannot have.
fn escaped(path: &[u8], where_: &[bool], is_upper: bool) -> Vec<u8> {
    let escape = |(at, byte): (usize, &u8)| match (where_[at % where_.len()] || !byte.is_ascii_graphic(), is_upper) {
        (false, _) => vec![*byte],
        (true, false) => format!("%{byte:02x}").into_bytes(),
        (true, true) => format!("%{byte:02X}").into_bytes(),
    };
    path.iter().enumerate().flat_map(escape).collect()
}

/// A path of pieces that mean something to some server.
fn pieces() -> impl Strategy<Value = String> {
    let names = select(&["m", "M", "x", "X", "y", "/m", "/x", "/y", "%6d", "%4D", "%256d"][..]);
    let dots = select(&[".", "..", "/..", "/../", "%2e", "%2E", "%252e", "/%2e%2e/", "/%252e%252e/", "..;", ". "][..]);
    let slashes = select(&["/", "//", "\\", "%2f", "%5c", "%252F"][..]);
    let others =
        select(&["%", "%25", "2e", "2f", "6d", "%00", ";", "?", "#", ":", " ", "%20", "\u{e9}", "%c3", "%a9"][..]);
    vec(prop_oneof![4 => names, 2 => dots, 3 => slashes, 1 => others], 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_spelling_of_a_path_is_covered(
        deep in any::<bool>(),
        slashes in vec(select(&["/", "//", "/./", "\\", "/ /", "/;x/", "/x/../", "/x/y/../../", "/x/..\\", "/../x/./../"][..]), 2),
        is_upper in vec(any::<bool>(), 17),
        after in select(&["", "/", "\\", "/x", "/..", "/../other", ".", " ", ". .", "\n", ";x=/", "?x", "#x", "::$DATA", "\0", "/\u{ff}"][..]),
        rounds in vec((vec(any::<bool>(), 1..24), any::<bool>()), 0..4),
    ) {
        let (path, names) = if deep { ("/internal/metrics", &["internal", "metrics"][..]) } else { ("/metrics", &["metrics"][..]) };
        let text: String = slashes.iter().zip(names).map(|(slash, name)| format!("{slash}{name}")).collect::<Vec<_>>().concat() + after;
        let case = |(at, char): (usize, char)| if is_upper[at % is_upper.len()] { char.to_ascii_uppercase() } else { char };
        let mut spelling = text.chars().enumerate().map(case).collect::<String>().into_bytes();
        for (where_, is_upper) in &rounds {
            spelling = escaped(&spelling, where_, *is_upper);
        }
        prop_assert!(GuardedPath::new(path).unwrap().covers(&spelling), "{}", String::from_utf8_lossy(&spelling));
    }

    #[test]
    fn a_path_is_covered_if_one_reading_leads_into_it(path in pieces(), deep in any::<bool>()) {
        let path = format!("/{path}");
        let (guarded, names) = if deep { ("/x/m", &["x", "m"][..]) } else { ("/m", &["m"][..]) };
        let is_covered = GuardedPath::new(guarded).unwrap().covers(&path);
        let mut readings = Reading::all().filter(|reading| reading.leads(path.as_bytes(), names));
        if let Some(reading) = readings.next() {
            prop_assert!(is_covered, "{:?}", reading);
        } else if is_covered {
            // Only if servers could differ, or if the path is no text.
            let text = String::from_utf8((0..30).fold(path.into_bytes(), |path, _| decoded(&path)));
            let differ = |text: String| text.contains(['\0', ';', ':', '?', '#']) || text.replace(' ', "").contains("..");
            prop_assert!(text.map_or(true, differ));
        }
    }

    #[test]
    fn other_paths_are_not_covered(
        segments in vec("[a-zA-Z0-9_~.,=@!$&'()*+-]{1,12}|%[46][1-9a-e]|%2[5bd]|[\u{e0}-\u{f6}]{1,4}", 0..5),
    ) {
        let path = format!("/{}", segments.join("/"));
        let is_other = segments.iter().all(|segment| !segment.to_lowercase().contains("metrics") && !segment.contains(".."));
        prop_assume!(is_other);
        prop_assert!(!GuardedPath::new("/metrics").unwrap().covers(&path), "{}", path);
        prop_assert!(!GuardedPath::new("/metrics").unwrap().covers(path + "/x/metrics"));
    }
}
