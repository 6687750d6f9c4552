//! What a scraper sends passes through the guard as it is, and so does what it is answered.
//!
//! Real scrapers ask each server at two paths, of which one is guarded, and the handler behind both remembers what it saw:
//! the two must not differ. Nor may they from what a server of bytes sees, as far as a framework keeps that.

use std::{fmt::Write as _, fs, io, mem, net::SocketAddr, path::Path, time::Duration};

use http::Version as HttpVersion;
use libtest_mimic::Trial;
use metrics_guard_tests::{
    KEY, WRONG,
    certificates::{Authority, exchange_tls_h2},
    prometheus::{Prometheus, Version},
    scraper::{Program, Scraper, Scraping},
    server::{Profile, Server},
    wait::until,
    wire::{exchange, request},
};
use rustls::ClientConfig;
use servers::{Answer, Form, GUARDED, Listening, OPEN, PLAIN, Seen, Servers};

use crate::{
    methods::STORAGE,
    tools::{with, with_scrapers},
};

mod servers;

pub(crate) fn trials() -> Vec<Trial> {
    let passing = Scraper::ALL.map(|scraper| {
        let name = format!("what_{}_sends_and_is_answered_passes", scraper.slot());
        Trial::ignorable_test(name, move || {
            with_scrapers([scraper, STORAGE], |[program, storage]| {
                passes(program, storage);
                Ok(())
            })
        })
    });
    let types = Version::ALL.map(|version| {
        let name = format!("{}_takes_the_content_type_of_the_examples", version.slot());
        Trial::ignorable_test(name, move || {
            with(version.slot(), "prometheus", |program| content_types(version, program))
        })
    });
    passing.into_iter().chain(types).collect()
}

/// What is tried with a scraper.
const fn runs(scraper: Scraper) -> &'static [Run] {
    match scraper {
        // A job of this version has no line for it.
        Scraper::Prometheus(Version::Bookworm) => &[
            Run { arguments: &[], forms: &[(Form::OpenMetrics, "")] },
            Run { arguments: &["--enable-feature=native-histograms"], forms: &[(Form::Protobuf, "")] },
        ],
        Scraper::Prometheus(Version::Trixie | Version::Forky) => &[Run {
            arguments: &[],
            forms: &[
                (Form::OpenMetrics, ""),
                (Form::Text, "scrape_protocols: [PrometheusText0.0.4]"),
                (Form::Protobuf, "scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0]"),
            ],
        }],
        Scraper::Vmagent => &[Run { arguments: &[], forms: &[(Form::Text, "")] }],
    }
}

/// A scraper's arguments, and which form it then wants by which line in its jobs. What comes without a line is what it wants
/// by itself.
struct Run {
    arguments: &'static [&'static str],
    forms: &'static [(Form, &'static str)],
}

/// A query of the job, so that its requests are told from others', with what an encoder might change.
fn parameters(form: Form) -> (String, String) {
    let form = form.name();
    (
        format!("{{form: [{form}], \"match[]\": [\"a b+c&d;%41\"]}}"),
        format!("form={form}&match%5B%5D=a+b%2Bc%26d%3B%2541"),
    )
}

