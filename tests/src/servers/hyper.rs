//! Plain hyper, with the core's attribute.

use std::future::ready;

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::body::{Body, Bytes};
use metrics_guard_core::{Guard, guard_metrics};

use super::{
    connections, service,
    under_test::{Serving, Tls, UnderTest},
};

pub(super) struct Hyper;

impl UnderTest for Hyper {
    fn name(&self) -> &'static str {
        "hyper"
    }

    fn serve(&self, tls: Option<Tls>) -> Serving {
        Box::pin(async {
            let guard = Guard::from_env()?;
            connections::serve(tls, move |request| ready(Ok(answer(&guard, &request)))).await
        })
    }

    fn serve_page(&self, guard: Option<Guard>) -> Serving {
        Box::pin(async {
            let answer = move |request: Request<_>| {
                ready(Ok(match (request.uri().path(), &guard) {
                    ("/metrics", Some(guard)) => guarded_page(guard, &request),
                    ("/metrics", None) => page(),
                    _ => status(StatusCode::NOT_FOUND),
                }))
            };
            connections::serve(None, answer).await
        })
    }

    fn has_body_in_rejections(&self) -> bool {
        false
    }
}

type Answer = Response<Full<Bytes>>;

fn answer<B>(guard: &Guard, request: &Request<B>) -> Answer {
    let path = request.uri().path();
    let fibonacci = path.strip_prefix("/fibonacci/").and_then(|n| n.parse().ok());
    match (path, fibonacci) {
        ("/metrics", _) => metrics(guard, request),
        ("/", _) => get(request, || Response::new(service::INDEX.into())),
        (_, Some(n)) => get(request, || Response::new(service::fibonacci(n).into())),
        _ => status(StatusCode::NOT_FOUND),
    }
}

#[guard_metrics(guard = guard)]
fn metrics<B>(guard: &Guard, request: &Request<B>) -> Answer {
    get(request, || {
        let mut answer = Response::new(service::metrics().into());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(service::METRICS_TYPE));
        answer
    })
}

fn get<B>(request: &Request<B>, answer: impl FnOnce() -> Answer) -> Answer {
    match *request.method() {
        Method::GET => answer(),
        Method::HEAD => head_of(answer()),
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Returns the response to a HEAD, without the body, which hyper would send over HTTP/2.
fn head_of(answer: Answer) -> Answer {
    let (mut head, body) = answer.into_parts();
    head.headers.insert(CONTENT_LENGTH, body.size_hint().lower().into());
    Response::from_parts(head, Full::default())
}

fn status(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

fn page() -> Answer {
    Response::new(service::PAGE.as_str().into())
}

#[guard_metrics(guard = guard)]
fn guarded_page<B>(guard: &Guard, request: &Request<B>) -> Answer {
    page()
}
