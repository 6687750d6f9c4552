//! Writes the requests of the catalogue to a folder, as seeds for the fuzz targets (`tests/fuzz`), with a subfolder for each.

use std::{fs, io, path::Path};

use metrics_guard_tests::{KEY, SYMBOLS};

use crate::table::cases;

/// Longer requests test only the limits of HTTP servers.
const MAX_LEN: usize = 10_000;

pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let requests = || cases().into_iter().map(|case| case.request);
    let values = |name: &'static str| requests().flat_map(move |request| field_values(&request, name));
    write_all(folder, "check", requests())?;
    write_all(folder, "query", requests().filter_map(|request| query(&request)))?;
    write_all(folder, "authorization", values("authorization"))?;
    // Most of these are not valid key files. The first is the key file of the servers under test.
    let key_file = format!("{KEY}\n{SYMBOLS}\n").into_bytes();
    write_all(folder, "key_file", [key_file].into_iter().chain(values("x-metrics-key")))
}

fn write_all(folder: &Path, target: &str, seeds: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.filter(|seed| seed.len() <= MAX_LEN).enumerate() {
        fs::write(folder.join(format!("catalogue-{number}")), seed)?;
    }
    Ok(())
}

fn query(request: &[u8]) -> Option<Vec<u8>> {
    let target = request.split(|&byte| byte == b' ').nth(1)?;
    let mark = target.iter().position(|&byte| byte == b'?')?;
    Some(target[mark + 1..].to_vec())
}

fn field_values(request: &[u8], name: &str) -> Vec<Vec<u8>> {
    let value = |line: &[u8]| {
        let (line_name, value) = line.split_at(line.iter().position(|&byte| byte == b':')?);
        line_name.eq_ignore_ascii_case(name.as_bytes()).then(|| value[1..].trim_ascii_start().to_vec())
    };
    let lines = request.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter_map(value).collect()
}
