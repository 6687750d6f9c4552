//! What functions of servers of one's own must compile without a warning, and be guarded.
//!
//! .ci/run makes every warning here an error, clippy's pedantic and nursery lints included.

#![warn(clippy::all, clippy::pedantic, clippy::nursery)]
// What clippy says of these functions without `#[guard_metrics]` too.
#![allow(clippy::needless_pass_by_value, clippy::redundant_pub_crate, clippy::unused_async)]

use std::{
    error::Error,
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError, RwLock},
};

use http::{Request, Response, StatusCode, Version, request::Parts};
use metrics_guard_core::{Authorized, Denied, Guard, Key, RequestHead, guard_metrics};

const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";

static GUARD: LazyLock<Guard> = LazyLock::new(|| Key::new(KEY).map_or_else(|_| Guard::disabled(), Guard::new));

#[guard_metrics(guard = GUARD)]
fn by_reference(request: &Request<()>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = GUARD)]
async fn by_value<B: Send>(mut request: Request<B>) -> Response<String> {
    *request.uri_mut() = http::Uri::from_static("/metrics");
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = *GUARD)]
fn of_parts(parts: &mut Parts) -> Response<String> {
    parts.headers.clear();
    Response::new(parts.uri.path().to_owned())
}

#[guard_metrics(guard = guard)]
async fn fallible(guard: &Guard, request: Request<()>) -> Result<Response<String>, fmt::Error> {
    let _ = guard;
    let path = Some(request.uri().path().to_owned()).ok_or(fmt::Error)?;
    if path.is_empty() {
        return Err(fmt::Error);
    }
    Ok(Response::new(path))
}

type Head = Request<()>;

#[guard_metrics(guard = GUARD, request = head)]
fn of_another_type(head: &Head) -> Response<String> {
    Response::new(head.uri().path().to_owned())
}

#[derive(Debug, PartialEq)]
enum Page {
    Closed(&'static str),
    Open(String),
}

const fn closed(denied: Denied) -> Page {
    Page::Closed(denied.reason().as_str())
}

#[guard_metrics(guard = GUARD, denied = closed)]
fn to_another_type(request: &Request<()>) -> Page {
    Page::Open(request.uri().path().to_owned())
}

impl metrics_guard_core::Answer for Page {
    fn guarded(handled: Result<(Self, Authorized), Denied>) -> Self {
        handled.map_or_else(closed, |(page, _)| page)
    }
}

#[guard_metrics(guard = GUARD)]
fn to_an_answer(request: &Request<()>) -> Page {
    Page::Open(request.uri().path().to_owned())
}

struct Service {
    guard: Guard,
}

static OTHER: LazyLock<Guard> = LazyLock::new(|| Guard::clone(&GUARD));

#[guard_metrics(guard = if request.uri().path() == "/other" { &OTHER } else { &GUARD })]
fn one_of_two_guards(request: &Request<()>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = match request.version() { Version::HTTP_3 => &*OTHER, _ => service.guard() })]
async fn matched(service: &Service, request: Request<()>) -> Response<String> {
    let _ = service;
    tokio::task::yield_now().await;
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = {
    let guard: &'static Guard = &GUARD;
    guard
})]
fn by_block(request: &Request<()>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = { GUARD.clone() })]
fn by_block_of_a_clone(request: &Request<()>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = &&shared)]
async fn shared(shared: Arc<Guard>, request: Request<()>) -> Response<String> {
    drop(shared);
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = guards.lock().unwrap_or_else(PoisonError::into_inner)[0])]
async fn in_a_list(guards: &Mutex<Vec<Guard>>, request: Request<()>) -> Response<String> {
    let free = guards.try_lock().is_ok();
    tokio::task::yield_now().await;
    Response::new(if free { request.uri().path().to_owned() } else { "locked".to_owned() })
}

