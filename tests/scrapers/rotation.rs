//! Rotates keys and client certificates while real scrapers scrape every second, by each method that reads the key from
//! a file. No scrape may fail.

use std::{fs, io, time::Duration};

use libtest_mimic::{Failed, Trial};
use metrics_guard_tests::{
    key_changes::{Guarded, KeyFile, checks, previous_key_falls_out_of_use},
    numbered_key,
    prometheus::Version,
    scraper::{Program, Scraper, Scraping},
    servers::Server,
};

use crate::{
    fetched,
    methods::{Files, methods},
    with_scrapers,
};

const ROTATIONS: u32 = 30;

/// These versions read the key file for each scrape, like vmagent. Debian's build of 3.5.3 would keep the first key.
const SCRAPERS: [Scraper; 2] = [Scraper::Prometheus(Version::Bookworm), Scraper::Prometheus(Version::Trixie)];

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::ignorable_test("no_scrape_fails_while_keys_are_rotated", || {
        with_scrapers(SCRAPERS, |programs| {
            let vmagent = fetched(Scraper::Vmagent)?; // not pinned, so it can be missing
            let programs: Vec<_> = programs.iter().cloned().chain(vmagent).collect();
            no_scrape_fails_while_keys_are_rotated(&programs)
        })
    })]
}

/// Returns the names of the jobs, and a configuration with a job for each server and each method that reads the key
/// from a file. A server with TLS has the methods with a client certificate.
fn config(scraper: Scraper, servers: &[Guarded], files: &Files) -> (Vec<String>, String) {
    let mut names = Vec::new();
    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for method in methods().filter(|method| method.is_accepted_by(scraper)) {
        let is_for = |server: &&Guarded| method.job().has_key_file() && method.job().has_tls() == server.has_tls();
        for server in servers.iter().filter(is_for) {
            let name = format!("{} by {}", server.of().name(), method.file());
            let port = server.address().port();
            config += &method.job().at(&name, port, &files.presented.path(), |name| files.path(name)).0;
            names.push(name);
        }
    }
    (names, config)
}

/// Returns how many scrapes of this job got no response within a second, because the machine was too busy. This comes
/// from the log. The servers' own counts show that they rejected none of these scrapes.
fn too_late(log: &str, job: &str) -> u32 {
    let job = format!("\"{job}\"");
    let is_of_a_scrape = |line: &&str| line.contains("Scrape failed") || line.contains("cannot scrape");
    let lines = log.lines().filter(|line| line.contains(&job)).filter(is_of_a_scrape);
    let late = lines.filter(|line| line.contains("deadline exceeded") || line.contains("timeout"));
    u32::try_from(late.count()).unwrap()
}

fn no_scrape_fails_while_keys_are_rotated(programs: &[Program]) -> Result<(), Failed> {
    let files = Files::new(&numbered_key(0))?;
    let accepted = KeyFile::new(files.folder(), "accepted_keys", &[&numbered_key(0)])?;
    let servers = Server::ALL.iter().flat_map(|server| [(*server, false), (*server, true)]);
    let servers = servers.map(|(server, has_tls)| files.start(server, has_tls, &accepted));
    let mut servers = servers.collect::<io::Result<Vec<_>>>()?;

    let mut scrapings = Vec::new();
    for program in programs {
        let folder = files.folder().join(program.of.slot());
        fs::create_dir(&folder)?;
        let (jobs, config) = config(program.of, &servers, &files);
        let scraping = Scraping::start(program, &programs[0], &folder, &config, &[], &[])?;
        scrapings.push((scraping, jobs));
    }
    for (scraping, jobs) in &scrapings {
        let all = format!("count(count_over_time(up[1m]) >= 2) == {}", jobs.len());
        scraping.storage().wait_for_sample(&all, |_| true)?;
    }

    for rotation in 1..=ROTATIONS {
        let (old, new) = (numbered_key(rotation - 1), numbered_key(rotation));
        accepted.write(&[&new, &old])?;
        for server in &mut servers {
            server.wait_until(&new, true)?;
        }
        files.presented.write(&[&new])?;
        files.renew_certificate(&format!("version-{rotation}"))?;
        let is_out_of_use = previous_key_falls_out_of_use(&mut servers, &new, Duration::from_secs(20))?;
        assert!(is_out_of_use, "rotation {rotation}: the previous key is still in use");
        accepted.write(&[&new])?;
        for server in &mut servers {
            server.wait_until(&old, false)?;
        }
    }

    for (scraping, jobs) in &scrapings {
        for job in jobs {
            let of_job = |query: &str| {
                let query = query.replace("UP", &format!("up{{job='{job}'}}[1h]"));
                scraping.storage().sample(&query).unwrap().unwrap()
            };
            let failed = of_job("count_over_time(UP) - sum_over_time(UP)");
            let (scrapes, late) = (of_job("count_over_time(UP)"), f64::from(too_late(&scraping.log(), job)));
            assert!(scrapes > f64::from(3 * ROTATIONS), "{job}: {scrapes} scrapes");
            assert!(failed - late < 0.5, "{job}: {failed} of {scrapes} failed:\n{}", scraping.log());
            assert!(late <= 0.05 * scrapes, "{job}: {late} of {scrapes} came too late");
        }
    }
    // The guards rejected only the requests of this test.
    for server in &mut servers {
        let mut rejected = |outcome: &str| server.sample(&numbered_key(ROTATIONS), &checks(outcome, "")).unwrap();
        for outcome in ["missing", "malformed", "address", "certificate"] {
            assert!(rejected(outcome) < 0.5, "{outcome}");
        }
        let wrong = rejected("wrong");
        assert!((wrong - f64::from(server.refused())).abs() < 0.5, "{:?}: {wrong} rejected", server.of());
        assert!(server.refused() > ROTATIONS / 2, "{:?}: the old keys were never rejected", server.of());
    }
    Ok(())
}
