//! Each way to send the key in deploy/prometheus and deploy/vmagent, by each scraper, to each server: who takes it, where
//! the key shows, and what a new key needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    sync::Mutex,
    time::Duration,
};

use libtest_mimic::Trial;
use metrics_guard_core::adapter::shown;
use metrics_guard_tests::{
    WRONG,
    certificates::{Authority, Validity, lead},
    key_changes::{Guarded, KeyFile, previous_key_falls_out_of_use},
    numbered_key,
    prometheus::Version,
    scraper::{Place, Program, Scraper, Scraping},
    server::{Profile, Server},
};

use crate::{job::Job, table, tools::with_scrapers};

/// A file of deploy/ and who takes it.
pub(crate) struct Method {
    /// Its path there.
    pub(crate) file: &'static str,
    text: &'static str,
    /// The field that does it.
    pub(crate) field: &'static str,
    /// The version that brought it, as its documents have it: that one was not tried here.
    pub(crate) since: &'static str,
    refused_by: &'static [Scraper],
    shown: &'static [Place],
    /// But for [`READS_ONCE`].
    renewal: Renewal,
}

/// What stores the samples of a vmagent.
pub(crate) const STORAGE: Scraper = Scraper::Prometheus(Version::Trixie);

const OLDEST: Scraper = Scraper::Prometheus(Version::Bookworm);
const PROMETHEUS: [Scraper; 3] = [OLDEST, Scraper::Prometheus(Version::Trixie), Scraper::Prometheus(Version::Forky)];

/// In the order in which they are recommended.
pub(crate) const METHODS: [Method; 6] = [
    Method {
        file: "prometheus/credentials_file.yml",
        text: include_str!("../../deploy/prometheus/credentials_file.yml"),
        field: "authorization.credentials_file",
        since: "Prometheus 2.26",
        refused_by: &[],
        shown: &[],
        renewal: Renewal::File,
    },
    Method {
        file: "prometheus/client_certificate.yml",
        text: include_str!("../../deploy/prometheus/client_certificate.yml"),
        field: "tls_config.cert_file",
        since: "any version",
        refused_by: &[],
        shown: &[],
        renewal: Renewal::File,
    },
    Method {
        file: "prometheus/basic_auth.yml",
        text: include_str!("../../deploy/prometheus/basic_auth.yml"),
        field: "basic_auth.password_file",
        since: "any version",
        refused_by: &[],
        shown: &[],
        renewal: Renewal::File,
    },
    Method {
        file: "prometheus/http_headers.yml",
        text: include_str!("../../deploy/prometheus/http_headers.yml"),
        field: "http_headers.files",
        since: "Prometheus 2.55",
        refused_by: &[OLDEST, Scraper::Vmagent],
        shown: &[],
        renewal: Renewal::File,
    },
    Method {
        file: "vmagent/headers.yml",
        text: include_str!("../../deploy/vmagent/headers.yml"),
        field: "headers",
        since: "vmagent 1.145 or earlier",
        refused_by: &PROMETHEUS,
        shown: &[Place::Configuration],
        renewal: Renewal::Restart,
    },
    Method {
        file: "prometheus/params.yml",
        text: include_str!("../../deploy/prometheus/params.yml"),
        field: "params",
        since: "any version",
        refused_by: &[],
        shown: &[Place::Targets, Place::Configuration, Place::Log],
        renewal: Renewal::Reload,
    },
];

/// These read a key file once. Debian's build of 3.5.3 also adds a field of `http_headers` once more for each scrape.
const READS_ONCE: [(Scraper, &str); 1] = [(Scraper::Prometheus(Version::Forky), "3.5.3")];

/// What was found of a method with a scraper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It does not start with such a file.
    Refused,
    /// It scrapes.
    Works {
        /// Where the key shows.
        shown: BTreeSet<Place>,
        /// What is needed before it sends a new key.
        renewal: Renewal,
    },
}

impl Method {
    /// The job in its file.
    pub(crate) fn job(&self) -> io::Result<Job> {
        Job::of(self.text)
    }

    pub(crate) fn is_taken_by(&self, scraper: Scraper) -> bool {
        !self.refused_by.contains(&scraper)
    }

    fn expected(&self, program: &Program) -> Finding {
        if !self.is_taken_by(program.of) {
            return Finding::Refused;
        }
        Finding::Works { shown: self.shown.iter().copied().collect(), renewal: self.expected_renewal(program) }
    }

