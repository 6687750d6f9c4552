//! Programs from Debian's packages, by get-programs.sh: scrapers, and what checks their files.

use std::{
    collections::BTreeSet,
    env, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Whether what cannot be had is an error: the variable `CI` is set, and not to `false`.
#[must_use]
pub fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false")
}

/// The program of a slot of get-programs.sh, out of `cache`, where the script puts it if it is not there. None if it
/// cannot be had, which is said; where the variable `CI` is set, it is an error.
///
/// # Errors
///
/// That one, and if the script cannot be run.
pub fn fetch_or_say_so(cache: &Path, slot: &str, program: &str) -> io::Result<Option<PathBuf>> {
    // One at a time, and each slot once: a program that is slow to say its version would be fetched anew, while another
    // test runs it.
    static FETCHED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut fetched = FETCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if !fetched.contains(slot) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("get-programs.sh");
        let status = Command::new(script).arg(cache).arg(slot).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("get-programs.sh ended with {status}")));
        }
        fetched.insert(slot.to_owned());
    }
    let program = cache.join(slot).join(program);
    if program.exists() {
        return Ok(Some(program));
    }
    let problem = format!("NO {} of {slot}: see above what get-programs.sh says", program.display());
    eprintln!("{problem}");
    if is_ci() {
        return Err(io::Error::other(problem));
    }
    Ok(None)
}
