//! Warp, with the attribute on a handler.

use std::convert::Infallible;

use metrics_guard_core::Guard;
use metrics_guard_warp::{MetricsGuard, guard_metrics};
use tower_service::Service as _;
use warp::{Filter, Rejection, Reply, http::StatusCode};

use super::{
    connections::{self, listener},
    service,
    under_test::{Serving, Tls, UnderTest},
};

pub(super) struct Warp;

impl UnderTest for Warp {
    fn name(&self) -> &'static str {
        "warp"
    }

    fn serve(&self, tls: Option<Tls>) -> Serving {
        Box::pin(async {
            let warp = warp::service(routes(MetricsGuard::from_env()?));
            connections::serve(tls, move |request| warp.clone().call(request)).await
        })
    }

    fn serve_page(&self, guard: Option<Guard>) -> Serving {
        Box::pin(async {
            let listener = listener().await?;
            if let Some(guard) = guard {
                let guard = MetricsGuard::with(guard);
                let routes = guard.protect(warp::path!("metrics"), warp::get().map(guarded_page));
                warp::serve(routes).incoming(listener).run().await;
            } else {
                let routes = warp::path!("metrics").and(warp::get()).map(|| service::PAGE.as_str());
                warp::serve(routes).incoming(listener).run().await;
            }
            Ok(())
        })
    }

    /// The guard copies the header lines that it reads.
    fn cost_limit(&self) -> f64 {
        1.06
    }
}

#[allow(clippy::needless_pass_by_value)] // a reference would be captured by the filter
fn routes(guard: MetricsGuard) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync {
    guard
        .protect(warp::path!("metrics"), warp::get().or(warp::head()).unify().map(metrics))
        .or(warp::path::end().and(warp::get()).map(|| service::INDEX))
        .or(warp::path!("fibonacci" / u8).and(warp::get()).map(service::fibonacci))
        // HEAD has its own routes, because over HTTP/2 hyper would send the body of the response.
        .or(warp::path::end()
            .or(warp::path!("fibonacci" / u8).map(drop).untuple_one())
            .unify()
            .and(warp::head())
            .map(|| ""))
        .recover(not_served)
}

#[guard_metrics]
fn metrics() -> impl Reply {
    warp::reply::with_header(service::metrics(), "Content-Type", service::METRICS_TYPE)
}

#[guard_metrics]
fn guarded_page() -> &'static str {
    &service::PAGE
}

/// Responds with 405 to a method that a path does not have, because Warp's rejections can have another status.
async fn not_served(rejection: Rejection) -> Result<impl Reply, Infallible> {
    let status = if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        StatusCode::METHOD_NOT_ALLOWED
    } else {
        StatusCode::NOT_FOUND
    };
    Ok(status)
}
