//! What a check may see of a request.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key};
//! # let secret = "7d1f0c5b9a3e48f2b6a0d4c8e1f75392";
//!
//! let guard = Guard::new(Key::new(secret)?);
//!
//! let (scrape, _body) = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?.into_parts();
//! assert!(guard.check(&scrape).is_ok());
//!
//! let (stranger, _body) = Request::get("/metrics").body(())?.into_parts();
//! assert!(guard.check(&stranger).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use http::{HeaderMap, HeaderName, Request, Uri, request::Parts};

/// The head of a request, as far as a check may look: field values and the query.
///
/// Implemented for [`http::request::Parts`] and [`http::Request`]. A server with a request type of its own implements
/// it for a view of that type, borrowing: a check copies nothing to the heap, and its implementation should not either.
pub trait RequestHead {
    /// The value of each field line named `name`, in the order received (RFC 9110, section 5.3).
    ///
    /// One item a line, undivided at commas and with every byte that was received: a line left out here is a line
    /// that the guard's rules on repeated fields cannot see.
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]>;

    /// The query of the request target, without its `?` and as received, that is, not percent-decoded.
    fn query(&self) -> Option<&[u8]>;
}

impl RequestHead for Parts {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        values_in(&self.headers, name)
    }

    fn query(&self) -> Option<&[u8]> {
        query_of(&self.uri)
    }
}

impl<B> RequestHead for Request<B> {
    fn field_values<'h>(&'h self, name: &'h HeaderName) -> impl Iterator<Item = &'h [u8]> {
        values_in(self.headers(), name)
    }

    fn query(&self) -> Option<&[u8]> {
        query_of(self.uri())
    }
}

fn values_in<'h>(fields: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    fields.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
}

fn query_of(uri: &Uri) -> Option<&[u8]> {
    uri.query().map(str::as_bytes)
}
