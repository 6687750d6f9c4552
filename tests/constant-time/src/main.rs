//! Tests that the time of a check does not depend on the accepted keys: `.ci/run constant-time`.
//!
//! Valgrind's memcheck observes the compiled code, as in ctgrind. This program marks the accepted keys and their lengths as
//! undefined, and memcheck reports each jump and each address that depends on them. Where the argument is `checks`, the step
//! also compares the function of each report with the only one that may have any.

use std::{env, hint::black_box};

use metrics_guard_constant_time::{
    comparisons::{Keys, Product, WithoutBarriers, byte_loop, equal, short_circuit, subtle_on_slices},
    sources::SOURCES,
    valgrind::{declare_public, is_memcheck, mark, marked, reports, unreported},
};
use metrics_guard_core::{Guard, Key, KeyRing};

/// The lengths of accepted keys. Some are equal, because different lengths alone could decide a comparison.
const LENS: [&[usize]; 5] = [&[32; 4], &[16, 33, 47, 64], &[24], &[256; 4], &[17, 256]];

fn main() {
    assert!(is_memcheck(), "run this program with memcheck");
    match env::args().nth(1).as_deref() {
        Some("comparisons") => comparison_reveals_only_its_verdict(),
        Some("checks") => check_reveals_only_its_verdict(),
        _ => panic!("write comparisons or checks as the argument"),
    }
}

/// Tests that the comparison has no report, and that a caller that branches on the verdict has one.
fn comparison_reveals_only_its_verdict() {
    assert_eq!(reported(Product::with, Product::has), [0, 1]);
    // Memcheck must report the leaking comparisons. Otherwise, the result above would prove nothing.
    for (control, [of_calls, of_a_branch]) in [
        ("the product's without its barriers", reported(WithoutBarriers::with, WithoutBarriers::has)),
        ("==", reported(Keys::with, equal)),
        ("a loop over bytes that ends at a difference", reported(Keys::with, byte_loop)),
        ("a short circuit over the keys", reported(Keys::with, short_circuit)),
        ("subtle on slices", reported(Keys::with, subtle_on_slices)),
    ] {
        assert!(of_calls > 0 || of_a_branch > 1, "{control}: {of_calls} and {of_a_branch} reports");
    }
}

/// Returns the reports of a comparison: of all calls whose verdict is not used, and the maximum of a call whose caller branches
/// on the verdict.
fn reported<T>(with: impl Fn(&[Vec<u8>]) -> T, has: impl Fn(&T, &[u8]) -> bool + Copy) -> [usize; 2] {
    let (mut of_calls, mut of_a_branch) = (0, 0);
    for lens in LENS {
        let keys = keys(lens);
        let comparison = Box::new(with(&keys));
        // Marked after it is built, because the build may read the keys.
        mark(&*comparison);
        for presented in presented(&keys) {
            let before = reports();
            let verdict = out_of_line(has, black_box(&*comparison), black_box(&presented));
            of_calls += reports() - before;
            declare_public(&verdict);
            assert_eq!(black_box(verdict), keys.contains(&presented));

            let before = reports();
            let status = branching(has, black_box(&*comparison), black_box(&presented));
            of_a_branch = of_a_branch.max(reports() - before);
            declare_public(&status);
            assert_eq!(black_box(status) == 200, keys.contains(&presented));
        }
    }
    [of_calls, of_a_branch]
}

#[inline(never)]
fn out_of_line<T>(has: impl Fn(&T, &[u8]) -> bool, comparison: &T, presented: &[u8]) -> bool {
    has(comparison, presented)
}

#[inline(never)]
fn branching<T>(has: impl Fn(&T, &[u8]) -> bool, comparison: &T, presented: &[u8]) -> u16 {
    if has(comparison, presented) { black_box(200) } else { black_box(401) }
}

/// Tests that only one jump of a whole check depends on the keys: the jump on the verdict.
fn check_reveals_only_its_verdict() {
    for (name, source) in SOURCES {
        let (mut expected, mut reported, mut most) = (0, 0, 0);
        for lens in LENS {
            let keys = keys(lens);
            let guard = guard_with_marks(&keys);
            for presented in presented(&keys) {
                let request = source(&presented);
                let before = reports();
                let verdict = black_box(&guard).check(black_box(&request)).is_ok();
                let reports_of_it = reports() - before;
                declare_public(&verdict);
                assert_eq!(black_box(verdict), keys.contains(&presented), "{name}");
                // Memcheck reports nothing if the presented key is longer than every accepted key, because it then
                // differs from the padding.
                let depends_on_keys = presented.len() >= 16 && keys.iter().any(|key| key.len() >= presented.len());
                expected += usize::from(depends_on_keys);
                reported += reports_of_it;
                most = most.max(reports_of_it);
            }
        }
        assert!(expected > 500, "{name}");
        // Memcheck reports more if the compiler copies the mark of a length to the padding.
        assert!(reported >= expected && most == 1, "{name}: {expected} expected, {reported} reported, at most {most}");
    }
}

/// Builds a guard from marked keys, so that all its copies of them are marked too. The guard accepts them from every source.
fn guard_with_marks(keys: &[Vec<u8>]) -> Guard {
    // A guard reads its keys when it is built.
    unreported(|| {
        let ring = KeyRing::new(keys.iter().map(|key| {
            let bytes = key.clone();
            mark(&bytes[..]);
            Key::new(&bytes[..marked(key.len())]).expect("a key")
        }));
        Guard::builder(ring.expect("keys")).query("key").expect("a name").build()
    })
}

/// Returns a key of each length, of visible characters and all different.
fn keys(lens: &[usize]) -> Vec<Vec<u8>> {
    let key = |number, len| (b'!'..=b'~').cycle().skip(31 * number).step_by(7).take(len).collect();
    lens.iter().enumerate().map(|(number, len)| key(number, *len)).collect()
}

/// Returns a wrong key of each length, and each key: unchanged, and with its first, a middle or its last byte changed.
fn presented(keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (1..=256).map(|len| vec![b'A'; len]).collect();
    for key in keys {
        all.push(key.clone());
        for place in [0, key.len() / 2, key.len() - 1] {
            let mut changed = key.clone();
            changed[place] = if key[place] == b'a' { b'b' } else { b'a' };
            all.push(changed);
        }
    }
    all
}
