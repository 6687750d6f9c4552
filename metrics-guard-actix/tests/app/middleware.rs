//! What `MetricsGuard` covers, and what other middleware can do to a rejection.

use actix_web::{
    App, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse},
    http::{StatusCode, Uri, header::CACHE_CONTROL},
    middleware::{
        Compat, Condition, DefaultHeaders, ErrorHandlerResponse, ErrorHandlers, Logger, NormalizePath, TrailingSlash,
    },
    web,
};
use actix_web_prom::{PrometheusMetrics, PrometheusMetricsBuilder};
use metrics_guard_actix::{Authorized, ConfigErrorKind, MetricsGuard, guard_metrics};
use prometheus::IntGauge;

use crate::answers::{Answer, KEY, ask, assert_statuses, get, guard, open, statuses};

fn whole() -> MetricsGuard {
    MetricsGuard::new(guard())
}

fn only() -> MetricsGuard {
    whole().only_path("/metrics").unwrap()
}

/// In actix-web, `wrap` also covers what is added after it. It does not cover what surrounds the wrapped part.
#[actix_web::test]
async fn covers_the_route_the_resource_the_scope_or_the_app_that_it_wraps() {
    let beside = || App::new().route("/beside", web::get().to(open));
    let route = || web::resource("/metrics").route(web::get().to(open).wrap(whole())).route(web::put().to(open));
    let resource = || web::resource("/metrics").wrap(whole()).route(web::get().to(open)).route(web::put().to(open));
    let scope = || web::scope("/in").wrap(whole()).route("/metrics", web::get().to(open));
    let defaults = || scope().default_service(web::to(open));
    let open_default = |app: App<_>| app.default_service(web::to(open));
    assert_statuses!(
        beside().service(route()),
        "GET /metrics 401 200; PUT /metrics 200 200; POST,HEAD /metrics 405 405; GET /beside 200 200"
    );
    assert_statuses!(
        beside().service(resource()),
        "GET,PUT /metrics 401 200; POST,HEAD /metrics 401 405; GET /beside 200 200; GET /%6detrics 401 200; GET //metrics 404 404"
    );
    assert_statuses!(
        beside().service(scope()),
        "GET /in/metrics 401 200; POST /in/metrics 401 404; GET /in/none,/in/,/in 401 404; GET /beside 200 200; GET /inn 404 404"
    );
    assert_statuses!(beside().service(defaults()), "GET,POST /in/none 401 200; GET /beside 200 200");
    assert_statuses!(open_default(beside().service(scope())), "GET /in/metrics,/in/none 401 200; GET /x 200 200");
    assert_statuses!(beside().wrap(whole()), "GET /beside 401 200; GET /none 401 404");
    assert_statuses!(App::new().wrap(whole()).route("/late", web::get().to(open)), "GET /late 401 200");
    assert_statuses!(
        App::new().wrap(whole()).default_service(web::to(open)),
        "GET,POST,HEAD,OPTIONS /,/metrics,*,/none 401 200"
    );
}

/// All combinations of the guard, actix-web-prom and `NormalizePath`, from the innermost to the outermost.
macro_rules! assert_orders {
    ($check:ident, $($first:ident $second:ident $third:ident),+) => {
        $($check!(App::new().wrap($first()).wrap($second()).wrap($third()), stringify!($first, $second, $third));)+
    };
}

fn prom() -> PrometheusMetrics {
    let prom = PrometheusMetricsBuilder::new("api").endpoint("/metrics").build().unwrap();
    prom.registry.register(Box::new(IntGauge::new("secret", "A gauge.").unwrap())).unwrap();
    prom
}

fn normalize() -> NormalizePath {
    NormalizePath::new(TrailingSlash::Trim)
}

fn is_open(answer: &Answer) -> bool {
    answer.body.contains("secret")
}

const SPELLINGS: [&str; 10] = [
    "/metrics",
    "//metrics",
    "/metrics/",
    "/%6detrics",
    "/%256detrics",
    "/./metrics",
    "/x/../metrics",
    "/METRICS",
    "/metrics;x",
    "/metrics//x",
];

/// actix-web-prom replaces every `Ok` response to its endpoint, whatever its status, by the metrics.
#[actix_web::test]
async fn metrics_of_actix_web_prom_leave_in_no_order_without_the_key() {
    macro_rules! check {
        ($app:expr, $order:expr) => {
            for path in SPELLINGS {
                let mut requests = vec![get("/", ""), get(path, ""), get(path, "wrong"), get(path, KEY)];
                requests.extend(["/", path].map(|path| get(path, KEY)));
                let answers = ask($app, requests).await;
                let statuses: Vec<_> = answers[1..3].iter().map(|answer| answer.status).collect();
                assert_eq!(statuses, [401, 401], "{path}, {}", $order);
                assert!(!answers[..3].iter().any(is_open), "{path}, {}", $order);
                assert!(path != "/metrics" || is_open(&answers[3]), "{path}, {}", $order);
                assert_eq!(answers[3].header("cache-control"), "no-store", "{path}, {}", $order);
                assert_eq!(answers[4].header("cache-control"), "", "{path}, {}", $order);
            }
        };
    }
    assert_orders!(
        check,
        only prom normalize, only normalize prom, prom only normalize, prom normalize only, normalize only prom, normalize prom only
    );
    assert_orders!(check, only prom prom, prom only only);
}

