// Where the README's links lead here: see the core's lib.rs.
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

/// What the attribute's expansion names, so that its user need not depend on it by that name.
#[doc(hidden)]
pub mod expansion {
    pub use metrics_guard_core::expansion::run_future;
}
