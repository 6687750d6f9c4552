//! Scrapers and their tools from Debian's packages, fetched with get-programs.sh.

use std::{
    collections::BTreeMap,
    env, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Mutex, PoisonError},
};

/// Returns whether a missing prerequisite is an error, because the variable `CI` is set, and not to `false`.
pub fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false")
}

/// Returns the program of a slot of get-programs.sh, which the script puts into `cache` if it is missing there. Returns none if
/// the program is not available, and the script prints the reason. Each slot is fetched once, even if that fails.
pub fn fetch_or_say_so(cache: &Path, slot: &str, program: &str) -> io::Result<Option<PathBuf>> {
    // One at a time, because two runs of the script would fetch the same program twice.
    static FETCHED: Mutex<BTreeMap<String, ExitStatus>> = Mutex::new(BTreeMap::new());
    let mut fetched = FETCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if !fetched.contains_key(slot) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("get-programs.sh");
        fetched.insert(slot.to_owned(), Command::new(script).arg(cache).arg(slot).status()?);
    }
    let status = fetched[slot];
    if is_ci() && !status.success() {
        return Err(io::Error::other(format!("get-programs.sh {slot} ended with {status}")));
    }
    let program = cache.join(slot).join(program);
    Ok(program.exists().then_some(program))
}
