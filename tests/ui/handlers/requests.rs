//! Functions of custom servers.

// Clippy reports these lints without `#[guard_metrics]` too.
#![allow(clippy::unused_async)]

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use http::{Request, Response, StatusCode, Uri, Version, request::Parts};
use metrics_guard_core::{Authorized, Denied, Guard, guard_metrics};

use crate::{GUARD, KEY, assert_guarded};

static OPEN: std::sync::LazyLock<Guard> = std::sync::LazyLock::new(Guard::disabled);

/// Returns a response with the request's path.
fn answer<B>(request: &Request<B>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

#[guard_metrics(guard = GUARD)]
async fn by_value<B: Send>(mut request: Request<B>) -> Response<String> {
    *request.uri_mut() = Uri::from_static("/ran");
    answer(&request)
}

#[guard_metrics(guard = *GUARD)]
fn of_parts(parts: &mut Parts) -> Response<String> {
    parts.headers.clear();
    Response::new(parts.uri.path().to_owned())
}

#[guard_metrics(guard = GUARD, request = request)]
fn one_of_two(_upstream: &Request<()>, request: &Request<()>) -> Response<String> {
    answer(request)
}

#[guard_metrics(guard = GUARD)]
fn through_two_references(request: &&mut Request<()>) -> Response<String> {
    answer(request)
}

#[allow(clippy::toplevel_ref_arg)]
#[guard_metrics(guard = GUARD)]
fn bound_by_reference(ref request: Request<()>) -> Response<String> {
    answer(request)
}

struct Page(String);

impl metrics_guard_core::Answer for Page {
    fn guarded(handled: Result<(Self, Authorized), Denied>) -> Self {
        handled.map_or_else(|denied| Self(denied.to_string()), |(page, _)| page)
    }
}

#[guard_metrics(guard = GUARD)]
fn to_an_answer(request: &Request<()>) -> Page {
    Page(request.uri().path().to_owned())
}

#[guard_metrics(guard = match request.version() { Version::HTTP_3 => &*OPEN, _ => guard })]
async fn matched(guard: &Guard, request: Request<()>) -> Response<String> {
    let _ = guard;
    tokio::task::yield_now().await;
    answer(&request)
}

#[guard_metrics(guard = {
    let guard: &'static Guard = if request.uri().path().is_empty() { &OPEN } else { &GUARD };
    guard.clone()
})]
fn by_block(request: &Request<()>) -> Response<String> {
    answer(request)
}

#[guard_metrics(guard = &&shared)]
async fn shared(shared: Arc<Guard>, request: Request<()>) -> Response<String> {
    drop(shared);
    answer(&request)
}

#[guard_metrics(guard = &*(guard as &dyn AsRef<Guard>).as_ref())]
fn of_a_trait<G: AsRef<Guard>>(guard: &G, request: &Request<()>) -> Response<String> {
    let _ = guard;
    answer(request)
}

/// The body can lock again what the guard was borrowed from, and no lock is held over an await.
#[guard_metrics(guard = guard.read().unwrap_or_else(PoisonError::into_inner))]
async fn behind_a_lock(guard: &RwLock<Guard>, request: Request<()>) -> Response<String> {
    if let Ok(mut guard) = guard.try_write() {
        *guard = guard.clone();
    } else {
        return Response::new("the guard is still borrowed".to_owned());
    }
    tokio::task::yield_now().await;
    answer(&request)
}

#[guard_metrics(guard = guards.lock().unwrap_or_else(PoisonError::into_inner)[0])]
async fn in_a_list(guards: &Mutex<Vec<Guard>>, request: Request<()>) -> Response<String> {
    let free = guards.try_lock().is_ok();
    tokio::task::yield_now().await;
    if free { answer(&request) } else { Response::new("locked".to_owned()) }
}

