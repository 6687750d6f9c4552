//! Keys are rotated under real scrapers that come every second, by each way to send a key that reads it from a file, and no
//! scrape fails. So are client certificates.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{
    certificates::{Authority, Validity, lead},
    key_changes::{Guarded, KeyFile, previous_key_falls_out_of_use},
    numbered_key,
    prometheus::Version,
    scraper::{Program, Scraper, Scraping},
    server::{Profile, Server},
};

use crate::{methods::METHODS, tools::with_scrapers};

const ROTATIONS: u32 = 30;

/// These read the file for each scrape. Debian's build of 3.5.3 does so once, and would keep the first key.
const SCRAPERS: [Scraper; 3] =
    [Scraper::Prometheus(Version::Bookworm), Scraper::Prometheus(Version::Trixie), Scraper::Vmagent];

const NAME: &str = "prometheus.example";

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
        self.authority.issue_into(&self.folder.join(&version), name).unwrap();
        lead(&self.folder.join("client"), &version).unwrap();
    }
}

/// The names of the jobs, and the configuration: each server by each method that reads the key from a file, those with TLS
/// by certificate. `path` is that of a file beside the certificates.
fn config(
    scraper: Scraper,
    servers: &[Guarded],
    key_file: &str,
    path: impl Fn(&str) -> String,
) -> (Vec<String>, String) {
    let mut names = Vec::new();
    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for method in METHODS.iter().filter(|method| method.is_taken_by(scraper)) {
        let job = method.job().unwrap();
        for server in servers.iter().filter(|server| job.has_key_file() && job.has_tls() == server.has_tls()) {
            let name = format!("{} by {}", server.of().name(), method.file);
            config += job.at(&name, server.address().port(), key_file, &path).unwrap().text();
            names.push(name);
        }
    }
    (names, config)
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
    vec![Trial::ignorable_test("no_scrape_fails_while_keys_are_rotated", || {
        with_scrapers(SCRAPERS, no_scrape_fails_while_keys_are_rotated)
    })]
}

fn no_scrape_fails_while_keys_are_rotated(programs: &[Program; SCRAPERS.len()]) -> Result<(), Failed> {
    let storage = &programs[0];
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
        let running =
            of.run(&mut of.command_tls(&of.build_tls()?, [files[0], files[1], &path("ca.pem")], &environment))?;
        servers.push(Guarded::new(of, running, Some(client.clone())));
    }

    let scrapings: Vec<_> = programs
        .iter()
        .map(|program| {
            let folder = folder.path().join(program.of.slot());
            fs::create_dir(&folder).unwrap();
            let (jobs, config) = config(program.of, &servers, &presented.path(), path);
            let scraping = Scraping::start(program, storage, &folder, &config, &[], &[]).unwrap();
            (program.of, scraping, jobs)
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
        let up = "sum(max_over_time(up{job=~'.*client_certificate.*'}[3s]))";
        scraping.storage().wait_for_sample(up, |up| up < 0.5).unwrap();
    }
    Ok(())
}
