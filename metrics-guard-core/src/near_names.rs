//! Recognises names that mean a setting but are written in another way, and names that only look like a setting's.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use strsim::osa_distance;

/// Returns whether `value` is a word for yes, no or nothing. In the place of a name, such a word is meant as a switch.
pub(crate) fn is_yes_or_no(value: &str) -> bool {
    const WORDS: &str = "true false yes no on off 0 1 enabled disabled enable disable none null nil undefined nothing empty \
         unset default all any required optional";
    let value = bare(value);
    WORDS.split_whitespace().any(|word| word == value)
}

/// Returns `name` in lower case and without separators.
pub(crate) fn bare(name: &str) -> String {
    name.chars().filter(|letter| !is_separator(*letter)).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Returns the rest of `name` after a word close to `word`, and the unlikeness of that word. The unlikeness is whether another
/// word follows without a separator, and the number of typing errors. If several words are close, the closest one counts.
///
/// Case and separators of `name` do not count. A word with a digit is never close. `word` is in lower case.
pub(crate) fn after_close_word<'n>(name: &'n str, word: &str) -> Option<(&'n str, Unlikeness)> {
    if word.len() < 2 {
        return None; // each name would be close
    }
    let edits = if word.len() < 8 { 1 } else { 2 };
    let letters: Vec<_> = name.char_indices().filter(|(_, letter)| !is_separator(*letter)).collect();
    let ways = (word.len() - 1..=word.len() + edits).chain([word.len() - edits]).filter_map(|len| {
        let (found, rest) = letters.split_at_checked(len)?;
        let found: String = found.iter().map(|(_, letter)| letter.to_ascii_lowercase()).collect();
        let distance = osa_distance(&found, word);
        // With two errors and another first letter, it is another word: METRICS_CERTIFICATION is not METRICS_VERIFICATION.
        let is_close = distance <= edits && (distance < 2 || found.as_bytes().first() == word.as_bytes().first());
        if !is_close || !found.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        let end = letters[len - 1].0 + letters[len - 1].1.len_utf8();
        let rest_begins = rest.first().map_or(name.len(), |(at, _)| *at);
        let is_glued = end == rest_begins && end < name.len();
        let word_ends = || name[end..].split(is_separator).next().unwrap_or_default();
        let is_other = is_glued && word_ends().contains(|letter: char| letter.is_ascii_digit());
        (!is_other).then_some((&name[end..], (is_glued, distance)))
    });
    ways.min_by_key(|(_, unlikeness)| *unlikeness)
}

/// The unlikeness of two words: see [`after_close_word`].
pub(crate) type Unlikeness = (bool, usize);

/// Returns whether `letter` separates words. Invisible characters, such as a byte-order mark, count as separators.
pub(crate) fn is_separator(letter: char) -> bool {
    !letter.is_alphanumeric()
}

/// Returns whether Kubernetes or Docker makes a variable with this value for a service. `name` is the name of the variable, or
/// the end of it.
pub(crate) fn is_service_link(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split('_').collect();
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let url = || {
        let (scheme, address) = value.split_once("://")?;
        let port = address.parse::<SocketAddr>().ok()?.port().to_string();
        Some((PROTOCOLS.into_iter().find(|protocol| scheme == protocol.to_ascii_lowercase())?, port))
    };
    match words[..] {
        _ if is_docker_link(&name, value) => true,
        [.., "SERVICE", "HOST"] => is_address(value),
        [.., "PORT", number, protocol, "ADDR"] if PROTOCOLS.contains(&protocol) => {
            is_number(number) && is_address(value)
        }
        [.., "PORT", number, protocol, "PORT"] if PROTOCOLS.contains(&protocol) => is_number(number) && value == number,
        [.., "PORT", number, protocol, "PROTO"] if PROTOCOLS.contains(&protocol) => {
            is_number(number) && value == protocol.to_ascii_lowercase()
        }
        [.., "PORT", number, protocol] if PROTOCOLS.contains(&protocol) => url() == Some((protocol, number.to_owned())),
        _ => {
            let has_service_port = words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]);
            has_service_port && is_number(value) || words.last() == Some(&"PORT") && url().is_some()
        }
    }
}

/// Returns whether Docker makes a variable with this value for a linked container. Docker copies each variable of the container
/// behind `ALIAS_ENV_`, and adds `ALIAS_NAME=/container/alias`. Here, an alias before `ENV` has at least two words.
pub(crate) fn is_docker_link(name: &str, value: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let is_alias = |before: &[&str]| {
        let alias = value.strip_prefix('/').and_then(|path| path.split_once('/'));
        alias.is_some_and(|(_, alias)| bare(alias) == bare(&before.join("_")))
    };
    words.iter().skip(2).rev().skip(1).any(|word| word.eq_ignore_ascii_case("ENV"))
        || matches!(&words[..], [before @ .., last] if last.eq_ignore_ascii_case("NAME") && is_alias(before))
}

