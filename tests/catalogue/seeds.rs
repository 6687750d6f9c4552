//! Writes the requests of the catalogue to a folder, as seeds for the fuzz targets (`tests/fuzz`), with a subfolder for each.

use std::{fs, io, path::Path};

use metrics_guard_tests::{KEY, SYMBOLS, wire::to_h2};

use crate::table::cases;

/// Longer requests test only the limits of HTTP servers.
const MAX_LEN: usize = 10_000;

pub(crate) fn write(folder: &Path) -> io::Result<()> {
    // Most of the values are not valid key files. This is the key file of the servers under test.
    write_one(folder, "key_file", 0, format!("{KEY}\n{SYMBOLS}\n").as_bytes())?;
    for (number, case) in cases().iter().enumerate().filter(|(_, case)| case.request.len() <= MAX_LEN) {
        write_one(folder, "check", number, &case.request)?;
        let Some(request) = to_h2(&case.request) else { continue };
        if let Some(query) = request.uri().query() {
            write_one(folder, "query", number, query.as_bytes())?;
        }
        for (target, name) in [("authorization", "authorization"), ("key_file", "x-metrics-key")] {
            if let Some(value) = request.headers().get(name) {
                write_one(folder, target, number + 1, value.as_bytes())?;
            }
        }
    }
    Ok(())
}

fn write_one(folder: &Path, target: &str, number: usize, seed: &[u8]) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("catalogue-{number}")), seed)
}
