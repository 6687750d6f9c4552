#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod credentials;
mod denied;
mod guard;
mod key;
mod query;
mod request;

pub use config::{ConfigError, Place, Problem, Setting, Settings, Warning};
pub use denied::{Denied, Reason};
pub use guard::{Authorized, Guard, GuardBuilder};
pub use key::{Key, KeyRing};
pub use request::RequestHead;
