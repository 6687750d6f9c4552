//! A second, simple implementation of a guard's decision, which shares no code with the guard. The fuzz targets include this
//! file too.

use std::net::IpAddr;

use base64ct::{Base64, Encoding};
use http::request::Parts;
use metrics_guard_core::{ConfigError, Guard, Key, KeyRing, Peer, Reason};

/// The labels of the positions in a ring.
const LABELS: [&str; 4] = ["current", "previous", "third", "fourth"];

/// The maximal length of Basic credentials: twice the longest key.
const MAX_CREDENTIALS: usize = 2 * 256;

/// The configuration of a guard.
#[derive(Debug, Clone)]
pub struct Model {
    /// The accepted keys, without duplicates.
    pub keys: Vec<Vec<u8>>,
    /// The header that presents a key.
    pub field: &'static str,
    /// The query parameter that can present a key.
    pub parameter: Option<&'static str>,
    /// The only allowed network: an address in it, and the length of its prefix.
    pub network: Option<(IpAddr, u8)>,
}

impl Model {
    /// Returns a model that accepts `keys`, with default settings.
    pub fn new<K: AsRef<[u8]>>(keys: &[K]) -> Model {
        let keys = keys.iter().map(|key| key.as_ref().to_vec()).collect();
        Model { keys, field: "x-metrics-key", parameter: None, network: None }
    }

    /// Builds the guard that must decide like this model.
    pub fn guard(&self) -> Result<Guard, ConfigError> {
        let keys = self.keys.iter().map(Key::new).collect::<Result<Vec<_>, _>>()?;
        let mut builder = Guard::builder(KeyRing::new(keys)?).header(self.field)?;
        if let Some(parameter) = self.parameter {
            builder = builder.query(parameter)?;
        }
        if let Some((address, prefix)) = self.network {
            builder = builder.allow_networks([format!("{address}/{prefix}")])?;
        }
        Ok(builder.build())
    }

    /// Returns the label of the key that a request presents, or the reason of its rejection.
    pub fn verdict(&self, head: &Parts) -> Result<&'static str, Reason> {
        let peer = head.extensions.get().and_then(Peer::address).map(|address| address.ip());
        if self.network.is_some_and(|network| !peer.is_some_and(|peer| is_in(peer, network))) {
            return Err(Reason::Address);
        }
        let presented = self.presented(head)?;
        let position = self.keys.iter().position(|key| *key == presented);
        position.map(|position| LABELS[position]).ok_or(Reason::Wrong)
    }

    fn presented(&self, head: &Parts) -> Result<Vec<u8>, Reason> {
        let lines =
            |name| head.headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect::<Vec<_>>();
        if let Some(first) = lines(self.field).first()
            && !first.is_empty()
        {
            return Ok(first.to_vec());
        }
        let authorization = match *lines("authorization") {
            [] | [[]] => None,
            [value] => credentials(value)?,
            _ => return Err(Reason::Malformed),
        };
        if let Some(key) = authorization {
            return Ok(key);
        }
        let parameter = self.parameter.ok_or(Reason::Missing)?;
        let pairs = parse_query(head.uri.query().unwrap_or_default().as_bytes());
        let first = pairs.into_iter().find(|(name, _)| name == parameter.as_bytes());
        first.map(|(_, value)| value).filter(|value| !value.is_empty()).ok_or(Reason::Missing)
    }
}

/// Returns the key in a value of `Authorization`, or none if the guard does not know the scheme.
fn credentials(value: &[u8]) -> Result<Option<Vec<u8>>, Reason> {
    let mut words = value.splitn(2, |&byte| byte == b' ');
    let scheme = words.next().unwrap_or_default();
    let rest = words.next().unwrap_or_default();
    let credentials = &rest[rest.iter().take_while(|&&byte| byte == b' ').count()..];
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if scheme.is_empty() || !scheme.iter().all(is_token) {
        return Err(Reason::Malformed);
    }
    match scheme.to_ascii_lowercase().as_slice() {
        b"bearer" | b"basic" if credentials.is_empty() => Err(Reason::Malformed),
        b"bearer" => Ok(Some(credentials.to_vec())),
        b"basic" => {
            let text = str::from_utf8(credentials).unwrap_or("not base64");
            let decoded = Base64::decode_vec(text).map_err(|_| Reason::Malformed)?;
            if decoded.len() > MAX_CREDENTIALS {
                return Err(Reason::Malformed);
            }
            let colon = decoded.iter().position(|&byte| byte == b':').ok_or(Reason::Malformed)?;
            Ok(Some(decoded[colon + 1..].to_vec()))
        }
        _ => Ok(None),
    }
}

/// Returns the pairs that Go's `url.ParseQuery` keeps, in their order.
pub fn parse_query(query: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    for pair in query.split(|&byte| byte == b'&') {
        if pair.is_empty() || pair.contains(&b';') {
            continue;
        }
        let mut halves = pair.splitn(2, |&byte| byte == b'=').map(unescape);
        if let (Some(Some(name)), Some(value)) = (halves.next(), halves.next().unwrap_or(Some(Vec::new()))) {
            pairs.push((name, value));
        }
    }
    pairs
}

/// Decodes like Go's `url.QueryUnescape`. Returns none if that is an error.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(16 * digit()? + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

/// Returns whether `address` begins with the prefix of `network`. An IPv4-mapped address counts as IPv4.
fn is_in(address: IpAddr, (network, prefix): (IpAddr, u8)) -> bool {
    let bits = |address| match address {
        IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
        IpAddr::V6(address) => format!("{:0128b}", u128::from(address)),
    };
    let (address, network) = (bits(address.to_canonical()), bits(network));
    address.len() == network.len() && address.starts_with(&network[..prefix.into()])
}
