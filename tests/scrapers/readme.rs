//! The scrape configurations in the README and in the guide are what deploy/ has, and so are tried.

use std::io;

use libtest_mimic::Trial;

use crate::job::Job;

const README: &str = include_str!("../../README.md");
const LAYERS: &str = include_str!("../../metrics-guard-core/docs/guide/layers.md");

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("the_readme_and_the_guide_have_what_deploy_has", || Ok(check()?))]
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
