//! Sets the cfg `expected_compiler` if this compiler has the version in the file `compiler`, whose messages the tests expect.

use std::{env, io, process::Command};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=compiler");
    println!("cargo::rustc-check-cfg=cfg(expected_compiler)");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = String::from_utf8_lossy(&Command::new(rustc).arg("--version").output()?.stdout).into_owned();
    if version.starts_with(&format!("rustc {}.", include_str!("compiler").trim_end())) {
        println!("cargo::rustc-cfg=expected_compiler");
    }
    Ok(())
}
