//! Tests in apps of actix-web: what the middleware and the extractor cover, and that other middleware does not open it.

#![allow(clippy::panic, clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

mod answers;
mod client;
mod extractor;
mod middleware;
