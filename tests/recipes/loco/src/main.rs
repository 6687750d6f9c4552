use std::env;

use async_trait::async_trait;
use axum::{Router, routing::get};
use loco_rs::{
    Error, Result,
    app::{AppContext, Hooks},
    bgworker::Queue,
    boot::{self, BootResult, ServeParams, StartMode, create_app},
    config::Config,
    controller::AppRoutes,
    environment::Environment,
    task::Tasks,
};
use metrics_guard_tower::{Guard, MetricsGuardLayer};
use serde_json::json;

async fn metrics() -> &'static str {
    "up 1\n" // your registry's text
}

struct App;

#[async_trait]
impl Hooks for App {
    async fn after_routes(router: Router, _: &AppContext) -> Result<Router> {
        let guard = MetricsGuardLayer::new(Guard::from_env().map_err(Error::wrap)?);
        Ok(router.route("/metrics", get(metrics).layer(guard)))
    }

    // What follows is as in each app.
    fn app_name() -> &'static str {
        env!("CARGO_CRATE_NAME")
    }

    async fn boot(mode: StartMode, environment: &Environment, config: Config) -> Result<BootResult> {
        create_app::<Self>(mode, environment, config).await
    }

    fn routes(_: &AppContext) -> AppRoutes {
        AppRoutes::empty()
    }

    async fn connect_workers(_: &AppContext, _: &Queue) -> Result<()> {
        Ok(())
    }

    fn register_tasks(_: &mut Tasks) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: i32 = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let logger = json!({ "enable": true, "level": "info", "format": "compact" });
    let server = json!({ "port": port, "host": "http://localhost" });
    let workers = json!({ "mode": "ForegroundBlocking" });
    let config = serde_json::from_value(json!({ "logger": logger, "server": server, "workers": workers }))?;
    let boot = App::boot(StartMode::ServerOnly, &Environment::Production, config).await?;
    boot::start::<App>(boot, ServeParams { port, binding: "127.0.0.1".to_owned() }, true).await?;
    Ok(())
}
