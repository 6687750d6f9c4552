//! What the time of a check depends on: `.ci/run constant-time`.
//!
//! Valgrind looks at the compiled code. The programs declare the accepted keys and their lengths undefined to Memcheck, and reports
//! each jump and each address that depends on them (the way of ctgrind). Callgrind counts the instructions of checks that
//! differ in nothing but the accepted keys. Both run the programs in tests/constant-time, built with several levels of
//! optimisation, since it is the optimiser that undoes such code: what holds here, holds for this compiler.
//!
//! Without valgrind the tests are counted as ignored, and say so; where the variable `CI` is set, they fail.

#![allow(missing_docs)] // a program
#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use escargot::CargoBuild;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use metrics_guard_tests::fetch::is_ci;

/// How the programs are built: settings of the release profile.
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
    Programs::build(name, settings).hold_the_promise();
    Ok(Completion::Completed)
}

/// The programs under test, built in one way.
struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them in a folder of their own, with settings of the release profile.
    fn build(name: &str, settings: &[(&str, &str)]) -> Programs {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("constant-time").join(name);
        for program in ["memcheck", "callgrind"] {
            let mut build = CargoBuild::new()
                .package("metrics-guard-constant-time")
                .manifest_path("constant-time/Cargo.toml")
                .bin(program)
                .release()
                .target_dir(&folder);
            for (setting, value) in settings {
                build = build.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
            }
            build.run().unwrap();
        }
        Programs { folder }
    }

    fn valgrind(&self, options: &[&str], program: &str, arguments: &[&str]) -> Output {
        let program = self.folder.join("release").join(program);
        let output = Command::new("valgrind").args(options).arg(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// What memcheck says of `what`: the numbers by name that the program prints, and where each report came from.
    fn memcheck(&self, what: &str) -> (BTreeMap<String, Vec<u32>>, BTreeSet<String>) {
        let output = self.valgrind(&["-q", "--error-limit=no"], "memcheck", &[what]);
        let numbers = String::from_utf8(output.stdout).unwrap();
        let numbers = numbers.lines().map(|line| {
            let (name, numbers) = line.split_once('\t').unwrap();
            (name.to_owned(), numbers.split('\t').map(|number| number.parse().unwrap()).collect())
        });
        // ==123==    at 0x135DD1: metrics_guard_core::guard::Guard::decide (in ..)
        let said = String::from_utf8(output.stderr).unwrap();
        let places = said.lines().filter_map(|line| line.split_once("    at 0x")?.1.split_once(": "));
        (numbers.collect(), places.map(|(_, place)| place.split(" (").next().unwrap().to_owned()).collect())
    }

    /// The comparison tells nothing when it is called, and the verdict alone when its caller branches on that.
    fn comparison_tells_its_verdict_alone(&self) {
        let (mut reports, _) = self.memcheck("comparisons");
        assert_eq!(reports.remove("the product's"), Some(vec![0, 1]));
        // Memcheck must report what leaks, or its silence above would prove nothing.
        assert_eq!(reports.len(), 5);
        for (control, reports) in reports {
            assert!(reports[0] > 0 || reports[1] > 1, "{control}: {reports:?}");
        }
    }

    /// In a whole check, nothing depends on the keys but the one jump that follows the verdict.
    fn check_tells_its_verdict_alone(&self) {
        let (sources, places) = self.memcheck("checks");
        assert_eq!(sources.len(), 5);
        for (source, numbers) in sources {
            let [that_must_tell, reports, most] = numbers.as_slice().try_into().unwrap();
            assert!(that_must_tell > 500, "{source}");
            // More where the compiler lets the marks of a length pass to the padding.
            assert!(reports >= that_must_tell && most == 1, "{source}: {numbers:?}");
        }
        let places: Vec<_> = places.iter().map(String::as_str).collect();
        assert_eq!(places, ["metrics_guard_core::guard::Guard::decide"]);
    }

    /// What is presented decides how many instructions a check takes, and what is accepted does not.
    fn instructions_follow_what_is_presented(&self) {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("--callgrind-out-file={}", folder.path().join("count").display());
        // A guard reports its warnings on a thread of its own, whose instructions are not those of a check.
        self.valgrind(&["--tool=callgrind", "--separate-threads=yes", &file], "callgrind", &[]);
        let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for file in fs::read_dir(folder.path()).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let found = |start: &str| text.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned));
            // Not the last file, which has what is left at the end.
            if let (Some("1"), Some(check)) = (found("thread: ").as_deref(), found("desc: Trigger: Client Request: ")) {
                counts.entry(check).or_default().push(found("summary: ").unwrap().parse().unwrap());
            }
        }
        assert!(counts.len() > 70 && counts.values().flatten().count() > 500, "{counts:?}");
        for (check, counts) in &counts {
            assert!(counts.iter().all(|count| count == &counts[0]), "{check}: {counts:?}");
        }
        let of = |check: &str| counts[check][0];
        assert!(of("field, 256 bytes, false") > of("field, 32 bytes, false"), "nothing is counted");
    }

    fn hold_the_promise(&self) {
        self.comparison_tells_its_verdict_alone();
        self.check_tells_its_verdict_alone();
        self.instructions_follow_what_is_presented();
    }
}
