//! What `#[guard_metrics]` refuses, with the message that its user reads. What it must accept are targets of their own, in
//! ui/pass, so that trybuild builds nothing.

use std::fs;

/// The messages are those of one compiler; the cases hold for all, and the errors of our own are the same on each.
#[cfg_attr(not(expected_compiler), ignore = "the expected messages are of another Rust: .ci/run compiler")]
#[test]
fn ui() {
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
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
