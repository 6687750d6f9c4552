//! The keys of the tests. The fuzz targets include this file too.

/// An accepted key.
pub const KEY: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";

/// A second accepted key, with characters that have a meaning in some syntax.
pub const SYMBOLS: &str = r#"s+y%6Db&o=l;s:i/n?a#k"e,y'<>{}\|^`~"#;

/// A key of the right form that no guard accepts.
pub const WRONG: &str = "0e8a6c4f2d1b3957ec0f8a7d6b5c4e3f";
