#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod credentials;
mod denied;
mod error;
mod guard;
mod key;
mod query;
mod request;

pub use config::{Setting, Settings};
pub use denied::{Denied, Reason};
pub use error::{ConfigError, Place, Problem, Warning};
pub use guard::{Authorized, Guard, GuardBuilder};
pub use key::{Key, KeyRing};
pub use request::{Peer, RequestHead};
