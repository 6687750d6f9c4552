//! Tries each way to send the key in deploy/prometheus and deploy/vmagent, with each scraper and each server. The
//! findings must equal the table in deploy/README.md: which scrapers accept the file, where the key is visible, and
//! what a new key requires.

use std::{collections::BTreeSet, fs, io, path::Path, time::Duration};

use base64ct::{Base64, Encoding as _};
use libtest_mimic::Trial;
use metrics_guard_tests::{
    WRONG,
    certificates::{Authority, Validity, lead},
    key_changes::{Guarded, KeyFile, previous_key_falls_out_of_use},
    numbered_key,
    prometheus::Version,
    scraper::{Program, Scraper, Scraping},
    servers::{Running, Server},
};
use serde_json::json;

use crate::{job::Job, names::documents, with_scrapers};

/// The Prometheus that stores the samples of a vmagent.
const STORAGE: Scraper = Scraper::Prometheus(Version::Trixie);

/// A row of the table in deploy/README.md.
#[derive(Clone, Copy)]
pub(crate) struct Method([&'static str; 9]);

/// The findings about a method with a scraper: whether it works, where the key is visible, and what a new key requires.
type Finding = [String; 3];

fn rows() -> impl Iterator<Item = [&'static str; 9]> {
    let rows = include_str!("../../deploy/README.md").lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.trim_end_matches('|').split('|').map(str::trim).collect::<Vec<_>>().try_into().ok())
}

/// Returns all methods, in the order in which they are recommended.
pub(crate) fn methods() -> impl Iterator<Item = Method> {
    rows().skip(1).map(Method)
}

impl Method {
    /// Returns its path in deploy/.
    pub(crate) fn file(self) -> &'static str {
        self.0[0].split(['[', ']']).nth(1).unwrap()
    }

    /// Returns the job in its file.
    pub(crate) fn job(self) -> Job {
        Job::of(self.file())
    }

    /// Returns the number of a scraper's column.
    fn column(scraper: Scraper) -> usize {
        3 + Scraper::ALL.iter().position(|other| *other == scraper).unwrap()
    }

    pub(crate) fn is_accepted_by(self, scraper: Scraper) -> bool {
        self.0[Method::column(scraper)] == "works"
    }

    /// Returns the findings in the table.
    fn expected(self, program: &Program) -> Finding {
        let of = |cell: &str| {
            // After the usual value, a cell can have an exception for one version.
            let (usual, exception) = cell.split_once("; ").unwrap_or((cell, ""));
            exception.strip_prefix(&format!("{}: ", program.name())).unwrap_or(usual).to_owned()
        };
        if self.is_accepted_by(program.of) { ["works".to_owned(), of(self.0[7]), of(self.0[8])] } else { refused() }
    }
}

fn refused() -> Finding {
    ["refused".to_owned(), String::new(), String::new()]
}

/// What a scraper may need before it sends a new key, from the least to the most effort.
const RENEWALS: [&str; 3] = ["nothing", "a reload", "a restart"];

pub(crate) fn trials() -> Vec<Trial> {
    let head = rows().next().unwrap();
    let pairs = methods().flat_map(|method| Scraper::ALL.map(|scraper| (method, scraper)));
    let trials = pairs.map(|(method, scraper)| {
        Trial::ignorable_test(format!("{}_by_{}", method.file(), scraper.slot()), move || {
            with_scrapers([scraper, STORAGE], |[program, storage]| {
                let (expected, found) = (method.expected(program), try_out(method, program, storage)?);
                // A scraper that is not pinned can have another version than the table.
                let is_another = !scraper.is_pinned() && head[Method::column(scraper)] != program.name();
                if is_another {
                    println!("{} by {}: {found:?}, and in the table {expected:?}", method.file(), program.name());
                } else {
                    assert_eq!(head[Method::column(scraper)], program.name(), "the table is about another version");
                    assert_eq!(found, expected);
                }
                Ok(())
            })
        })
    });
    let trials: Vec<_> = trials.collect();
    assert_eq!(trials.len(), 6 * Scraper::ALL.len(), "the table in deploy/README.md");
    trials
}

