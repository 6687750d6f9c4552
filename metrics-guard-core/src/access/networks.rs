//! Parses the allowed networks, and decides whether one of them contains a client's address.
//!
//! The address is that of the socket. The guard does not read `X-Forwarded-For` and similar headers, because any client can
//! write them. A request through a proxy has the proxy's address, so allowing a proxy allows all its clients.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{error::Problem, peer::Peer, problem};

/// The networks in which no client has its address: this network, multicast, broadcast, and the unspecified address.
/// `240.0.0.0/4` is not listed, because some clouds use it.
const NO_CLIENT: [IpNet; 5] =
    [v4([0, 0, 0, 0], 8), v4([224, 0, 0, 0], 4), v4([255, 255, 255, 255], 32), v6(0xff00, 8), v6(0, 128)];

/// The networks without public addresses: the special ones of IPv4 (RFC 6890), and all of IPv6 except `2000::/3`.
const NOT_PUBLIC: [IpNet; 11] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([224, 0, 0, 0], 3),
    v6(0, 3),
    v6(0x4000, 2),
    v6(0x8000, 1),
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(first: u16, prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), prefix))
}

/// The networks of allowed clients.
pub(crate) struct Networks(Box<[IpNet]>);

/// Hides the networks, because one of them can be a key in the form of an IPv6 address.
impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Networks({})", self.0.len())
    }
}

impl Networks {
    /// Returns the networks in `entries`, and whether they contain every public address of IPv4 or of IPv6.
    pub(crate) fn parse(entries: impl IntoIterator<Item: AsRef<str>>) -> Result<(Networks, bool), Problem> {
        let networks = entries.into_iter().enumerate().map(|(index, entry)| network(entry.as_ref(), index + 1));
        let networks = networks.collect::<Result<Box<[_]>, _>>()?;
        if networks.is_empty() {
            return Err(problem::no_network());
        }
        let whole = IpNet::aggregate(&[&NOT_PUBLIC[..], &networks].concat());
        let has_all = whole.iter().any(|network| network.prefix_len() == 0);
        Ok((Networks(networks), has_all))
    }

    /// Returns whether one of the networks contains the client's address. An unknown address is in no network.
    pub(crate) fn contain(&self, peer: Option<&Peer>) -> bool {
        peer.and_then(Peer::address).is_some_and(|address| {
            // A socket for both families reports an IPv4 client as ::ffff:10.0.0.1.
            let address = address.ip().to_canonical();
            self.0.iter().any(|network| network.contains(&address))
        })
    }
}

/// Parses a network in CIDR notation (RFC 4632, section 3.1; RFC 4291, section 2.3), or one address.
fn network(entry: &str, number: usize) -> Result<IpNet, Problem> {
    let invalid = || problem::invalid_network(number);
    let entry = entry.trim();
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix_len(prefix).ok_or_else(invalid)?)),
        None => (entry, None),
    };
    // The parser of ipnet is not used, because it reads 010.0.0.1 as 10.0.0.1, which other programs read as 8.0.0.1.
    let address: IpAddr = address.parse().map_err(|_| invalid())?;
    let full = if address.is_ipv4() { 32 } else { 128 };
    let (address, prefix) = match address {
        IpAddr::V6(mapped) if mapped.to_ipv4_mapped().is_some() => unmapped(mapped, prefix.unwrap_or(full), number)?,
        address => (address, prefix.unwrap_or(full)),
    };
    let network = IpNet::new(address, prefix).map_err(|_| invalid())?;
    if network.addr() != network.network() {
        // The first bits of an IPv6 network can be half of a key, so the message hides them.
        let shown = if address.is_ipv4() { network.trunc().to_string() } else { "a network such as fd00::/8".into() };
        return Err(problem::host_bits(number, shown));
    }
    if NO_CLIENT.iter().any(|all| all.contains(&network)) {
        Err(problem::no_client_address(number))
    } else {
        Ok(network)
    }
}

/// Returns the IPv4 network of an IPv4-mapped network. Rejects a shorter prefix, which would allow unlisted addresses too.
fn unmapped(mapped: Ipv6Addr, prefix: u8, number: usize) -> Result<(IpAddr, u8), Problem> {
    match prefix.checked_sub(96) {
        Some(prefix) => Ok((IpAddr::V6(mapped).to_canonical(), prefix)),
        None => Err(problem::mapped_network(number)),
    }
}

