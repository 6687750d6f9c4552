//! Tests the servers with TLS, over HTTP/1.1 and over HTTP/2, which Prometheus prefers: the guard requires the key, and a
//! client certificate with one of the required names.

// In tests; clippy.toml does not reach their helper functions.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::Path;

use metrics_guard_tests::{
    KEY, WRONG,
    certificates::{Authority, Validity, exchange_tls, exchange_tls_h2},
    servers::{Running, Server},
    wire::{request, with_bearer},
};
use rustls::{AlertDescription, ClientConfig};

const DNS: &str = "prometheus.example";
const URI: &str = "spiffe://example.org/ns/monitoring/sa/prometheus";

/// The setting that requires one of these names in the client's certificate.
const NAMES: (&str, &str) =
    ("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example, spiffe://example.org/ns/monitoring/sa/prometheus");

const UNKNOWN: AlertDescription = AlertDescription::DecryptError;
const UNSUPPORTED: AlertDescription = AlertDescription::CertificateUnknown;
const EXPIRED: AlertDescription = AlertDescription::CertificateExpired;

fn start(server: Server, authority: &Authority, folder: &Path, environment: &[(&str, &str)]) -> Running {
    let tls = authority.issue_to_server(folder).unwrap();
    Running::start(&mut server.command(Some(&tls), environment).unwrap()).unwrap()
}

/// Returns the status of the response, or the alert that ended the handshake.
fn status(server: &Running, client: &ClientConfig, request: &[u8]) -> Result<u16, AlertDescription> {
    match exchange_tls(server.address, client, request) {
        Ok(response) => {
            assert_eq!(response.body.contains("# TYPE"), response.status == 200, "{response:?}");
            Ok(response.status)
        }
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::AlertReceived(alert)) => Err(*alert),
            _ => panic!("{error}"),
        },
    }
}

#[test]
fn servers_with_tls_require_the_key() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new().unwrap());
    let client = authority.client(None).unwrap();
    let [right, wrong] = [KEY, WRONG].map(|key| with_bearer("/metrics", key));
    for of in Server::ALL {
        let server = start(*of, &authority, folder.path(), &[("METRICS_VERIFICATION_KEY", KEY)]);
        assert_eq!([&right, &wrong].map(|request| status(&server, &client, request)), [Ok(200), Ok(401)], "{of:?}");
        let index = exchange_tls(server.address, &client, &request("GET", "/", &[])).unwrap();
        assert_eq!(index.status, 200, "{of:?}");
        let over_h2 = |request: &Vec<u8>| exchange_tls_h2(server.address, &client, request).unwrap().status;
        assert_eq!([&right, &wrong].map(over_h2), [200, 401], "{of:?}");
    }
}

#[test]
fn rejects_a_client_without_a_required_certificate_name() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new().unwrap());
    let folder = folder.path();
    let issue = |file: &str, names: &[&str], validity| authority.issue(folder, file, names, validity).unwrap();
    let foreign = Authority::new().unwrap().issue(folder, "foreign", &[DNS], Validity::Current).unwrap();
    // A client's certificate, the response to the right key, and the response to a wrong one.
    let clients = [
        ("a DNS name", Some(issue("dns", &[DNS], Validity::Current)), Ok(200), Ok(401)),
        ("a URI", Some(issue("uri", &[URI], Validity::Current)), Ok(200), Ok(401)),
        ("one of two names", Some(issue("two", &["other.example", DNS], Validity::Current)), Ok(200), Ok(401)),
        ("another name", Some(issue("other", &["other.example"], Validity::Current)), Ok(403), Ok(403)),
        ("a wildcard", Some(issue("star", &["*.example"], Validity::Current)), Ok(403), Ok(403)),
        ("no names", Some(issue("none", &[], Validity::Current)), Ok(403), Ok(403)),
        ("no certificate", None, Ok(403), Ok(403)),
        // The handshake fails with these.
        ("a foreign authority", Some(foreign), Err(UNKNOWN), Err(UNKNOWN)),
        ("version 1", Some(authority.issue_version_1(folder, "v1")), Err(UNSUPPORTED), Err(UNSUPPORTED)),
        ("expired", Some(issue("old", &[DNS], Validity::Expired)), Err(EXPIRED), Err(EXPIRED)),
    ];
    for of in Server::ALL {
        let mut server = start(*of, &authority, folder, &[("METRICS_VERIFICATION_KEY", KEY), NAMES]);
        for (what, identity, by_key, by_wrong_key) in &clients {
            let client = authority.client(identity.as_ref()).unwrap();
            let key = format!("X-Metrics-Key: {KEY}");
            // Headers that claim a certificate change nothing.
            let claims: [&[u8]; 3] =
                [key.as_bytes(), b"Client-Cert: :MIIB:", b"X-Forwarded-Client-Cert: DNS=prometheus.example"];
            for (request, expected) in [
                (with_bearer("/metrics", KEY), by_key),
                (with_bearer("/metrics", WRONG), by_wrong_key),
                (request("GET", "/metrics", &claims), by_key),
            ] {
                assert_eq!(status(&server, &client, &request), *expected, "{of:?}: {what}");
            }
        }
        if of.logs_failed_handshakes() {
            // The guide quotes this message.
            let version_1 = "invalid peer certificate: Other(OtherError(UnsupportedCertVersion))";
            server.process.wait_for(|line| line.contains(version_1).then_some(())).unwrap();
        }
    }
}
