//! What `#[guard_metrics]` refuses, with the message that its user reads. What it must accept is in ui/handlers, a target of
//! its own, so that trybuild builds nothing.

use std::{env, fs, process::Command};

/// The flags that trybuild gives the cases. It compiles their dependencies without the last one first, and then once more
/// with it. This variable takes precedence over both.
const FLAGS: (&str, &str) =
    ("CARGO_ENCODED_RUSTFLAGS", "--cfg\x1ftrybuild\x1f--verbose\x1f-A\x1fdead_code\x1f--diagnostic-width=140");

/// The messages are those of one compiler; the cases hold for all, and the errors of our own are the same on each.
#[cfg_attr(not(expected_compiler), ignore = "the expected messages are of another Rust: .ci/run compiler")]
#[test]
fn ui() {
    if env::var(FLAGS.0).is_ok_and(|flags| flags == FLAGS.1) {
        return trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
    }
    // A test cannot set its own environment without `unsafe`.
    let mut again = Command::new(env::current_exe().unwrap());
    assert!(again.args(env::args_os().skip(1)).env(FLAGS.0, FLAGS.1).status().unwrap().success());
}

/// An attribute that stays outside the check must be one that no macro can stand behind.
#[test]
fn each_built_in_name_is_ambiguous_for_a_macro() {
    let table = include_str!("../metrics-guard-macros/src/attributes.rs");
    let said = fs::read_to_string("ui/fail/macro_under_a_built_in_name.stderr").unwrap();
    let (_, names) = table.split_once("const BUILT_IN: ").unwrap();
    let (names, _) = names.split_once("];\n").unwrap();
    let names: Vec<_> = names.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 10, "{names:?}");
    // The compiler reserves `cfg`: no macro can be imported under it.
    for name in names.into_iter().filter(|name| *name != "cfg") {
        assert!(said.contains(&format!("`{name}` is ambiguous")), "{name} has no case");
    }
}
