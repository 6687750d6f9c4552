//! What `#[guard_metrics]` refuses, with the message that its user reads, and what it must accept.

/// The messages are those of one compiler; the cases hold for all, and the errors of our own are the same on each.
#[rustversion::attr(not(stable(1.95)), ignore = "the expected messages are those of Rust 1.95")]
#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
