//! Tests that the warning about a missing client address has the guide's instruction for the server in use. tests/layer.rs of
//! metrics-guard-tower tests tonic, and axum without the feature `axum`.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{iter, net::SocketAddr, sync::mpsc, time::Duration};

use http::{HeaderName, Request};
use metrics_guard_core::{Guard, Key, Peer, RequestHead};
use metrics_guard_tests::KEY;
use metrics_guard_tower::{Authorized, MetricsGuardLayer, guard_metrics};
use rocket::{config::LogLevel, http::Header, local::blocking::Client};
use tower::ServiceExt as _;
use warp::Filter;

const PAGE: &str = include_str!("../metrics-guard-core/docs/guide/layers.md");

/// Returns the instruction in the warning, when `ask` sends a request without an address to a guard with networks, client
/// names or both.
fn instruction(networks: &[&str], names: &[&str], ask: impl FnOnce(Guard)) -> String {
    let (sender, warnings) = mpsc::channel();
    let mut builder = Guard::builder(Key::new(KEY).unwrap());
    if !networks.is_empty() {
        builder = builder.allow_networks(networks).unwrap();
    }
    if !names.is_empty() {
        builder = builder.require_client_name(names).unwrap();
    }
    ask(builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build());
    let warning = warnings.recv_timeout(Duration::from_secs(10)).unwrap();
    let (_, instruction) = warning
        .split_once(": the server did not provide the client's address or the names in its certificate, so every request may be rejected; ")
        .unwrap();
    instruction.to_owned()
}

/// Returns the instruction in the guide's row that begins with `server`.
fn in_guide(server: &str) -> &'static str {
    let (_, rows) = PAGE.split_once("| server | instruction in the warning |").unwrap();
    let (_, row) = rows.split_once(&format!("\n| {server}")).unwrap();
    let (_, cell) = row.split_once("``").unwrap();
    cell.split("`` |").next().unwrap().trim_end()
}

/// The request head of a custom server.
struct Head;

impl RequestHead for Head {
    fn field_values<'h>(&'h self, _: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        iter::empty()
    }

    fn query(&self) -> Option<&[u8]> {
        None
    }

    fn peer(&self) -> Option<&Peer> {
        None
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn ask_axum(guard: Guard, path: &str, address: Option<SocketAddr>) {
    #[guard_metrics]
    fn attribute() -> &'static str {
        "up 1\n"
    }
    async fn extractor(_: Authorized) -> &'static str {
        "up 1\n"
    }
    use axum::{Router, body::Body, extract::ConnectInfo, routing::get};

    let layer = MetricsGuardLayer::new(guard.clone());
    let router = Router::new().route("/attribute", get(attribute)).route("/extractor", get(extractor));
    let router = router.with_state(guard).route("/layer", get(|| async { "up 1\n" }).layer(layer));
    let mut request = Request::get(path).header("X-Metrics-Key", KEY).body(Body::empty()).unwrap();
    if let Some(address) = address {
        request.extensions_mut().insert(ConnectInfo(address));
    }
    assert_eq!(run(router.oneshot(request)).unwrap().status(), 403);
}

fn ask_warp(guard: Guard, address: Option<SocketAddr>) {
    let guard = metrics_guard_warp::MetricsGuard::with(guard);
    let routes = guard.gate(warp::path("metrics")).or(warp::any().map(warp::reply));
    let mut request = warp::test::request().path("/metrics").header("X-Metrics-Key", KEY);
    if let Some(address) = address {
        request = request.remote_addr(address);
    }
    assert_eq!(run(request.reply(&routes)).status(), 403);
}

fn ask_rocket(guard: Guard) {
    #[rocket::get("/")]
    fn theirs() -> &'static str {
        "up 1\n"
    }
    let guard = metrics_guard_rocket::MetricsGuard::with(guard).mount("/metrics", rocket::routes![theirs]);
    let config = rocket::Config { log_level: LogLevel::Off, ..rocket::Config::debug_default() };
    let client = Client::untracked(rocket::custom(config).attach(guard)).unwrap();
    let response = client.get("/metrics").header(Header::new("X-Metrics-Key", KEY)).dispatch();
    assert_eq!(response.status().code, 403);
}

/// With client names, a client address is not enough, so the instruction differs.
#[test]
fn warning_about_a_missing_address_has_the_instruction_for_the_server() {
    let request = || Request::get("/metrics").header("X-Metrics-Key", KEY).body(()).unwrap();
    let servers: [(&dyn Fn(Guard), _, _); 8] = [
        (&|guard| assert!(guard.check(&request()).is_err()), "a custom server", "the same, with client names"),
        (
            &|guard| assert!(guard.check(&request().into_parts().0).is_err()),
            "a custom server",
            "the same, with client names",
        ),
        (&|guard| assert!(guard.check(&Head).is_err()), "a custom server", "the same, with client names"),
        (&|guard| ask_axum(guard, "/attribute", None), "axum, and other", "axum, tonic and"),
        (&|guard| ask_axum(guard, "/extractor", None), "axum, and other", "axum, tonic and"),
        (&|guard| ask_axum(guard, "/layer", None), "axum, and other", "axum, tonic and"),
        (&|guard| ask_warp(guard, None), "Warp |", "Warp, with client names"),
        (&ask_rocket, "Rocket |", "Rocket |"),
    ];
    for (ask, row, row_with_names) in servers {
        assert_eq!(instruction(&["10.0.0.0/8"], &[], ask), in_guide(row));
        for networks in [&[][..], &["10.0.0.0/8"]] {
            assert_eq!(instruction(networks, &["prometheus.example"], ask), in_guide(row_with_names));
        }
    }
}

#[test]
fn warning_about_missing_names_has_the_instruction_for_the_server() {
    let address = Some(([192, 0, 2, 1], 40000).into());
    let names = ["prometheus.example"];
    let axum = instruction(&[], &names, |guard| ask_axum(guard, "/layer", address));
    assert_eq!(axum, in_guide("axum, tonic and"));
    assert_eq!(instruction(&[], &names, |guard| ask_warp(guard, address)), in_guide("Warp, with client names"));
}
