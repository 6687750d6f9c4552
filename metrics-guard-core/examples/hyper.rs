//! A small service on plain hyper, whose `/metrics` is closed to everyone but the holder of the key.
//!
//! ```text
//! cargo run -p metrics-guard-core --features macros --example hyper
//! ```
//!
//! `GET /` and `GET /fibonacci/<n>` are public, `GET /metrics` is guarded. It listens on 127.0.0.1, at `PORT`, and takes
//! its key from the environment. Only where none is configured, and only since this is an example, it makes one for the
//! run and prints what uses it.

use std::{error::Error, future::ready, net::Ipv4Addr, time::Instant};

use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::body::{Body, Bytes};
use metrics_guard_core::{Guard, GuardBuilder, guard_metrics};
use service::Instruments;
use tokio::net::TcpListener;

#[path = "shared/connections.rs"]
mod connections;
#[path = "shared/output.rs"]
mod output;
#[path = "shared/service.rs"]
mod service;

type Answer = Response<Full<Bytes>>;

#[derive(Clone)]
struct Service {
    guard: Guard,
    instruments: Instruments,
}

impl Service {
    fn answer<B>(&self, request: &Request<B>) -> Answer {
        let arrival = Instant::now();
        let path = request.uri().path();
        let fibonacci = path.strip_prefix("/fibonacci/").and_then(|n| n.parse().ok());
        let (route, answer) = match (path, fibonacci) {
            ("/metrics", _) => ("/metrics", self.metrics(request)),
            ("/", _) => ("/", get(request, || Response::new(service::INDEX.into()))),
            (_, Some(n)) => ("/fibonacci/<n>", get(request, || Response::new(service::fibonacci(n).into()))),
            _ => ("none", status(StatusCode::NOT_FOUND)),
        };
        self.instruments.observe(request.method().as_str(), route, answer.status().as_u16(), arrival.elapsed());
        answer
    }

    #[guard_metrics(guard = self.guard)]
    fn metrics<B>(&self, request: &Request<B>) -> Answer {
        get(request, || match self.instruments.scrape() {
            Ok(metrics) => {
                let mut answer = Response::new(metrics.into());
                answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(service::METRICS_TYPE));
                answer
            }
            Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
        })
    }
}

fn get<B>(request: &Request<B>, answer: impl FnOnce() -> Answer) -> Answer {
    match *request.method() {
        Method::GET => answer(),
        Method::HEAD => head_of(answer()),
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// The answer to a HEAD: over HTTP/2, hyper would send its body.
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;

    let instruments = Instruments::new()?;
    let (guard, key_for_this_run) = instruments.guard(GuardBuilder::from_env(), service::with_key)?;
    service::announce(key_for_this_run.as_deref(), "http", address);
    let service = Service { guard, instruments };
    connections::serve(listener, connections::plain, move |request| ready(Ok(service.answer(&request)))).await
}
