//! Reads the names in a client certificate that Rocket's TLS has verified: the feature `mtls`.
//!
//! Rocket requests a client certificate if `tls.mutual` is configured, and accepts it if a CA in `ca_certs` signed it. With
//! `mandatory = false`, the guard rejects a client without a certificate (403). Otherwise the handshake fails.
//!
//! ```
//! use metrics_guard_rocket::{Guard, Key, MetricsGuard, guard_metrics};
//! use rocket::{get, http::{Header, Status}, local::blocking::Client, routes};
//!
//! #[guard_metrics]
//! #[get("/metrics")]
//! fn metrics() -> &'static str {
//!     "up 1\n"
//! }
//!
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # let config = rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::debug_default() };
//! let client = |guard: Guard| {
//!     let app = rocket::custom(&config).mount("/", routes![metrics]).attach(MetricsGuard::with(guard));
//!     Client::untracked(app)
//! };
//! let key = Header::new("X-Metrics-Key", secret);
//!
//! let by_key = client(Guard::new(Key::new(secret)?))?;
//! assert_eq!(by_key.get("/metrics").header(key.clone()).dispatch().status(), Status::Ok);
//!
//! // A local request has no certificate, so the guard rejects it even with the right key.
//! let by_both = client(Guard::builder(Key::new(secret)?).require_client_name(["prometheus.example"])?.build())?;
//! assert_eq!(by_both.get("/metrics").header(key).dispatch().status(), Status::Forbidden);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use metrics_guard_core::ClientName;
use rocket::mtls::{
    Certificate,
    x509::{GeneralName, ParsedExtension, X509Extension},
};

/// Returns the DNS names and URIs among the subject alternative names of `certificate`.
pub(crate) fn names(certificate: &Certificate<'_>) -> Vec<ClientName> {
    let extensions = certificate.extensions().iter().map(X509Extension::parsed_extension);
    let alternative = extensions.filter_map(|extension| match extension {
        ParsedExtension::SubjectAlternativeName(alternative) => Some(&alternative.general_names),
        _ => None,
    });
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(ClientName::dns(name)),
        GeneralName::URI(uri) => Some(ClientName::uri(uri)),
        _ => None,
    };
    alternative.flatten().filter_map(name).collect()
}
