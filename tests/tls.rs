//! Tests the servers with TLS, over HTTP/1.1 and over HTTP/2, which Prometheus prefers: the guard requires the key, and a
//! client certificate with one of the required names.

// In tests; clippy.toml does not reach their helper functions.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use metrics_guard_tests::{
    KEY, WRONG,
    certificates::{Authority, Validity, exchange_tls, exchange_tls_h2},
    servers::{Running, Server},
    wire::{request, with_bearer},
};
use rustls::AlertDescription;

const DNS: &str = "prometheus.example";
const URI: &str = "spiffe://example.org/ns/monitoring/sa/prometheus";

/// The setting that requires one of these names in the client's certificate.
const NAMES: (&str, &str) =
    ("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example, spiffe://example.org/ns/monitoring/sa/prometheus");

const UNKNOWN: AlertDescription = AlertDescription::DecryptError;
const UNSUPPORTED: AlertDescription = AlertDescription::CertificateUnknown;
const EXPIRED: AlertDescription = AlertDescription::CertificateExpired;

struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap(), authority: Authority::new().unwrap() }
    }

    fn start(&self, server: Server, environment: &[(&str, &str)]) -> Running {
        let tls = self.authority.issue_to_server(self.folder.path()).unwrap();
        Running::start(&mut server.command(Some(&tls), environment).unwrap()).unwrap()
    }
}

fn scrape(key: &str) -> Vec<u8> {
    with_bearer("/metrics", key)
}

/// The status of the response, or the alert that ended the handshake.
type Answer = Result<u16, AlertDescription>;

fn answer(received: std::io::Result<String>) -> Answer {
    match received {
        Ok(text) => {
            assert_eq!(text.contains("# TYPE"), text.starts_with("HTTP/1.1 200"), "{text}");
            Ok(text.strip_prefix("HTTP/1.1 ").and_then(|text| text.get(..3)?.parse().ok()).expect(&text))
        }
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::AlertReceived(alert)) => Err(*alert),
            _ => panic!("{error}"),
        },
    }
}

#[test]
fn servers_with_tls_require_the_key() {
    let place = Place::new();
    for of in Server::ALL {
        let server = place.start(*of, &[("METRICS_VERIFICATION_KEY", KEY)]);
        let client = place.authority.client(None).unwrap();
        let ask = |key| answer(exchange_tls(server.address, &client, &scrape(key)));
        assert_eq!((ask(KEY), ask(WRONG)), (Ok(200), Ok(401)), "{of:?}");
        let index = exchange_tls(server.address, &client, &request("GET", "/", &[])).unwrap();
        assert!(index.starts_with("HTTP/1.1 200"), "{of:?}: {index}");

        let ask_h2 = |key| exchange_tls_h2(server.address, &client, &scrape(key)).unwrap().status;
        assert_eq!((ask_h2(KEY), ask_h2(WRONG)), (200, 401), "{of:?}");
    }
}

#[test]
fn rejects_a_client_without_a_required_certificate_name() {
    let place = Place::new();
    let folder = place.folder.path();
    let issue = |file: &str, names: &[&str], validity| place.authority.issue(folder, file, names, validity).unwrap();
    let foreign = Authority::new().unwrap().issue(folder, "foreign", &[DNS], Validity::Current).unwrap();
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
        ("version 1", Some(place.authority.issue_version_1(folder, "v1").unwrap()), Err(UNSUPPORTED), Err(UNSUPPORTED)),
        ("expired", Some(issue("old", &[DNS], Validity::Expired)), Err(EXPIRED), Err(EXPIRED)),
    ];
    for of in Server::ALL {
        let mut server = place.start(*of, &[("METRICS_VERIFICATION_KEY", KEY), NAMES]);
        for (what, identity, by_key, by_wrong_key) in &clients {
            let client = place.authority.client(identity.as_ref()).unwrap();
            let ask = |request: &[u8]| answer(exchange_tls(server.address, &client, request));
            assert_eq!(ask(&scrape(KEY)), *by_key, "{of:?}: {what}");
            assert_eq!(ask(&scrape(WRONG)), *by_wrong_key, "{of:?}: {what}, wrong key");
            // Headers that claim a certificate change nothing.
            let key = format!("X-Metrics-Key: {KEY}");
            let lines: [&[u8]; 3] =
                [key.as_bytes(), b"Client-Cert: :MIIB:", b"X-Forwarded-Client-Cert: DNS=prometheus.example"];
            assert_eq!(ask(&request("GET", "/metrics", &lines)), *by_key, "{of:?}: {what}, with claims");
        }
        // The guide quotes this message.
        let version_1 = "invalid peer certificate: Other(OtherError(UnsupportedCertVersion))";
        server.process.wait_for(|line| line.contains(version_1).then_some(())).unwrap();
    }
}
