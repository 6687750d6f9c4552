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

/// The key with this number: one of the right form, and another for each.
#[must_use]
pub fn numbered_key(number: u32) -> String {
    format!("{:032x}", 0x9c2f_1e7a_b5d8_4036_f1c0_a7e3_b692_5d49_u128.wrapping_mul(u128::from(number) * 2 + 1))
}

/// Compiles and runs the README's Rust.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
