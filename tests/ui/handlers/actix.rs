//! Handlers of actix-web.

// Clippy reports these lints without `#[guard_metrics]` too.
#![allow(clippy::future_not_send, clippy::unused_async)]

use std::{collections::HashMap, pin::Pin};

use actix_web::{
    App, HttpRequest, HttpResponse, Responder,
    body::to_bytes,
    dev::{Service, ServiceResponse},
    error::{Error, ErrorImATeapot},
    get,
    guard::GuardContext,
    http::Method,
    middleware::DefaultHeaders,
    route, routes,
    test::{TestRequest, init_service},
    web::{self, Bytes, Data, Path, Query, ServiceConfig},
};
use metrics_guard_actix::{Guard, Key, guard_metrics};

use crate::{GUARD, KEY, assert_guarded, forbidden};

#[guard_metrics(crate = metrics_guard_actix)]
#[route("/route", method = "GET", method = "HEAD")]
async fn by_route() -> &'static str {
    "ran"
}

#[guard_metrics]
#[routes]
#[get("/first")]
#[trace("/first")]
#[get("/second")]
async fn several() -> &'static str {
    "ran"
}

const fn any_host(_: &GuardContext<'_>) -> bool {
    true
}

fn tagged() -> DefaultHeaders {
    DefaultHeaders::new().add(("X-Ran", "ran"))
}

/// A doc comment above.
#[guard_metrics]
/// One between.
#[actix_web::get("/qualified", name = "named", guard = "any_host", wrap = "tagged()")]
/// And one below.
#[must_use]
pub(crate) async fn qualified(request: HttpRequest) -> Result<String, Error> {
    if request.url_for_static("named")?.path() == "/qualified" {
        return Ok("ran".to_owned());
    }
    Err(ErrorImATeapot("the route has another name"))
}

mod alias {
    pub(crate) use actix_web::get as fetch;
}
use alias::fetch;

mod vendored {
    pub(crate) use metrics_guard_actix as guard;
}

#[metrics_guard_actix::guard_metrics(crate = crate::actix::vendored::guard, route_attr = fetch,)]
#[fetch("/arguments")]
async fn arguments() -> &'static str {
    "ran"
}

/// A macro can pass a whole item, or every fragment of a route.
macro_rules! item {
    ($item:item) => {
        #[guard_metrics]
        $item
    };
}
item! {
    #[get("/item")]
    async fn from_item(body: String) -> String {
        body + "ran"
    }
}

macro_rules! fragments {
    ($krate:path, $meta:meta, $vis:vis $name:ident($parameter:ident: $of:ty) -> $type:ty, $body:block) => {
        #[guard_metrics(crate = $krate)]
        #[$meta]
        $vis async fn $name($parameter: $of) -> $type $body
    };
}
fragments!(::metrics_guard_actix, get("/fragments",), pub(crate) from_fragments(data: Data<&'static str>) -> &'static str, {
    **data
});

macro_rules! arguments {
    ($path:literal, $name:ident -> $type:ty, $body:expr) => {
        #[guard_metrics]
        #[get($path)]
        async fn $name() -> $type {
            $body
        }
    };
}
arguments!("/arguments-of-a-macro", from_arguments -> &'static str, "ran");

/// The module's path comes first.
#[actix_web::scope("/scope")]
mod scoped {
    use actix_web::{get, web::Path};
    use metrics_guard_actix::guard_metrics;

    #[guard_metrics]
    #[get("/{scoped}")]
    pub(crate) async fn scoped(scoped: Path<String>) -> String {
        scoped.into_inner()
    }
}

/// Is not compiled.
#[guard_metrics]
#[get("/configured")]
#[cfg(any())]
async fn configured() -> Missing {
    missing()
}

/// Parameters with patterns, and names that look like those of the expansion.
#[guard_metrics]
#[must_use]
pub async fn guard(
    Query(_): Query<HashMap<String, String>>,
    mut registered: Bytes,
    _: HttpRequest,
    guard: Data<&'static str>,
) -> String {
    registered.clear();
    (**guard).to_owned()
}

#[guard_metrics]
async fn generic<T, const N: usize>(_: Data<T>) -> String
where
    T: Default + ToString + 'static,
{
    [(); N].map(|()| T::default().to_string()).concat() + "ran"
}

#[guard_metrics]
async fn failing(word: Path<String>) -> Result<impl Responder, Error> {
    let word = Some(word.into_inner()).filter(|word| word == "ran").ok_or_else(|| ErrorImATeapot(""))?;
    Ok(web::Html::new(word))
}

/// Has lifetimes, although actix-web passes only `'static` data.
#[guard_metrics]
async fn lifetimes<'a>(data: Data<&'a str>, _: Data<&str>) -> &'a str
where
    'a: 'a,
{
    **data
}

#[guard_metrics]
async fn nothing() -> Result<(), Error> {
    Ok(())
}

/// Returns a future.
#[guard_metrics]
pub fn future() -> impl Future<Output = impl Responder> {
    async { "ran" }
}

/// Returns a boxed future.
#[guard_metrics]
pub fn boxed(body: Bytes) -> Pin<Box<dyn Future<Output = HttpResponse>>> {
    Box::pin(async move { HttpResponse::Ok().body([&*body, b"ran"].concat()) })
}

struct Handlers;

impl Handlers {
    const RAN: &'static str = "ran";

    #[guard_metrics]
    pub(crate) async fn associated() -> &'static str {
        Self::RAN
    }

    #[guard_metrics]
    #[get("/associated")]
    async fn with_route() -> &'static str {
        "ran"
    }
}

