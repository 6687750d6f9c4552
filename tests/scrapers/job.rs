//! A scrape job of a file in deploy/, with other names.

use std::io;

/// The text of a job, as it stands in its file.
#[derive(Clone)]
pub(crate) struct Job(String);

impl Job {
    /// The one job of this file.
    pub(crate) fn of(file: &str) -> io::Result<Job> {
        let (_, job) = file.split_once("\nscrape_configs:\n").ok_or_else(|| io::Error::other("no scrape_configs"))?;
        Ok(Job(job.to_owned()))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.0.contains(text)
    }

    /// Puts `replacement` for each `text`, which must be there.
    pub(crate) fn replace(&mut self, text: &str, replacement: &str) -> io::Result<()> {
        if !self.says(text) {
            return Err(io::Error::other(format!("`{text}` is not in the file any more")));
        }
        self.0 = self.0.replace(text, replacement);
        Ok(())
    }
}
