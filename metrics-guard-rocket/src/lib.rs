// The targets of the README's links on this page. The core's lib.rs gives the reason.
//! [`Authorized`]: Authorized
//! [`Guard`]: Guard
//! [`MetricsGuard`]: MetricsGuard
//! [`RequestHead`]: RequestHead
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)] // not in the workspace, because the tests' own types need no `Debug`

mod config;
mod fairing;
mod guard;
mod mount;
#[cfg(feature = "mtls")]
mod mtls;
mod redact;

pub use fairing::MetricsGuard;
pub use guard::{Authorized, Refusal};
pub use metrics_guard_core::{
    Check, ClientName, ConfigError, ConfigErrorKind, Denied, Guard, GuardBuilder, Key, KeyFileStatus, KeyRing, Peer,
    Reason, RequestHead, Warning,
};
pub use metrics_guard_macros::guard_metrics_rocket as guard_metrics;

/// The items that expansions of the attribute name. Only the attribute uses them.
#[doc(hidden)]
pub mod expansion {
    pub use crate::guard::Both;
}