/// Returns whether `value` is a list of networks for the setting called `name`. One address without a prefix length could be
/// the address of a host, so `name` must then mean several clients.
pub(crate) fn is_list_of_networks(name: &str, value: &str) -> bool {
    let entries = value.split([',', ';', ' ']).map(|entry| entry.trim_matches(['[', ']', '"', '\'', '\t', '\n']));
    let entries: Vec<_> = entries.filter(|entry| !entry.is_empty()).collect();
    let is_network = |entry: &&str| entry.parse::<IpNet>().is_ok() || entry.parse::<IpAddr>().is_ok();
    let is_list = entries.len() > 1 || entries.iter().any(|entry| entry.contains('/'));
    let means_clients = || ["allow", "ips", "subnet", "range"].iter().any(|word| bare(name).contains(word));
    entries.iter().all(is_network) && !entries.is_empty() && (is_list || means_clients())
}

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

#[cfg(test)]
mod tests {
    use super::{after_close_word, is_list_of_networks, is_service_link};

    #[test]
    fn finds_a_word_in_spite_of_typing_errors() {
        for (name, word, rest, unlikeness) in [
            ("METRICS_GUARD", "metrics", "_GUARD", (false, 0)),
            ("metric-GUARD", "metrics", "-GUARD", (false, 1)),
            (" __mertics", "metrics", "", (false, 1)),
            ("MetricsGuard", "metrics", "Guard", (true, 0)),
            ("GUAR_KEY", "guard", "_KEY", (false, 1)),
            ("VERFICATON_X", "verification", "_X", (false, 2)),
        ] {
            assert_eq!(after_close_word(name, word), Some((rest, unlikeness)), "{name}");
        }
        for (name, word) in [
            ("METRO_GUARD", "metrics"),
            ("METRICS2_GUARD", "metrics"),
            ("BOARD", "guard"),
            ("CERTIFICATION", "verification"),
            ("NOTIFICATION", "verification"),
            ("", "guard"),
            ("x", "k"),
            ("x", ""),
        ] {
            assert_eq!(after_close_word(name, word), None, "{name}");
        }
    }

    #[test]
    fn recognises_service_links_by_name_and_value() {
        for (name, value) in [
            ("SERVICE_HOST", "10.96.0.12"),
            ("SERVICE_HOST", "fd00::12"),
            ("KEY_FILE_SERVICE_PORT", "8080"),
            ("SERVICE_PORT_HTTP_METRICS", "8080"),
            ("PORT", "tcp://10.96.0.12:8080"),
            ("KEY_PORT", "udp://[fd00::12]:8080"),
            ("MY_SERVICE_PORT", "tcp://10.96.0.12:8080"),
            ("PORT_8080_TCP", "tcp://10.96.0.12:8080"),
            ("PORT_8080_SCTP_PROTO", "sctp"),
            ("PORT_8080_TCP_PORT", "8080"),
            ("PORT_8080_UDP_ADDR", "10.96.0.12"),
            ("METRICS_GUARD_NAME", "/app/metrics_guard"),
        ] {
            assert!(is_service_link(name, value), "{name}={value}");
            assert!(!is_service_link(name, "10.0.0.0/8"), "{name}");
            assert!(!is_service_link("NETWORKS", value), "{value}");
        }
        for (name, value) in [
            ("SERVICE_HOST", "8080"),
            ("SERVICE_PORT", "10.96.0.12"),
            ("PORT", "8080"),
            ("PORT", "http://10.96.0.12:8080"),
            ("PORT_8080_TCP", "tcp://10.96.0.12:9090"),
            ("PORT_8080_TCP", "udp://10.96.0.12:8080"),
            ("PORT_8080_TCP_PROTO", "udp"),
            ("PORT_8080_HTTP_ADDR", "10.96.0.12"),
            ("HOST", "10.96.0.12"),
            ("CLIENT_NAME", "/CN=prometheus"),
            ("METRICS_VERIFICATION_KEY_FILE_NAME", "/run/secrets/metrics_key"),
            ("ROCKET_ENV_METRICS_GUARD", "1"),
        ] {
            assert!(!is_service_link(name, value), "{name}={value}");
        }
    }

    #[test]
    fn distinguishes_a_list_of_networks_from_one_address() {
        for list in ["10.0.0.0/8", "10.0.0.1,10.0.0.2", "[\"10.0.0.0/8\", \"::1\"]", "fd00::/8; 10.0.0.1", "10.0.0.1/8"]
        {
            assert!(is_list_of_networks("SOURCES", list), "{list}");
        }
        for other in ["", " ", "10.0.0.1", "::", "10.0.0.1:80", "10.0.0.0/8,internal", "/8", "1"] {
            assert!(!is_list_of_networks("SOURCES", other), "{other}");
        }
        for (name, is_list) in
            [("ALLOWED_IPS", true), ("ALLOW_FROM", true), ("SUBNET", true), ("IP", false), ("HOST", false)]
        {
            assert_eq!(is_list_of_networks(name, "10.0.0.1"), is_list, "{name}");
            assert!(!is_list_of_networks(name, "") && !is_list_of_networks(name, "true"), "{name}");
        }
    }
}
