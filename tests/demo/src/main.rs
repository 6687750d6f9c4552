//! A guarded service to try out: `cargo run -p metrics-guard-demo`. It listens on 127.0.0.1, at `PORT` or 8000.
//!
//! If the environment has no key, the program makes one for this run, and prints how to use it. Do not copy this program. Copy
//! an example of a crate, because a service must not start without a key, and `axum::serve` does not limit connections.

use std::{
    env,
    error::Error,
    net::{Ipv4Addr, SocketAddr},
};

use axum::{Router, http::StatusCode, routing::get};
use metrics_guard_core::{ConfigErrorKind, Guard, adapter::Settings};
use metrics_guard_tower::guard_metrics;
use prometheus::{TextEncoder, register_int_counter};
use tokio::net::TcpListener;

#[guard_metrics]
async fn metrics() -> Result<String, StatusCode> {
    TextEncoder::new().encode_to_string(&prometheus::gather()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let visits = register_int_counter!("visits_total", "Requests for the page.")?;
    let page = || async move {
        visits.inc();
        "Hello. My metrics are none of your business.\n"
    };
    let (guard, key_for_this_run) = guard()?;
    let app = Router::new().route("/metrics", get(metrics)).with_state(guard).route("/", get(page));
    let port = env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    if let Some(key) = key_for_this_run {
        print!("{}", how_to_use(&key, &address.to_string()));
    }
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?; // the address, for networks
    Ok(())
}

/// Builds the guard from the environment. If that has no key, also returns a key that was made for this run.
fn guard() -> Result<(Guard, Option<String>), Box<dyn Error>> {
    match Guard::from_env() {
        Err(error) if error.kind() == ConfigErrorKind::MissingKey => {
            let [a, b, c, d] = [getrandom::u64()?, getrandom::u64()?, getrandom::u64()?, getrandom::u64()?];
            let key = format!("{a:016x}{b:016x}{c:016x}{d:016x}");
            let mut settings = Settings::from_env();
            settings.set("key", "the key for this run", &key)?;
            Ok((settings.builder()?.build(), Some(key)))
        }
        guard => Ok((guard?, None)),
    }
}

fn how_to_use(key: &str, address: &str) -> String {
    format!(
        r#"
No key is configured, so this demonstration made one, for this run only.

Write the key into a file, in another terminal. `echo` is a part of the shell, so that no command line shows the key:

    (umask 077; echo {key} > metrics_key)

Scrape with it, and without `-H @-` to get a 401:

    sed 's/^/Authorization: Bearer /' metrics_key | curl -H @- http://{address}/metrics

Scrape with Prometheus:

    scrape_configs:
      - job_name: demo
        follow_redirects: false
        authorization:
          credentials_file: metrics_key
        static_configs:
          - targets: ["{address}"]

To keep a key, write it into a file of the service too, and set METRICS_VERIFICATION_KEY_FILE to the path of that file.
The service's file can have several keys, for a rotation. The scraper's file must have one.
"#
    )
}
