//! Generates a control of the comparison: the same source without its barriers against the optimiser.
//!
//! Memcheck must report the control. Otherwise, a result without reports for the product's comparison would prove nothing.

use std::{env, fs, path::Path};

const SOURCE: &str = "../../metrics-guard-core/src/keys/slots.rs";

fn main() {
    println!("cargo:rerun-if-changed={SOURCE}");
    let mut source = fs::read_to_string(SOURCE).expect("the source of the comparison");
    for (guarded, bare) in [
        ("#[inline(never)]", "#[inline(always)]"),
        ("black_box(self.differences(presented))", "self.differences(presented)"),
        // The verdict comes from the slot that matched, because some builds keep the sum of verdicts even without barriers.
        (
            "-> Choice {\n        Choice::from((self.0 | self.0.wrapping_neg()) >> 7)",
            "-> bool {\n        self.slot().is_some()",
        ),
    ] {
        assert!(source.contains(guarded), "{SOURCE} no longer has `{guarded}`: correct this list");
        source = source.replace(guarded, bare);
    }
    // A module's doc and tests cannot be included in the middle of a file.
    let (source, _tests) = source.split_once("#[cfg(test)]").expect("tests");
    let source: Vec<_> = source.lines().filter(|line| !line.starts_with("//!")).collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("bare_slots.rs"), source.join("\n")).expect("room for a file");
}
