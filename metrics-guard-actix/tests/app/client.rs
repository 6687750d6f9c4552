//! The client of a real connection: its address, and the `Peer` that `on_connect` stores.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, get, rt, web};
use metrics_guard_actix::{ClientName, Guard, GuardBuilder, Key, MetricsGuard, Peer, guard_metrics};

use crate::answers::{KEY, open};

const PATIENCE: Duration = Duration::from_secs(30);

#[guard_metrics]
#[get("/attribute")]
async fn metrics() -> &'static str {
    "up 1\n"
}

/// Starts a server. `peer` makes what `on_connect` stores.
fn serve(guard: Guard, peer: Option<fn() -> Peer>) -> (SocketAddr, ServerHandle) {
    let app = move || {
        let middleware = web::get().to(open).wrap(MetricsGuard::new(guard.clone()));
        App::new().service(metrics(&guard)).route("/middleware", middleware)
    };
    let server = HttpServer::new(app).workers(1).disable_signals().on_connect(move |_, data| {
        if let Some(peer) = peer {
            data.insert(peer());
        }
    });
    let server = server.bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    rt::spawn(server);
    (address, handle)
}

/// Sends a request with the key and headers that a proxy adds. Returns its status.
fn status(mut stream: impl Read + Write, path: &str) -> u16 {
    let forwarded = "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Real-IP: 192.0.2.1";
    let key = format!("X-Metrics-Key: {KEY}");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{key}\r\n{forwarded}\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response["HTTP/1.1 ".len()..][..3].parse().unwrap()
}

fn connected(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// No header changes the client: every request here has headers that claim 192.0.2.1.
#[actix_web::test]
async fn the_client_is_the_peer_of_the_connection_or_else_the_address_of_the_socket() {
    let other: fn() -> Peer = || Peer::new(([192, 0, 2, 1], 9).into());
    let named: fn() -> Peer =
        || Peer::new(([127, 0, 0, 1], 9).into()).with_names([ClientName::dns("prometheus.example")]);
    let allow = |network: &str| Guard::builder(Key::new(KEY).unwrap()).allow_networks([network]).unwrap();
    let require = |builder: GuardBuilder| builder.require_client_name(["prometheus.example"]).unwrap();
    for (builder, peer, expected) in [
        (allow("127.0.0.0/8"), None, 200),
        (allow("192.0.2.0/24"), None, 403),
        (allow("192.0.2.0/24"), Some(other), 200),
        (allow("127.0.0.0/8"), Some(other), 403),
        (require(allow("127.0.0.0/8")), Some(named), 200),
        (require(allow("127.0.0.0/8")), Some(other), 403),
        (require(allow("127.0.0.0/8")), None, 403),
    ] {
        let (address, server) = serve(builder.build(), peer);
        let asked = web::block(move || ["/attribute", "/middleware"].map(|path| status(connected(address), path)));
        assert_eq!(asked.await.unwrap(), [expected; 2], "{peer:?}");
        server.stop(false).await;
    }
}

/// A client on a Unix socket has no address, so that no network contains it.
#[cfg(unix)]
#[actix_web::test]
async fn a_client_on_a_unix_socket_is_in_no_network() {
    use std::{env, os::unix::net::UnixStream, process};

    let guard = Guard::builder(Key::new(KEY).unwrap()).allow_networks(["127.0.0.0/8", "::1"]).unwrap().build();
    let path = env::temp_dir().join(format!("metrics-guard-actix-{}", process::id()));
    let server = HttpServer::new(move || App::new().service(metrics(&guard))).workers(1).disable_signals();
    let server = server.bind_uds(&path).unwrap().run();
    let handle = server.handle();
    rt::spawn(server);
    let stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(web::block(move || status(stream, "/attribute")).await.unwrap(), 403);
    handle.stop(false).await;
}
