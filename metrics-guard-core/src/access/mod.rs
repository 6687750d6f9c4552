//! Checks a client: its network, the names in its certificate, and whether it must present a key.
//!
//! The client is checked before the key, so a client that is not allowed learns nothing about its key.

pub(crate) mod client_names;
pub(crate) mod networks;

use std::sync::atomic::{AtomicBool, Ordering};

use self::{client_names::ClientNames, networks::Networks};
use crate::{
    denied::Denied,
    error::Origin,
    peer::Peer,
    request::RequestHead,
    warning::{self, Warning},
};

/// The requirements of a guard. `K` is the type of the accepted keys.
#[derive(Debug)]
pub(crate) struct Access<K> {
    pub(crate) required: Required<K>,
    pub(crate) networks: Option<(Origin, Networks)>,
    /// The client certificate must contain one of these names, in addition to the key.
    pub(crate) names_beside_key: Option<(Origin, ClientNames)>,
    has_warned: AtomicBool,
}

#[derive(Debug)]
pub(crate) enum Required<K> {
    /// Nothing, because the guard is disabled. It then checks neither networks nor names.
    Nothing,
    /// A key.
    Key(K),
    /// A certificate with one of these names, instead of a key.
    Certificate((Origin, ClientNames)),
}

impl<K> Access<K> {
    pub(crate) const fn new(required: Required<K>) -> Access<K> {
        Access { required, networks: None, names_beside_key: None, has_warned: AtomicBool::new(false) }
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.required, Required::Nothing)
    }

    pub(crate) const fn keys(&self) -> Option<&K> {
        match &self.required {
            Required::Key(keys) => Some(keys),
            Required::Nothing | Required::Certificate(_) => None,
        }
    }

    pub(crate) const fn names(&self) -> Option<&(Origin, ClientNames)> {
        match &self.required {
            Required::Certificate(names) => Some(names),
            Required::Nothing | Required::Key(_) => self.names_beside_key.as_ref(),
        }
    }

    /// Returns whether a check reads the `Peer` of a request.
    pub(crate) fn reads_peer(&self) -> bool {
        !self.is_open() && (self.networks.is_some() || self.names().is_some())
    }

    /// Decides whether the client is allowed, and returns the accepted keys if the client must also present one.
    ///
    /// Calls `warn` only at the first rejection that happens because the server does not provide the client's address or names.
    #[inline]
    pub(crate) fn admit(&self, head: &impl RequestHead, warn: impl FnOnce(Warning)) -> Result<Option<&K>, Denied> {
        if self.reads_peer() {
            self.check(head.peer(), warn)?;
        }
        Ok(self.keys())
    }

    #[inline(never)]
    fn check(&self, peer: Option<&Peer>, warn: impl FnOnce(Warning)) -> Result<(), Denied> {
        let (origin, denied, is_provided) = match (&self.networks, self.names()) {
            (Some((origin, networks)), _) if !networks.contain(peer) => {
                (origin, Denied::ADDRESS, peer.and_then(Peer::address).is_some())
            }
            (_, Some((origin, names))) if !names.include_one_of(peer.map_or(&[], Peer::names)) => {
                (origin, Denied::CERTIFICATE, peer.is_some_and(Peer::is_complete))
            }
            _ => return Ok(()),
        };
        // The flag is read first, so that a flood of rejected requests does not write to memory that all threads share.
        if !is_provided && !self.has_warned.load(Ordering::Relaxed) && !self.has_warned.swap(true, Ordering::Relaxed) {
            warn(warning::no_peer(origin, Peer::advice(peer, self.names().is_some())));
        }
        Err(denied)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{Access, Networks, Required, Warning};
    use crate::{denied::Denied, peer::Peer};

    #[test]
    fn warns_once_how_to_provide_the_client_address() {
        let mut access = Access::new(Required::Key(()));
        access.networks = Some(("here".into(), Networks::parse(["10.0.0.0/8"]).unwrap().0));
        let mut request = Request::new(());
        let mut advice = Vec::new();
        let unknown = Peer::from_framework(None, |with_names| if with_names { "with" } else { "without" });
        for peer in [Peer::new(([192, 0, 2, 1], 40000).into()), unknown.clone(), unknown] {
            request.extensions_mut().insert(peer);
            let warn = |warning: Warning| advice.push(warning.to_string());
            assert_eq!(access.admit(&request, warn), Err(Denied::ADDRESS));
        }
        assert_eq!(advice.len(), 1);
        assert!(advice[0].ends_with("; without"), "{}", advice[0]);
    }
}
