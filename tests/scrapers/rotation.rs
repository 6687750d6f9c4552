//! Keys are rotated under real scrapers that come every second, by each way to send a key that reads it from a file, and no
//! scrape fails. So are client certificates.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use libtest_mimic::{Completion, Failed, Trial};
use metrics_guard_tests::{
    certificates::{Authority, Validity, lead},
    guarded::{Guarded, KeyFile, previous_key_falls_out_of_use},
    numbered_key,
    prometheus::Version,
    scraper::{Scraper, Scraping},
    server::{Profile, Server},
};

use crate::fetched;

const ROTATIONS: u32 = 30;

/// These read the file for each scrape. Debian's build of 3.5.3 does so once, and would keep the first key.
const SCRAPERS: [Scraper; 3] =
    [Scraper::Prometheus(Version::Bookworm), Scraper::Prometheus(Version::Trixie), Scraper::Vmagent];

const NAME: &str = "prometheus.example";

/// What reads the key from a file, and who takes it: the methods of deploy/ with a file, as scrapers/methods.rs found them.
fn methods(scraper: Scraper, key_file: &str) -> Vec<(&'static str, String)> {
    let mut methods = vec![
        ("bearer", format!("authorization: {{credentials_file: {key_file}}}")),
        ("basic", format!("basic_auth: {{username: prometheus, password_file: {key_file}}}")),
    ];
    if scraper == Scraper::Prometheus(Version::Trixie) {
        methods.push(("field", format!("http_headers: {{X-Metrics-Key: {{files: [{key_file}]}}}}")));
    }
    methods
}

/// A client's certificate and private key, which change in one step: two files in a folder behind a symbolic link.
struct Certificate<'a> {
    authority: &'a Authority,
    folder: PathBuf,
    number: u32,
}

impl Certificate<'_> {
    fn renew(&mut self, name: &str) {
        self.number += 1;
        let version = format!("version-{}", self.number);
        let folder = self.folder.join(&version);
        fs::create_dir(&folder).unwrap();
        self.authority.issue(&folder, "client", &[name], Validity::Current).unwrap();
        lead(&self.folder.join("client"), &version).unwrap();
    }
}

/// The configuration: each server by each method, and those behind TLS by certificate. `path` is that of a file beside the
/// certificates.
fn config(scraper: Scraper, servers: &[Guarded], key_file: &str, path: impl Fn(&str) -> String) -> String {
    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for server in servers {
        let (name, address) = (server.of().name(), server.address());
        if !server.has_tls() {
            for (method, lines) in methods(scraper, key_file) {
                writeln!(config, "- job_name: {name} by {method}\n  {lines}").unwrap();
                writeln!(config, "  static_configs: [{{targets: ['{address}']}}]").unwrap();
            }
            continue;
        }
        let files = [("ca", "ca.pem"), ("cert", "client/client_cert.pem"), ("key", "client/client_key.pem")];
        let tls = files.map(|(field, file)| format!("{field}_file: {}", path(file))).join(", ");
        writeln!(config, "- job_name: {name} by certificate\n  scheme: https\n  tls_config: {{{tls}}}").unwrap();
        writeln!(config, "  authorization: {{credentials_file: {key_file}}}").unwrap();
        writeln!(config, "  static_configs: [{{targets: ['localhost:{}']}}]", address.port()).unwrap();
    }
    config
}

/// How many scrapes of this job were given up for want of an answer within the second, as the log has it: those of a machine
/// that does too much at once. That they were not refused, the servers' own counts say.
fn too_late(log: &str, job: &str) -> u32 {
    let job = format!("\"{job}\"");
    let is_of_a_scrape = |line: &&str| line.contains("Scrape failed") || line.contains("cannot scrape");
    let lines = log.lines().filter(|line| line.contains(&job)).filter(is_of_a_scrape);
    let late = lines.filter(|line| line.contains("deadline exceeded") || line.contains("timeout"));
    u32::try_from(late.count()).unwrap()
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::ignorable_test("no_scrape_fails_while_keys_are_rotated", no_scrape_fails_while_keys_are_rotated)]
}

