// Attributes that hand the function to others, or describe it, below the attribute of each framework.
mod of_axum {
    use metrics_guard_tower::guard_metrics;

    #[guard_metrics]
    #[utoipa::path(get, path = "/metrics")]
    async fn metrics() -> &'static str {
        "up 1"
    }
}

mod of_requests {
    use http::{Request, Response};
    use metrics_guard_core::{Guard, guard_metrics};

    #[guard_metrics(guard = Guard::disabled())]
    #[cfg_attr(all(), utoipa::path(get, path = "/metrics"))]
    fn metrics(_request: &Request<()>) -> Response<()> {
        Response::new(())
    }
}

/// A route of another framework, and an export.
mod of_requests_elsewhere {
    use cached::proc_macro::{once as export, once as get, once as http_server};
    use http::{Request, Response};
    use metrics_guard_core::guard_metrics;

    #[guard_metrics(guard = GUARD)]
    #[get]
    fn metrics(_request: &Request<()>) -> Response<()> {
        Response::new(())
    }

    #[guard_metrics(guard = GUARD)]
    #[http_server]
    fn served(_request: &Request<()>) -> Response<()> {
        Response::new(())
    }

    #[guard_metrics(guard = GUARD)]
    #[cfg_attr(all(), export)]
    fn exported(_request: &Request<()>) -> Response<()> {
        Response::new(())
    }
}

mod of_rocket {
    use cached::proc_macro::once as openapi;
    use metrics_guard_rocket::guard_metrics;

    #[guard_metrics]
    #[openapi]
    #[rocket::get("/metrics")]
    fn metrics() -> &'static str {
        "up 1"
    }
}

mod of_warp {
    use metrics_guard_warp::guard_metrics;

    #[guard_metrics]
    #[::utoipa::path(get, path = "/metrics")]
    fn metrics() -> &'static str {
        "up 1"
    }
}

fn main() {}
