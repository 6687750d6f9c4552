// The targets of the README's links on this page. The core's lib.rs gives the reason.
#![cfg_attr(feature = "axum", doc = "[`Authorized`]: Authorized")]
#![cfg_attr(feature = "axum", doc = "[`Guard`]: Guard")]
#![cfg_attr(feature = "axum", doc = "[`GuardedPath`]: GuardedPath")]
#![cfg_attr(feature = "axum", doc = "[`MetricsGuardLayer`]: MetricsGuardLayer#bodies-without-a-default")]
#![cfg_attr(feature = "axum", doc = "[`Peer`]: Peer")]
#![cfg_attr(feature = "axum", doc = "")]
// The README needs the feature, because its examples use axum.
#![cfg_attr(feature = "axum", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "axum"),
    doc = "A secret key for `/metrics`, as a tower layer; the README comes with the feature `axum`."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)] // not in the workspace, because the tests' own types need no `Debug`

#[cfg(feature = "axum")]
mod extract;
mod head;
mod layer;

#[cfg(feature = "axum")]
pub use extract::{Authorized, Refusal};
pub use layer::{EmptyBody, MetricsGuardLayer, MetricsGuardService, ResponseFuture};
pub use metrics_guard_core::{
    Check, ClientName, ConfigError, ConfigErrorKind, Denied, Guard, GuardBuilder, GuardedPath, Key, KeyFileStatus,
    KeyRing, Peer, Reason, RequestHead, Warning,
};
#[cfg(feature = "axum")]
pub use metrics_guard_macros::guard_metrics_axum as guard_metrics;

/// The items that expansions of the attribute name, so that the user needs no dependency on their crates.
#[cfg(feature = "axum")]
#[doc(hidden)]
pub mod expansion {
    pub use axum::response::Response;
    pub use metrics_guard_core::expansion::run_future;

    pub use crate::extract::unstored;
}
