//! Tests a guard through its public API: its settings, which clients it allows, keys that change, and its warnings.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

mod access;
mod common;
mod config;
mod reload;
mod warnings;