/// Tests that the README, the guide and the OpenTelemetry Collector's configuration have the jobs of the trials.
pub(crate) fn other_files_have_the_jobs_that_are_run() {
    let mut job = Job::of("prometheus/credentials_file.yml");
    job.replace("my-service:8000", "localhost:8000");
    let text = format!("```yaml\nscrape_configs:\n{}```\n", job.0);
    assert!(include_str!("../../README.md").contains(&text), "README.md does not have\n{text}");

    let job = Job::of("prometheus/client_certificate.yml");
    let (_, tls) = job.0.split_once("    tls_config:\n").unwrap();
    let (tls, _) = tls.split_once("    static_configs:\n").unwrap();
    let text = format!("    scheme: https\n    tls_config:\n{tls}```\n");
    let page = include_str!("../../metrics-guard-core/docs/guide/layers.md");
    assert!(page.contains(&text), "layers.md does not have\n{text}");

    let prometheus = documents("prometheus/credentials_file.yml").remove(0);
    let collector = documents("otel/collector.yaml").remove(0);
    let mut job = prometheus["scrape_configs"][0].clone();
    job["scrape_interval"] = prometheus["global"]["scrape_interval"].clone();
    assert_eq!(collector["receivers"]["prometheus"]["config"]["scrape_configs"], json!([job]));
}

/// The files of one trial: the scraper's, and those of the servers behind TLS.
pub(crate) struct Files {
    folder: tempfile::TempDir,
    pub(crate) presented: KeyFile,
    pub(crate) wrong: KeyFile,
    authority: Authority,
}

impl Files {
    pub(crate) fn new(key: &str) -> io::Result<Files> {
        let folder = tempfile::tempdir()?;
        let presented = KeyFile::new(folder.path(), "metrics_key", &[key])?;
        let wrong = KeyFile::new(folder.path(), "wrong_key", &[WRONG])?;
        let authority = Authority::new()?;
        authority.write(&folder.path().join("ca.pem"))?;
        let files = Files { folder, presented, wrong, authority };
        files.renew_certificate("of-prometheus")?;
        Ok(files)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder().join(name).display().to_string()
    }

    /// Puts a new certificate of the scraper into this folder, and points the link `client` to the folder.
    pub(crate) fn renew_certificate(&self, folder: &str) -> io::Result<()> {
        self.authority.issue_into(&self.folder().join(folder), "prometheus.example")?;
        lead(&self.folder().join("client"), folder)
    }

    /// Starts a server with these accepted keys. With TLS, it requires the certificate of prometheus.example.
    pub(crate) fn start(&self, of: Server, has_tls: bool, accepted: &KeyFile) -> io::Result<Guarded> {
        let accepted = accepted.path();
        let mut environment =
            vec![("METRICS_VERIFICATION_KEY_FILE", accepted.as_str()), ("METRICS_VERIFICATION_QUERY", "key")];
        if !has_tls {
            return Ok(Guarded::new(of, of.start(&environment)?, None));
        }
        environment.push(("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example"));
        let tls = self.authority.issue_to_server(self.folder())?;
        let operator = self.authority.issue(self.folder(), "operator", &["prometheus.example"], Validity::Current)?;
        let running = Running::start(&mut of.command(Some(&tls), &environment)?)?;
        Ok(Guarded::new(of, running, Some(self.authority.client(Some(&operator))?)))
    }

    /// Returns the configuration: for each server a job with the right key and one with a wrong one, and a job for a
    /// port where no server listens.
    fn config(&self, method: Method, servers: &[Guarded], key: &str) -> String {
        let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
        let mut add = |name: &str, port: u16, key: &str, key_file: &KeyFile, variable: &str| {
            let mut job = method.job().at(name, port, &key_file.path(), |name| self.path(name));
            if job.0.contains("METRICS_KEY") {
                job.replace("METRICS_KEY", variable);
            } else if !job.0.contains(&key_file.path()) {
                job.replace("the-key-itself", key);
            }
            config += &job.0;
        };
        for server in servers {
            let (name, port) = (server.of().name(), server.address().port());
            add(name, port, key, &self.presented, "METRICS_KEY");
            add(&format!("{name}-intruder"), port, WRONG, &self.wrong, "WRONG_KEY");
        }
        add("nobody", 1, key, &self.presented, "METRICS_KEY");
        config
    }
}

