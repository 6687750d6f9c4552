// The targets of the README's links on this page. The core's lib.rs gives the reason.
//! [`Guard`]: Guard
//! [`GuardedPath`]: GuardedPath
//! [`Peer`]: Peer
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)] // not in the workspace, because the tests' own types need no `Debug`

mod head;
mod locked;
mod protect;

pub use locked::{Locked, Unguarded};
pub use metrics_guard_core::{
    Authorized, Check, ClientName, ConfigError, ConfigErrorKind, Denied, Guard, GuardBuilder, GuardedPath, Key,
    KeyFileStatus, KeyRing, Peer, Reason, RequestHead, Warning,
};
pub use metrics_guard_macros::guard_metrics_warp as guard_metrics;
pub use protect::{MetricsGuard, Outcome, Rest};

/// The items that expansions of the attribute name, so that the user needs no dependency on their crates.
#[doc(hidden)]
pub mod expansion {
    pub use metrics_guard_core::expansion::run_future;
}
