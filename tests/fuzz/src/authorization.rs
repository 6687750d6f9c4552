//! Fuzzes the header `Authorization`. For any value, and any case of its scheme, the guard must decide like the model. Any
//! valid key must be accepted if it is sent correctly.

#![no_main]

use std::sync::LazyLock;

use base64ct::{Base64, Encoding};
use http::{HeaderValue, Request, header::AUTHORIZATION, request::Parts};
use libfuzzer_sys::fuzz_target;
use metrics_guard_core::{Guard, Key, Reason};
use metrics_guard_fuzz::{KEY, SYMBOLS, model::Model};

/// The query presents a key too, so that the result shows whether the header counts as absent or as malformed.
static MODEL: LazyLock<Model> = LazyLock::new(|| Model { parameter: Some("key"), ..Model::new(&[SYMBOLS, KEY]) });
static GUARD: LazyLock<Guard> = LazyLock::new(|| MODEL.guard().unwrap());

fuzz_target!(|value: &[u8]| {
    if let Some(head) = head(value) {
        let expected = MODEL.verdict(&head);
        for value in cases_of_scheme(value) {
            assert_eq!(verdict(&GUARD, &value), expected, "{}", value.escape_ascii());
        }
    }

    let (user, key) = value.split_at(value.iter().position(|&byte| byte == b':').unwrap_or_default());
    let key = key.strip_prefix(b":").unwrap_or(key);
    if let Ok(accepted) = Key::new(key) {
        let guard = Guard::new(accepted);
        let user = &user[..user.len().min(255)];
        let basic = Base64::encode_string(&[user, b":", key].concat());
        for value in [[b"Bearer ", key].concat(), [b"Basic ", basic.as_bytes()].concat()] {
            assert_eq!(verdict(&guard, &value), Ok("current"), "{}", value.escape_ascii());
        }
    }
});

fn head(value: &[u8]) -> Option<Parts> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let request = Request::get(format!("/metrics?key={KEY}")).header(AUTHORIZATION, value).body(());
    Some(request.unwrap().into_parts().0)
}

fn verdict(guard: &Guard, value: &[u8]) -> Result<&'static str, Reason> {
    let verdict = guard.check(&head(value).unwrap());
    verdict.map(|authorized| authorized.key().unwrap()).map_err(|denied| denied.reason())
}

/// Returns `value` unchanged, and with its scheme in upper and in lower case.
fn cases_of_scheme(value: &[u8]) -> [Vec<u8>; 3] {
    let start = value.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let len = value[start..].iter().take_while(|&&byte| byte != b' ').count();
    let scheme = start..start + len;
    let [mut upper, mut lower] = [value.to_vec(), value.to_vec()];
    upper[scheme.clone()].make_ascii_uppercase();
    lower[scheme].make_ascii_lowercase();
    [value.to_vec(), upper, lower]
}