/// Parses a prefix length: decimal digits, without sign or leading zeros.
fn prefix_len(text: &str) -> Option<u8> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::Networks;
    use crate::{peer::Peer, problem};

    fn contain(networks: &[&str], address: &str) -> bool {
        let (networks, _) = Networks::parse(networks).unwrap();
        networks.contain(Some(&Peer::new(format!("{address}:40000").parse().unwrap())))
    }

    fn text(network: &str) -> String {
        Networks::parse(["192.0.2.0/24", network]).unwrap_err().text
    }

    #[test]
    fn debug_hides_the_networks() {
        let (networks, _) = Networks::parse(["9c2f:1e7a:b5d8:4036:f1c0:a7e3:b692:5d48", "10.0.0.0/8"]).unwrap();
        assert_eq!(format!("{networks:?}"), "Networks(2)");
    }

    #[test]
    fn case_48_an_ipv4_network_allows_ipv4_clients_of_an_ipv6_socket() {
        assert!(contain(&["10.0.0.0/8"], "[::ffff:10.0.0.1]"));
        assert!(!contain(&["10.0.0.0/8"], "[::ffff:11.0.0.1]"));
        // This address is not IPv4-mapped, although its last bits are the same.
        assert!(!contain(&["10.0.0.0/8"], "[64:ff9b::10.0.0.1]"));
    }

    #[test]
    fn case_49_rejects_a_mapped_network_that_reaches_beyond_ipv4() {
        assert_eq!(text("::ffff:10.0.0.0/8"), problem::mapped_network(2).text);
        assert_eq!(text("::ffff:10.0.0.0/95"), problem::mapped_network(2).text);
        assert!(
            contain(&["::ffff:10.0.0.0/104"], "10.1.2.3") && contain(&["::ffff:10.0.0.0/104"], "[::ffff:10.1.2.3]")
        );
        assert!(!contain(&["::ffff:10.0.0.0/104"], "11.1.2.3"));
        assert!(contain(&["::ffff:10.0.0.1"], "10.0.0.1") && !contain(&["::ffff:10.0.0.1"], "10.0.0.2"));
    }

    #[test]
    fn case_50_rejects_an_invalid_network() {
        for network in [
            "010.0.0.1/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "10/8",
            "fd00::/129",
            "10.0.0.1:80",
            "[fd00::]/8",
            "*",
            "",
            "localhost",
            "0x0a000000/8",
        ] {
            assert_eq!(text(network), problem::invalid_network(2).text, "{network}");
        }
        assert_eq!(text("10.0.0.1/8"), problem::host_bits(2, "10.0.0.0/8").text);
        assert_eq!(text("fd00::1/8"), problem::host_bits(2, "a network such as fd00::/8").text);
        assert_eq!(text("::ffff:10.0.0.1/104"), problem::host_bits(2, "10.0.0.0/8").text);
        assert_eq!(Networks::parse([""; 0]).unwrap_err().text, problem::no_network().text);
    }

    #[test]
    fn finds_networks_that_together_allow_every_public_address() {
        let has_all = |list: &str| Networks::parse(list.split(',')).unwrap().1;
        for list in [
            "0.0.0.0/0",
            "10.0.0.0/8,::/0",
            "::ffff:0.0.0.0/96",
            "0.0.0.0/1,128.0.0.0/1",
            "128.0.0.0/2,fd00::/8,0.0.0.0/2,192.0.0.0/2,64.0.0.0/2",
            "1.0.0.0/8,2.0.0.0/7,4.0.0.0/6,8.0.0.0/5,16.0.0.0/4,32.0.0.0/3,64.0.0.0/2,128.0.0.0/1",
            "::/1,8000::/1",
            "2000::/3",
            "3000::/4,2000::/4",
        ] {
            assert!(has_all(list), "{list}");
        }
        for list in ["128.0.0.0/1", "0.0.0.0/1,128.0.0.0/2", "2000::/4,8000::/1", "10.0.0.0/8,192.168.0.0/16,fc00::/7"]
        {
            assert!(!has_all(list), "{list}");
        }
    }

    #[test]
    fn rejects_addresses_that_no_client_has() {
        for address in ["0.0.0.0", "::", "0.0.0.0/32", "::/128", "::ffff:0.0.0.0", "::ffff:0.0.0.0/128", " 0:0::0 "] {
            assert_eq!(text(address), problem::no_client_address(2).text, "{address}");
        }
        for address in ["255.255.255.255", "::ffff:255.255.255.255", "224.0.0.1", "239.0.0.0/8", "224.0.0.0/4"] {
            assert_eq!(text(address), problem::no_client_address(2).text, "{address}");
        }
        for address in ["ff02::1", "ff00::/8", "ff0e::/16", "0.0.0.0/8", "0.1.0.0/16", "::ffff:0.0.0.0/104"] {
            assert_eq!(text(address), problem::no_client_address(2).text, "{address}");
        }
        assert!(contain(&["224.0.0.0/3"], "240.0.0.1") && contain(&["255.255.255.254"], "255.255.255.254"));
        assert!(contain(&["0.0.0.0/7"], "1.0.0.1") && contain(&["240.0.0.0/4"], "240.0.0.1"));
        assert!(contain(&["::/127"], "[::1]") && contain(&["::1"], "[::1]"));
    }

    #[test]
    fn case_51_rejects_a_network_with_a_zone() {
        assert_eq!(text("fe80::%eth0/64"), problem::invalid_network(2).text);
        assert_eq!(text("fe80::1%3"), problem::invalid_network(2).text);
        assert!(contain(&["fe80::/64"], "[fe80::1%3]"));
    }

    #[test]
    fn case_54_rejects_a_client_without_an_address() {
        let (networks, _) = Networks::parse(["0.0.0.0/0", "::/0"]).unwrap();
        assert!(!networks.contain(None));
        assert!(!networks.contain(Some(&Peer::from_framework(None, |_| ""))));
    }

    #[test]
    fn compares_addresses_with_the_edges_of_each_network() {
        assert!(contain(&["10.0.0.0/8"], "10.255.255.255") && !contain(&["10.0.0.0/8"], "11.0.0.0"));
        assert!(contain(&["10.0.0.128/25"], "10.0.0.128") && !contain(&["10.0.0.128/25"], "10.0.0.127"));
        assert!(contain(&["192.0.2.1"], "192.0.2.1") && !contain(&["192.0.2.1"], "192.0.2.2"));
        assert!(contain(&[" fd00::/8 ", "192.0.2.0/24"], "[fdff::1]") && !contain(&["fd00::/8"], "[fe00::1]"));
        assert!(!contain(&["0.0.0.0/0"], "[fd00::1]") && !contain(&["::/0"], "10.0.0.1"));
    }
}
