//! The warning about a missing address names what the server in use needs, and the guide has that instruction.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{sync::mpsc, time::Duration};

use http::{HeaderName, Request};
use metrics_guard_core::{Guard, Key, Peer, RequestHead};
use metrics_guard_tests::KEY;
use metrics_guard_tower::MetricsGuardLayer;
use rocket::{config::LogLevel, http::Header};
use tower_service::Service;
use warp::Filter;

const PAGE: &str = include_str!("../metrics-guard-core/docs/guide/troubleshooting.md");
const NAME: &str = "prometheus.example";

/// What a guard requires of the client.
#[derive(Clone, Copy)]
enum Required {
    Network,
    Name,
    Both,
}

/// What the guide says that a guard with these requirements warns of, when `ask` sends it a request without an address.
fn advice(required: Required, ask: impl FnOnce(Guard)) -> String {
    let (sender, warnings) = mpsc::channel();
    let mut builder = Guard::builder(Key::new(KEY).unwrap());
    if !matches!(required, Required::Name) {
        builder = builder.allow_networks(["10.0.0.0/8"]).unwrap();
    }
    if !matches!(required, Required::Network) {
        builder = builder.require_client_name([NAME]).unwrap();
    }
    ask(builder.on_warning(move |warning| drop(sender.send(warning.to_string()))).build());
    let warning = warnings.recv_timeout(Duration::from_secs(10)).unwrap();
    let (_, advice) = warning
        .split_once(": the server did not provide the client's address or the names in its certificate, so every request may be rejected; ")
        .unwrap();
    let text = advice.strip_suffix('`').map_or_else(|| format!("| ``{advice}``"), |_| format!("| ``{advice} ``"));
    assert!(PAGE.contains(&text), "not in docs/guide/troubleshooting.md: {text}");
    advice.to_owned()
}

fn scrape<B>(body: B) -> Request<B> {
    Request::get("/metrics").header("X-Metrics-Key", KEY).body(body).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// An address alone would not do for a guard that requires a name as well.
fn for_each(ask: impl Fn(Guard), contains: &str, with_names: &str) {
    assert!(advice(Required::Network, &ask).contains(contains));
    for required in [Required::Name, Required::Both] {
        assert!(advice(required, &ask).contains(with_names));
    }
}

fn check(head: impl RequestHead) -> impl Fn(Guard) {
    move |guard| assert!(guard.check(&head).is_err())
}

const EXTENSIONS: &str = "`request.extensions_mut().insert(Peer::new(address))`";
const WITH_NAMES: &str = "`request.extensions_mut().insert(Peer::new(address).with_names(names))`";

#[test]
fn requests_of_the_crate_http_need_a_peer_in_their_extensions() {
    for_each(check(scrape(())), EXTENSIONS, WITH_NAMES);
    for_each(check(scrape(()).into_parts().0), EXTENSIONS, WITH_NAMES);
}

#[test]
fn a_custom_request_head_returns_a_peer() {
    struct Head;

    impl RequestHead for Head {
        fn field_values<'h>(&'h self, _: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
            std::iter::empty()
        }

        fn query(&self) -> Option<&[u8]> {
            None
        }

        fn peer(&self) -> Option<&Peer> {
            None
        }
    }

    for_each(check(Head), "from your `RequestHead::peer`", WITH_NAMES);
}

#[test]
fn axum_needs_connect_info_or_a_peer() {
    use axum::{Router, body::Body, routing::get};
    use metrics_guard_tower::{Authorized, guard_metrics};

    #[guard_metrics]
    fn attribute() -> &'static str {
        "up 1\n"
    }

    async fn extractor(_: Authorized) -> &'static str {
        "up 1\n"
    }

    let router = |guard: Guard| {
        Router::new()
            .route("/attribute", get(attribute))
            .route("/extractor", get(extractor))
            .with_state(guard.clone())
            .route("/layer", get(|| async { "up 1\n" }).layer(MetricsGuardLayer::new(guard)))
    };
    for path in ["/attribute", "/extractor", "/layer"] {
        let ask = |guard| {
            let mut request = scrape(Body::empty());
            *request.uri_mut() = path.parse().unwrap();
            assert_eq!(run(router(guard).call(request)).unwrap().status(), 403);
        };
        let text = advice(Required::Network, ask);
        let way = "on axum 0.8, serve with `app.into_make_service_with_connect_info::<SocketAddr>()`; elsewhere, ";
        assert!(text.starts_with(way) && text.ends_with(EXTENSIONS), "{path}: {text}");
        // That way provides no names.
        let text = advice(Required::Both, ask);
        assert!(!text.contains("connect_info") && text.ends_with(WITH_NAMES), "{path}: {text}");
    }
}

#[test]
fn warp_needs_its_own_server_or_a_peer() {
    let ask = |guard| {
        let guard = metrics_guard_warp::MetricsGuard::with(guard);
        let routes = guard.gate(warp::path("metrics")).or(warp::any().map(warp::reply));
        let request = warp::test::request().path("/metrics").header("X-Metrics-Key", KEY);
        assert_eq!(run(request.reply(&routes)).status(), 403);
    };
    for_each(ask, "serve a TCP address by `warp::serve(routes)`; in a hyper server of your own", WITH_NAMES);
}

#[test]
fn rocket_needs_a_tcp_address() {
    #[rocket::get("/")]
    fn theirs() -> &'static str {
        "up 1\n"
    }

    let ask = |guard| {
        let guard = metrics_guard_rocket::MetricsGuard::with(guard).mount("/metrics", rocket::routes![theirs]);
        let config = rocket::Config { log_level: LogLevel::Off, ..rocket::Config::debug_default() };
        let client = rocket::local::blocking::Client::untracked(rocket::custom(config).attach(guard)).unwrap();
        let response = client.get("/metrics").header(Header::new("X-Metrics-Key", KEY)).dispatch();
        assert_eq!(response.status().code, 403);
    };
    for_each(ask, "`client.get(\"/metrics\").remote(address)`", "`client.get(\"/metrics\").remote(address)`");
}