#[guard_metrics(guard = &*(guard as &dyn AsRef<Guard>).as_ref())]
fn of_a_trait<G: AsRef<Guard>>(guard: &G, request: &Request<()>) -> Response<String> {
    let _ = guard;
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = GUARD)]
fn through_two_references(request: &&mut Request<()>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

#[allow(clippy::toplevel_ref_arg)]
#[guard_metrics(guard = GUARD)]
fn bound_by_reference(ref request: Request<()>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

impl AsRef<Guard> for Service {
    fn as_ref(&self) -> &Guard {
        &self.guard
    }
}

/// Whatever leaves the body meets the return type as in any function.
#[guard_metrics(guard = GUARD)]
async fn converted(request: Request<()>) -> Result<Response<String>, Box<dyn Error>> {
    let path = request.uri().path();
    let _: u8 = "1".parse()?;
    if path.is_empty() {
        return Err("no path".into());
    }
    if path.len() > 100 {
        return Err(Box::new(fmt::Error));
    }
    Ok(Response::new(path.to_owned()))
}

/// What the guard is borrowed from is free again in the body, and not held over an await.
#[guard_metrics(guard = guard.read().unwrap_or_else(PoisonError::into_inner))]
async fn behind_a_lock(guard: &RwLock<Guard>, request: Request<()>) -> Response<String> {
    if let Ok(mut guard) = guard.try_write() {
        *guard = guard.clone();
    } else {
        return Response::new("the guard is still borrowed".to_owned());
    }
    tokio::task::yield_now().await;
    Response::new(request.uri().path().to_owned())
}

/// The body meets the return type as in any function.
#[guard_metrics(guard = GUARD)]
async fn coerced(request: Request<()>) -> Response<Option<Box<dyn ToString + Send>>> {
    Response::new(Some(Box::new(request.uri().path().to_owned())))
}

#[guard_metrics(guard = GUARD)]
fn borrowed<'b>(buffer: &'b mut String, request: &Request<()>) -> Response<&'b str> {
    #![allow(clippy::single_char_add_str)]
    buffer.push_str("");
    buffer.push_str(request.uri().path());
    Response::new(buffer)
}

#[guard_metrics(guard = GUARD, request = request)]
fn one_of_two(_upstream: &Request<()>, request: &Request<()>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

const fn is_send<T: Send>(future: T) -> T {
    future
}

impl Service {
    /// A method.
    #[guard_metrics(guard = self.guard, crate = metrics_guard_core)]
    pub(crate) fn metrics<'r>(&self, request: &'r Request<()>) -> Response<&'r str> {
        Response::new(request.uri().path())
    }

    #[guard_metrics(guard = self.guard)]
    async fn metrics_later(self, request: Request<()>) -> Response<String> {
        Response::new(request.uri().path().to_owned())
    }

    #[allow(clippy::missing_const_for_fn)]
    fn guard(&self) -> &Guard {
        &self.guard
    }

    #[guard_metrics(guard = guard)]
    fn associated<H: RequestHead>(guard: &Guard, request: &Request<()>, _head: &H) -> Response<String> {
        let _ = guard;
        Response::new(request.uri().path().to_owned())
    }
}

macro_rules! handler {
    ($name:ident, $request:ident, $body:block) => {
        #[guard_metrics(guard = GUARD)]
        fn $name($request: &Request<()>) -> Response<String> $body
    };
}

handler!(with_the_body_of_a_macro, request, { Response::new(request.uri().path().to_owned()) });

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let stranger = || Request::get("/metrics").body(());
    let scrape = || Request::get("/metrics").header("X-Metrics-Key", KEY).body(());
    for (request, status) in [(stranger()?, StatusCode::UNAUTHORIZED), (scrape()?, StatusCode::OK)] {
        let service = Service { guard: GUARD.clone() };
        let answers = [
            by_reference(&request),
            with_the_body_of_a_macro(&request),
            by_value(request.clone()).await,
            of_parts(&mut request.clone().into_parts().0),
            fallible(&GUARD, request.clone()).await?,
            of_another_type(&request),
            service.metrics(&request).map(str::to_owned),
            Service::associated(&GUARD, &request, &request),
            is_send(behind_a_lock(&RwLock::new(GUARD.clone()), request.clone())).await,
            coerced(request.clone()).await.map(|body| body.map_or_else(String::new, |body| body.to_string())),
            borrowed(&mut String::new(), &request).map(str::to_owned),
            one_of_two_guards(&request),
            matched(&service, request.clone()).await,
            by_block(&request),
            by_block_of_a_clone(&request),
            shared(Arc::new(GUARD.clone()), request.clone()).await,
            is_send(in_a_list(&Mutex::new(vec![GUARD.clone()]), request.clone())).await,
            of_a_trait(&service, &request),
            through_two_references(&&mut request.clone()),
            bound_by_reference(request.clone()),
            service.metrics_later(request.clone()).await,
            converted(request.clone()).await?,
            one_of_two(&Request::get("/").header("X-Metrics-Key", KEY).body(())?, &request),
        ];
        for (index, answer) in answers.iter().enumerate() {
            assert_eq!(answer.status(), status, "{index}");
            assert_eq!(answer.headers()["Cache-Control"], "no-store", "{index}");
            assert_eq!(answer.body(), if status == StatusCode::OK { "/metrics" } else { "" }, "{index}");
        }
    }
    assert_eq!(to_another_type(&stranger()?), Page::Closed("missing"));
    assert_eq!(to_another_type(&scrape()?), Page::Open("/metrics".to_owned()));
    assert_eq!(to_an_answer(&stranger()?), Page::Closed("missing"));
    assert_eq!(to_an_answer(&scrape()?), Page::Open("/metrics".to_owned()));
    Ok(())
}
