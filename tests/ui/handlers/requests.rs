//! Functions of custom servers.

// Clippy reports these lints without `#[guard_metrics]` too.
#![allow(clippy::unused_async)]

use std::{
    error::Error,
    fmt,
    sync::{PoisonError, RwLock},
};

use http::{Request, Response, StatusCode, Uri, request::Parts};
use metrics_guard_core::{Denied, Guard, guard_metrics};

use crate::{GUARD, KEY, assert_guarded, forbidden};

/// Returns a response with the request's path.
fn answer<B>(request: &Request<B>) -> Response<String> {
    Response::new(request.uri().path().to_owned())
}

/// The guard depends on the request, and is owned.
#[guard_metrics(guard = if request.uri().path().is_empty() { Guard::disabled() } else { GUARD.clone() })]
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

#[guard_metrics(guard = GUARD, denied = status)]
fn denied_by_function(request: &Request<()>) -> StatusCode {
    let _ = request;
    StatusCode::OK
}

const fn status(denied: Denied) -> StatusCode {
    denied.status()
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

/// `?`, `return` and the last expression convert to the return type as in any function.
#[guard_metrics(guard = GUARD)]
async fn converted(request: Request<()>) -> Result<Response<Option<Box<dyn ToString + Send>>>, Box<dyn Error>> {
    let _: u8 = "1".parse()?;
    if request.uri().path().is_empty() {
        return Err(Box::new(fmt::Error));
    }
    Ok(Response::new(Some(Box::new(request.uri().path().to_owned()))))
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

struct Service {
    guard: Guard,
}

impl Service {
    /// A method.
    #[guard_metrics(guard = self.guard, crate = metrics_guard_core)]
    pub(crate) fn metrics<'r>(&self, request: &'r Request<()>) -> Response<&'r str> {
        Response::new(request.uri().path())
    }
}

/// Attributes of other crates above and below `#[guard_metrics]`.
mod attributes {
    use std::{fmt, pin::Pin};

    use cached::proc_macro::{cached, once};
    use http::{Request, Response};
    use metrics_guard_core::{Guard, guard_metrics};

    use super::{Service, answer};
    use crate::{GUARD, fresh};

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
    pub(super) fn conditional(mut request: Request<()>) -> Response<String> {
        request.headers_mut().clear();
        Response::new(fresh("ran"))
    }

    /// A parameter has the function's name. The body uses no parameter, but the check does, so there must be no warning.
    #[guard_metrics(guard = *metrics)]
    #[once]
    pub(super) fn metrics(metrics: &Guard, request: &Request<()>) -> Response<String> {
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
    }

    #[async_trait::async_trait]
    impl Handler for Service {
        #[guard_metrics(guard = self.guard)]
        async fn fallible<B: Send + 'static>(&mut self, request: Request<B>) -> Result<Response<String>, fmt::Error> {
            let _ = request.uri().path_and_query().ok_or(fmt::Error)?;
            Ok(answer(&request))
        }
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
            is_send(behind_a_lock(&RwLock::new(GUARD.clone()), request.clone())).await,
            converted(request.clone())
                .await
                .unwrap()
                .map(|body| body.map_or_else(String::new, |body| body.to_string())),
            borrowed(&mut String::new(), &request).map(str::to_owned),
            from_macro(&request),
            service.metrics(&request).map(str::to_owned),
            attributes::by_path(&request).await.unwrap(),
            attributes::conditional(request.clone()),
            attributes::metrics(&GUARD, &request),
            attributes::traced(request.clone()).await.unwrap(),
            service.local(&request).await,
            service.fallible(request.clone()).await.unwrap(),
            forbidden::request(request.clone(), &1).unwrap().map(bytes),
            forbidden::awaited_request(request.clone(), &1).await.unwrap().map(bytes),
            forbidden::one_line::request(&request),
        ];
        let without_slash = |body: String| body.trim_start_matches('/').to_owned();
        answers.into_iter().map(|(call, answer)| (call.to_owned(), answer.map(without_slash))).collect()
    })
    .await;

    assert_eq!(denied_by_function(&request(None)), StatusCode::UNAUTHORIZED);
    assert_eq!(denied_by_function(&request(Some(KEY))), StatusCode::OK);
}