/// Attributes of other crates above and below `#[guard_metrics]`.
mod attributes {
    use actix_web::{
        error::Error,
        get,
        web::{Data, Path},
    };
    use cached::proc_macro::{cached, once, once as trace};
    use metrics_guard_actix::guard_metrics;

    use crate::fresh;

    #[guard_metrics]
    #[get("/cached/{ran}")]
    #[cached(key = "String", convert = "{ by_path.to_string() }", result = true)]
    pub(super) async fn by_path(by_path: Path<String>) -> Result<String, Error> {
        Ok(fresh(&by_path))
    }

    #[guard_metrics]
    #[cfg_attr(all(), must_use, once)]
    #[get("/above")]
    pub(super) async fn above_the_route() -> String {
        fresh("ran")
    }

    /// Is a cache under the name of a route attribute.
    #[guard_metrics]
    #[trace]
    #[rustfmt::skip]
    pub(super) async fn traced() -> String {
        fresh("ran")
    }

    #[utoipa::path(get, path = "/documented", responses((status = 200, body = String)))]
    #[guard_metrics]
    #[get("/documented")]
    #[tracing::instrument(skip(ran), ret)]
    pub(super) async fn documented(ran: Data<&'static str>) -> &'static str {
        actix_web::rt::task::yield_now().await;
        **ran
    }

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(documented))]
    pub(super) struct Api;
}

/// Makes an `allow` in an expansion an error. actix-web's own attributes allow `missing_docs` and `non_camel_case_types`.
pub mod with_a_route {
    // Single lints follow their groups, because an `allow` is only a warning where the group is forbidden last.
    #![forbid(unused, clippy::all, clippy::pedantic)]
    #![forbid(clippy::too_many_arguments, clippy::unused_async)]

    use actix_web::{error::Error, get, web::Bytes};
    use metrics_guard_actix::guard_metrics;

    /// # Errors
    ///
    /// If the body is empty.
    #[guard_metrics]
    #[get("/forbidden")]
    #[rustfmt::skip]
    pub async fn forbidden(body: Bytes) -> Result<String, Error> {
        use std::str::from_utf8;
        actix_web::rt::task::yield_now().await;
        Ok(from_utf8(&body)?.to_owned() + "ran")
    }
}

