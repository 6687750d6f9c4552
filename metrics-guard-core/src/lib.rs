// Rustdoc uses the first definition of a link. These come first so that rustdoc checks them. The definitions at the end of
// the README are for readers of the file.
//! [`Authorized`]: Authorized
//! [`Check`]: Check
//! [`ConfigError`]: ConfigError
//! [`Denied`]: Denied
//! [`Guard`]: Guard
//! [`GuardBuilder`]: GuardBuilder
//! [`GuardedPath`]: GuardedPath
//! [`KeyFileStatus`]: KeyFileStatus
//! [`KeyRing`]: KeyRing
//! [`Peer`]: Peer
//! [`RequestHead`]: RequestHead
//! [`request_head`]: request_head
//!
// The README needs the feature `macros`, because one of its examples uses the attribute.
#![cfg_attr(feature = "macros", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "macros"), doc = "Guards a metrics endpoint. The README comes with the feature `macros`.")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)] // not in the workspace, because the tests' own types need no `Debug`

mod access;
mod attribute;
mod authorized;
mod builder;
mod credentials;
mod denied;
mod error;
mod guard;
#[cfg(any(doc, doctest, test))]
pub mod guide;
mod headers_in_use;
mod keys;
mod limits;
mod near_names;
mod path;
mod peer;
mod problem;
mod request;
mod setting_names;
mod settings;
mod shown;
mod telemetry;
mod warning;

#[cfg(feature = "macros")]
pub use attribute::answer::Answer;
#[doc(hidden)]
pub use attribute::expansion;
pub use authorized::Authorized;
pub use builder::GuardBuilder;
pub use denied::{Denied, Reason};
pub use error::{ConfigError, ConfigErrorKind};
pub use guard::Guard;
pub use keys::key::Key;
pub use keys::ring::KeyRing;
pub use keys::watch::KeyFileStatus;
#[cfg(feature = "macros")]
pub use metrics_guard_macros::guard_metrics_request as guard_metrics;
pub use path::GuardedPath;
pub use peer::{ClientName, Peer};
pub use request::{RequestHead, request_head};
pub use telemetry::Check;
pub use warning::Warning;

/// Provides items for an adapter that reads settings from the configuration of its framework. A service does not need them.
///
/// ```
/// use http::Request;
/// use metrics_guard_core::{ConfigErrorKind, adapter::Settings};
/// # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
///
/// let mut settings = Settings::default();
/// settings.set("key", "`key` in app.toml", secret)?;
/// settings.set("header", "`header` in app.toml", "X-Scrape-Key")?;
/// let guard = settings.builder()?.build();
///
/// let scrape = Request::get("/metrics").header("X-Scrape-Key", secret).body(())?;
/// assert!(guard.check(&scrape).is_ok());
///
/// let stranger = Request::get("/metrics").header("X-Metrics-Key", secret).body(())?;
/// assert!(guard.check(&stranger).is_err());
///
/// let error = Settings::default().builder().unwrap_err();
/// assert_eq!(error.kind(), ConfigErrorKind::MissingKey);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod adapter {
    pub use crate::{
        setting_names::{NearName, SETTINGS, is_close},
        settings::{Settings, unknown},
        shown::{shown, shown_name},
    };
}