fn passes(program: &Program, storage: &Program) {
    for run in runs(program.of) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let authority = Authority::new().unwrap();
        authority.write(&folder.path().join("ca.pem")).unwrap();
        fs::write(path("metrics_key"), format!("{KEY}\n")).unwrap();
        let servers = Servers::start(folder.path(), &authority);

        // With the key at the open path too: whatever differs, it is not the job.
        let mut config = GLOBAL.to_owned();
        let mut jobs = Vec::new();
        for server in &servers.listening {
            let (scheme, port) = (if server.has_tls { "https" } else { "http" }, server.address.port());
            for (form, line) in run.forms {
                for target in [GUARDED, OPEN] {
                    let job = format!("{}-{scheme}-{}-{}", server.name, &target[1..], form.name());
                    let (key, ca, params) = (path("metrics_key"), path("ca.pem"), parameters(*form).0);
                    write!(
                        config,
                        "
  - job_name: {job}
    scheme: {scheme}
    metrics_path: {target}
    params: {params}
    authorization: {{credentials_file: {key}}}
    tls_config: {{ca_file: {ca}}}
    static_configs: [{{targets: [\"localhost:{port}\"]}}]
    {line}
"
                    )
                    .unwrap();
                    jobs.push((job, server, target, *form));
                }
            }
        }
        let scraping = Scraping::start(program, storage, folder.path(), &config, run.arguments, &[]).unwrap();

        for (job, server, target, form) in &jobs {
            let is_scraped = until(PATIENCE, || io::Result::Ok(server.seen(target, &parameters(*form).1).len() >= 2));
            assert!(is_scraped.unwrap(), "{job} is not scraped: {:#?}\n{}", server.all_seen(), scraping.log());
        }
        for server in &servers.listening {
            for (form, _) in run.forms {
                let sent = the_same_each_time(servers.plain(), GUARDED, *form);
                compare_requests(program.of, server, *form, &sent);
                compare_answers(server, &sent, &authority.client(None).unwrap());
            }
        }
        for (job, _, _, form) in &jobs {
            wait_until_stored(&scraping, job, *form);
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

const GLOBAL: &str = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n";

/// What a server has seen at a path in the scrapes for one form, of which each must be as the others.
///
/// But in HTTP/2 for the order of the lines, which Prometheus shuffles. That is not lost sight of: see
/// [`compare_answers`].
fn the_same_each_time(server: &Listening, path: &str, form: Form) -> Seen {
    let mut seen = server.seen(path, &parameters(form).1);
    for seen in seen.iter_mut().filter(|seen| !seen.has_host()) {
        seen.lines.sort();
    }
    let first = seen.swap_remove(0);
    for other in seen {
        assert_eq!(first, other, "{}: one scrape and another", server.name);
    }
    first
}

fn compare_requests(scraper: Scraper, server: &Listening, form: Form, sent: &Seen) {
    let name = format!("{} for {}, TLS: {}", server.name, form.name(), server.has_tls);
    let guarded = the_same_each_time(server, GUARDED, form);
    let open = the_same_each_time(server, OPEN, form);
    // In one framework, line by line.
    assert_eq!(Seen { path: OPEN.to_owned(), ..guarded.clone() }, open, "{name}: behind the guard, and not");

    // And it is what was sent.
    let is_h2 = server.has_tls && scraper != Scraper::Vmagent;
    assert_eq!(guarded.lines_but("host"), sent.lines_but("host"), "{name}: behind the guard, and on the wire");
    assert_eq!((guarded.method.as_str(), guarded.query.as_str()), ("GET", parameters(form).1.as_str()), "{name}");
    // HTTP/2 has no such line: what it says is in `:authority`.
    let host = if is_h2 { String::new() } else { format!("localhost:{}", server.address.port()) };
    assert_eq!(guarded.field("host"), host, "{name}");
    assert_eq!(guarded.has_host(), !is_h2, "{name}: {guarded:?}");
    if let Some(version) = guarded.version {
        assert_eq!(version, if is_h2 { HttpVersion::HTTP_2 } else { HttpVersion::HTTP_11 }, "{name}");
    }

    // All that was asked for is in it.
    assert_eq!(Form::wanted(guarded.field("accept")), form, "{name}: {guarded:?}");
    assert_eq!(guarded.field("accept-encoding"), "gzip", "{name}");
    assert_eq!(guarded.field("authorization"), format!("Bearer {KEY}"), "{name}");
    let (agent, timeout) = match scraper {
        Scraper::Prometheus(_) => ("Prometheus/", "1"),
        Scraper::Vmagent => ("vm_promscrape", "1.000"),
    };
    assert!(guarded.field("user-agent").starts_with(agent), "{name}: {guarded:?}");
    assert_eq!(guarded.field("x-prometheus-scrape-timeout-seconds"), timeout, "{name}");
}

/// Sends what the scraper has sent once more, to see the answers: the guarded one is the handler's, and that caches shall
/// not keep it. Sent in one order, the lines are seen in one order too.
fn compare_answers(server: &Listening, sent: &Seen, client: &ClientConfig) {
    if server.name == PLAIN {
        return;
    }
    let lines = sent.lines_but("host").into_iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>();
    let lines = lines.iter().map(String::as_bytes).collect::<Vec<_>>();
    let query = format!("again&{}", sent.query);
    let ask = |path| {
        let request = request("GET", &format!("{path}?{query}"), &lines);
        let response = if server.has_tls {
            exchange_tls_h2(server.address, client, &request)
        } else {
            exchange(server.address, &request)
        };
        let mut response = response.unwrap();
        response.fields.retain(|(name, _)| name != "date");
        response
    };
    let (mut guarded, open) = (ask(GUARDED), ask(OPEN));
    let name = server.name;
    let seen = [GUARDED, OPEN].map(|path| server.seen(path, &query).pop().unwrap().lines);
    assert_eq!(seen[0], seen[1], "{name}: behind the guard, and not");
    let answer = Answer::to(sent.field("accept"), sent.field("accept-encoding"));
    assert_eq!(answer.encoding, Some("gzip"), "{name}");
    assert_eq!((open.status, &open.body), (200, &answer.body), "{name}: {open:?}");
    assert_eq!(open.field("content-type"), Some(answer.content_type), "{name}");
    assert_eq!(open.field("content-encoding"), answer.encoding, "{name}");
    assert_eq!(open.field("cache-control"), None, "{name}");

    let (storing, others): (Vec<_>, Vec<_>) =
        mem::take(&mut guarded.fields).into_iter().partition(|(name, _)| name == "cache-control");
    assert_eq!(storing, [("cache-control".to_owned(), "no-store".to_owned())], "{name}");
    guarded.fields = others;
    assert_eq!(guarded, open, "{name}");
}

/// Waits until the scraper has stored what the handler wrote for this form.
fn wait_until_stored(scraping: &Scraping, job: &str, form: Form) {
    let series = format!("representation{{job='{job}',of='{}',encoding='gzip'}}", form.name());
    scraping.storage().wait_for_sample(&series, |value| (value - 1.0).abs() < f64::EPSILON).unwrap();
    scraping.storage().wait_for_sample(&format!("min_over_time(up{{job='{job}'}}[10s])"), |up| up > 0.5).unwrap();
}

/// Since its version 3, Prometheus reads no answer whose Content-Type it does not know. The examples keep to that, also in
/// their refusals: those are refusals, and nothing else is said of them. The others show the rule.
fn content_types(version: Version, program: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let [right, wrong] = [("right", KEY), ("wrong", WRONG)].map(|(name, key)| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{key}\n")).unwrap();
        path.display().to_string()
    });
    let examples = Server::ALL.map(|server| {
        let program = server.build(Profile::Debug).unwrap();
        (server, server.start(&program, &[("METRICS_VERIFICATION_KEY_FILE", &right)]).unwrap())
    });
    let others = Servers::of_bytes(|seen| {
        let other = OTHERS.iter().find(|other| other.path == seen.path).unwrap();
        let (head, body) = (other.head, "example_up 1\n");
        let length = body.len();
        format!("HTTP/1.1 {head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").into_bytes()
    });

    let mut config = GLOBAL.to_owned();
    let mut expected = Vec::new();
    let mut scrape = |job: String, target: SocketAddr, path: &str, key: &str, error: &'static str| {
        write!(
            config,
            "
  - job_name: {job}
    metrics_path: {path}
    authorization: {{credentials_file: {key}}}
    static_configs: [{{targets: [\"{target}\"]}}]
"
        )
        .unwrap();
        expected.push((job, error));
    };
    for (server, running) in &examples {
        scrape(format!("{}-right", server.name()), running.address, GUARDED, &right, "");
        scrape(format!("{}-wrong", server.name()), running.address, GUARDED, &wrong, REFUSED);
    }
    for Other { path, before_3, since_3, .. } in OTHERS {
        let error = if version == Version::Forky { since_3 } else { before_3 };
        scrape(format!("other-{}", &path[1..]), others.plain().address, path, &right, error);
    }
    let scraping = Scraping::Prometheus(Prometheus::start(program, folder.path(), &config)?);
    let all = format!("count(count_over_time(up[1m]) >= 2) == {}", expected.len());
    scraping.storage().wait_for_sample(&all, |_| true)?;
    for (job, error) in &expected {
        // On a busy machine, a scrape can take too long: the next one counts.
        scraping.wait_for_target(job, Some(*error).filter(|error| !error.is_empty()))?;
    }
    // In its log too, the type is a topic where it is one, and nowhere else.
    let log = scraping.log();
    for (job, error) in expected {
        let is_topic = log.lines().any(|line| line.contains(&job) && line.contains("Content-Type"));
        assert_eq!(is_topic, error.contains("Content-Type"), "{job}: {log}");
    }
    Ok(())
}

/// Another answer, and the beginning of what Prometheus says of it, if it does not read it.
struct Other {
    path: &'static str,
    head: &'static str,
    before_3: &'static str,
    since_3: &'static str,
}

const REFUSED: &str = "server returned HTTP status 401 Unauthorized";
const BLANK: &str = "non-compliant scrape target sending blank Content-Type ";
const UNSUPPORTED: &str = "received unsupported Content-Type \"text/html\" ";

const OTHERS: [Other; 6] = [
    Other {
        path: "/right-type",
        head: "200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n",
        before_3: "",
        since_3: "",
    },
    Other { path: "/no-version", head: "200 OK\r\nContent-Type: text/plain\r\n", before_3: "", since_3: "" },
    Other { path: "/no-type", head: "200 OK\r\n", before_3: "", since_3: BLANK },
    Other { path: "/another-type", head: "200 OK\r\nContent-Type: text/html\r\n", before_3: "", since_3: UNSUPPORTED },
    Other { path: "/refusal-without", head: "401 Unauthorized\r\n", before_3: REFUSED, since_3: REFUSED },
    Other {
        path: "/refusal-with-another",
        head: "401 Unauthorized\r\nContent-Type: text/html\r\n",
        before_3: REFUSED,
        since_3: REFUSED,
    },
];
