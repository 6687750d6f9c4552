//! Copies the core's source for the models. The copy uses shuttle's primitives instead of those of `std`, and contains the
//! faults that the models must find. A fault has no effect until a test plants it.

#![allow(clippy::unwrap_used)] // a build that cannot read or write its files must fail

use std::{env, fs, path::Path};

const CORE: &str = "../../metrics-guard-core/src";

/// A file of the core, a text that occurs once in it, and what replaces that text.
type Change = (&'static str, &'static str, &'static str);

/// Files of the core with their models. A model becomes a child module of its file, so that it can call private functions.
const MODELS: &[(&str, &str)] = &[
    ("access/mod.rs", "warned_once"),
    ("keys/watch.rs", "replaced_keys"),
    ("telemetry/mod.rs", "queue"),
    ("telemetry/tracing.rs", "limit"),
];

/// Limits that two threads can reach.
const LIMITS: &[Change] = &[
    ("telemetry/mod.rs", "MAX_WAITING: usize = 64", "MAX_WAITING: usize = 2"),
    ("telemetry/tracing.rs", "EVENTS_A_MINUTE: u64 = 10", "EVENTS_A_MINUTE: u64 = 2"),
];

const FAULTS: &[Change] = &[
    (
        "access/mod.rs",
        "!self.has_warned.swap(true, Ordering::Relaxed)",
        r#"{
            let is_first = !self.has_warned.load(Ordering::Relaxed);
            if crate::is_planted("the flag is read and set in two steps") {
                self.has_warned.store(true, Ordering::Relaxed);
                is_first
            } else {
                !self.has_warned.swap(true, Ordering::Relaxed)
            }
        }"#,
    ),
    (
        "keys/watch.rs",
        "if news.has_new_keys {\n            self.active.store(Arc::clone(&last_good.ring));",
        r#"let ring = Arc::clone(&last_good.ring);
        if crate::is_planted("the lock is released before the keys are active") {
            drop(last_good);
        }
        if news.has_new_keys || crate::is_planted("each look activates the keys of the file") {
            self.active.store(ring);"#,
    ),
    (
        "telemetry/mod.rs",
        "if !queue.has_thread && !queue.is_over {",
        r#"let has_thread = queue.has_thread;
        if crate::is_planted("the lock is released before the thread is noted") {
            drop(queue);
            queue = self.queue();
        }
        if !has_thread && !queue.is_over {"#,
    ),
    (
        "telemetry/mod.rs",
        "if let Some(event) = queue.take() {",
        r#"let ends_at_once = queue.is_over && crate::is_planted("the thread ends before the queue is empty");
            if let Some(event) = queue.take().filter(|_| !ends_at_once) {"#,
    ),
    (
        "telemetry/mod.rs",
        "queue.is_reporting = true;",
        r#"queue.is_reporting = !crate::is_planted("nothing shows that an event is being reported");"#,
    ),
    (
        "telemetry/mod.rs",
        "while let Some(event) = self.next() {",
        r#"while let Some(event) = self.next() {
            let _held = crate::is_planted("the lock is held while listeners are called").then(|| self.queue());"#,
    ),
    (
        "telemetry/tracing.rs",
        "self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| Some(counted(packed)));",
        r#"if crate::is_planted("the number is read and written in two steps") {
                let packed = self.0.load(Ordering::Relaxed);
                self.0.store(counted(packed), Ordering::Relaxed);
                Ok(packed)
            } else {
                self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| Some(counted(packed)))
            };"#,
    ),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={CORE}");
    println!("cargo:rustc-cfg=feature=\"tracing\"");
    let copy = Path::new(&env::var_os("OUT_DIR").unwrap()).join("core");
    copy_all(Path::new(CORE), &copy);
    for (file, text, other) in LIMITS.iter().chain(FAULTS) {
        edit(&copy.join(file), |source| {
            assert_eq!(source.matches(text).count(), 1, "{file} has changed: correct this text in build.rs: {text}");
            source.replace(text, other)
        });
    }
    for (file, model) in MODELS {
        let path = format!("{}/src/{model}.rs", env!("CARGO_MANIFEST_DIR"));
        edit(&copy.join(file), |source| format!("{source}\n#[path = {path:?}]\nmod model;\n"));
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
            if to.extension().is_some_and(|extension| extension == "rs") {
                edit(&to, instrumented);
            }
        }
    }
}

/// Returns a file without its tests, its inner doc and attributes, and included doc, on instrumented primitives.
fn instrumented(source: &str) -> String {
    let is_code = |line: &&str| !["//!", "#!", "#[doc = "].iter().any(|start| line.starts_with(start));
    let outer = source.lines().filter(is_code);
    let source = outer.collect::<Vec<_>>().join("\n");
    let source =
        source.replace("use std::", "use crate::instrumented::").replace("use arc_swap::", "use crate::instrumented::");
    assert!(
        !source.contains(" std::sync::") && !source.contains(" std::thread::"),
        "import std::sync and std::thread, so that the models replace them"
    );
    ["#[cfg(test)]", "#[cfg(all(test, unix))]", "#[cfg(any(doc, doctest, test))]"]
        .iter()
        .fold(source, |source, test| source.replace(test, "#[cfg(any())]"))
}

fn edit(file: &Path, change: impl FnOnce(&str) -> String) {
    let source = fs::read_to_string(file).unwrap();
    fs::write(file, change(&source)).unwrap();
}
