//! Warp's example behind TLS: guarded as without, over HTTP/1.1, and over HTTP/2, which Prometheus prefers.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::Arc,
};

use metrics_guard_tests::{
    KEY, WRONG,
    process::Process,
    server::Server,
    wire::{converse_h2, request},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::ServerName};
use tokio_rustls::TlsConnector;

#[test]
fn warp_behind_tls_is_guarded() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    fs::write(path("cert.pem"), cert.pem()).unwrap();
    fs::write(path("key.pem"), signing_key.serialize_pem()).unwrap();

    let mut command = Command::new(Server::build_tls().unwrap());
    command.env_clear().env("PORT", "0").env("METRICS_VERIFICATION_KEY", KEY);
    command.env("TLS_CERT_FILE", path("cert.pem")).env("TLS_KEY_FILE", path("key.pem"));
    let mut server = Process::start(&mut command).unwrap();
    let address = server.wait_for(|line| line.strip_prefix("listening on https://")?.parse().ok()).unwrap();

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    let ask = |path: &str, key: &str| exchange(address, &client, &request("GET", path, &[key.as_bytes()]));

    let scrape = ask("/metrics", &format!("Authorization: Bearer {KEY}"));
    assert!(scrape.starts_with("HTTP/1.1 200") && scrape.ends_with("up 1\n"), "{scrape}");
    let stranger = ask("/metrics", &format!("Authorization: Bearer {WRONG}"));
    assert!(stranger.starts_with("HTTP/1.1 401") && !stranger.contains("up 1"), "{stranger}");
    assert!(ask("/", "Accept: */*").starts_with("HTTP/1.1 200"));

    let mut client = (*client).clone();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let connector = TlsConnector::from(Arc::new(client));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (key, status) in [(KEY, 200), (WRONG, 401)] {
        let line = format!("Authorization: Bearer {key}");
        let request = request("GET", "/metrics", &[line.as_bytes()]);
        let response = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await?;
            let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            converse_h2(stream, &request).await
        });
        assert_eq!(response.unwrap().status, status);
    }
}

fn exchange(server: SocketAddr, client: &Arc<ClientConfig>, request: &[u8]) -> String {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(server).unwrap());
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
