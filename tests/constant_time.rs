//! Tests that the time of a check does not depend on the accepted keys: `.ci/run constant-time`.
//!
//! Valgrind's memcheck observes the compiled code, as in ctgrind. The program in tests/constant-time marks the accepted keys
//! and their lengths as undefined, and memcheck reports each jump and each address that depends on them. The program is built
//! at several levels of optimisation, because the optimiser can break such code. The result is valid for this compiler.
//!
//! Without valgrind, the tests are reported as ignored, with the reason. With the variable `CI` set, they fail.

#![allow(missing_docs)] // a program
#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use escargot::CargoBuild;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use metrics_guard_tests::fetch::is_ci;

/// The builds of the program, with their settings of the release profile.
const BUILDS: [(&str, &[(&str, &str)]); 4] = [
    ("at_opt_level_2", &[("OPT_LEVEL", "2")]),
    ("at_opt_level_3", &[("OPT_LEVEL", "3")]),
    ("at_opt_level_s", &[("OPT_LEVEL", "s")]),
    ("with_fat_lto", &[("OPT_LEVEL", "3"), ("LTO", "fat"), ("CODEGEN_UNITS", "1")]),
];

fn main() {
    let trials = BUILDS.map(|(name, settings)| {
        let trial = Trial::ignorable_test(name, move || run(name, settings));
        trial.with_ignored_flag(true).with_kind("needs valgrind: .ci/run constant-time")
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

fn run(name: &str, settings: &[(&str, &str)]) -> Result<Completion, Failed> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        let problem = "no valgrind: install it";
        return if is_ci() { Err(problem.into()) } else { Ok(Completion::ignored_with(problem)) };
    }
    let program = Program::build(name, settings);
    program.comparison_reveals_only_its_verdict();
    program.check_reveals_only_its_verdict();
    Ok(Completion::Completed)
}

/// A build of the program, to run under valgrind.
struct Program(PathBuf);

impl Program {
    /// Builds the program in its own folder, with these settings of the release profile.
    fn build(name: &str, settings: &[(&str, &str)]) -> Program {
        let mut build = CargoBuild::new()
            .package("metrics-guard-constant-time")
            .manifest_path("constant-time/Cargo.toml")
            .bin("memcheck")
            .release()
            .target_dir(Path::new(env!("CARGO_TARGET_TMPDIR")).join("constant-time").join(name));
        for (setting, value) in settings {
            build = build.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
        }
        Program(build.run().unwrap().path().to_owned())
    }

    /// Runs `what` under memcheck. Returns the numbers that the program prints, by name, and the function of each report.
    fn memcheck(&self, what: &str) -> (BTreeMap<String, Vec<u32>>, BTreeSet<String>) {
        let output = Command::new("valgrind").args(["-q", "--error-limit=no"]).arg(&self.0).arg(what).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let numbers = String::from_utf8(output.stdout).unwrap();
        let numbers = numbers.lines().map(|line| {
            let (name, numbers) = line.split_once('\t').unwrap();
            (name.to_owned(), numbers.split('\t').map(|number| number.parse().unwrap()).collect())
        });
        // ==123==    at 0x135DD1: metrics_guard_core::guard::Guard::decide (in ..)
        let places = said.lines().filter_map(|line| line.split_once("    at 0x")?.1.split_once(": "));
        (numbers.collect(), places.map(|(_, place)| place.split(" (").next().unwrap().to_owned()).collect())
    }

    /// Tests that the comparison has no report, and that a caller that branches on the verdict has one.
    fn comparison_reveals_only_its_verdict(&self) {
        let (mut reports, _) = self.memcheck("comparisons");
        assert_eq!(reports.remove("the product's"), Some(vec![0, 1]));
        // Memcheck must report the leaking comparisons. Otherwise, the result above would prove nothing.
        assert_eq!(reports.len(), 5);
        for (control, reports) in reports {
            assert!(reports[0] > 0 || reports[1] > 1, "{control}: {reports:?}");
        }
    }

    /// Tests that only one jump of a whole check depends on the keys: the jump on the verdict.
    fn check_reveals_only_its_verdict(&self) {
        let (sources, places) = self.memcheck("checks");
        assert_eq!(sources.len(), 5);
        for (source, numbers) in sources {
            let [expected, reports, most] = numbers.as_slice().try_into().unwrap();
            assert!(expected > 500, "{source}");
            // There are more if the compiler copies the mark of a length to the padding.
            assert!(reports >= expected && most == 1, "{source}: {numbers:?}");
        }
        let places: Vec<_> = places.iter().map(String::as_str).collect();
        assert_eq!(places, ["metrics_guard_core::guard::Guard::decide"]);
    }
}
