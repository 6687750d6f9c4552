//! axum, with the tower layer on a route, so that the guard runs before the route's methods.

use axum::{Router, extract::Path, http::header::CONTENT_TYPE, routing::get};
use metrics_guard_core::Guard;
use metrics_guard_tower::MetricsGuardLayer;
use tower_service::Service as _;

use super::{
    connections::{self, listener},
    service,
    under_test::{Serving, Tls, UnderTest},
};

pub(super) struct Axum;

impl UnderTest for Axum {
    fn name(&self) -> &'static str {
        "axum"
    }

    fn serve(&self, tls: Option<Tls>) -> Serving {
        Box::pin(async {
            let metrics = get(|| async { ([(CONTENT_TYPE, service::METRICS_TYPE)], service::metrics()) });
            let router = Router::new()
                .route("/metrics", metrics.layer(MetricsGuardLayer::new(Guard::from_env()?)))
                .route("/", get(|| async { service::INDEX }))
                .route("/fibonacci/{n}", get(|Path(n): Path<u8>| async move { service::fibonacci(n) }));
            connections::serve(tls, move |request| router.clone().call(request)).await
        })
    }

    fn serve_page(&self, guard: Option<Guard>) -> Serving {
        Box::pin(async {
            let page = get(|| async { service::PAGE.as_str() });
            let page = if let Some(guard) = guard { page.layer(MetricsGuardLayer::new(guard)) } else { page };
            Ok(axum::serve(listener().await?, Router::new().route("/metrics", page)).await?)
        })
    }

    fn has_body_in_rejections(&self) -> bool {
        false
    }

    // axum adds the route's methods outside its layers.
    fn allow_in_rejections(&self) -> Option<&'static str> {
        Some("GET,HEAD")
    }
}