/// `?` and `return` convert to the return type as in any function.
#[guard_metrics(guard = GUARD)]
async fn converted(request: Request<()>) -> Result<Response<String>, Box<dyn Error>> {
    let _: u8 = "1".parse()?;
    if request.uri().path().is_empty() {
        return Err("no path".into());
    }
    if request.uri().path().len() > 100 {
        return Err(Box::new(fmt::Error));
    }
    Ok(answer(&request))
}

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

macro_rules! handler {
    ($name:ident, $request:ident: $type:ty, $body:block) => {
        #[guard_metrics(guard = GUARD)]
        fn $name($request: $type) -> Response<String> $body
    };
}
handler!(from_macro, request: &Request<()>, { Response::new(request.uri().path().to_owned()) });

const fn is_send<T: Send>(future: T) -> T {
    future
}

type Boxed<A> = std::pin::Pin<Box<dyn Future<Output = A> + Send>>;

struct Service {
    guard: Guard,
}

impl Service {
    /// A method.
    #[guard_metrics(guard = self.guard, crate = metrics_guard_core)]
    pub(crate) fn metrics<'r>(&self, request: &'r Request<()>) -> Response<&'r str> {
        Response::new(request.uri().path())
    }

    #[guard_metrics(guard = self.guard)]
    async fn metrics_later(self, request: Request<()>) -> Response<String> {
        answer(&request)
    }
}

/// Attributes of other crates above and below `#[guard_metrics]`.
mod attributes {
    // Clippy reports these lints on the code of the other attributes.
    #![allow(
        missing_docs,
        clippy::future_not_send,
        clippy::items_after_statements,
        clippy::significant_drop_tightening,
        clippy::unnecessary_wraps,
        clippy::used_underscore_binding,
        clippy::used_underscore_items
    )]

    use std::{fmt, pin::Pin};

    use cached::proc_macro::{cached, once};
    use http::{Request, Response, StatusCode};
    use metrics_guard_core::{Denied, Guard, guard_metrics};

    use super::{Boxed, Service, answer};
    use crate::{GUARD, fresh};

    #[guard_metrics(guard = GUARD)]
    #[once]
    pub(super) async fn once_async(mut request: Request<()>) -> Response<String> {
        request.headers_mut().clear();
        tokio::task::yield_now().await;
        Response::new(fresh("ran"))
    }

    type Head = Request<()>;

    #[guard_metrics(guard = GUARD, request = head)]
    #[cached(key = "String", convert = r#"{ head.uri().path().to_owned() }"#, result = true)]
    pub(super) async fn by_path(head: &Head) -> Result<Response<String>, fmt::Error> {
        let path = head.uri().path_and_query().ok_or(fmt::Error)?;
        Ok(Response::new(fresh(path.path())))
    }

    /// Between attributes that stay outside, and behind a condition.
    #[guard_metrics(guard = GUARD)]
    #[inline]
    #[cfg_attr(all(), must_use, cfg_attr(all(), once))]
    #[allow(clippy::must_use_candidate)]
    pub(super) fn conditional(request: &Request<()>) -> Response<String> {
        let _ = request;
        Response::new(fresh("ran"))
    }

    /// The parameter has the function's name, and its pattern is the user's.
    #[guard_metrics(guard = *metrics)]
    #[once]
    pub(super) fn metrics(metrics: &Guard, request: &Request<()>, _limit: u8) -> Response<String> {
        let _ = (metrics, request);
        Response::new(fresh("ran"))
    }

    #[guard_metrics(guard = GUARD)]
    #[tracing::instrument(skip(request), err)]
    pub(super) async fn traced<B: Send>(request: Request<B>) -> Result<Response<String>, fmt::Error> {
        let _ = request.uri().path_and_query().ok_or(fmt::Error)?;
        Ok(answer(&request))
    }

    impl Service {
        #[guard_metrics(guard = self.guard)]
        #[cfg_attr(all(), rustfmt::skip)]
        #[clippy::cognitive_complexity = "30"]
        #[inline]
        pub(super) fn with_tools(&self, request: &Request<()>) -> Response<String> {
            answer(request)
        }

        #[guard_metrics(guard = self.guard)]
        pub(super) fn local<'r>(
            &'r self,
            request: &'r Request<()>,
        ) -> Pin<Box<dyn Future<Output = Response<String>> + 'r>> {
            Box::pin(async move { answer(request) })
        }
    }

    #[async_trait::async_trait]
    pub(super) trait Handler {
        async fn fallible<B: Send + 'static>(&mut self, request: Request<B>) -> Result<Response<String>, fmt::Error>;
        async fn with(guard: &Guard, request: &Request<()>) -> Result<Response<String>, StatusCode>;
    }

    #[async_trait::async_trait]
    impl Handler for Service {
        #[guard_metrics(guard = self.guard)]
        async fn fallible<B: Send + 'static>(&mut self, request: Request<B>) -> Result<Response<String>, fmt::Error> {
            let _ = request.uri().path_and_query().ok_or(fmt::Error)?;
            if request.headers().is_empty() {
                return Err(fmt::Error);
            }
            Ok(answer(&request))
        }

        #[guard_metrics(guard = guard, denied = boxed)]
        async fn with(guard: &Guard, request: &Request<()>) -> Result<Response<String>, StatusCode> {
            tokio::task::yield_now().await;
            Ok(guard.key_file().map_or_else(|| answer(request), |_| Response::new(String::new())))
        }
    }

    fn boxed<A: Send>(denied: Denied) -> Boxed<Result<A, StatusCode>> {
        Box::pin(async move { Err(denied.status()) })
    }
}

