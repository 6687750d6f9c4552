// Where the README's links lead here, so that rustdoc looks whether they do: of two definitions the first counts. Those
// at the end of the README are for who reads it as a file.
//! [`Authorized`]: Authorized
//! [`Check`]: Check
//! [`ConfigError`]: ConfigError
//! [`Denied`]: Denied
//! [`Guard`]: Guard
//! [`GuardBuilder`]: GuardBuilder
//! [`KeyFile`]: KeyFile
//! [`KeyRing`]: KeyRing
//! [`Peer`]: Peer
//! [`RequestHead`]: RequestHead
//! [`Setting`]: Setting
//! [`Settings`]: Settings
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)] // here and not in the workspace: of the tests, nobody prints a server

#[cfg(feature = "macros")]
mod answer;
mod authorized;
mod certificate;
mod config;
#[cfg(feature = "metrics")]
mod counters;
mod credentials;
mod denied;
mod error;
#[cfg(feature = "tracing")]
mod events;
mod guard;
#[cfg(any(doc, doctest, test))]
pub mod guide;
mod hooks;
mod in_force;
mod key;
mod key_file;
mod labels;
mod network;
mod observe;
mod query;
mod reload;
mod request;
#[allow(dead_code)] // until the settings use it
mod shown;
mod slots;

#[cfg(feature = "macros")]
pub use answer::Answer;
pub use authorized::Authorized;
pub use certificate::ClientName;
pub use config::{Setting, Settings};
pub use denied::{Denied, Reason};
pub use error::{ConfigError, Place, Problem, Warning};
pub use guard::{Guard, GuardBuilder};
pub use key::{Key, KeyRing};
#[cfg(feature = "macros")]
pub use metrics_guard_macros::guard_metrics_request as guard_metrics;
pub use observe::Check;
pub use reload::KeyFile;
pub use request::{Peer, RequestHead};

/// What the attribute's expansion names and nobody else should.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod expansion {
    pub use crate::answer::{none, run};
}
