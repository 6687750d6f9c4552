//! Defines a rejection: its reason for the operator, and its response for the client.

use std::fmt;

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, WWW_AUTHENTICATE},
};

/// The reason for a rejection, for logs and counters. The guard does not send it to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No source presented a key.
    Missing,
    /// The `Authorization` header is repeated, or malformed: no scheme, `Bearer` without a token, or `Basic` without a colon,
    /// with bad base64, or with more than 512 bytes.
    Malformed,
    /// The guard does not accept the presented key.
    Wrong,
    /// No allowed network contains the client's address, or the address is unknown.
    Address,
    /// The client's certificate has no required name, or there is no certificate.
    Certificate,
}

impl Reason {
    /// All reasons in order, so that a metric can begin with a series for each.
    pub const ALL: &'static [Reason] =
        &[Reason::Missing, Reason::Malformed, Reason::Wrong, Reason::Address, Reason::Certificate];

    /// Returns the reason in one lower-case word, as a log field or a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Missing => "missing",
            Reason::Malformed => "malformed",
            Reason::Wrong => "wrong",
            Reason::Address => "address",
            Reason::Certificate => "certificate",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rejection of a request. It holds nothing that the request presented.
///
/// A client that is not allowed gets 403, whatever key it presents. A client without an accepted key gets 401. The 401 is
/// the same for each reason, so an attacker learns only that the key was wrong.
///
/// ```
/// use http::{Request, StatusCode};
/// use metrics_guard_core::{Guard, Key, Reason};
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
///
/// let guard = Guard::new(Key::new(secret)?);
///
/// let scrape = Request::get("/metrics").header("Authorization", format!("Bearer {secret}")).body(())?;
/// assert!(guard.check(&scrape).is_ok());
///
/// let stranger = Request::get("/metrics").header("Authorization", "Bearer guess").body(())?;
/// let denied = guard.check(&stranger).unwrap_err();
/// assert_eq!(denied.reason(), Reason::Wrong);
/// assert_eq!(denied.into_response::<String>().status(), StatusCode::UNAUTHORIZED);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "a rejected request must get the response of the rejection"]
pub struct Denied(Reason);

impl Denied {
    pub(crate) const MISSING: Denied = Denied(Reason::Missing);
    pub(crate) const MALFORMED: Denied = Denied(Reason::Malformed);
    pub(crate) const WRONG: Denied = Denied(Reason::Wrong);
    pub(crate) const ADDRESS: Denied = Denied(Reason::Address);
    pub(crate) const CERTIFICATE: Denied = Denied(Reason::Certificate);

    /// Returns the reason for the rejection.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.0
    }

    /// Returns the status of the response: 401 (RFC 9110, section 15.5.2) if another key would help, or 403 (section 15.5.4) if
    /// none would.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.0 {
            Reason::Missing | Reason::Malformed | Reason::Wrong => StatusCode::UNAUTHORIZED,
            Reason::Address | Reason::Certificate => StatusCode::FORBIDDEN,
        }
    }

    /// Returns the value of `WWW-Authenticate`, which a 401 must have (RFC 9110, section 11.6.1). A 403 has none.
    ///
    /// It names only `Bearer`, although `Basic` is accepted too. A browser answers a `Basic` challenge with a password prompt,
    /// and stores the password. The challenge has no `error` parameter (RFC 6750, section 3.1), so it hides the reason.
    fn challenge(self) -> Option<HeaderValue> {
        let is_challenged = self.status() == StatusCode::UNAUTHORIZED;
        is_challenged.then_some(HeaderValue::from_static("Bearer realm=\"metrics\""))
    }

    /// Returns the text that an adapter sends as the body. It only repeats the status.
    #[must_use]
    pub fn body(&self) -> &'static str {
        if self.status() == StatusCode::UNAUTHORIZED { "Unauthorized\n" } else { "Forbidden\n" }
    }

    /// Returns the response, with an empty body: status, challenge, and `Cache-Control: no-store`.
    #[must_use]
    pub fn into_response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status();
        if let Some(challenge) = self.challenge() {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Reason::Missing => "no key was presented",
            Reason::Malformed => "the `Authorization` header is repeated or malformed",
            Reason::Wrong => "the presented key is not accepted",
            Reason::Address => "the client's address is unknown or in no allowed network",
            Reason::Certificate => "the client presented no certificate with a required name",
        })
    }
}

impl std::error::Error for Denied {}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Denied, Reason};

    pub(crate) fn denied(reason: Reason) -> Denied {
        Denied(reason)
    }

    #[test]
    fn lists_every_reason_in_order() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
        assert_eq!(Reason::ALL.last(), Some(&Reason::Certificate), "the last one");
    }

    #[test]
    fn sends_the_same_response_for_every_reason_of_a_status() {
        let answer = |denied: Denied| format!("{:?} {:?}", denied.into_response::<()>(), denied.body());
        assert_eq!(answer(Denied::MISSING), answer(Denied::WRONG));
        assert_eq!(answer(Denied::MISSING), answer(Denied::MALFORMED));
        assert_eq!(answer(Denied::ADDRESS), answer(Denied::CERTIFICATE));
        assert!(answer(Denied::ADDRESS).contains("status: 403"), "{}", answer(Denied::ADDRESS));
        assert_eq!(Denied::WRONG.challenge().unwrap(), "Bearer realm=\"metrics\"");
        assert_eq!(Denied::ADDRESS.challenge(), None);
        assert_eq!([Denied::WRONG.body(), Denied::ADDRESS.body()], ["Unauthorized\n", "Forbidden\n"]);
    }
}
