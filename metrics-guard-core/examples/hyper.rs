//! hyper with a page, a counter of its visits, and `/metrics` for holders of the key.
//!
//! ```text
//! METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run -p metrics-guard-core --features macros --example hyper
//! ```
//!
//! It listens on 127.0.0.1, at `PORT`.

use std::{env, net::Ipv4Addr, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use metrics_guard_core::{Guard, Peer, guard_metrics};
use prometheus::{IntCounter, TEXT_FORMAT, TextEncoder, register_int_counter};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

#[derive(Clone)]
struct Service {
    guard: Guard,
    visits: IntCounter,
}

impl Service {
    fn answer(&self, request: &Request<Incoming>) -> http::Result<Response<String>> {
        match request.uri().path() {
            "/metrics" => self.metrics(request),
            "/" => {
                self.visits.inc();
                Ok(Response::new("hello\n".to_owned()))
            }
            _ => Response::builder().status(StatusCode::NOT_FOUND).body(String::new()),
        }
    }

    #[guard_metrics(guard = self.guard)]
    fn metrics(&self, request: &Request<Incoming>) -> http::Result<Response<String>> {
        match TextEncoder::new().encode_to_string(&prometheus::gather()) {
            Ok(metrics) => Response::builder().header(CONTENT_TYPE, TEXT_FORMAT).body(metrics),
            Err(_) => Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(String::new()),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let visits = register_int_counter!("visits_total", "Requests for the page.")?;
    let service = Service { guard: Guard::from_env()?, visits };
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let slots = Arc::new(Semaphore::new(32)); // concurrent connections, fewer than the files that the process may open
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let Ok((stream, address)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await; // no file descriptor is free; `?` would end the server
            continue;
        };
        let service = service.clone();
        let service = service_fn(move |mut request| {
            request.extensions_mut().insert(Peer::new(address)); // for a guard that checks addresses
            let answer = service.answer(&request);
            async { answer }
        });
        // A connection ends after one request or ten seconds, because a client can stop sending its header or stop reading.
        let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _ = timeout(Duration::from_secs(10), connection).await; // a client can cause any number of errors
            drop(slot);
        });
    }
}