fn no_scrape_fails_while_keys_are_rotated() -> Result<Completion, Failed> {
    let mut programs = Vec::new();
    for scraper in SCRAPERS {
        let Some(program) = fetched(scraper)? else {
            return Ok(Completion::ignored_with(format!("no {} of {}", scraper.name(), scraper.slot())));
        };
        programs.push((scraper, program));
    }
    let storage = programs[0].1.clone();

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let accepted = KeyFile::new(folder.path(), "accepted", &[&numbered_key(0)]).unwrap();
    let presented = KeyFile::new(folder.path(), "presented", &[&numbered_key(0)]).unwrap();
    let authority = Authority::new().unwrap();
    authority.write(Path::new(&path("ca.pem"))).unwrap();
    let mut certificate = Certificate { authority: &authority, folder: folder.path().to_owned(), number: 0 };
    certificate.renew(NAME);
    let operator = authority.issue(folder.path(), "operator", &[NAME], Validity::Current).unwrap();
    let client = authority.client(Some(&operator)).unwrap();

    let accepted_path = accepted.path();
    let environment =
        [("METRICS_VERIFICATION_KEY_FILE", accepted_path.as_str()), ("METRICS_VERIFICATION_CLIENT_NAMES", NAME)];
    let mut servers = Vec::new();
    for of in Server::ALL {
        let running = of.start(&of.build(Profile::Debug)?, &environment[..1])?;
        servers.push(Guarded::new(of, running, None));
        let identity = authority.issue(folder.path(), of.name(), &["localhost"], Validity::Current)?;
        let files = [&identity.certificate, &identity.key].map(|path| path.to_str().unwrap());
        let running = of.start_tls(&of.build_tls()?, [files[0], files[1], &path("ca.pem")], &environment)?;
        servers.push(Guarded::new(of, running, Some(client.clone())));
    }

    let scrapings: Vec<_> = programs
        .iter()
        .map(|(scraper, program)| {
            let folder = folder.path().join(scraper.slot());
            fs::create_dir(&folder).unwrap();
            let config = config(*scraper, &servers, &presented.path(), path);
            let scraping = Scraping::start(program, &storage, &folder, &config, &[], &[]).unwrap();
            let jobs = config.lines().filter_map(|line| line.strip_prefix("- job_name: "));
            (*scraper, scraping, jobs.map(str::to_owned).collect::<Vec<_>>())
        })
        .collect();
    for (_, scraping, jobs) in &scrapings {
        let jobs = f64::from(u32::try_from(jobs.len()).unwrap());
        let all = "count(count_over_time(up[1m]) >= 2)";
        scraping.storage().wait_for_sample(all, |scraped| scraped > jobs - 0.5).unwrap();
    }

    for rotation in 1..=ROTATIONS {
        let (old, new) = (numbered_key(rotation - 1), numbered_key(rotation));
        accepted.write(&[&new, &old]).unwrap();
        for server in &mut servers {
            server.wait_until(&new, true).unwrap();
        }
        presented.write(&[&new]).unwrap();
        certificate.renew(NAME);
        let is_out_of_use = previous_key_falls_out_of_use(&mut servers, &new, Duration::from_secs(20)).unwrap();
        assert!(is_out_of_use, "rotation {rotation}: the previous key is still in use");
        accepted.write(&[&new]).unwrap();
        for server in &mut servers {
            server.wait_until(&old, false).unwrap();
        }
    }

    for (scraper, scraping, jobs) in &scrapings {
        for job in jobs {
            let of_job = |query: &str| {
                let query = query.replace("UP", &format!("up{{job='{job}'}}[1h]"));
                scraping.storage().sample(&query).unwrap().unwrap()
            };
            let failed = of_job("count_over_time(UP) - sum_over_time(UP)");
            let (scrapes, late) = (of_job("count_over_time(UP)"), f64::from(too_late(&scraping.log(), job)));
            println!(
                "{job}, {}: {ROTATIONS} rotations, {scrapes} scrapes, {failed} failed, {late} of them for want of time",
                scraper.slot(),
            );
            assert!(scrapes > f64::from(3 * ROTATIONS), "{scrapes} scrapes");
            assert!(failed - late < 0.5, "{failed} of {scrapes} failed:\n{}", scraping.log());
            assert!(late <= 0.05 * scrapes, "{late} of {scrapes} came too late");
        }
    }
    for server in &mut servers {
        // And what was refused was ours.
        let mut refusals = |outcome: &str| {
            let series = format!("metrics_guard_checks_total{{key=\"\",outcome=\"{outcome}\"}}");
            server.sample(&numbered_key(ROTATIONS), &series).unwrap()
        };
        for outcome in ["missing", "malformed", "address", "certificate"] {
            assert!(refusals(outcome) < 0.5, "refusals: {outcome}");
        }
        let wrong = refusals("wrong");
        assert!((wrong - f64::from(server.refused())).abs() < 0.5, "{:?}: {wrong} refused", server.of());
        assert!(server.refused() > ROTATIONS / 2, "{:?}: the old keys were never refused", server.of());
    }

    // The certificates that lay there were those that were shown: one with another name locks all of them out.
    certificate.renew("other.example");
    for (_, scraping, _) in &scrapings {
        let up = "sum(max_over_time(up{job=~'.* by certificate'}[3s]))";
        scraping.storage().wait_for_sample(up, |up| up < 0.5).unwrap();
    }
    Ok(Completion::Completed)
}
