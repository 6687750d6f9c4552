//! Serves a page with actix-web, counts its visits, and guards `/metrics` with a key.
//!
//! ```text
//! METRICS_VERIFICATION_KEY_FILE=accepted_keys cargo run -p metrics-guard-actix --example actix
//! ```
//!
//! It listens on 127.0.0.1, at `PORT`.

use std::{env, net::Ipv4Addr, time::Duration};

use actix_web::{App, HttpServer, error::ErrorInternalServerError, get, http::KeepAlive, web};
use metrics_guard_actix::{Guard, guard_metrics};
use prometheus::{IntCounter, TextEncoder, register_int_counter};

#[guard_metrics]
#[get("/metrics")]
async fn metrics() -> actix_web::Result<String> {
    TextEncoder::new().encode_to_string(&prometheus::gather()).map_err(ErrorInternalServerError)
}

#[get("/")]
async fn page(visits: web::Data<IntCounter>) -> &'static str {
    visits.inc();
    "hello\n"
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let visits = web::Data::new(register_int_counter!("visits_total", "Requests for the page.")?);
    let guard = Guard::from_env()?;
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let app = move || App::new().app_data(visits.clone()).service(metrics(&guard)).service(page);
    let server = HttpServer::new(app)
        .workers(2)
        .max_connections(16) // of each worker; in all, fewer than the files that the process may open
        // A connection ends after one request, and after ten seconds if its header is incomplete.
        .keep_alive(KeepAlive::Disabled)
        .client_request_timeout(Duration::from_secs(10))
        .bind((Ipv4Addr::LOCALHOST, port))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}
