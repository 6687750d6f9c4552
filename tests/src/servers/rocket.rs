//! Rocket, with the attribute on a route, and the fairing.

use metrics_guard_core::Guard;
use metrics_guard_rocket::{MetricsGuard, guard_metrics};
use rocket::{
    Build, Config, Responder,
    config::{LogLevel, MutualTls, TlsConfig},
    fairing::AdHoc,
    get,
    http::Header,
    routes,
};

use super::{
    service,
    under_test::{Failure, Serving, Tls, UnderTest, announce},
};

pub(super) struct Rocket;

impl UnderTest for Rocket {
    fn name(&self) -> &'static str {
        "rocket"
    }

    fn serve(&self, tls: Option<Tls>) -> Serving {
        Box::pin(async {
            let mut figment = Config::figment().merge(("port", 0)).merge(("cli_colors", false));
            if let Some(Tls { certificate, key, authority }) = tls {
                let tls = TlsConfig::from_paths(certificate, key).with_mutual(MutualTls::from_path(authority));
                figment = figment.merge(("tls", tls));
            }
            let routes = routes![index, fibonacci, metrics];
            launch(rocket::custom(figment).mount("/", routes).attach(MetricsGuard::fairing())).await
        })
    }

    fn serve_page(&self, guard: Option<Guard>) -> Serving {
        Box::pin(async {
            let config = Config { port: 0, log_level: LogLevel::Off, ..Config::release_default() };
            let rocket = rocket::custom(config);
            launch(match guard {
                Some(guard) => rocket.mount("/", routes![guarded_page]).attach(MetricsGuard::with(guard)),
                None => rocket.mount("/", routes![page]),
            })
            .await
        })
    }

    fn has_own_log(&self) -> bool {
        true
    }

    // Rocket allocates the futures of its guards.
    fn cost_limit(&self) -> f64 {
        1.05
    }
}

async fn launch(rocket: rocket::Rocket<Build>) -> Result<(), Failure> {
    let announcement = AdHoc::on_liftoff("announcement", |rocket| {
        Box::pin(async { announce((rocket.config().address, rocket.config().port).into()) })
    });
    rocket.attach(announcement).launch().await?;
    Ok(())
}

#[get("/")]
fn index() -> &'static str {
    service::INDEX
}

#[get("/fibonacci/<n>")]
fn fibonacci(n: Option<u8>) -> Option<String> {
    n.map(service::fibonacci)
}

#[derive(Responder)]
struct Metrics(String, Header<'static>);

#[guard_metrics]
#[get("/metrics")]
fn metrics() -> Metrics {
    Metrics(service::metrics(), Header::new("Content-Type", service::METRICS_TYPE))
}

#[get("/metrics")]
fn page() -> &'static str {
    &service::PAGE
}

#[guard_metrics]
#[get("/metrics")]
fn guarded_page() -> &'static str {
    &service::PAGE
}
