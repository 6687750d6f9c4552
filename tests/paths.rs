//! Tests gates with servers: if an open app serves the metrics for a spelling of their path, the gated app rejects that
//! spelling without a key. The core's src/path.rs tests spellings that no server here reads.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{fs, path::Path, pin::Pin, rc::Rc};

use actix_files::Files;
use actix_web::{
    Error,
    body::{MessageBody, to_bytes},
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse},
    http::Uri,
    middleware::{Condition, NormalizePath as Normalize, TrailingSlash},
    test::{TestRequest, init_service},
    web,
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract, routing,
};
use http::Request;
use http_body_util::{BodyExt, Empty};
use metrics_guard_core::{Guard, GuardedPath, Key};
use metrics_guard_tests::KEY;
use metrics_guard_tower::MetricsGuardLayer;
use metrics_guard_warp::MetricsGuard;
use proptest::{collection::vec, prelude::*, sample::select};
use tower::ServiceExt;
use tower_http::{normalize_path::NormalizePath, services::ServeDir};
use tower_layer::Layer;
use warp::{Filter, Rejection, Reply};

const METRICS: &str = "up 1\n";
const OTHER: &str = "other\n";

/// An app without a gate and with one in front of `/metrics`. The open app serves the metrics for `served` and other spellings.
struct App {
    name: &'static str,
    served: &'static str,
    open: Ask,
    gated: Ask,
}

/// Sends a method, target and key to an app. Returns the status and the body, or `None` if the target is not a URI.
type Ask = Box<dyn Fn(&str, &str, &str) -> Pin<Box<dyn Future<Output = Option<(u16, Bytes)>>>>>;

/// Passes the target as a `Uri`, like a server. An HTTP client would change some targets first.
fn ask(app: Router) -> Ask {
    Box::new(move |method, target, key| {
        let request = Request::builder().method(method).uri(target).header("X-Metrics-Key", key).body(Body::empty());
        let app = app.clone();
        Box::pin(async move {
            let (head, body) = app.oneshot(request.ok()?).await.unwrap().into_parts();
            Some((head.status.as_u16(), body.collect().await.unwrap().to_bytes()))
        })
    })
}

fn warp_app<R, T>(name: &'static str, served: &'static str, routes: R) -> App
where
    R: Filter<Extract = (T,), Error = Rejection> + Clone + Send + Sync + 'static,
    T: Reply + 'static,
{
    // Warp requires that the body of a request is `Sync`.
    let without_body = |request: Request<Body>| request.map(|_| Empty::<Bytes>::new());
    let gate = MetricsGuard::with(Guard::new(Key::new(KEY).unwrap())).gate_path("/metrics").unwrap();
    let open = Router::new().fallback_service(warp::service(routes.clone()).map_request(without_body));
    let gated = Router::new().fallback_service(warp::service(gate.or(routes)).map_request(without_body));
    App { name, served, open: ask(open), gated: ask(gated) }
}

fn layer() -> MetricsGuardLayer {
    MetricsGuardLayer::new(Guard::new(Key::new(KEY).unwrap())).only_path("/metrics").unwrap()
}

fn axum_app(name: &'static str, served: &'static str, open: Router) -> App {
    let gated = Router::new().fallback_service(layer().layer(open.clone()));
    App { name, served, gated: ask(gated), open: ask(open) }
}

/// Returns apps, some of which serve the files in `folder`.
async fn apps(folder: &Path) -> Vec<App> {
    let mut apps = actix_apps(folder).await;
    let content = |name: &[u8]| if name == b"metrics" { METRICS } else { OTHER };
    let tail = warp::path("metrics").and(warp::path::tail()).map(|_| METRICS);
    let param = warp::path::param().map(move |name: String| content(&decoded(name.as_bytes())));
    let named = move |extract::Path(name): extract::Path<String>| async move { content(name.as_bytes()) };
    let files = || Router::new().fallback_service(ServeDir::new(folder));
    let trimmed = |app| Router::new().fallback_service(NormalizePath::trim_trailing_slash(app));
    let appended =
        NormalizePath::append_trailing_slash(Router::new().route("/metrics/", routing::any(|| async { METRICS })));
    apps.extend([
        warp_app(
            "warp::fs::dir",
            "/metrics //metrics /./metrics /%6detrics /%2fmetrics /.%2fmetrics",
            warp::fs::dir(folder.to_owned()),
        ),
        warp_app("warp::path", "/metrics /metrics/ /metrics/x /metrics/.. /metrics/..%2fother", tail),
        warp_app("warp::path::param", "/metrics /%6detrics /metrics/ http://localhost/metrics", param),
        axum_app("ServeDir", "/metrics //metrics /./metrics /%6detrics /%2e/metrics", files()),
        axum_app(
            "a parameter",
            "/metrics /%6detrics http://localhost/metrics",
            Router::new().route("/{name}", routing::any(named)),
        ),
        App {
            name: "NormalizePath around the gate",
            served: "/metrics //metrics /metrics/ /metrics// /%6detrics//",
            open: ask(trimmed(files())),
            gated: ask(trimmed(Router::new().fallback_service(layer().layer(files())))),
        },
        axum_app(
            "NormalizePath behind the gate",
            "/metrics //metrics /metrics//",
            Router::new().fallback_service(appended),
        ),
    ]);
    apps
}

