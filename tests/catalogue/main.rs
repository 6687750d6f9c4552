//! Sends the attack catalogue over sockets to each server, and checks every response.
//!
//! `cargo test -p metrics-guard-tests --test catalogue`
//!
//! With a folder in the variable `SEEDS`, it sends nothing and writes the requests to this folder.

#![allow(clippy::panic, clippy::unwrap_used, missing_docs)] // a program of tests

mod seeds;
mod table;

use std::{env, fs, io, net::SocketAddr, path::Path};

use libtest_mimic::{Arguments, Failed, Trial};
use metrics_guard_tests::{
    KEY, SYMBOLS, WRONG,
    servers::Server,
    wire::{Response, exchange, exchange_h2, with_bearer},
};
use table::{Config, Expect, basic_credentials, cases, percent_encoded};

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
    for config in Config::ALL {
        let mut environment = vec![("METRICS_VERIFICATION_KEY_FILE", key_file.to_str().unwrap())];
        environment.extend(config.setting());
        let mut running = server.start(&environment)?;
        let address = running.address;
        let mut scrapes = count_scrapes(address, config);
        // The first over each protocol, because HTTP/2 has fewer headers.
        let mut first_rejections = [None, None];
        for case in cases.iter().filter(|case| case.config == config) {
            let context = format!("{config:?}: {}", case.name);
            let difference = case.differences.iter().find(|(name, _)| *name == server.name());
            let expect = difference.map_or(case.expect, |(_, expect)| *expect);
            let mut answers = vec![exchange(address, &case.request)];
            answers.extend(exchange_h2(address, &case.request));
            over_h2 += answers.len() - 1;
            for (answer, first_rejection) in answers.into_iter().zip(&mut first_rejections) {
                let response = answer.unwrap_or_else(|error| panic!("{context}: {error}"));
                assert_expected(&response, expect, &case.request, server, &context);
                if matches!(expect, Expect::Reject | Expect::Forbid) {
                    assert_same(response, first_rejection, &case.request, server, &context);
                }
                scrapes += u64::from(expect == Expect::Pass);
            }
            // Reading the count is a scrape too. A rejected request must not increase it.
            scrapes += u64::from(!config.is_closed());
            assert_eq!(count_scrapes(address, config), scrapes, "{context}: scrapes");
        }
        // A server's own log shows targets, with the stray keys in them.
        let shown = shown_key(&running.process.end()?);
        assert!(
            shown.is_none() || server.has_own_log() && config == Config::Stray,
            "{config:?}: {shown:?} in the output"
        );
    }
    println!("{}: {} cases, {over_h2} of them also over HTTP/2", server.name(), cases.len());
    assert!(over_h2 > cases.len() * 9 / 10, "HTTP/2 can express most cases");
    Ok(())
}

/// Returns how often the handler has run, including this scrape.
fn count_scrapes(server: SocketAddr, config: Config) -> u64 {
    if config.is_closed() {
        // No client can read the count. The body of each response shows that the handler did not run.
        return 0;
    }
    let metrics = exchange(server, &with_bearer("/metrics", KEY)).unwrap().body;
    metrics.lines().find_map(|line| line.strip_prefix("metrics_scrapes_total ")?.parse().ok()).unwrap()
}

fn assert_expected(response: &Response, expect: Expect, request: &[u8], server: Server, context: &str) {
    let is_head = request.starts_with(b"HEAD ");
    let has_metrics = response.body.contains("metrics_scrapes_total");
    let is_rejection = |status: u16, body: &str, challenge: Option<&str>| {
        let body = if is_head || !server.has_body_in_rejections() { "" } else { body };
        response.status == status && response.body == body && response.field("www-authenticate") == challenge
    };
    let is_expected = match expect {
        Expect::Pass => response.status == 200 && has_metrics != is_head,
        Expect::Reject => is_rejection(401, "Unauthorized\n", Some("Bearer realm=\"metrics\"")),
        Expect::Forbid => is_rejection(403, "Forbidden\n", None),
        Expect::Elsewhere(statuses) => statuses.contains(&response.status) && !has_metrics,
    };
    assert!(is_expected, "{context}: {response:?}");
    let may_be_stored = matches!(expect, Expect::Elsewhere(_)) || response.field("cache-control") == Some("no-store");
    assert!(may_be_stored, "{context}: a cache can store {response:?}");
    let mut texts = response.fields.iter().flat_map(|(name, value)| [name, value]).chain([&response.body]);
    assert_eq!(texts.find_map(|text| shown_key(text)), None, "{context}: a key in {response:?}");
}

/// Compares a rejection with the first, which must have the same bytes except for the date. A rejection of HEAD has the same
/// headers in any order, except an optional `content-length: 0`, and no body. An `Allow` depends only on the method.
fn assert_same(mut this: Response, first: &mut Option<Response>, request: &[u8], server: Server, context: &str) {
    let is_head = request.starts_with(b"HEAD ");
    let allow = server.allow_in_rejections().filter(|_| !is_head && !request.starts_with(b"GET "));
    assert_eq!(this.field("allow"), allow, "{context}: {this:?}");
    this.fields.retain(|(name, _)| name != "date" && name != "allow");
    let mut first = first.get_or_insert_with(|| this.clone()).clone();
    if is_head {
        first.body.clear();
    }
    for fields in [&mut first.fields, &mut this.fields] {
        fields.retain(|(name, value)| !is_head || (name.as_str(), value.as_str()) != ("content-length", "0"));
        if is_head || !server.has_header_order() {
            fields.sort();
        }
    }
    assert_eq!(this, first, "{context}: the rejection differs from the first");
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