/// Adds all routes to an app, and returns the paths of those that answer `ran`.
fn all(app: &mut ServiceConfig) -> &'static [&'static str] {
    macro_rules! handlers {
        ($($path:literal => $handler:expr,)*) => {{
            $(app.route($path, web::to($handler(&GUARD)));)*
            &[
                "/route", "/first", "/second", "/qualified", "/arguments", "/item", "/fragments", "/arguments-of-a-macro",
                "/scope/ran", "/associated", "/cached/ran", "/above", "/documented", "/forbidden", $($path),*
            ]
        }};
    }
    app.app_data(Data::new("ran"))
        .app_data(Data::new(String::new()))
        .service((by_route(&GUARD), several(&GUARD), qualified(&GUARD), arguments(&GUARD), from_item(&GUARD)))
        .service((from_fragments(&GUARD), from_arguments(&GUARD), scoped::scoped(&GUARD), Handlers::with_route(&GUARD)))
        .service((attributes::by_path(&GUARD), attributes::above_the_route(&GUARD), attributes::documented(&GUARD)))
        .service(with_a_route::forbidden(&GUARD))
        .route("/failing/{word}", web::to(failing(&GUARD)))
        .route("/nothing", web::get().to(nothing(&GUARD)));
    handlers! {
        "/guard" => guard,
        "/generic" => generic::<String, 3>,
        "/failing/ran" => failing,
        "/lifetimes" => lifetimes,
        "/future" => future,
        "/boxed" => boxed,
        "/associated-function" => Handlers::associated,
        "/traced" => attributes::traced,
        "/unnamed" => forbidden::actix_unnamed,
        "/seven" => forbidden::actix_seven,
    }
}

fn request(path: &str, key: Option<&str>) -> TestRequest {
    let request = TestRequest::with_uri(path);
    key.into_iter().fold(request, |request, key| request.insert_header(("X-Metrics-Key", key)))
}

/// Returns the response, also if it is an error.
#[allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions
async fn ask<R>(
    app: &impl Service<R, Response = ServiceResponse, Error = Error>,
    request: R,
) -> http::Response<String> {
    let response = app.call(request).await;
    let response = response.map_or_else(|error| error.error_response(), |response| response.into_parts().1);
    let answer = http::Response::builder().status(response.status().as_u16());
    let headers = response.headers().iter();
    let answer = headers.fold(answer, |answer, (name, value)| answer.header(name.as_str(), value.as_bytes()));
    answer.body(String::from_utf8(to_bytes(response.into_body()).await.unwrap().into()).unwrap()).unwrap()
}

#[actix_web::test]
async fn each_handler_is_guarded() {
    let mut paths: &[&str] = &[];
    let app = init_service(App::new().configure(|app| paths = all(app))).await;

    assert_guarded("Unauthorized\n", async |key| {
        let mut answers = Vec::new();
        for path in paths {
            answers.push(((*path).to_owned(), ask(&app, request(path, key).to_request()).await));
        }
        answers.push((
            "TRACE /first".to_owned(),
            ask(&app, request("/first", key).method(Method::TRACE).to_request()).await,
        ));
        answers
    })
    .await;
    for (path, status) in [("/failing/other", 418), ("/nothing", 204)] {
        assert_eq!(ask(&app, request(path, None).to_request()).await.status(), 401, "{path} without a key");
        let allowed = ask(&app, request(path, Some(KEY)).to_request()).await;
        assert_eq!((allowed.status().as_u16(), &**allowed.body()), (status, ""), "{path} with a key");
    }
    for (key, tag) in [(None, None), (Some(KEY), Some("ran"))] {
        let answer = ask(&app, request("/qualified", key).to_request()).await;
        let found = answer.headers().get("X-Ran").map(|value| value.to_str().unwrap());
        assert_eq!(found, tag, "the guard is outside the route's own middleware");
    }
    assert!(<attributes::Api as utoipa::OpenApi>::openapi().paths.paths.contains_key("/documented"));
}

#[actix_web::test]
async fn each_registration_has_its_own_guard() {
    let keys = [KEY, "0b6cbb8a6c5d4ab2a1f2b9a3d5c47e16"];
    let [one, two] = keys.map(|key| Guard::new(Key::new(key).unwrap()));
    let add = |app: &mut ServiceConfig, guard: &Guard| {
        app.service(by_route(guard)).route("/future", web::to(future(guard)));
    };
    let app = App::new()
        .service(web::scope("/one").configure(|app| add(app, &one)).service(
            // A scope registers its services inside the call that registers the scope.
            web::scope("/two").configure(|app| add(app, &two)),
        ))
        .configure(|app| add(app, &two));
    let app = init_service(app).await;
    for (prefix, accepted) in [("/one", keys[0]), ("/one/two", keys[1]), ("", keys[1])] {
        for (path, key) in ["/route", "/future"].into_iter().flat_map(|path| keys.map(|key| (path, key))) {
            let status = if key == accepted { 200 } else { 401 };
            let answer = ask(&app, request(&format!("{prefix}{path}"), Some(key)).to_request()).await;
            assert_eq!(answer.status(), status, "{prefix}{path}");
        }
    }
}
