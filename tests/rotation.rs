//! Keys are rotated under real Prometheus servers that scrape each example every second, and no scrape fails.
//!
//! `cargo test -p metrics-guard-tests --test rotation` (three minutes)
//!
//! A version that cannot be had is said; where the variable `CI` is set, it fails.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use metrics_guard_tests::{
    numbered_key,
    prometheus::{Prometheus, Version},
    server::{Profile, Running, Server},
    wire::{exchange, request},
};

const ROTATIONS: u32 = 30;

/// These read the file for each scrape. Debian's build of 3.5.3 does so once, and would keep the first key.
const VERSIONS: [Version; 2] = [Version::Bookworm, Version::Trixie];

/// A key file as an operator writes it: under another name, and renamed.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(folder: &Path, name: &str, keys: &[&str]) -> KeyFile {
        let file = KeyFile(folder.join(name));
        file.write(keys);
        file
    }

    fn write(&self, keys: &[&str]) {
        let temporary = self.0.with_extension("new");
        fs::write(&temporary, keys.join("\n")).unwrap();
        fs::rename(temporary, &self.0).unwrap();
    }
}

/// A server under test, and how many requests of ours it has refused.
struct Subject {
    of: Server,
    running: Running,
    refused: u32,
}

impl Subject {
    fn ask(&mut self, key: &str) -> Option<String> {
        let line = format!("Authorization: Bearer {key}");
        let response = exchange(self.running.address, &request("GET", "/metrics", &[line.as_bytes()])).unwrap();
        match response.status {
            200 => Some(response.text()),
            status => {
                assert_eq!(status, 401, "{:?}", self.of);
                self.refused += 1;
                None
            }
        }
    }

    fn wait_until(&mut self, key: &str, is_accepted: bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.ask(key).is_some() != is_accepted {
            assert!(Instant::now() < deadline, "{:?}: a key is not in force, or still is", self.of);
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// A sample of the guard's, as the server itself exports it.
    fn sample(&mut self, key: &str, series: &str) -> f64 {
        let text = self.ask(key).unwrap();
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or_default()
    }

    /// How often the previous key was used.
    fn uses_of_previous(&mut self, current: &str) -> f64 {
        self.sample(current, r#"metrics_guard_checks_total{key="previous",outcome="allowed"}"#)
    }
}

/// Waits until nobody has used the previous key for longer than a scrape takes to come round.
fn wait_until_unused(subjects: &mut [Subject], current: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let uses = |subjects: &mut [Subject]| -> Vec<_> {
        subjects.iter_mut().map(|subject| subject.uses_of_previous(current)).collect()
    };
    let mut before = uses(subjects);
    loop {
        thread::sleep(Duration::from_millis(1500));
        let now = uses(subjects);
        if now == before {
            return;
        }
        assert!(Instant::now() < deadline, "the previous key is still in use: {now:?}");
        before = now;
    }
}

#[test]
fn no_scrape_fails_while_keys_are_rotated() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    let programs = VERSIONS.map(|version| (version, version.fetch_or_say_so(&cache).unwrap()));
    let programs: Vec<_> = programs.into_iter().filter_map(|(version, program)| Some((version, program?))).collect();
    if programs.is_empty() {
        return;
    }

    let folder = tempfile::tempdir().unwrap();
    let accepted = KeyFile::new(folder.path(), "accepted", &[&numbered_key(0)]);
    let presented = KeyFile::new(folder.path(), "presented", &[&numbered_key(0)]);
    let environment = [("METRICS_VERIFICATION_KEY_FILE", accepted.0.to_str().unwrap())];
    let start = |of: Server| {
        let running = of.start(&of.build(Profile::Debug).unwrap(), &environment).unwrap();
        Subject { of, running, refused: 0 }
    };
    let mut subjects = Server::ALL.map(start);

    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for subject in &subjects {
        let (name, file, target) = (subject.of.name(), presented.0.display(), subject.running.address);
        writeln!(config, "- job_name: {name}\n  authorization: {{credentials_file: {file}}}").unwrap();
        writeln!(config, "  static_configs: [{{targets: ['{target}']}}]").unwrap();
    }
    let prometheuses: Vec<_> = programs
        .into_iter()
        .map(|(version, program)| {
            let folder = folder.path().join(version.slot());
            fs::create_dir(&folder).unwrap();
            (version, Prometheus::start(&program, &folder, &config).unwrap())
        })
        .collect();
    for (_, prometheus) in &prometheuses {
        prometheus.wait_for_sample("sum(count_over_time(up[1m]))", |scrapes| scrapes >= 6.0).unwrap();
    }

    for rotation in 1..=ROTATIONS {
        let (old, new) = (numbered_key(rotation - 1), numbered_key(rotation));
        accepted.write(&[&new, &old]);
        for subject in &mut subjects {
            subject.wait_until(&new, true);
        }
        presented.write(&[&new]);
        wait_until_unused(&mut subjects, &new);
        accepted.write(&[&new]);
        for subject in &mut subjects {
            subject.wait_until(&old, false);
        }
    }

    for (version, prometheus) in &prometheuses {
        for server in Server::ALL {
            let ups = |function: &str| {
                let query = format!("{function}(up{{job='{}'}}[1h])", server.name());
                prometheus.sample(&query).unwrap().unwrap()
            };
            let (scrapes, failed) = (ups("count_over_time"), ups("count_over_time") - ups("sum_over_time"));
            println!(
                "{} by {}: {ROTATIONS} rotations, {scrapes} scrapes, {failed} failed",
                server.name(),
                version.slot()
            );
            assert!(scrapes > f64::from(3 * ROTATIONS), "{scrapes} scrapes");
            assert!(failed < 0.5, "{failed} of {scrapes} failed:\n{}", prometheus.log());
        }
    }
    for subject in &mut subjects {
        // And what was refused was ours.
        let wrong = subject.sample(&numbered_key(ROTATIONS), r#"metrics_guard_checks_total{key="",outcome="wrong"}"#);
        assert!((wrong - f64::from(subject.refused)).abs() < 0.5, "{:?}: {wrong} refused", subject.of);
        assert!(subject.refused > ROTATIONS / 2, "{:?}: the old keys were never refused", subject.of);
    }
}