    fn expected_renewal(&self, program: &Program) -> Renewal {
        let reads_once = READS_ONCE.contains(&(program.of, program.version.as_str()));
        if reads_once && self.renewal == Renewal::File { Renewal::Restart } else { self.renewal }
    }
}

/// The first of these that has a scraper send a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Renewal {
    /// Another file in the place of the old one.
    File,
    /// And a reload of the configuration.
    Reload,
    /// Or a new start.
    Restart,
}

impl Renewal {
    /// For how long to wait for it. What is expected to be enough gets a minute, since that ends with the new key; what is
    /// not is waited for in vain. After a reload, Prometheus takes up to six seconds to begin with other targets.
    fn patience(self, expected: Renewal) -> Duration {
        Duration::from_secs(match self {
            _ if self >= expected => 60,
            Renewal::File => 10,
            Renewal::Reload | Renewal::Restart => 25,
        })
    }
}

/// What the trials have found so far: by the file and the scraper.
pub(crate) static FINDINGS: Mutex<BTreeMap<(&str, Scraper), Finding>> = Mutex::new(BTreeMap::new());

pub(crate) fn trials() -> Vec<Trial> {
    let pairs = METHODS.iter().flat_map(|method| Scraper::ALL.map(|scraper| (method, scraper)));
    pairs
        .map(|(method, scraper)| {
            Trial::ignorable_test(format!("{}_by_{}", method.file, scraper.slot()), move || {
                with_scrapers([scraper, STORAGE], |[program, storage]| {
                    let finding = try_out(method, program, storage)?;
                    let expected = method.expected(program);
                    if finding != expected {
                        let problem = format!("found {finding:?}, and not {expected:?}");
                        if table::is_about(program)? {
                            return Err(problem.into());
                        }
                        // What is packaged moves on, and what was found of another version stays true.
                        println!("{} by {} {}: {problem}", method.file, scraper.name(), program.version);
                    }
                    FINDINGS.lock().unwrap().insert((method.file, scraper), finding);
                    Ok(())
                })
            })
        })
        .collect()
}

/// The files that a scraper of one trial reads, and what must show nowhere.
struct Files {
    folder: tempfile::TempDir,
    presented: KeyFile,
    wrong: KeyFile,
    authority: Authority,
}

impl Files {
    fn new(key: &str) -> io::Result<Files> {
        let folder = tempfile::tempdir()?;
        let presented = KeyFile::new(folder.path(), "metrics_key", &[key])?;
        let wrong = KeyFile::new(folder.path(), "wrong_key", &[WRONG])?;
        let authority = Authority::new()?;
        authority.write(&folder.path().join("ca.pem"))?;
        for (folder_name, name) in [("of-prometheus", "prometheus.example"), ("of-another", "other.example")] {
            authority.issue_into(&folder.path().join(folder_name), name)?;
        }
        let files = Files { folder, presented, wrong, authority };
        files.show_certificate("of-prometheus")?;
        Ok(files)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Has the link to the client's certificate lead to this folder, in one step.
    fn show_certificate(&self, of: &str) -> io::Result<()> {
        lead(&self.folder.path().join("client"), of)
    }

    /// Lines of which a scraper must show none: those of the private key.
    fn private_lines(&self) -> io::Result<Vec<String>> {
        let pem = fs::read_to_string(self.path("of-prometheus/tls.key"))?;
        Ok(pem.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned).collect())
    }

    /// The configuration: for each server a job with the right key and one with a wrong one, and a job for a port where
    /// nobody listens.
    fn config(&self, method: &Method, servers: &[Guarded], key: &str) -> io::Result<String> {
        let job = method.job()?;
        let has_file = job.has_key_file();
        let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
        let mut add = |name: &str, port: u16, key: &str, key_file: &str, variable: &str| {
            let mut job = job.at(name, port, key_file, |name| self.path(name))?;
            if job.says("METRICS_KEY") {
                job.replace("METRICS_KEY", variable)?;
            } else if !has_file {
                job.replace("the-key-itself", key)?;
            }
            config += job.text();
            Ok::<_, io::Error>(())
        };
        for server in servers {
            let (name, port) = (server.of().name(), server.address().port());
            add(name, port, key, &self.presented.path(), "METRICS_KEY")?;
            add(&format!("{name}-intruder"), port, WRONG, &self.wrong.path(), "WRONG_KEY")?;
        }
        add("nobody", 1, key, &self.presented.path(), "METRICS_KEY")?;
        Ok(config)
    }
}

