//! The extractor: where its guard comes from, what it responds, and a missing guard.

use std::{
    env,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use actix_web::{App, HttpResponse, test::TestRequest, web};
use metrics_guard_actix::{Authorized, Guard, Key, MetricsGuard, Refusal, expansion::Allowed};

use crate::answers::{KEY, ask, assert_statuses, get, guard, statuses};

async fn metrics(authorized: Authorized) -> HttpResponse {
    let mut response = HttpResponse::Ok().body(authorized.key().unwrap_or_default());
    authorized.set_no_store(response.headers_mut());
    response
}

#[actix_web::test]
async fn the_guard_is_in_the_data_of_the_app_the_scope_or_the_resource() {
    let resource = || web::resource("/metrics").route(web::get().to(metrics));
    let other = || Guard::new(Key::new("7e10f3a586d7e9b0c4f1a26853c2d94b").unwrap());
    assert_statuses!(
        App::new().app_data(guard()).service(resource()),
        "GET /metrics 401 200; POST,HEAD /metrics 405 405"
    );
    assert_statuses!(App::new().app_data(web::Data::new(guard())).service(resource()), "GET /metrics 500 500");
    assert_statuses!(
        App::new()
            .app_data(other())
            .service(web::scope("/in").app_data(guard()).service(resource()))
            .service(resource()),
        "GET /in/metrics 401 200; GET /metrics 401 401"
    );
    assert_statuses!(App::new().app_data(other()).service(resource().app_data(guard())), "GET /metrics 401 200");
    assert_statuses!(
        App::new().app_data(other()).default_service(web::to(metrics)).service(web::scope("/in").app_data(guard())),
        "GET /none 401 401; GET /in/none 401 200"
    );
    let answers = ask(App::new().app_data(guard()).service(resource()), [get("/metrics", KEY)]).await;
    assert_eq!((&*answers[0].body, &*answers[0].header("cache-control")), ("current", "no-store"));
}

/// The values of metrics-guard-tower's extractor. The middleware has the same.
#[actix_web::test]
async fn a_rejection_has_the_response_of_the_other_adapters() {
    let app = || App::new().app_data(guard()).route("/metrics", web::get().to(metrics));
    let by_network = Guard::builder(Key::new(KEY).unwrap()).allow_networks(["192.0.2.0/24"]).unwrap().build();
    let elsewhere = || App::new().app_data(by_network.clone()).route("/metrics", web::get().to(metrics));
    let wrapped = || App::new().wrap(MetricsGuard::new(guard()));
    let stranger = || [get("/metrics", ""), get("/metrics", "wrong")];
    let handlers = ask(app(), stranger()).await.into_iter().chain(ask(wrapped(), stranger()).await);
    let expected = |status| match status {
        401 => ("Unauthorized\n", "Bearer realm=\"metrics\""),
        _ => ("Forbidden\n", ""),
    };
    for answer in handlers.chain(ask(elsewhere(), [get("/metrics", KEY).peer_addr(([192, 0, 3, 1], 9).into())]).await) {
        let (body, challenge) = expected(answer.status);
        assert_eq!((&*answer.body, &*answer.header("www-authenticate")), (body, challenge));
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let inside = get("/metrics", KEY).peer_addr(([192, 0, 2, 1], 9).into());
    assert_eq!(ask(elsewhere(), [inside]).await[0].status, 200);
}

#[actix_web::test]
async fn without_a_guard_the_handler_does_not_run() {
    let has_run = Arc::new(AtomicBool::new(false));
    let ran = Arc::clone(&has_run);
    let handler = move |_authorized: Authorized| {
        ran.store(true, Relaxed);
        async { "up 1\n" }
    };
    let app = App::new().route("/metrics", web::get().to(handler));
    let answers = ask(app, [get("/metrics", KEY), TestRequest::get().uri("/metrics")]).await;
    assert!(answers.iter().all(|answer| (answer.status, &*answer.body) == (500, "")));
    assert!(!has_run.load(Relaxed));
}

/// The macro registers a handler with this parameter, and adds the guard as `wrap`. An attribute of another crate can ignore it.
#[actix_web::test]
async fn a_route_attribute_that_ignores_the_guard_makes_no_open_route() {
    let handler = |allowed: Allowed| allowed.run(|| async { "up 1\n" });
    let app = App::new().wrap(MetricsGuard::new(guard())).route("/metrics", web::get().to(handler));
    let answer = &ask(app, [get("/metrics", KEY)]).await[0];
    assert_eq!((answer.status, &*answer.body), (500, ""));
}

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOGGED.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

const NAME: &str = "extractor::a_missing_guard_is_logged_once_or_else_on_stderr";
const WITH_LOG: &str = "METRICS_GUARD_TEST_WITH_LOG";

/// Runs itself in two other processes, because a process logs this once, and has one logger.
#[actix_web::test]
async fn a_missing_guard_is_logged_once_or_else_on_stderr() {
    let message = format!("metrics-guard: {}", Refusal::NoGuard);
    let Ok(with_log) = env::var(WITH_LOG) else {
        for with_log in ["true", "false"] {
            let mut child = Command::new(env::current_exe().unwrap());
            let child = child.args(["--exact", NAME, "--nocapture"]).env(WITH_LOG, with_log).output().unwrap();
            let printed = String::from_utf8(child.stderr).unwrap();
            assert!(child.status.success(), "{printed}");
            assert_eq!(printed.matches(&message).count(), usize::from(with_log == "false"), "{printed}");
        }
        return;
    };
    if with_log == "true" {
        log::set_logger(&Log).unwrap();
        log::set_max_level(log::LevelFilter::Error);
    }
    for _ in 0..3 {
        let app = App::new().route("/metrics", web::get().to(metrics));
        assert_eq!(ask(app, [get("/metrics", "")]).await[0].status, 500);
    }
    let logged = LOGGED.lock().unwrap();
    let expected = (with_log == "true").then(|| format!("ERROR {message}"));
    assert_eq!(*logged, expected.into_iter().collect::<Vec<_>>());
}
