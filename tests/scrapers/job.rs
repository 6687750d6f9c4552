//! The scrape job of a file in deploy/, with other names.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The scraper's key file in deploy/.
const KEY_FILE: &str = "/etc/prometheus/keys/metrics_key";

/// Returns the path of this file in deploy/.
pub(crate) fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path)
}

/// The text of a job, as in its file.
pub(crate) struct Job(pub(crate) String);

impl Job {
    /// Returns the one job of this file.
    pub(crate) fn of(file: &str) -> Job {
        let text = fs::read_to_string(deploy(file)).unwrap();
        let (_, job) = text.split_once("\nscrape_configs:\n").unwrap();
        assert!(job.contains("follow_redirects: false"), "{file}: the key would follow a redirect");
        Job(job.to_owned())
    }

    /// Gives the job this name and key file, a server at this port, and the paths that `path` returns for `ca.pem` and
    /// `client`.
    pub(crate) fn at(mut self, name: &str, port: u16, key_file: &str, path: impl Fn(&str) -> String) -> Job {
        self.replace("job_name: my-service", &format!("job_name: {name}"));
        if self.has_tls() {
            self.replace("my-service:8443", &format!("localhost:{port}"));
            self.replace("/etc/prometheus/ca.pem", &path("ca.pem"));
            self.replace("/etc/prometheus/client", &path("client"));
        } else {
            self.replace("my-service:8000", &format!("127.0.0.1:{port}"));
        }
        if self.has_key_file() {
            self.replace(KEY_FILE, key_file);
        }
        self
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.0.contains("scheme: https")
    }

    pub(crate) fn has_key_file(&self) -> bool {
        self.0.contains(KEY_FILE)
    }

    /// Replaces each `text`. Fails if there is none.
    pub(crate) fn replace(&mut self, text: &str, replacement: &str) {
        assert!(self.0.contains(text), "`{text}` is not in the file any more");
        self.0 = self.0.replace(text, replacement);
    }
}