/// A guard around all of the app, or around a part of it that has the path.
#[actix_web::test]
async fn a_guarded_app_scope_or_resource_closes_actix_web_prom_too() {
    macro_rules! check {
        ($app:expr) => {
            let answers = ask($app, ["", "wrong", KEY].map(|key| get("/metrics", key))).await;
            assert_eq!(answers.iter().map(is_open).collect::<Vec<_>>(), [false, false, true], "{}", stringify!($app));
            assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 401, 200]);
            assert!(answers[0].is_error && answers[0].body == "Unauthorized\n");
        };
    }
    check!(App::new().wrap(prom()).wrap(whole()));
    check!(App::new().wrap(whole()).wrap(prom()));
    check!(App::new().wrap(prom()).service(web::scope("/metrics").wrap(whole())));
    check!(App::new().wrap(prom()).service(web::resource("/metrics").wrap(whole()).to(open)));
    check!(App::new().wrap(prom()).route("/metrics", web::get().to(open).wrap(whole())));
    check!(App::new().service(web::scope("").wrap(prom()).wrap(whole()).route("/metrics", web::get().to(open))));
    check!(App::new().wrap(Condition::new(true, Compat::new(only()))).wrap(prom()));
}

#[guard_metrics]
async fn guarded() -> &'static str {
    "up 1\n"
}

#[guard_metrics]
#[actix_web::get("/metrics")]
async fn routed() -> &'static str {
    "up 1\n"
}

/// A limit: actix-web turns the error of a handler into an `Ok` response, which actix-web-prom replaces by its metrics.
#[actix_web::test]
async fn a_handler_that_checks_does_not_close_the_endpoint_of_other_middleware() {
    let plain = App::new().wrap(prom()).route("/metrics", web::get().to(guarded(&guard())));
    let extractor = App::new().wrap(prom()).app_data(guard()).route("/metrics", web::get().to(with_proof));
    let routed = App::new().wrap(prom()).service(routed(&guard()));
    let stranger = || [get("/metrics", "")];
    assert!(is_open(&ask(plain, stranger()).await[0]));
    assert!(is_open(&ask(extractor, stranger()).await[0]));
    assert!(!is_open(&ask(routed, stranger()).await[0]));
}

async fn with_proof(_authorized: Authorized) -> &'static str {
    "up 1\n"
}

/// Turns an error into an `Ok` response, as a page for errors does.
macro_rules! maps_errors {
    () => {
        |request: ServiceRequest, service| {
            let head = request.request().clone();
            let outcome = Service::<ServiceRequest>::call(service, request);
            async move { Ok(outcome.await.map_or_else(|error| ServiceResponse::from_err(error, head), boxed)) }
        }
    };
}

/// Makes every `Ok` response a success, as actix-web-prom does.
macro_rules! overwrites {
    ($body:literal) => {
        |request: ServiceRequest, service| {
            let outcome = Service::<ServiceRequest>::call(service, request);
            async move {
                Ok(outcome.await?.map_body(|head, _| {
                    head.status = StatusCode::OK;
                    $body
                }))
            }
        }
    };
}

fn boxed<B: MessageBody + 'static>(response: ServiceResponse<B>) -> ServiceResponse {
    response.map_into_boxed_body()
}

/// The guard outside of all that serves metrics, also with middleware around it that replaces its response.
#[actix_web::test]
async fn outside_of_the_endpoint_the_guard_is_closed_whatever_maps_errors() {
    macro_rules! check {
        ($app:expr, $status:expr) => {
            let answers = ask($app, ["", "wrong", KEY].map(|key| get("/metrics", key))).await;
            let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
            assert_eq!(statuses, [$status, $status, 200], "{}", stringify!($app));
            let are_open: Vec<_> = answers.iter().map(|answer| is_open(answer)).collect();
            assert_eq!(are_open, [false, false, true], "{}", stringify!($app));
        };
    }
    check!(App::new().wrap_fn(maps_errors!()).wrap(prom()).wrap(only()), 401);
    check!(App::new().wrap(prom()).wrap_fn(maps_errors!()).wrap(only()), 401);
    check!(App::new().wrap(prom()).wrap(only()).wrap_fn(maps_errors!()), 401);
    check!(App::new().wrap_fn(overwrites!("secret")).wrap(only()), 401);
    check!(App::new().wrap(only()).wrap_fn(overwrites!("secret")), 401);
    check!(App::new().wrap(only()).wrap_fn(overwrites!("secret")).wrap_fn(maps_errors!()), 401);
    check!(App::new().wrap(prom()).wrap(only()).wrap(error_pages()), 401);
    check!(App::new().wrap(only()).wrap(prom()).wrap(error_pages()), 401);
    check!(
        App::new().wrap(only()).wrap(Logger::default()).wrap(DefaultHeaders::new().add(("x", "y"))).wrap(prom()),
        401
    );
}