/// Returns the app that `app` makes with a gate that is disabled, and with one that guards `path`.
async fn actix_app<T, B>(
    name: &'static str,
    served: &'static str,
    path: &str,
    app: impl Fn(Condition<metrics_guard_actix::MetricsGuard>) -> actix_web::App<T>,
) -> App
where
    T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<B>, Error = Error, InitError = ()>,
    T: 'static,
    B: MessageBody + 'static,
{
    let guard = Guard::new(Key::new(KEY).unwrap());
    let gate = metrics_guard_actix::MetricsGuard::new(guard).only_path(path).unwrap();
    let ask = async |is_gated| {
        let app = Rc::new(init_service(app(Condition::new(is_gated, gate.clone()))).await);
        let ask: Ask = Box::new(move |method, target, key| {
            let request = target.parse::<Uri>().is_ok().then(|| {
                let request = TestRequest::with_uri(target).method(method.parse().unwrap());
                request.insert_header(("X-Metrics-Key", key)).to_request()
            });
            let app = Rc::clone(&app);
            Box::pin(async move {
                let response = match app.call(request?).await {
                    Ok(response) => response.into_parts().1.map_into_boxed_body(),
                    Err(error) => error.error_response(),
                };
                Some((response.status().as_u16(), to_bytes(response.into_body()).await.ok().unwrap()))
            })
        });
        ask
    };
    App { name, served, open: ask(false).await, gated: ask(true).await }
}

async fn actix_apps(folder: &Path) -> Vec<App> {
    use TrailingSlash::{Always, MergeOnly, Trim};
    let new = actix_web::App::new;
    let metrics = || web::route().to(|| async { METRICS });
    let named = |name: web::Path<String>| async move { if *name == "metrics" { METRICS } else { OTHER } };
    let named = || web::route().to(named);
    let files = || Files::new("/", folder);
    let mut apps = vec![
        actix_app("Files", "/metrics //metrics /%6detrics", "/metrics", |gate| new().service(files()).wrap(gate)).await,
        actix_app("a parameter of actix-web", "/metrics /%6detrics http://localhost/metrics", "/metrics", |gate| {
            new().route("/{name}", named()).wrap(gate)
        })
        .await,
    ];
    // A gate in a scope accepts the whole path, and the path in the scope.
    for path in ["/metrics", "/x/metrics"] {
        let scope = || web::scope("/x").route("/metrics", metrics());
        let app = |gate| new().service(scope().wrap(gate));
        apps.push(actix_app("a scope of actix-web", "/x/metrics /x/%6detrics", path, app).await);
    }
    for (mode, path, served) in [
        (Trim, "/metrics", "/metrics //metrics /metrics/ /%6detrics//"),
        (MergeOnly, "/metrics", "/metrics //metrics /%6detrics"),
        (Always, "/metrics/", "/metrics //metrics /metrics/ /%6detrics//"),
    ] {
        let (app, normalize) = (|| new().route(path, metrics()), || Normalize::new(mode));
        let around = |gate| app().wrap(gate).wrap(normalize());
        apps.push(actix_app("actix-web's NormalizePath around the gate", served, "/metrics", around).await);
        let behind = |gate| app().wrap(normalize()).wrap(gate);
        apps.push(actix_app("actix-web's NormalizePath behind the gate", served, "/metrics", behind).await);
    }
    apps
}

/// Returns an empty word and the words of `text`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    std::iter::once("").chain(text.split_whitespace())
}