/// Makes an `allow` in an expansion an error. Clippy exempts exported functions from some lints, but not what an expansion
/// puts into them.
pub mod forbidden {
    // Single lints follow their groups, because an `allow` is only a warning where the group is forbidden last.
    #![forbid(unused, clippy::all, clippy::pedantic)]
    #![forbid(missing_docs, unreachable_code, unused_mut, unused_variables)]
    #![forbid(clippy::box_collection, clippy::empty_loop, clippy::future_not_send, clippy::items_after_statements)]
    #![forbid(clippy::missing_const_for_fn, clippy::missing_docs_in_private_items, clippy::needless_pass_by_ref_mut)]
    #![forbid(clippy::needless_pass_by_value, clippy::rc_buffer, clippy::redundant_pub_crate, clippy::single_call_fn)]
    #![forbid(clippy::trivially_copy_pass_by_ref, clippy::unnecessary_wraps, clippy::unused_async, clippy::unwrap_used)]

    use std::fmt;

    use http::{Request, Response};
    use metrics_guard_core::guard_metrics;

    use super::{GUARD, OPEN};

    /// # Errors
    ///
    /// None, but the type wraps.
    #[guard_metrics(guard = GUARD)]
    pub fn wrapping(_request: Request<()>, _: &u8) -> Result<Response<Box<Vec<u8>>>, fmt::Error> {
        use std::mem::take;
        Ok(Response::new(Box::new(take(&mut b"ran".to_vec()))))
    }

    /// # Errors
    ///
    /// None, but the type wraps.
    #[guard_metrics(guard = GUARD)]
    pub async fn later(_request: Request<()>, _: &u8) -> Result<Response<Box<Vec<u8>>>, fmt::Error> {
        const RAN: &[u8] = b"ran";
        tokio::task::yield_now().await;
        Ok(Response::new(Box::new(RAN.to_vec())))
    }

    /// Never returns if the request is allowed.
    #[guard_metrics(guard = if request.uri().path().is_empty() { &OPEN } else { &GUARD })]
    pub async fn diverging(request: &Request<()>) -> Response<String> {
        loop {
            std::hint::black_box(request.uri());
            tokio::task::yield_now().await;
        }
    }

    /// A body of one line, whose braces the expansion must not make redundant.
    #[rustfmt::skip]
    pub mod one_line {
        use super::{GUARD, Request, Response, guard_metrics};

