//! Sends the attack catalogue over real sockets to each server, and looks at every answer.
//!
//! `cargo test -p metrics-guard-tests --test catalogue`

#![allow(missing_docs)] // a program's own table; its items say what they are

mod table;

use std::{fs, io, net::SocketAddr};

use libtest_mimic::{Arguments, Failed, Trial};
use metrics_guard_tests::{
    KEY, SYMBOLS, WRONG,
    server::{Profile, Running, Server},
    wire::{Response, exchange, request},
};
use table::{Case, Config, Expect, basic_credentials, cases, percent_encoded};

fn main() {
    let trials = Server::ALL.map(|server| Trial::test(server.name(), move || run(server)));
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

fn run(server: Server) -> Result<(), Failed> {
    let program = server.build(Profile::Debug)?;
    let folder = tempfile::tempdir()?;
    let key_file = folder.path().join("metrics_key");
    fs::write(&key_file, format!("{KEY}\n{SYMBOLS}\n"))?;
    let key_file = key_file.to_str().ok_or("a temporary folder that is not UTF-8")?;

    let cases = cases();
    let mut differences = 0;
    let (mut failures, mut leaks) = (Vec::new(), Vec::new());
    for config in Config::ALL {
        let mut environment = vec![("METRICS_VERIFICATION_KEY_FILE", key_file)];
        environment.extend(config.environment());
        let running = server.start(&program, &environment)?;
        let mut subject = Subject { address: running.address, config, scrapes: 0 };
        subject.scrapes = subject.count_scrapes()?;
        let mut refusals = Refusals::default();
        for case in cases.iter().filter(|case| case.config == config) {
            let difference = case.differences.iter().find(|(other, ..)| *other == server);
            differences += usize::from(difference.is_some());
            let expect = difference.map_or(case.expect, |(_, expect, _)| *expect);
            if let Err(problem) = subject.ask(case, expect, &mut refusals) {
                failures.push(format!("{config:?}: {}: {problem}", case.name));
            }
        }
        leaks.extend(leaked(&running, config));
    }

    let passed = cases.len() - failures.len();
    println!("{}: {} cases, {passed} passed, {differences} differences explained", server.name(), cases.len());
    failures.extend(leaks);
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// A server, and how often its metrics have been read so far.
struct Subject {
    address: SocketAddr,
    config: Config,
    scrapes: u64,
}

impl Subject {
    fn ask(&mut self, case: &Case, expect: Expect, refusals: &mut Refusals) -> Result<(), String> {
        let is_head = case.request.starts_with(b"HEAD ");
        let response = exchange(self.address, &case.request).map_err(|error| error.to_string())?;
        look_at(&response, expect, is_head)?;
        if expect == Expect::Refuse {
            refusals.compare(&response, is_head)?;
        }
        // The count goes up for the look at it, and for nothing else that was refused.
        let expected = self.scrapes + 1 + u64::from(expect == Expect::Pass);
        self.scrapes = self.count_scrapes().map_err(|error| error.to_string())?;
        if self.scrapes != expected {
            return Err(format!("the handler ran {} times, and not {expected}", self.scrapes));
        }
        Ok(())
    }

    fn count_scrapes(&self) -> io::Result<u64> {
        let line = format!("{}: {KEY}", self.config.field());
        let response = exchange(self.address, &request("GET", "/metrics", &[line.as_bytes()]))?;
        let count = response.text().lines().find_map(|line| line.strip_prefix("metrics_scrapes_total ")?.parse().ok());
        count.ok_or_else(|| io::Error::other(format!("no count of scrapes in {response:?}")))
    }
}

fn look_at(response: &Response, expect: Expect, is_head: bool) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {response:?}"));
    let all = format!("{response:?}");
    if [KEY, SYMBOLS, WRONG].iter().any(|key| all.contains(key)) {
        return fail("a key in the response");
    }
    match expect {
        Expect::Pass => {
            if response.status != 200 {
                return fail("not passed");
            }
            if response.text().contains("metrics_scrapes_total") == is_head {
                return fail("not the metrics");
            }
            if response.field("cache-control") != Some("no-store") {
                return fail("metrics that a cache may store");
            }
        }
        Expect::Refuse => {
            if response.status != 401 {
                return fail("not refused");
            }
            if response.body != if is_head { &b""[..] } else { b"Unauthorized\n" } {
                return fail("not the fixed body");
            }
            if response.field("www-authenticate") != Some("Bearer realm=\"metrics\"") {
                return fail("no challenge");
            }
            if response.field("cache-control") != Some("no-store") {
                return fail("a refusal that a cache may store");
            }
        }
        Expect::Elsewhere(statuses) => {
            if !statuses.contains(&response.status) {
                return fail("another status than expected");
            }
            if response.text().contains("metrics_scrapes_total") {
                return fail("the metrics");
            }
        }
    }
    Ok(())
}

/// All refusals of a running server are one: the same head, lines and order, and but for HEAD the same body.
#[derive(Default)]
struct Refusals(Option<Response>);

impl Refusals {
    fn compare(&mut self, response: &Response, is_head: bool) -> Result<(), String> {
        let mut response = response.clone();
        response.fields.retain(|(name, _)| name != "date");
        if is_head {
            response.body = b"Unauthorized\n".to_vec();
        }
        let first = self.0.get_or_insert_with(|| response.clone());
        if *first == response { Ok(()) } else { Err(format!("a refusal unlike the first: {response:?}, {first:?}")) }
    }
}

/// The keys that a server has printed, as they are or as they were sent.
fn leaked(running: &Running, config: Config) -> Vec<String> {
    let output = running.process.output();
    let keys = [("the key", KEY), ("the other key", SYMBOLS), ("a wrong key", WRONG)];
    let found = keys.into_iter().filter(|(_, key)| {
        let forms = [(*key).to_owned(), percent_encoded(key), basic_credentials(&format!("u:{key}"))];
        config != Config::Stray && forms.iter().any(|form| output.contains(form))
    });
    found.map(|(name, _)| format!("{config:?}: {name} stands in the server's output")).collect()
}
