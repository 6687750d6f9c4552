//! A small service whose `/metrics` is closed to everyone but the holder of the key.
//!
//! ```text
//! cargo run -p metrics-guard-warp --example warp
//! ```
//!
//! `GET /` and `GET /fibonacci/<n>` are public, `GET /metrics` is guarded. It listens on 127.0.0.1, at `PORT`, and takes
//! its key from the environment. Only where none is configured, and only since this is an example, it makes one for the
//! run and prints what uses it.

use std::{convert::Infallible, error::Error, net::Ipv4Addr};

use metrics_guard_warp::{GuardBuilder, MetricsGuard, guard_metrics};
use service::Instruments;
use tokio::net::TcpListener;
use tower_service::Service as _;
use warp::{Filter, Rejection, Reply, http::StatusCode};

#[path = "shared/connections.rs"]
mod connections;
#[path = "shared/output.rs"]
mod output;
#[path = "shared/service.rs"]
mod service;

#[guard_metrics]
#[allow(clippy::needless_pass_by_value)] // Warp's filters hand over what they extract
fn metrics(instruments: Instruments) -> Result<impl Reply, StatusCode> {
    let body = instruments.scrape().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(warp::reply::with_header(body, "Content-Type", service::METRICS_TYPE))
}

#[allow(clippy::needless_pass_by_value)] // a reference would be captured by the filter
fn routes(
    guard: MetricsGuard,
    instruments: Instruments,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync {
    let counted = instruments.clone();
    let with_instruments = warp::any().map(move || instruments.clone());
    let get_or_head = || warp::get().or(warp::head()).unify();
    guard
        .protect(warp::path!("metrics"), get_or_head().and(with_instruments).map(metrics))
        .or(warp::path::end().and(warp::get()).map(|| service::INDEX))
        .or(warp::path!("fibonacci" / u8).and(warp::get()).map(service::fibonacci))
        // Of its own, since over HTTP/2 hyper would send the body of an answer to a HEAD.
        .or(warp::path::end()
            .or(warp::path!("fibonacci" / u8).map(drop).untuple_one())
            .unify()
            .and(warp::head())
            .map(|| ""))
        .recover(not_served)
        .with(warp::log::custom(move |info| {
            let route = match info.path() {
                "/" => "/",
                "/metrics" => "/metrics",
                path if path.starts_with("/fibonacci/") => "/fibonacci/<n>",
                _ => "none",
            };
            counted.observe(info.method().as_str(), route, info.status().as_u16(), info.elapsed());
        }))
}

/// A method that a path does not have is no other than a path that is not there.
async fn not_served(rejection: Rejection) -> Result<impl Reply, Infallible> {
    let status = if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        StatusCode::METHOD_NOT_ALLOWED
    } else {
        StatusCode::NOT_FOUND
    };
    Ok(status)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;

    let instruments = Instruments::new()?;
    let (guard, key_for_this_run) = instruments.guard(GuardBuilder::from_env(), service::with_key)?;
    service::announce(key_for_this_run.as_deref(), "http", address);
    let routes = routes(MetricsGuard::with(guard), instruments);
    // Not `warp::serve`, which sets no time limits. The guard gets the client's address as a `Peer`.
    let warp = warp::service(routes);
    connections::serve(listener, connections::plain, move |request| warp.clone().call(request)).await
}