fn try_out(method: &Method, program: &Program, storage: &Program) -> io::Result<Finding> {
    let (old, new) = (numbered_key(0), numbered_key(1));
    let files = Files::new(&old)?;
    let accepted = KeyFile::new(files.folder.path(), "accepted_keys", &[&old])?;
    let has_tls = method.job()?.has_tls();
    let mut servers =
        Server::ALL.iter().map(|server| start(*server, has_tls, &files, &accepted)).collect::<io::Result<Vec<_>>>()?;
    let data = files.folder.path().join("data");
    fs::create_dir(&data)?;
    let config = files.config(method, &servers, &old)?;
    let scraper = program.of;
    let config_file = data.join(if scraper == Scraper::Vmagent { "vmagent.yml" } else { "prometheus.yml" });
    fs::write(&config_file, &config)?;
    let environment = |key: &str| [("METRICS_KEY", key.to_owned()), ("WRONG_KEY", WRONG.to_owned())];
    let start = |key: &str, config: &str| {
        let environment = environment(key);
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        Scraping::start(program, storage, &data, config, &[], &environment)
    };

    if let Err(said) = program.check(&config_file)? {
        let Err(started) = start(&old, &config).map(drop) else {
            return Err(io::Error::other(format!("its check alone refuses the file: {said}")));
        };
        let field = method.field.split('.').next().unwrap_or_default();
        for said in [said, started.to_string()] {
            if !said.contains(&format!("field {field} not found")) {
                return Err(io::Error::other(format!("it refuses the file for another reason: {said}")));
            }
            if said.contains(&old) || said.contains(WRONG) {
                return Err(io::Error::other("it shows the key when it refuses the file"));
            }
        }
        return Ok(Finding::Refused);
    }

    let mut scraping = start(&old, &config)?;
    scrapes(&scraping, program, &accepted, has_tls)?;
    let shown = places(&scraping, method, &files, &[&old, WRONG])?;

    // A new key: accepted beside the old one, then presented, then alone.
    accepted.write(&[&new, &old])?;
    for server in &mut servers {
        server.wait_until(&new, true)?;
    }
    files.presented.write(&[&new])?;
    let config = files.config(method, &servers, &new)?;
    fs::write(&config_file, &config)?;
    let expected = method.expected_renewal(program);
    let mut renewal = Renewal::File;
    while !previous_key_falls_out_of_use(&mut servers, &new, renewal.patience(expected))? {
        renewal = match renewal {
            Renewal::File => {
                scraping.reload()?;
                Renewal::Reload
            }
            Renewal::Reload => {
                drop(scraping);
                scraping = start(&new, &config)?;
                Renewal::Restart
            }
            Renewal::Restart => return Err(io::Error::other("it goes on with the old key")),
        };
    }
    accepted.write(&[&new])?;
    for server in &mut servers {
        server.wait_until(&old, false)?;
    }
    is_up(&scraping)?;
    if has_tls {
        takes_another_certificate(&scraping, program, &files)?;
    }
    let said: String = servers.iter().map(Guarded::output).collect();
    if [old.as_str(), new.as_str(), WRONG].iter().any(|key| said.contains(key)) {
        return Err(io::Error::other("a service has logged a key"));
    }
    Ok(Finding::Works { shown, renewal })
}

fn start(of: Server, has_tls: bool, files: &Files, accepted: &KeyFile) -> io::Result<Guarded> {
    let accepted = accepted.path();
    let mut environment =
        vec![("METRICS_VERIFICATION_KEY_FILE", accepted.as_str()), ("METRICS_VERIFICATION_QUERY", "key")];
    if !has_tls {
        return Ok(Guarded::new(of, of.start(&of.build(Profile::Debug)?, &environment)?, None));
    }
    environment.push(("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example"));
    let folder = files.folder.path();
    let identity = files.authority.issue(folder, of.name(), &["localhost"], Validity::Current)?;
    let tls = [identity.certificate.display().to_string(), identity.key.display().to_string(), files.path("ca.pem")];
    let running = of.run(&mut of.command_tls(&of.build_tls()?, tls.each_ref().map(String::as_str), &environment))?;
    let identity = files.authority.issue(folder, "operator", &["prometheus.example"], Validity::Current)?;
    Ok(Guarded::new(of, running, Some(files.authority.client(Some(&identity))?)))
}