        /// Without a binding before the body.
        #[guard_metrics(guard = GUARD)]
        pub fn now(request: &Request<()>) -> Response<String> { Response::new(request.uri().to_string()) }
    }
}

/// Has an attribute macro below `#[guard_metrics]`. The code of `once` allows no lint itself.
mod forbidden_with_a_cache {
    #![forbid(clippy::all)]
    #![forbid(unreachable_code, unused_variables, unused_mut)]

    use super::{Guard, Request, Response, guard_metrics};

    #[guard_metrics(guard = guard)]
    #[cached::proc_macro::once]
    pub(super) fn unread(guard: &Guard, request: &Request<()>) -> Response<String> {
        Response::new("ran".to_owned())
    }
}

/// Pairs each answer with the text of its call.
macro_rules! answers {
    ($($call:expr,)*) => {
        [$((stringify!($call), $call)),*]
    };
}

#[tokio::test]
async fn each_function_is_guarded() {
    use attributes::Handler;

    let request = |key: Option<&str>| {
        let request = Request::get("/ran");
        key.into_iter().fold(request, |request, key| request.header("X-Metrics-Key", key)).body(()).unwrap()
    };
    assert_guarded("", async |key| {
        let (request, allowed) = (request(key), request(Some(KEY)));
        let mut service = Service { guard: GUARD.clone() };
        let bytes = |body: Box<Vec<u8>>| String::from_utf8(*body).unwrap();
        let answers = answers![
            by_value(request.clone()).await,
            of_parts(&mut request.clone().into_parts().0),
            one_of_two(&allowed, &request),
            through_two_references(&&mut request.clone()),
            bound_by_reference(request.clone()),
            matched(&GUARD, request.clone()).await,
            by_block(&request),
            shared(Arc::new(GUARD.clone()), request.clone()).await,
            of_a_trait(&Arc::new(GUARD.clone()), &request),
            is_send(behind_a_lock(&RwLock::new(GUARD.clone()), request.clone())).await,
            is_send(in_a_list(&Mutex::new(vec![GUARD.clone()]), request.clone())).await,
            converted(request.clone()).await.unwrap(),
            coerced(request.clone()).await.map(|body| body.map_or_else(String::new, |body| body.to_string())),
            borrowed(&mut String::new(), &request).map(str::to_owned),
            from_macro(&request),
            service.metrics(&request).map(str::to_owned),
            Service { guard: GUARD.clone() }.metrics_later(request.clone()).await,
            attributes::once_async(request.clone()).await,
            attributes::by_path(&request).await.unwrap(),
            attributes::conditional(&request),
            attributes::metrics(&GUARD, &request, 1),
            attributes::traced(request.clone()).await.unwrap(),
            service.with_tools(&request),
            service.local(&request).await,
            service.fallible(request.clone()).await.unwrap(),
            forbidden::wrapping(request.clone(), &1).unwrap().map(bytes),
            forbidden::later(request.clone(), &1).await.unwrap().map(bytes),
            forbidden::one_line::now(&request),
            forbidden_with_a_cache::unread(&GUARD, &request),
        ];
        let without_slash = |body: String| body.trim_start_matches('/').to_owned();
        answers.into_iter().map(|(call, answer)| (call.to_owned(), answer.map(without_slash))).collect()
    })
    .await;

    assert_eq!(to_an_answer(&request(None)).0, GUARD.check(&request(None)).unwrap_err().to_string());
    assert_eq!(to_an_answer(&request(Some(KEY))).0, "/ran");
    let with = async |key| Service::with(&GUARD, &request(key)).await.map(|answer| answer.status());
    assert_eq!(with(None).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(with(Some(KEY)).await, Ok(StatusCode::OK));
    assert_eq!(forbidden::diverging(&request(None)).await.status(), StatusCode::UNAUTHORIZED);
}