/// Returns spellings of `path`, of paths below it, and of other paths that look similar.
fn spellings(path: &str) -> Vec<String> {
    let before = || {
        words(
            r"/ . .. /. /.. /%2e%2e /x/.. /x/%2e%2e /x/%252e%252e /x/%252e%252e/.. \ /x //localhost http://localhost
            HTTP://other:1 http://user@localhost https://localhost/x/..",
        )
    };
    let slashes =
        r"// /./ /%2e/ /x/../ /x/%2e%2e/ %2f %2F %252f /%2f /.%2f /x%2f..%2f \ /\ %5c /%5c /;x/ /%20/ /x/..;x/";
    let after = || {
        words(
            r"/ // /. /.. /../ /%2e%2e /..%2fother %2f.. %2f..%2fother %2f %5c \ /x %2fx /../other /../metrics . %20 %0a
            %00 %00.txt %2500 ;x=1 %3bx=1 ?x %3fx #x %23x ::$DATA %ff %c0%af % + x .txt",
        )
    };
    let mut all = vec![path.to_uppercase()];
    for before in before() {
        all.extend(after().map(|after| format!("{before}{path}{after}")));
    }
    for spelled in slashes.split(' ').map(|slash| path.replace('/', slash)) {
        all.extend(before().map(|before| format!("{before}{spelled}")));
        all.extend(after().map(|after| format!("{spelled}{after}")));
    }
    for (at, letter) in path.bytes().enumerate() {
        let code = format!("{letter:02x}");
        let (high, low) = code.split_at(1);
        let capital = format!("{:02x}", letter.to_ascii_uppercase());
        for escape in [&code, &code.to_uppercase(), &capital, &format!("25{code}"), &format!("%3{high}{low}")] {
            all.push(format!("{}%{escape}{}", &path[..at], &path[at + 1..]));
        }
    }
    all
}

#[tokio::test]
async fn a_gate_guards_every_spelling_of_its_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("metrics"), METRICS).unwrap();
    fs::write(folder.path().join("other"), OTHER).unwrap();
    for App { name, served, open, gated } in apps(folder.path()).await {
        let mut targets = spellings("/metrics");
        targets.extend(served.split(' ').map(str::to_owned));
        if !name.contains("warp") {
            // Warp's own filters panic for a target without a path. Its routes.rs tests the gate alone.
            targets.extend(["localhost:80", "localhost/metrics", "metrics"].map(str::to_owned));
        }
        let mut leading = Vec::new();
        for target in targets {
            let mut leads = false;
            for method in ["GET", "OPTIONS", "CONNECT"] {
                let answer = open(method, &target, "").await;
                assert_eq!(gated(method, &target, KEY).await, answer, "{name}: {target}");
                leads |= answer.is_some_and(|(_, body)| body == METRICS);
            }
            for method in ["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "PROPFIND"] {
                let Some((status, body)) = gated(method, &target, "").await else { continue };
                assert_ne!(body, METRICS, "{name}: {method} {target}");
                assert!(!leads || status == 401, "{name}: {method} {target}");
            }
            leading.extend(leads.then_some(target));
        }
        for served in served.split(' ') {
            assert!(leading.iter().any(|leads| leads == served), "{name} does not serve the metrics for {served}");
        }
    }
}

#[test]
fn a_path_without_escapes_is_read_without_an_allocation() {
    let metrics = GuardedPath::new("/metrics").unwrap();
    let read = || _ = std::hint::black_box(metrics.covers(r"//x/../METRICS\;a/.."));
    assert_eq!(allocation_counter::measure(read).count_total, 0);
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
    /// Text from a `;`, `?` or `#` on is not part of the segment.
    has_parameters: bool,
    /// The same applies to text from a `:` on, white space at the start, and dots and spaces at the end.
    is_windows: bool,
}

impl Reading {
    fn all() -> impl Iterator<Item = Reading> {
        (0..120_usize).map(|number| Reading {
            decodings: [0, 1, 2, 3, 30][number % 5],
            dots: [Dots::Resolve, Dots::Keep, Dots::Drop][number / 5 % 3],
            has_backslashes: (number / 15) & 1 != 0,
            has_parameters: (number / 15) & 2 != 0,
            is_windows: (number / 15) & 4 != 0,
        })
    }

    /// Returns whether this reading of `path` is `guarded`, or below it.
    fn leads(self, path: &[u8], guarded: &[&str]) -> bool {
        let path = (0..self.decodings).fold(path.to_vec(), |path, _| decoded(&path));
        let path = String::from_utf8_lossy(&path).to_lowercase();
        let path = path.split('\0').next().unwrap(); // a NUL ends a string in C
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

/// Decodes `path` once.
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

/// Generates a path from pieces that have a meaning for some server.
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
    fn a_path_is_covered_if_one_reading_leads_into_it(path in pieces(), deep in any::<bool>()) {
        let path = format!("/{path}");
        let (guarded, names) = if deep { ("/x/m", &["x", "m"][..]) } else { ("/m", &["m"][..]) };
        let is_covered = GuardedPath::new(guarded).unwrap().covers(&path);
        let leading = Reading::all().find(|reading| reading.leads(path.as_bytes(), names));
        prop_assert!(is_covered || leading.is_none(), "{:?}", leading);
    }
}
