//! Programs from Debian's packages, by get-programs.sh: scrapers, and what checks their files.

use std::{
    collections::BTreeSet,
    env, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Whether a missing prerequisite is an error: the variable `CI` is set, and not to `false`.
pub fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false")
}

/// Returns the program of a slot of get-programs.sh, which the script puts into `cache` if it is missing there. Returns
/// none if the program is not available; the script then prints why.
pub fn fetch_or_say_so(cache: &Path, slot: &str, program: &str) -> io::Result<Option<PathBuf>> {
    // One at a time, because two runs of the script would fetch the same program twice.
    static FETCHED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut fetched = FETCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if !fetched.contains(slot) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("get-programs.sh");
        let status = Command::new(script).arg(cache).arg(slot).status()?;
        if is_ci() && !status.success() {
            return Err(io::Error::other(format!("get-programs.sh {slot} ended with {status}")));
        }
        fetched.insert(slot.to_owned());
    }
    let program = cache.join(slot).join(program);
    Ok(program.exists().then_some(program))
}