/// A limit: between the guard and actix-web-prom outside of it, such middleware makes an `Ok`, with the guard or without it.
#[actix_web::test]
async fn middleware_that_responds_between_the_guard_and_actix_web_prom_opens_it() {
    macro_rules! redirects {
        () => {
            |request: ServiceRequest, _| async { Ok(request.into_response(HttpResponse::SeeOther().finish())) }
        };
    }
    let maps_errors = App::new().wrap(only()).wrap_fn(maps_errors!()).wrap(prom());
    let redirects = App::new().wrap(only()).wrap_fn(redirects!());
    let outside = App::new().wrap(prom()).wrap_fn(redirects!()).wrap(only());
    assert!(is_open(&ask(maps_errors, [get("/metrics", "")]).await[0]));
    assert!(is_open(&ask(redirects.wrap(prom()), [get("/metrics", "")]).await[0]));
    assert_eq!(ask(outside, [get("/metrics", "")]).await[0].status, 401);
}

fn error_pages<B: 'static>() -> ErrorHandlers<B> {
    ErrorHandlers::new().default_handler(|response: ServiceResponse<B>| {
        let response = response.map_body(|_, _| BoxBody::new("a page"));
        Ok(ErrorHandlerResponse::Response(response.map_into_right_body()))
    })
}

/// `ErrorHandlers` sees only `Ok` responses, so that it can replace the 401 of an extractor, but not of the middleware.
#[actix_web::test]
async fn error_handlers_replace_only_the_rejections_of_handlers() {
    let extractor = App::new().wrap(error_pages()).app_data(guard()).route("/metrics", web::get().to(with_proof));
    let middleware = App::new().wrap(error_pages()).wrap(whole()).wrap(error_pages());
    for (answers, body) in [
        (ask(extractor, [get("/metrics", "")]).await, "a page"),
        (ask(middleware, [get("/metrics", "")]).await, "Unauthorized\n"),
    ] {
        assert_eq!((answers[0].status, &*answers[0].body), (401, body));
    }
}

#[actix_web::test]
async fn an_allowed_response_gets_no_store_unless_it_has_a_cache_control() {
    async fn cached() -> HttpResponse {
        HttpResponse::Ok().insert_header((CACHE_CONTROL, "max-age=5")).body("up 1\n")
    }
    let app = App::new().wrap(whole()).route("/metrics", web::get().to(open)).route("/cached", web::get().to(cached));
    let paths = [("/metrics", "no-store"), ("/cached", "max-age=5"), ("/none", "no-store")];
    let answers = ask(app, paths.map(|(path, _)| get(path, KEY))).await;
    for ((path, expected), answer) in paths.into_iter().zip(answers) {
        assert_eq!(answer.header("cache-control"), expected, "{path}");
    }
}

/// A scope removes its prefix from the rest of the path, and a rewrite outside of the guard changes the path that it sees.
#[actix_web::test]
async fn only_path_compares_the_path_as_received_and_as_scopes_and_rewrites_left_it() {
    let scope = |middleware| web::scope("/in").wrap(middleware).default_service(web::to(open));
    let at = |path| whole().only_path(path).unwrap();
    assert_statuses!(
        App::new().service(scope(at("/metrics"))),
        "GET /in/metrics,/in//%6detrics,/in/metrics/x 401 200; GET /in/other,/in,/in/metricsx 200 200"
    );
    assert_statuses!(App::new().service(scope(at("/in/metrics"))), "GET /in/metrics 401 200; GET /in/other 200 200");
    assert_statuses!(App::new().service(scope(at("/in"))), "GET /in,/in/other 401 200");
    let both = || at("/metrics").only_path("/health").unwrap();
    assert_statuses!(
        App::new().wrap(both()).default_service(web::to(open)),
        "GET,POST,OPTIONS /metrics,/health,/health/x 401 200; GET /,/healthy 200 200"
    );
    macro_rules! rewrites {
        ($path:literal) => {
            |mut request: ServiceRequest, service| {
                request.head_mut().uri = Uri::from_static($path);
                Service::<ServiceRequest>::call(service, request)
            }
        };
    }
    let outside = || App::new().default_service(web::to(open)).wrap(only()).wrap_fn(rewrites!("/metrics"));
    assert_statuses!(outside(), "GET /other 401 200");
    // actix-web chooses the route by another copy of the path, which this does not change.
    let hidden = || App::new().route("/metrics", web::get().to(open)).wrap(only()).wrap_fn(rewrites!("/other"));
    assert_statuses!(hidden(), "GET /metrics 401 200");
    let in_scope = || App::new().service(scope(at("/in/metrics"))).wrap_fn(rewrites!("/other"));
    assert_statuses!(in_scope(), "GET /in/metrics 401 200");
    // A limit: the guard cannot see what middleware inside makes of the path.
    let inside = || App::new().default_service(web::to(open)).wrap_fn(rewrites!("/metrics")).wrap(only());
    assert_statuses!(inside(), "GET /other 200 200; GET /metrics 401 200");
    assert_eq!(whole().only_path("/;metrics").unwrap_err().kind(), ConfigErrorKind::InvalidSetting);
}
