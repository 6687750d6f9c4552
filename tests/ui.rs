//! Tests the compiler messages for code that `#[guard_metrics]` rejects. ui/handlers has the code that it accepts, as a
//! separate target, so that trybuild links no program.

use std::{env, fs, process::Command};

/// The flags that trybuild sets for the cases. Without this variable, trybuild would compile the dependencies twice: without
/// the last flag, and then with it.
const FLAGS: (&str, &str) =
    ("CARGO_ENCODED_RUSTFLAGS", "--cfg\x1ftrybuild\x1f--verbose\x1f-A\x1fdead_code\x1f--diagnostic-width=140");

/// The messages depend on the compiler, but every compiler rejects the cases with our own errors.
#[cfg_attr(not(expected_compiler), ignore = "the expected messages are those of another Rust: .ci/run compiler")]
#[test]
fn rejects_unsupported_handlers_with_the_expected_compile_errors() {
    if env::var(FLAGS.0).is_ok_and(|flags| flags == FLAGS.1) {
        return trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
    }
    // Runs itself again, because a test cannot set its own environment without `unsafe`.
    let mut again = Command::new(env::current_exe().unwrap());
    assert!(again.args(env::args_os().skip(1)).env(FLAGS.0, FLAGS.1).status().unwrap().success());
}

/// An attribute that the expansion keeps outside the check must not be a macro: no import can define a macro of that name.
#[test]
fn no_macro_can_have_the_name_of_a_built_in_attribute() {
    let table = include_str!("../metrics-guard-macros/src/attributes.rs");
    let said = fs::read_to_string("ui/fail/macro_under_a_built_in_name.stderr").unwrap();
    let (_, names) = table.split_once("const BUILT_IN: ").unwrap();
    let (names, _) = names.split_once("];\n").unwrap();
    let names: Vec<_> = names.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 10, "{names:?}");
    // The compiler reserves `cfg`, so no macro can be imported under this name.
    for name in names.into_iter().filter(|name| *name != "cfg") {
        assert!(said.contains(&format!("`{name}` is ambiguous")), "{name} has no case");
    }
}
