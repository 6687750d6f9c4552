//! Reads the names in a client certificate that Rocket's TLS has verified: the feature `mtls`.
//!
//! Rocket requests a client certificate if `tls.mutual` is configured, and accepts it if a CA in `ca_certs` signed it. With
//! `mandatory = false`, the guard rejects a client without a certificate (403). Otherwise the handshake fails.

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
