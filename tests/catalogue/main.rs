//! Sends the attack catalogue over sockets to each server, and checks every response.
//!
//! `cargo test -p metrics-guard-tests --test catalogue`
//!
//! With a folder in the variable `SEEDS`, it sends nothing and writes the requests to this folder.

#![allow(clippy::unwrap_used, missing_docs)] // a program of tests

mod seeds;
mod table;

use std::{env, fs, io, net::SocketAddr, path::Path};

use libtest_mimic::{Arguments, Failed, Trial};
use metrics_guard_tests::{
    KEY, SYMBOLS, WRONG,
    servers::Server,
    wire::{Response, exchange, exchange_h2, with_bearer},
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

    let cases = cases();
    let mut over_h2 = 0;
    let mut failures = Vec::new();
    for config in Config::ALL {
        let mut environment = vec![("METRICS_VERIFICATION_KEY_FILE", key_file.to_str().unwrap())];
        environment.extend(config.setting());
        let mut running = server.start(&environment)?;
        let mut subject = Subject { server, address: running.address, config, scrapes: 0, rejections: [None, None] };
        subject.scrapes = subject.count_scrapes();
        for case in cases.iter().filter(|case| case.config == config) {
            match subject.ask(case) {
                Ok(is_both) => over_h2 += usize::from(is_both),
                Err(problem) => failures.push(format!("{config:?}: {}: {problem}", case.name)),
            }
        }
        // A server's own log shows targets, with the stray keys in them.
        if let Some(name) = shown_key(&running.process.end()?)
            && !(server.has_own_log() && config == Config::Stray)
        {
            failures.push(format!("{config:?}: {name} is in the server's output"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{}: {} cases, {over_h2} of them also over HTTP/2", server.name(), cases.len());
    assert!(over_h2 > cases.len() * 9 / 10, "HTTP/2 can express most cases");
    Ok(())
}

/// A server, and the number of scrapes so far.
struct Subject {
    server: Server,
    address: SocketAddr,
    config: Config,
    scrapes: u64,
    /// The first rejection over each protocol, because HTTP/2 has fewer headers.
    rejections: [Option<Response>; 2],
}

impl Subject {
    /// Sends a case over HTTP/1.1, and over HTTP/2 if that can express it. Returns whether HTTP/2 can.
    fn ask(&mut self, case: &Case) -> Result<bool, String> {
        let response = exchange(self.address, &case.request).map_err(|error| error.to_string())?;
        self.look(case, 0, response)?;
        let Some(response) = exchange_h2(self.address, &case.request) else { return Ok(false) };
        let response = response.map_err(|error| format!("HTTP/2: {error}"))?;
        self.look(case, 1, response).map_err(|problem| format!("HTTP/2: {problem}"))?;
        Ok(true)
    }

    fn look(&mut self, case: &Case, protocol: usize, response: Response) -> Result<(), String> {
        let difference = case.differences.iter().find(|(name, _)| *name == self.server.name());
        let expect = difference.map_or(case.expect, |(_, expect)| *expect);
        let is_head = case.request.starts_with(b"HEAD ");
        if let Some(problem) = problem(&response, expect, is_head, self.server) {
            return Err(format!("{problem}: {response:?}"));
        }
        if matches!(expect, Expect::Reject | Expect::Forbid) {
            self.compare(protocol, response, is_head, is_head || case.request.starts_with(b"GET "))?;
        }
        // To read the count is a scrape too. A rejected request must not increase it.
        let expected = self.scrapes + u64::from(!self.config.is_closed()) + u64::from(expect == Expect::Pass);
        self.scrapes = self.count_scrapes();
        if self.scrapes == expected { Ok(()) } else { Err("the handler ran, or it did not run".to_owned()) }
    }

    fn count_scrapes(&self) -> u64 {
        if self.config.is_closed() {
            // No client can read the count. The body of each response shows that the handler did not run.
            return 0;
        }
        let metrics = exchange(self.address, &with_bearer("/metrics", KEY)).unwrap().text();
        metrics.lines().find_map(|line| line.strip_prefix("metrics_scrapes_total ")?.parse().ok()).unwrap()
    }

    /// Compares a rejection with the first, which must have the same bytes except for the date. A rejection of HEAD has the
    /// same headers in any order, except an optional `content-length: 0`, and no body. An `Allow` depends only on the method.
    fn compare(&mut self, protocol: usize, mut this: Response, is_head: bool, is_served: bool) -> Result<(), String> {
        this.fields.retain(|(name, _)| name != "date");
        let allow = this.fields.extract_if(.., |(name, _)| name == "allow").map(|(_, value)| value).next();
        if allow.as_deref() != self.server.allow_in_rejections().filter(|_| !is_served) {
            return Err(format!("`Allow` is {allow:?}: {this:?}"));
        }
        let mut first = self.rejections[protocol].get_or_insert_with(|| this.clone()).clone();
        if is_head {
            first.body.clear();
            for fields in [&mut first.fields, &mut this.fields] {
                fields.retain(|(name, value)| (name.as_str(), value.as_str()) != ("content-length", "0"));
                fields.sort();
            }
        }
        if first == this { Ok(()) } else { Err(format!("the rejection differs from the first: {this:?}, {first:?}")) }
    }
}

/// Returns what is wrong with a response.
fn problem(response: &Response, expect: Expect, is_head: bool, server: Server) -> Option<&'static str> {
    let fields = response.fields.iter().flat_map(|(name, value)| [name.as_str(), value]);
    let text = response.text();
    let has_metrics = text.contains("metrics_scrapes_total");
    let is_stored = response.field("cache-control") != Some("no-store");
    let is_rejection = |status: u16, body: &str, challenge: Option<&str>| {
        let body = if is_head || !server.has_body_in_rejections() { "" } else { body };
        response.status == status && text == body && response.field("www-authenticate") == challenge
    };
    let (is_expected, may_be_stored) = match expect {
        Expect::Pass => (response.status == 200 && has_metrics != is_head, false),
        Expect::Reject => (is_rejection(401, "Unauthorized\n", Some("Bearer realm=\"metrics\"")), false),
        Expect::Forbid => (is_rejection(403, "Forbidden\n", None), false),
        Expect::Elsewhere(statuses) => (statuses.contains(&response.status) && !has_metrics, true),
    };
    if shown_key(&(fields.collect::<String>() + &text)).is_some() {
        Some("the response contains a key")
    } else if !is_expected {
        Some("not the expected response")
    } else if is_stored && !may_be_stored {
        Some("a cache can store the response")
    } else {
        None
    }
}

/// Returns which key is in `text`: unchanged, encoded, or in another variant of the table.
fn shown_key(text: &str) -> Option<&'static str> {
    let keys = [("the key", KEY), ("the other key", SYMBOLS), ("a wrong key", WRONG)];
    let shown = keys.into_iter().find(|(_, key)| {
        // The middle of the key, which a prefix, a suffix and a longer key contain too.
        let middle = &key[4..28];
        let credentials = basic_credentials(&format!("u:{key}"));
        let forms = [middle, &middle.to_ascii_uppercase(), &percent_encoded(middle), &credentials[8..32]];
        forms.iter().any(|form| text.contains(form))
    });
    shown.map(|(name, _)| name)
}
