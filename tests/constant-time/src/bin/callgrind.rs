//! Checks of one request after another, each with guards that differ in nothing but their keys: run by
//! `tests/constant_time.rs` under callgrind, which counts the instructions of each check by the name of the request and of
//! the verdict.

use std::{ffi::CString, hint::black_box};

use metrics_guard_constant_time::{but, guard, key, keys, sources::SOURCES, valgrind::counted};
use metrics_guard_core::Key;

fn main() {
    // The first check of a thread takes a slot of `arc_swap`, whatever the keys are.
    let first = guard([Key::new(key(0, 32)).expect("a key")]).check(&SOURCES[0].1(b"not a key"));
    assert!(first.is_err());
    for (name, source) in SOURCES {
        for len in [1, 15, 16, 17, 31, 32, 64, 256, 257, 300] {
            let presented = key(9, len);
            let request = source(&presented);
            for keys in accepted(&presented) {
                let guard = guard(keys.iter().map(|key| Key::new(key).expect("a key")));
                let is_right = keys.contains(&presented);
                let label = CString::new(format!("{name}, {len} bytes, {is_right}")).expect("no NUL");
                let verdict = counted(&label, || black_box(&guard).check(black_box(&request)).is_ok());
                assert_eq!(verdict, is_right, "{name}, {len} bytes");
            }
        }
    }
}

/// Keys that `presented` is compared with: one to four, of other lengths, alike up to the first, a middle or the last
/// byte, and itself in each place.
fn accepted(presented: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut all: Vec<_> =
        [&[32][..], &[16, 16], &[16, 33, 47], &[32; 4], &[256; 4], &[17, 256]].into_iter().map(keys).collect();
    if (16..=256).contains(&presented.len()) {
        all.extend([0, presented.len() / 2, presented.len() - 1].map(|place| vec![but(presented.to_vec(), place)]));
        all.push(vec![presented.to_vec()]);
        all.extend((0..4).map(|place| {
            let mut keys = keys(&[32, 16, 256, 64]);
            keys[place] = presented.to_vec();
            keys
        }));
    }
    all
}