fn try_out(method: Method, program: &Program, storage: &Program) -> io::Result<Finding> {
    let (old, new) = (numbered_key(0), numbered_key(1));
    let files = Files::new(&old)?;
    let accepted = KeyFile::new(files.folder(), "accepted_keys", &[&old])?;
    let has_tls = method.job().has_tls();
    let start = |server| files.start(server, has_tls, &accepted);
    let mut servers = Server::ALL.iter().copied().map(start).collect::<io::Result<Vec<_>>>()?;
    let data = files.folder().join("data");
    fs::create_dir(&data)?;
    let config = files.config(method, &servers, &old);
    let config_file = data.join(if program.of == Scraper::Vmagent { "vmagent.yml" } else { "prometheus.yml" });
    fs::write(&config_file, &config)?;
    let start = |key: &str, config: &str| {
        Scraping::start(program, storage, &data, config, &[], &[("METRICS_KEY", key), ("WRONG_KEY", WRONG)])
    };

    if let Err(said) = program.check(&config_file)? {
        let Err(started) = start(&old, &config).map(drop) else {
            return Err(io::Error::other(format!("its check alone refuses the file: {said}")));
        };
        let field = method.0[1].trim_matches('`').split('.').next().unwrap();
        for said in [said, started.to_string()] {
            assert!(said.contains(&format!("field {field} not found")), "another reason: {said}");
            assert!(!said.contains(&old) && !said.contains(WRONG), "the key shows");
        }
        return Ok(refused());
    }

    let mut scraping = start(&old, &config)?;
    scrapes(&scraping, program)?;
    let shown = places(&scraping, &old)?;

    // The rotation: the servers accept both keys, the scraper presents the new one, the servers reject the old one.
    accepted.write(&[&new, &old])?;
    for server in &mut servers {
        server.wait_until(&new, true)?;
    }
    files.presented.write(&[&new])?;
    let config = files.config(method, &servers, &new);
    fs::write(&config_file, &config)?;
    let expected = &method.expected(program)[2];
    let (mut renewals, mut is_enough) = (RENEWALS.iter(), false);
    let renewal = loop {
        let renewal = renewals.next().ok_or_else(|| io::Error::other("it goes on with the old key"))?;
        match *renewal {
            "a reload" => scraping.reload()?,
            "a restart" => {
                drop(scraping);
                scraping = start(&new, &config)?;
            }
            _ => {}
        }
        // According to the table, this renewal is enough, so the wait is longer. After a reload, Prometheus takes up to
        // six seconds to begin with other targets.
        is_enough |= renewal == expected;
        let patience = Duration::from_secs(if is_enough { 60 } else { 25 });
        if previous_key_falls_out_of_use(&mut servers, &new, patience)? {
            break renewal;
        }
    };
    accepted.write(&[&new])?;
    for server in &mut servers {
        server.wait_until(&old, false)?;
    }
    is_up(&scraping)?;
    let said: String = servers.iter().map(Guarded::output).collect();
    assert!(![old.as_str(), new.as_str(), WRONG].iter().any(|key| said.contains(key)), "a service has logged a key");
    Ok(["works".to_owned(), shown, (*renewal).to_owned()])
}

/// Queries about the stored samples of a server: scrapes with the right key succeed, those with a wrong key fail, and
/// the guard counts both.
const STORED: [&str; 6] = [
    "min_over_time(up{job='JOB'}[10s]) == 1",
    "metrics_scrapes_total{job='JOB'} >= 2",
    "max_over_time(up{job='JOB-intruder'}[1m]) == 0",
    "metrics_guard_checks_total{job='JOB',outcome='allowed',key='current'} >= 2",
    "metrics_guard_checks_total{job='JOB',outcome='wrong',key=''} >= 2",
    "metrics_guard_key_file_stale{job='JOB',file=~'.+/accepted_keys'} == 0",
];

/// Waits until the target of each job has the expected state, and its samples are stored.
fn scrapes(scraping: &Scraping, program: &Program) -> io::Result<()> {
    for name in Server::ALL.iter().map(|server| server.name()) {
        for query in STORED {
            let query = query.replace("JOB", name);
            scraping.storage().wait_for_sample(&query, |_| true)?;
        }
        scraping.wait_for_target(name, None)?;
        scraping.wait_for_target(&format!("{name}-intruder"), Some(&program.says_of_status(401)))?;
    }
    scraping.storage().wait_for_sample("count_over_time(up{job='nobody'}[1m]) >= 2", |_| true)
}

/// Returns where a key is visible, in any form in which the scraper sends it.
fn places(scraping: &Scraping, key: &str) -> io::Result<String> {
    let mut secrets = vec![key.to_owned(), WRONG.to_owned()];
    secrets.extend([key, WRONG].map(|key| Base64::encode_string(format!("prometheus:{key}").as_bytes())));
    let shown = scraping.shows()?.into_iter().filter(|(_, text)| secrets.iter().any(|secret| text.contains(secret)));
    let places: BTreeSet<_> = shown.map(|(place, _)| place).collect();
    let names: Vec<_> = places.iter().map(|place| format!("{place:?}").to_lowercase()).collect();
    Ok(if names.is_empty() { "nothing".to_owned() } else { names.join(", ") })
}

/// Waits until the latest scrapes of all jobs with the right key succeeded.
fn is_up(scraping: &Scraping) -> io::Result<()> {
    let up = "count(min_over_time(up{job!~'.*-intruder|nobody'}[3s]) > 0.5)";
    scraping.storage().wait_for_sample(&format!("{up} == {}", Server::ALL.len()), |_| true)
}
