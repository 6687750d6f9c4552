//! Parses the required client names, and decides whether a client certificate contains one of them.
//!
//! The TLS layer verifies the certificate's chain, its dates, and that the client has the private key. The server then puts
//! the names into a `Peer`. The guard does not read `X-Forwarded-Client-Cert`, `Client-Cert` (RFC 9440) and similar headers,
//! because any client can write them.

use std::fmt;

use crate::{error::Problem, near_names::is_yes_or_no, peer::ClientName, problem};

/// The required names. A client certificate must contain one of them.
pub(crate) struct ClientNames(Box<[ClientName]>);

impl ClientNames {
    pub(crate) fn parse(entries: impl IntoIterator<Item: AsRef<str>>) -> Result<ClientNames, Problem> {
        let names = entries.into_iter().enumerate();
        let names = names.map(|(index, entry)| match entry.as_ref().trim() {
            // A DNS name such as `y.es` has a dot, so it is not a word.
            word if !word.contains('.') && is_yes_or_no(word) => Err(problem::word_as_name("prometheus.example")),
            entry => required(entry).ok_or_else(|| problem::invalid_client_name(index + 1)),
        });
        let names = names.collect::<Result<Box<[_]>, _>>()?;
        if names.is_empty() { Err(problem::no_client_name()) } else { Ok(ClientNames(names)) }
    }

    /// Returns whether `presented`, the names in the client certificate, contains a required name.
    pub(crate) fn include_one_of(&self, presented: &[ClientName]) -> bool {
        presented.iter().any(|name| self.0.contains(name))
    }
}

/// Hides the names, because an operator can write a key here by mistake.
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
    // The last label of an IP address is a number. An address cannot be required, because it is another type of name.
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
    fn accepts_a_certificate_with_one_of_the_required_names() {
        let required = ["prometheus.example", SPIFFE];
        assert!(pass(&required, &[ClientName::dns("Prometheus.EXAMPLE")]));
        assert!(pass(&required, &[ClientName::dns("other.example"), ClientName::uri(SPIFFE)]));
        assert!(pass(&["PROMETHEUS.example"], &[ClientName::dns("prometheus.example")]));
        assert!(!pass(&required, &[ClientName::dns("other.example")]));
        assert!(!pass(&required, &[]));
    }

    #[test]
    fn compares_client_names_whole_and_by_kind() {
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
    fn accepts_dns_names_that_spell_a_word_such_as_yes_with_a_dot() {
        for name in ["y.es", "no.ne", "fal.se", "requi.red"] {
            assert!(pass(&[name], &[ClientName::dns(name)]), "{name}");
        }
        for word in ["none", "No", "false"] {
            let problem = ClientNames::parse([word]).unwrap_err();
            assert_eq!(problem.text, problem::word_as_name("prometheus.example").text, "{word}");
        }
    }

    #[test]
    fn rejects_an_invalid_client_name() {
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
