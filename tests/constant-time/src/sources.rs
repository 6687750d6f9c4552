//! Ways to present a key.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Request;

type Source = fn(&[u8]) -> Request<()>;

/// Each source with its name.
pub const SOURCES: [(&str, Source); 5] = [
    ("field", |key| with("x-metrics-key", key)),
    ("Bearer", |key| with("authorization", &[b"Bearer ", key].concat())),
    ("Basic", |key| {
        let credentials = STANDARD.encode([b"prometheus:", key].concat());
        with("authorization", format!("Basic {credentials}").as_bytes())
    }),
    ("query", |key| in_query(key, |byte| !byte.is_ascii_alphanumeric())),
    ("escaped query", |key| in_query(key, |_| true)),
];

fn with(field: &str, value: &[u8]) -> Request<()> {
    Request::get("/metrics").header(field, value).body(()).expect("a request")
}

fn in_query(key: &[u8], is_escaped: fn(&u8) -> bool) -> Request<()> {
    let escape = |byte: &u8| if is_escaped(byte) { format!("%{byte:02x}") } else { char::from(*byte).to_string() };
    let value: String = key.iter().map(escape).collect();
    Request::get(format!("/metrics?a=1&key={value}")).body(()).expect("a request")
}