/// The target of each job is as it should be, and its samples are stored.
fn scrapes(scraping: &Scraping, program: &Program, accepted: &KeyFile, has_tls: bool) -> io::Result<()> {
    let storage = scraping.storage();
    for server in Server::ALL {
        let name = server.name();
        // The target is up, scrape after scrape, and its own metrics are stored.
        storage.wait_for_sample(&format!("count_over_time(up{{job='{name}'}}[1m])"), |scrapes| scrapes >= 3.0)?;
        storage.wait_for_sample(&format!("min_over_time(up{{job='{name}'}}[10s])"), |up| up > 0.5)?;
        let served = format!("metrics_scrapes_total{{job='{name}'}}");
        storage.wait_for_sample(&served, |scrapes| scrapes >= 2.0)?;
        storage.wait_for_sample(&format!("process_resident_memory_bytes{{job='{name}'}}"), |bytes| bytes > 1e6)?;
        // The other is down, and was never up.
        storage.wait_for_sample(&format!("count_over_time(up{{job='{name}-intruder'}}[1m])"), |n| n >= 3.0)?;
        storage.wait_for_sample(&format!("max_over_time(up{{job='{name}-intruder'}}[1m])"), |up| up < 0.5)?;
        // The examples with TLS count no requests.
        if !has_tls {
            let of_metrics = format!("job='{name}',route='/metrics'");
            for status in [200, 401] {
                let requests = format!("http_requests_total{{{of_metrics},status='{status}'}}");
                storage.wait_for_sample(&requests, |requests| requests >= 2.0)?;
            }
            let median = format!("histogram_quantile(0.5, http_request_duration_seconds_bucket{{{of_metrics}}})");
            storage.wait_for_sample(&median, |seconds| seconds > 0.0)?;
        }
        // The guard counts its checks, with the reasons, and tells of its key file.
        for outcome in ["outcome='allowed',key='current'", "outcome='wrong',key=''"] {
            let checks = format!("metrics_guard_checks_total{{job='{name}',{outcome}}}");
            storage.wait_for_sample(&checks, |checks| checks >= 2.0)?;
        }
        let of_file = format!("{{job='{name}',file='{}'}}", shown(&accepted.path()).unwrap());
        storage.wait_for_sample(&format!("metrics_guard_key_file_stale{of_file}"), |stale| stale < 0.5)?;
        let age = format!("time() - metrics_guard_key_file_modified_timestamp_seconds{of_file}");
        storage.wait_for_sample(&age, |seconds| (0.0..600.0).contains(&seconds))?;

        scraping.wait_for_target(name, None)?;
        scraping.wait_for_target(&format!("{name}-intruder"), Some(&program.says_of_status(401)))?;
    }
    storage.wait_for_sample("count_over_time(up{job='nobody'}[1m])", |scrapes| scrapes >= 2.0)
}

/// Where a key shows, in any form in which it was sent. A private key must not show at all.
fn places(scraping: &Scraping, method: &Method, files: &Files, keys: &[&str]) -> io::Result<BTreeSet<Place>> {
    use base64ct::{Base64, Encoding};

    let mut secrets: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    secrets.extend(keys.iter().map(|key| Base64::encode_string(format!("prometheus:{key}").as_bytes())));
    let private = files.private_lines()?;
    let mut places = BTreeSet::new();
    for (place, text) in scraping.shows()? {
        if private.iter().any(|line| text.contains(line)) {
            return Err(io::Error::other(format!("{}: a private key shows: {place:?}", method.file)));
        }
        if secrets.iter().any(|secret| text.contains(secret)) {
            places.insert(place);
        }
    }
    Ok(places)
}

/// The last scrapes of those with the right key were all good.
fn is_up(scraping: &Scraping) -> io::Result<()> {
    let right = "job!~'.*-intruder|nobody'";
    let storage = scraping.storage();
    let up = format!("count(min_over_time(up{{{right}}}[3s]) > 0.5) == {}", Server::ALL.len());
    storage.wait_for_sample(&up, |_| true)
}

/// A certificate that the servers refuse is shown as soon as it lies there; and then the right one again.
fn takes_another_certificate(scraping: &Scraping, program: &Program, files: &Files) -> io::Result<()> {
    files.show_certificate("of-another")?;
    for server in Server::ALL {
        scraping.wait_for_target(server.name(), Some(&program.says_of_status(403)))?;
    }
    files.show_certificate("of-prometheus")?;
    is_up(scraping)
}
