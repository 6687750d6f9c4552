//! The scrape job of a file in deploy/, with other names.

use std::{fs, io};

use crate::tools::{deploy, replaced};

/// The scraper's key file in deploy/.
pub(crate) const KEY_FILE: &str = "/etc/prometheus/keys/metrics_key";

/// The text of a job, as its file has it.
#[derive(Clone)]
pub(crate) struct Job(String);

impl Job {
    /// The one job of this file.
    pub(crate) fn of(file: &str) -> io::Result<Job> {
        let text = fs::read_to_string(deploy(file))?;
        let (_, job) = text.split_once("\nscrape_configs:\n").ok_or_else(|| io::Error::other("no scrape_configs"))?;
        assert!(job.contains("follow_redirects: false"), "{file}: the key would follow a redirect");
        Ok(Job(job.to_owned()))
    }

    /// The same job with this name, for a server at this port, and with other files: the scraper's key, and what `path`
    /// returns for `ca.pem` and `client`.
    pub(crate) fn at(&self, name: &str, port: u16, key_file: &str, path: impl Fn(&str) -> String) -> io::Result<Job> {
        let mut job = self.clone();
        job.replace("job_name: my-service", &format!("job_name: {name}"))?;
        if job.has_tls() {
            job.replace("my-service:8443", &format!("localhost:{port}"))?;
            job.replace("/etc/prometheus/ca.pem", &path("ca.pem"))?;
            job.replace("/etc/prometheus/client", &path("client"))?;
        } else {
            job.replace("my-service:8000", &format!("127.0.0.1:{port}"))?;
        }
        if job.has_key_file() {
            job.replace(KEY_FILE, key_file)?;
        }
        Ok(job)
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.0.contains("scheme: https")
    }

    pub(crate) fn has_key_file(&self) -> bool {
        self.0.contains(KEY_FILE)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Puts `replacement` for each `text`, which must be there.
    pub(crate) fn replace(&mut self, text: &str, replacement: &str) -> io::Result<()> {
        self.0 = replaced(&self.0, &[(text, replacement)])?;
        Ok(())
    }
}
