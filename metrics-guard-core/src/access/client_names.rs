//! Required names, and whether a client certificate contains one of them.
//!
//! The TLS layer verifies the certificate's chain, its dates, and that the client has the private key. The server then puts
//! the names into a `Peer`. The guard does not read `X-Forwarded-Client-Cert`, `Client-Cert` (RFC 9440) and similar headers,
//! because any client can write them.
//!
//! ```
//! use http::{Request, StatusCode};
//! use metrics_guard_core::{ClientName, Guard, Key, Peer};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//! # let address = std::net::SocketAddr::from(([10, 1, 2, 3], 40000));
//!
//! let guard = Guard::builder(Key::new(secret)?).require_client_name(["prometheus.example"])?.build();
//! let mut request = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
//!
//! // The server inserts the `Peer` after the TLS handshake.
//! request.extensions_mut().insert(Peer::new(address).with_names([ClientName::dns("prometheus.example")]));
//! assert!(guard.check(&request).is_ok());
//!
//! request.extensions_mut().insert(Peer::new(address));
//! assert_eq!(guard.check(&request).unwrap_err().status(), StatusCode::FORBIDDEN);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use crate::{error::Problem, near_names::is_yes_or_no, peer::ClientName, problem};

/// The names of which a client certificate must contain one.
pub(crate) struct ClientNames(Box<[ClientName]>);

impl ClientNames {
    pub(crate) fn parse(entries: impl IntoIterator<Item: AsRef<str>>) -> Result<ClientNames, Problem> {
        let names = entries.into_iter().enumerate();
        let names = names.map(|(index, entry)| match entry.as_ref().trim() {
            // A DNS name such as `y.es` is no word.
            word if !word.contains('.') && is_yes_or_no(word) => Err(problem::word_as_name("prometheus.example")),
            entry => required(entry).ok_or_else(|| problem::invalid_client_name(index + 1)),
        });
        let names = names.collect::<Result<Box<[_]>, _>>()?;
        if names.is_empty() { Err(problem::no_client_name()) } else { Ok(ClientNames(names)) }
    }

    /// Returns whether one of them is among `presented`, the names in the client certificate.
    pub(crate) fn include_one_of(&self, presented: &[ClientName]) -> bool {
        presented.iter().any(|name| self.0.contains(name))
    }
}

/// Hides the names, because one of them can be a key in the wrong setting.
impl fmt::Debug for ClientNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientNames({})", self.0.len())
    }
}

/// Parses a name that can be required: a URI if it starts like one, otherwise a DNS name. Patterns are not supported.
fn required(entry: &str) -> Option<ClientName> {
    let parts = entry.split_once("://").or_else(|| Some(("urn", entry.strip_prefix("urn:")?)));
    if let Some((scheme, rest)) = parts {
        let is_scheme = |scheme: &str| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        };
        // A comma separates the entries of a list.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"*,".contains(&byte);
        let is_uri = is_scheme(scheme) && !rest.is_empty() && rest.bytes().all(is_plain);
        return is_uri.then(|| ClientName::uri(entry));
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // The last label of an address is a number, and certificates contain addresses under another type.
    let is_address = entry.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (entry.split('.').all(is_label) && !is_address).then(|| ClientName::dns(entry))
}

#[cfg(test)]
mod tests {
    use super::{ClientName, ClientNames};
    use crate::problem;

    const SPIFFE: &str = "spiffe://example.org/ns/monitoring/sa/prometheus";

    fn pass(required: &[&str], presented: &[ClientName]) -> bool {
        ClientNames::parse(required).unwrap().include_one_of(presented)
    }

    #[test]
    fn one_name_of_many_is_enough() {
        let required = ["prometheus.example", SPIFFE];
        assert!(pass(&required, &[ClientName::dns("Prometheus.EXAMPLE")]));
        assert!(pass(&required, &[ClientName::dns("other.example"), ClientName::uri(SPIFFE)]));
        assert!(pass(&["PROMETHEUS.example"], &[ClientName::dns("prometheus.example")]));
        assert!(!pass(&required, &[ClientName::dns("other.example")]));
        assert!(!pass(&required, &[]));
    }

    #[test]
    fn names_are_compared_whole_and_by_kind() {
        for (required, presented) in [
            ("prometheus.example", ClientName::dns("a.prometheus.example")),
            ("prometheus.example", ClientName::dns("prometheus.example.org")),
            ("prometheus.example", ClientName::dns("*.example")),
            ("prometheus.example", ClientName::uri("prometheus.example")),
            (SPIFFE, ClientName::dns(SPIFFE)),
            (SPIFFE, ClientName::uri(&SPIFFE.to_uppercase())),
            (SPIFFE, ClientName::uri(&SPIFFE[..SPIFFE.len() - 1])),
        ] {
            assert!(!pass(&[required], &[presented]), "{required}");
        }
    }

    #[test]
    fn accepts_dns_names_that_spell_a_word_with_their_dot() {
        for name in ["y.es", "no.ne", "fal.se", "requi.red"] {
            assert!(pass(&[name], &[ClientName::dns(name)]), "{name}");
        }
        for word in ["none", "No", "false"] {
            let problem = ClientNames::parse([word]).unwrap_err();
            assert_eq!(problem.text, problem::word_as_name("prometheus.example").text, "{word}");
        }
    }

    #[test]
    fn what_cannot_be_required() {
        for entry in [
            "",
            "*",
            "*.example",
            "DNS:prometheus.example",
            "a b",
            "a..b",
            ".a",
            "a.",
            "spiffe://",
            "://a",
            "spiffe://a/*",
            "a_b://c",
            "ä.de",
            "10.0.0.1",
            "urn:",
            "x:y",
            "a://b,c",
            &"a1".repeat(32),
            &format!("{}.example", "a".repeat(64)),
        ] {
            let problem = ClientNames::parse(["a", entry]).unwrap_err();
            assert_eq!(problem.text, problem::invalid_client_name(2).text, "{entry}");
        }
        assert_eq!(ClientNames::parse([""; 0]).unwrap_err().text, problem::no_client_name().text);
        assert!(pass(&["urn:uuid:f81d4fae"], &[ClientName::uri("urn:uuid:f81d4fae")]));
    }
}
