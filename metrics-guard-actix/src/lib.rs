// The targets of the README's links on this page. The core's lib.rs gives the reason.
#![doc = "[`Guard`]: Guard"]
#![doc = "[`GuardedPath`]: GuardedPath"]
#![doc = "[`Peer`]: Peer"]
#![doc = ""]
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)] // not in the workspace, because the tests' own types need no `Debug`

mod check;
#[doc(hidden)]
pub mod expansion;
mod extract;
mod middleware;
mod refusal;

pub use extract::Authorized;
pub use metrics_guard_core::{
    Check, ClientName, ConfigError, ConfigErrorKind, Denied, Guard, GuardBuilder, GuardedPath, Key, KeyFileStatus,
    KeyRing, Peer, Reason, RequestHead, Warning,
};
pub use metrics_guard_macros::guard_metrics_actix as guard_metrics;
pub use middleware::{MetricsGuard, MetricsGuardService, ResponseFuture};
pub use refusal::Refusal;
