//! The scrape configurations in the README and in the guide are what deploy/ has, and so are tried; and the files there that
//! are not run say so.

use std::{fs, io};

use libtest_mimic::Trial;

use crate::{job::Job, tools::deploy};

const README: &str = include_str!("../../README.md");
const LAYERS: &str = include_str!("../../metrics-guard-core/docs/guide/layers.md");

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("the_readme_and_the_guide_have_what_deploy_has", || Ok(check()?)),
        Trial::test("what_is_not_run_says_so", || Ok(what_is_not_run_says_so()?)),
    ]
}

fn check() -> io::Result<()> {
    let mut job = Job::of(include_str!("../../deploy/prometheus/credentials_file.yml"))?;
    job.replace("my-service:8000", "localhost:8000")?;
    has(README, &format!("scrape_configs:\n{}```\n", job.text()))?;

    let job = Job::of(include_str!("../../deploy/prometheus/client_certificate.yml"))?;
    let tls = job.text().split_once("    tls_config:\n").and_then(|(_, rest)| rest.split_once("    static_configs:\n"));
    let (tls, _) = tls.ok_or_else(|| io::Error::other("no tls_config in client_certificate.yml"))?;
    has(LAYERS, &format!("    scheme: https\n    tls_config:\n{tls}```\n"))
}

fn has(page: &str, text: &str) -> io::Result<()> {
    if page.contains(text) { Ok(()) } else { Err(io::Error::other(format!("this is in the page no more:\n{text}"))) }
}

/// Each file in deploy/ says what of it is not run, but for those that are run as they are.
fn what_is_not_run_says_so() -> io::Result<()> {
    let mut seen = 0;
    for folder in fs::read_dir(deploy(""))? {
        let folder = folder?.path();
        if !folder.is_dir() || folder.ends_with("prometheus") || folder.ends_with("vmagent") {
            continue; // alerts.yml is run by tests/alerts.rs, and README.md is about all of them
        }
        let mut files = vec![folder];
        while let Some(file) = files.pop() {
            if file.is_dir() {
                for file in fs::read_dir(&file)? {
                    files.push(file?.path());
                }
                continue;
            }
            if file.file_name().is_some_and(|name| name == ".gitignore") {
                continue;
            }
            seen += 1;
            if !fs::read_to_string(&file)?.to_lowercase().contains("not run") {
                return Err(io::Error::other(format!("{} does not say what is not run", file.display())));
            }
        }
    }
    if seen < 15 { Err(io::Error::other(format!("only {seen} files"))) } else { Ok(()) }
}
