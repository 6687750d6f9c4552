//! Sends the attack catalogue over sockets to each server, and checks every response.
//!
//! `cargo test -p metrics-guard-tests --test catalogue`
//!
//! With a folder in the variable `SEEDS`, it sends nothing and writes the requests to this folder.

#![allow(missing_docs)] // a program

mod seeds;
mod table;

use std::{env, fs, io, net::SocketAddr, path::Path};

use libtest_mimic::{Arguments, Failed, Trial};
use metrics_guard_tests::{
    KEY, SYMBOLS, WRONG,
    servers::Server,
    wire::{Response, exchange, exchange_h2, request},
};
use table::{Case, Config, Expect, basic_credentials, cases, percent_encoded};

fn main() -> io::Result<()> {
    if let Some(folder) = env::var_os("SEEDS") {
        return seeds::write(Path::new(&folder));
    }
    let trials = Server::ALL.iter().map(|server| Trial::test(server.name(), || run(*server)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn run(server: Server) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let key_file = folder.path().join("metrics_key");
    fs::write(&key_file, format!("{KEY}\n{SYMBOLS}\n"))?;
    let key_file = key_file.to_str().ok_or("a temporary folder that is not UTF-8")?;

    let cases = cases();
    let (mut differences, mut over_h2) = (0, 0);
    let (mut failures, mut leaks) = (Vec::new(), Vec::new());
    for config in Config::ALL {
        let mut environment = vec![("METRICS_VERIFICATION_KEY_FILE", key_file)];
        environment.extend(config.environment());
        let mut running = server.start(&environment)?;
        let rejections = [Rejections { of: server, first: None }, Rejections { of: server, first: None }];
        let mut subject = Subject { server, address: running.address, config, scrapes: 0, rejections };
        subject.scrapes = subject.count_scrapes()?;
        for case in cases.iter().filter(|case| case.config == config) {
            let difference = case.differences.iter().find(|(name, ..)| *name == server.name());
            differences += usize::from(difference.is_some());
            let expect = difference.map_or(case.expect, |(_, expect, _)| *expect);
            match subject.ask(case, expect) {
                Ok(is_both) => over_h2 += usize::from(is_both),
                Err(problem) => failures.push(format!("{config:?}: {}: {problem}", case.name)),
            }
        }
        leaks.extend(leaked(&running.process.end()?, server, config));
    }

    let passed = cases.len() - failures.len();
    println!(
        "{}: {} cases, {passed} passed, {over_h2} of them also over HTTP/2, {differences} known differences",
        server.name(),
        cases.len(),
    );
    failures.extend(leaks);
    if failures.is_empty() && over_h2 < cases.len() * 9 / 10 {
        failures.push(format!("only {over_h2} cases ran over HTTP/2, which can express most of them"));
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// A server, and the number of scrapes so far.
struct Subject {
    server: Server,
    address: SocketAddr,
    config: Config,
    scrapes: u64,
    // One for each protocol, because HTTP/2 has fewer headers.
    rejections: [Rejections; 2],
}

impl Subject {
    /// Sends a case over HTTP/1.1, and over HTTP/2 if that can express it. Returns whether HTTP/2 can.
    fn ask(&mut self, case: &Case, expect: Expect) -> Result<bool, String> {
        let response = exchange(self.address, &case.request).map_err(|error| error.to_string())?;
        self.look(case, expect, 0, &response)?;
        let Some(response) = exchange_h2(self.address, &case.request) else { return Ok(false) };
        let response = response.map_err(|error| format!("HTTP/2: {error}"))?;
        self.look(case, expect, 1, &response).map_err(|problem| format!("HTTP/2: {problem}"))?;
        Ok(true)
    }

    fn look(&mut self, case: &Case, expect: Expect, protocol: usize, response: &Response) -> Result<(), String> {
        let is_head = case.request.starts_with(b"HEAD ");
        look_at(response, expect, is_head, self.server)?;
        if matches!(expect, Expect::Reject | Expect::Forbid) {
            let is_served = is_head || case.request.starts_with(b"GET ");
            self.rejections[protocol].compare(response, is_head, is_served)?;
        }
        // To read the count is a scrape too. A rejected request must not increase it.
        let expected = self.scrapes + u64::from(!self.config.is_closed()) + u64::from(expect == Expect::Pass);
        self.scrapes = self.count_scrapes().map_err(|error| error.to_string())?;
        if self.scrapes != expected {
            return Err(format!("the handler ran {} times instead of {expected}", self.scrapes));
        }
        Ok(())
    }

    fn count_scrapes(&self) -> io::Result<u64> {
        if self.config.is_closed() {
            // No client can read the count. The body of each response shows that the handler did not run.
            return Ok(0);
        }
        let line = format!("{}: {KEY}", self.config.field());
        let response = exchange(self.address, &request("GET", "/metrics", &[line.as_bytes()]))?;
        let count = response.text().lines().find_map(|line| line.strip_prefix("metrics_scrapes_total ")?.parse().ok());
        count.ok_or_else(|| io::Error::other(format!("no count of scrapes in {response:?}")))
    }
}

fn look_at(response: &Response, expect: Expect, is_head: bool, server: Server) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {response:?}"));
    let fields = response.fields.iter().flat_map(|(name, value)| [name.as_str(), value]);
    let all = fields.collect::<String>() + &response.text();
    if shown_keys(&all).next().is_some() {
        return fail("the response contains a key");
    }
    match expect {
        Expect::Pass => {
            if response.status != 200 {
                return fail("rejected");
            }
            if response.text().contains("metrics_scrapes_total") == is_head {
                return fail("not the metrics");
            }
            if response.field("cache-control") != Some("no-store") {
                return fail("a cache can store the metrics");
            }
        }
        Expect::Reject | Expect::Forbid => {
            let (status, body, challenge) = match expect {
                Expect::Reject => (401, "Unauthorized\n", Some("Bearer realm=\"metrics\"")),
                _ => (403, "Forbidden\n", None),
            };
            if response.status != status {
                return fail("not rejected");
            }
            if response.text() != if is_head || !server.has_body_in_rejections() { "" } else { body } {
                return fail("not the fixed body of a rejection");
            }
            if response.field("www-authenticate") != challenge {
                return fail("not the challenge");
            }
            if response.field("cache-control") != Some("no-store") {
                return fail("a cache can store the rejection");
            }
        }
        Expect::Elsewhere(statuses) => {
            if !statuses.contains(&response.status) {
                return fail("unexpected status");
            }
            if response.text().contains("metrics_scrapes_total") {
                return fail("the response has the metrics");
            }
        }
    }
    Ok(())
}

/// Compares the rejections of a server, which must have the same bytes except for the date. A rejection of HEAD has the same
/// headers in any order, except an optional `content-length: 0`, and no body. An `Allow` depends only on the method.
struct Rejections {
    of: Server,
    first: Option<Response>,
}

impl Rejections {
    fn compare(&mut self, response: &Response, is_head: bool, is_served: bool) -> Result<(), String> {
        let mut response = response.clone();
        response.fields.retain(|(name, _)| name != "date");
        let allow = response.fields.iter().position(|(name, _)| name == "allow").map(|at| response.fields.remove(at).1);
        let expected = self.of.allow_in_rejections().filter(|_| !is_served);
        if allow.as_deref() != expected {
            return Err(format!("`Allow` is {allow:?}: {response:?}"));
        }
        let mut first = self.first.get_or_insert_with(|| response.clone()).clone();
        if is_head {
            first.body.clear();
            for fields in [&mut first.fields, &mut response.fields] {
                fields.retain(|(name, value)| (name.as_str(), value.as_str()) != ("content-length", "0"));
                fields.sort();
            }
        }
        if first == response {
            Ok(())
        } else {
            Err(format!("the rejection differs from the first: {response:?}, {first:?}"))
        }
    }
}

/// Returns the keys in a server's output. A server's own log shows targets, with the stray keys in them.
fn leaked(output: &str, server: Server, config: Config) -> Vec<String> {
    let is_expected = server.has_own_log() && config == Config::Stray;
    let shown = shown_keys(output).filter(|_| !is_expected);
    shown.map(|name| format!("{config:?}: {name} is in the server's output")).collect()
}

/// Returns the keys in `text`: unchanged, encoded, or in another variant of the table.
fn shown_keys(text: &str) -> impl Iterator<Item = &'static str> {
    let keys = [("the key", KEY), ("the other key", SYMBOLS), ("a wrong key", WRONG)];
    keys.into_iter().filter_map(|(name, key)| {
        // The middle of the key, which a prefix, a suffix and a longer key contain too.
        let middle = &key[4..28];
        let credentials = basic_credentials(&format!("u:{key}"));
        let forms = [middle, &middle.to_ascii_uppercase(), &percent_encoded(middle), &credentials[8..32]];
        forms.iter().any(|form| text.contains(form)).then_some(name)
    })
}
