//! What the tests share: servers as child processes, a client that sends the bytes it is given, and real scrapers.
//! Never published.

#![forbid(unsafe_code)]

pub mod certificates;
pub mod process;
pub mod prometheus;
pub mod server;
pub mod wire;

/// An accepted key.
pub const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";

/// A second accepted key, of characters that mean something to one syntax or another.
pub const SYMBOLS: &str = r#"s+y%6Db&o=l;s:i/n?a#k"e,y'<>{}\|^`~"#;

/// A key of the right form that nobody accepts.
pub const WRONG: &str = "0e8a6c4f2d1b3957ec0f8a7d6b5c4e3f";

/// Compiles and runs the README's Rust.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
