//! The attack catalogue: requests, the configuration of the server, and the expected responses.
//!
//! The numbers are those of CASES.md. Cases without a request are elsewhere:
//!
//! - 36 to 42, 46 and 47 (configuration): metrics-guard-core/tests/guard/config.rs
//! - 43 to 45 (keys that change): metrics-guard-core/tests/guard/reload.rs
//! - 48 to 51 and 54 (addresses): metrics-guard-core/src/access/networks.rs
//! - 67 to 69 (Rocket's outcomes): metrics-guard-rocket/tests/answers.rs
//! - 70 (Warp's rejections): metrics-guard-warp/tests/routes.rs
//! - 73 to 75 (the attribute): tests/ui

use base64ct::{Base64, Encoding};
use metrics_guard_tests::{KEY, SYMBOLS, WRONG, wire::request};

/// The configuration of the server under test. Each one accepts [`KEY`] and [`SYMBOLS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Config {
    Default,
    /// The default, for requests with a key in a place that no guard reads, so that a server can log it.
    Stray,
    /// The query parameter `key` can present a key.
    Query,
    /// The header is `X-Scrape-Key`.
    Named,
    /// The allowed networks contain the tests' address.
    Near,
    /// The allowed networks do not contain the tests' address.
    Far,
    /// A client certificate is required, but the server has no TLS.
    Certified,
}

impl Config {
    pub(crate) const ALL: [Config; 7] = [Default, Stray, Query, Named, Near, Far, Certified];

    /// Returns the setting besides the keys, if there is one.
    pub(crate) fn setting(self) -> Option<(&'static str, &'static str)> {
        match self {
            Default | Stray => None,
            Query => Some(("METRICS_VERIFICATION_QUERY", "key")),
            Named => Some(("METRICS_VERIFICATION_HEADER", "X-Scrape-Key")),
            Near => Some(("METRICS_VERIFICATION_NETWORKS", "fd00::/8, 127.0.0.0/8")),
            Far => Some(("METRICS_VERIFICATION_NETWORKS", "fd00::/8, 10.0.0.0/8")),
            Certified => {
                Some(("METRICS_VERIFICATION_CLIENT_NAMES", "prometheus.example, spiffe://example.org/prometheus"))
            }
        }
    }

    /// Returns whether every client is rejected, with any key.
    pub(crate) fn is_closed(self) -> bool {
        matches!(self, Far | Certified)
    }
}

/// The expected response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The metrics.
    Pass,
    /// The rejection of a key. The handler does not run.
    Reject,
    /// The rejection of a client that is not allowed. The handler does not run.
    Forbid,
    /// Neither metrics nor a rejection: a response of the HTTP server or the router, with one of these statuses.
    Elsewhere(&'static [u16]),
}

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) request: Vec<u8>,
    pub(crate) expect: Expect,
    /// The servers that respond differently, and their responses.
    pub(crate) differences: Vec<(&'static str, Expect)>,
}

fn case(name: impl Into<String>, config: Config, request: Vec<u8>, expect: Expect) -> Case {
    Case { name: name.into(), config, request, expect, differences: Vec::new() }
}

impl Case {
    /// Expects a 404 of Rocket, where a route has one method, so that no route matches another method.
    fn but_rocket_has_no_such_route(self) -> Case {
        self.but("rocket", Elsewhere(&[404]))
    }

    fn but(mut self, server: &'static str, expect: Expect) -> Case {
        self.differences.push((server, expect));
        self
    }
}

pub(crate) fn cases() -> Vec<Case> {
    [extraction(), query(), scheme(), precedence(), peers(), response(), framework(), families()]
        .into_iter()
        .flatten()
        .collect()
}

use Config::{Certified, Default, Far, Named, Near, Query, Stray};
use Expect::{Elsewhere, Forbid, Pass, Reject};

/// hyper's response to a request that is not HTTP.
const BAD_REQUEST: Expect = Elsewhere(&[400]);

/// The response of another route, which is public.
const OPEN: Expect = Elsewhere(&[200]);

/// Returns `GET /metrics` with these header lines.
fn get(lines: &[&[u8]]) -> Vec<u8> {
    request("GET", "/metrics", lines)
}

fn get_query(query: &str) -> Vec<u8> {
    request("GET", &format!("/metrics?{query}"), &[])
}

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Returns the header line `X-Metrics-Key` with this value.
fn metrics_key(value: impl AsRef<[u8]>) -> Vec<u8> {
    bytes(&[b"X-Metrics-Key: ", value.as_ref()])
}

fn authorization(value: impl AsRef<[u8]>) -> Vec<u8> {
    bytes(&[b"Authorization: ", value.as_ref()])
}

fn bearer(key: impl AsRef<str>) -> Vec<u8> {
    authorization(format!("Bearer {}", key.as_ref()))
}

fn basic(user_and_password: impl AsRef<str>) -> Vec<u8> {
    authorization(format!("Basic {}", basic_credentials(user_and_password.as_ref())))
}

pub(crate) fn basic_credentials(user_and_password: &str) -> String {
    Base64::encode_string(user_and_password.as_bytes())
}

pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

fn extraction() -> Vec<Case> {
    let one = |name, value: &[u8], expect| case(name, Default, get(&[&metrics_key(value)]), expect);
    let (key, wrong) = (KEY.as_bytes(), WRONG.as_bytes());
    let (key_line, wrong_line) = (metrics_key(key), metrics_key(wrong));
    let not_utf8 = metrics_key(b"\xff");
    let with_query = request("GET", &format!("/metrics?key={KEY}"), &[&not_utf8]);
    let many = |first: &[u8]| {
        let mut lines = vec![first];
        lines.resize(95, &wrong_line);
        get(&lines)
    };
    vec![
        one("1 right key", key, Pass),
        one("1 the other key", SYMBOLS.as_bytes(), Pass),
        case("1 lower case", Default, get(&[&bytes(&[b"x-metrics-key: ", key])]), Pass),
        case("1 upper case", Default, get(&[&bytes(&[b"X-METRICS-KEY: ", key])]), Pass),
        case("1 no key", Default, get(&[]), Reject),
        case("1 the name that is not configured", Named, get(&[&key_line]), Reject),
        case("1 the name that is", Named, get(&[&bytes(&[b"x-scrape-key: ", key])]), Pass),
        one("2 wrong key", wrong, Reject),
        case("2 wrong, then right", Default, get(&[&wrong_line, &key_line]), Reject),
        case("2 right, then wrong", Default, get(&[&key_line, &wrong_line]), Pass),
        one("3 a list with the key last", &bytes(&[wrong, b", ", key]), Reject),
        one("3 a list of the key twice", &bytes(&[key, b",", key]), Reject),
        one("4 empty", b"", Reject),
        one("4 blank", b" \t ", Reject),
        case("4 empty, then right", Default, get(&[b"X-Metrics-Key:", &key_line]), Reject),
        one("5 white space around", &bytes(&[b" \t ", key, b"\t "]), Pass),
        one("6 no-break space before", &bytes(&[b"\xc2\xa0", key]), Reject),
        one("6 Latin-1 no-break space after", &bytes(&[key, b"\xa0"]), Reject),
        one("6 space inside", &bytes(&[&key[..9], b" ", &key[9..]]), Reject),
        one("6 tab inside", &bytes(&[&key[..9], b"\t", &key[9..]]), Reject),
        one("6 vertical tab after", &bytes(&[key, b"\x0b"]), BAD_REQUEST),
        case("7 folded line", Default, get(&[b"X-Metrics-Key:", &bytes(&[b" ", key])]), BAD_REQUEST),
        case("7 folded second line", Default, get(&[&wrong_line, &bytes(&[b"\t", key])]), BAD_REQUEST),
        case("7 space before the colon", Default, get(&[&bytes(&[b"X-Metrics-Key : ", key])]), BAD_REQUEST),
        one("7 NUL after", &bytes(&[key, b"\0"]), BAD_REQUEST),
        one("7 bare CR after", &bytes(&[key, b"\r "]), BAD_REQUEST),
        one("8 not UTF-8", b"\xff", Reject),
        one("8 not UTF-8 before the key", &bytes(&[b"\xff", key]), Reject),
        one("8 UTF-8 before the key", &bytes(&["\u{e9}".as_bytes(), key]), Reject),
        // Rocket drops lines that are not UTF-8 before the guard runs.
        case("9 not UTF-8, then right", Default, get(&[&not_utf8, &key_line]), Reject).but("rocket", Pass),
        case("9 not UTF-8 alone, and a right query", Query, with_query, Reject).but("rocket", Pass),
        one("10 64 KiB", &vec![b'k'; 65_536], Reject),
        one("10 the key and 64 KiB more", &bytes(&[key, &vec![b'k'; 65_536]]), Reject),
        // A guard that kept only the first bytes and trimmed them would accept this.
        one("10 the key, much white space, and more", &bytes(&[key, &[b' '; 400], b"junk"]), Reject),
        case("11 95 lines, all wrong", Default, many(&wrong_line), Reject),
        case("11 95 lines, the first right", Default, many(&key_line), Pass),
    ]
}

fn query() -> Vec<Case> {
    let one = |name, query: &str, expect| case(name, Query, get_query(query), expect);
    let symbols = percent_encoded(SYMBOLS);
    vec![
        one("12 right key", &format!("key={KEY}"), Pass),
        case("12 right key, with the query disabled", Stray, get_query(&format!("key={KEY}")), Reject),
        one("12 among others", &format!("a=1&key={KEY}&b"), Pass),
        one("12 encoded key", &format!("key={}", percent_encoded(KEY)), Pass),
        one("12 encoded name", &format!("%6Bey={KEY}"), Pass),
        one("13 wrong, then right", &format!("key={WRONG}&key={KEY}"), Reject),
        one("13 empty, then right", &format!("key=&key={KEY}"), Reject),
        one("13 no value, then right", &format!("key&key={KEY}"), Reject),
        one("13 right, then wrong", &format!("key={KEY}&key={WRONG}"), Pass),
        one("14 symbols encoded", &format!("key={symbols}"), Pass),
        one("14 plus as it is", &format!("key={}", symbols.replace("%2B", "+")), Reject),
        one("14 plus in lower-case hexadecimal", &format!("key={}", symbols.replace("%2B", "%2b")), Pass),
        one("15 bad escape, then right", &format!("key=%zz&key={KEY}"), Pass),
        one("15 right with a bad escape, then wrong", &format!("key={KEY}%zz&key={WRONG}"), Reject),
        one("15 bad and good escapes, then right", &format!("key=%35%zz&key={KEY}"), Pass),
        one("15 bad escape in the name", &format!("key%=1&key={KEY}"), Pass),
        one("16 percent at the end", &format!("key={KEY}%"), Reject),
        one("16 half an escape at the end", &format!("key={KEY}%4"), Reject),
        one("17 semicolon before", &format!("x=1;key={KEY}"), Reject),
        one("17 semicolon after", &format!("key={KEY};x=1"), Reject),
        one("17 semicolon and escape, then right", &format!("key=%35;x=1&key={KEY}"), Pass),
        // The core ignores this pair. A client that sends it has the key.
        one("17 semicolon in the key as it is", &format!("key={}", symbols.replace("%3B", ";")), Reject),
        one("17 semicolon pair, then right", &format!("x=1;key={WRONG}&key={KEY}"), Pass),
        one("18 no value", "key", Reject),
        one("18 empty value", "key=", Reject),
        case("18 upper-case name", Stray, get_query(&format!("KEY={KEY}")), Reject),
        case("18 bracketed name", Stray, get_query(&format!("key[]={KEY}")), Reject),
        case("18 longer name", Stray, get_query(&format!("keys={KEY}")), Reject),
        one("19 not UTF-8", "key=%ff", Reject),
        one("19 replacement character", "key=%EF%BF%BD", Reject),
        one("19 not UTF-8 before the key", &format!("key=%ff{KEY}"), Reject),
        one("20 NUL before", &format!("key=%00{KEY}"), Reject),
        one("20 NUL after", &format!("key={KEY}%00"), Reject),
        one("20 encoded twice", &format!("key={}", percent_encoded(&percent_encoded(KEY))), Reject),
        // Go would read "K#f". A client that conforms to RFC 3986 never sends a fragment.
        one("21 a fragment after", &format!("key={KEY}#f"), Pass),
        one("22 target over 64 KiB", &format!("key={}", "k".repeat(65_600)), Elsewhere(&[414])),
        one("22 target of a megabyte", &format!("key={}", "k".repeat(1_000_000)), Elsewhere(&[414, 431])),
        one("22 many pairs before", &format!("{}key={KEY}", "a&".repeat(20_000)), Pass),
        one("22 a value that is cut to the key at 1 KiB", &format!("a={}&key={KEY}junk", "b".repeat(985)), Reject),
        one("22 a value that ends there", &format!("a={}&key={KEY}", "b".repeat(984)), Pass),
        one("22 many escapes before", &format!("a={}&key={KEY}", "%41".repeat(300)), Pass),
        one("22 a long value", &format!("key={KEY}{}", "%41".repeat(10_000)), Reject),
    ]
}

fn scheme() -> Vec<Case> {
    let one = |name, value: &str, expect| case(name, Default, get(&[&authorization(value)]), expect);
    let basic_of = |name, credentials: &str, expect| case(name, Default, get(&[&basic(credentials)]), expect);
    let key_line = bearer(KEY);
    let encoded = basic_credentials(&format!("u:{KEY}"));
    // 34 bytes: the last group has two characters and two bits that must be zero, "==" after it.
    let unpadded = encoded.strip_suffix("==").unwrap();
    let noncanonical = encoded.replace("NQ==", "NR==");
    vec![
        one("23 Bearer", &format!("Bearer {KEY}"), Pass),
        one("23 bearer", &format!("bearer {KEY}"), Pass),
        one("23 BEARER", &format!("BEARER {KEY}"), Pass),
        one("23 wrong key", &format!("Bearer {WRONG}"), Reject),
        one("24 two spaces", &format!("Bearer  {KEY}"), Pass),
        one("24 a tab", &format!("Bearer\t{KEY}"), Reject),
        one("24 a space and a tab", &format!("Bearer \t{KEY}"), Reject),
        one("25 scheme alone", "Bearer", Reject),
        one("25 scheme and space", "Bearer ", Reject),
        one("25 no space", &format!("Bearer{KEY}"), Reject),
        one("25 a colon for the space", &format!("Bearer:{KEY}"), Reject),
        one("26 something after", &format!("Bearer {KEY} x"), Reject),
        one("26 a list", &format!("Bearer {KEY},{KEY}"), Reject),
        one("26 something far after", &format!("Bearer {KEY}{}junk", " ".repeat(800)), Reject),
        one("26 something right after, far away", &format!("Bearer{}{KEY}junk", " ".repeat(730)), Reject),
        one("26 quoted", &format!("Bearer \"{KEY}\""), Reject),
        one("26 as a parameter", &format!("Bearer token={KEY}"), Reject),
        case("27 two lines", Default, get(&[&key_line, &key_line]), Reject),
        case("27 two lines, one foreign", Default, get(&[&key_line, &authorization("Digest x")]), Reject),
        case("27 two lines, one empty", Default, get(&[&key_line, b"Authorization:"]), Reject),
        case("27 two lines, the first wrong", Default, get(&[&authorization("Bearer x"), &key_line]), Reject),
        basic_of("28 Basic", &format!("u:{KEY}"), Pass),
        one("28 basic", &format!("basic {encoded}"), Pass),
        basic_of("28 no user", &format!(":{KEY}"), Pass),
        basic_of("28 a long user", &format!("{}:{KEY}", "u".repeat(200)), Pass),
        basic_of("28 a user as long as a page", &format!("{}:{KEY}", "u".repeat(5_000)), Reject),
        basic_of("28 a password with colons", &format!("u:{SYMBOLS}"), Pass),
        basic_of("28 after the second colon", &format!("u:a:{KEY}"), Reject),
        basic_of("28 key as user", &format!("{KEY}:"), Reject),
        basic_of("28 key as user and password", &format!("{KEY}:{KEY}"), Pass),
        basic_of("29 no colon", KEY, Reject),
        basic_of("29 empty password", "u:", Reject),
        one("29 scheme alone", "Basic", Reject),
        one("29 not base64", &format!("Basic u:{KEY}"), Reject),
        one("29 a bad character", &format!("Basic {}", encoded.replacen('d', "!", 1)), Reject),
        one("29 URL-safe alphabet", "Basic dTp_-_8_", Reject),
        one("29 no padding", &format!("Basic {unpadded}"), Reject),
        one("29 too much padding", &format!("Basic {encoded}="), Reject),
        one("29 padding inside", &format!("Basic {}={}", &encoded[..8], &encoded[8..]), Reject),
        one("29 trailing bits", &format!("Basic {noncanonical}"), Reject),
        one("29 space inside", &format!("Basic {} {}", &encoded[..8], &encoded[8..]), Reject),
        one("29 one character", "Basic A", Reject),
        one("29 64 KiB", &format!("Basic {}", "A".repeat(65_536)), Reject),
        one("30 Token", &format!("Token {KEY}"), Reject),
        one("30 Digest", &format!("Digest {KEY}"), Reject),
        one("30 no scheme", KEY, Reject),
        one("30 no scheme, and no token", SYMBOLS, Reject),
        one("31 symbols", &format!("Bearer {SYMBOLS}"), Pass),
    ]
}

fn precedence() -> Vec<Case> {
    let (key, wrong) = (metrics_key(KEY), metrics_key(WRONG));
    let (key_bearer, wrong_bearer) = (bearer(KEY), bearer(WRONG));
    let with_query = |name, lines: &[&[u8]], query: &str, expect| {
        case(name, Query, request("GET", &format!("/metrics?key={query}"), lines), expect)
    };
    let cookie = format!("Cookie: key={KEY}; X-Metrics-Key={KEY}");
    let mut body = request("GET", "/metrics", &[format!("Content-Length: {}", KEY.len()).as_bytes()]);
    body.extend_from_slice(KEY.as_bytes());
    vec![
        case("32 wrong field, right Bearer", Default, get(&[&wrong, &key_bearer]), Reject),
        case("32 right field, wrong Bearer", Default, get(&[&wrong_bearer, &key]), Pass),
        // A value that is too long is not absent.
        case("32 long field, right Bearer", Default, get(&[&metrics_key("k".repeat(2000)), &key_bearer]), Reject),
        with_query("32 long Bearer, right query", &[&bearer("k".repeat(2000))], KEY, Reject),
        with_query("32 wrong field, right query", &[&wrong], KEY, Reject),
        with_query("32 right field, wrong query", &[&key], WRONG, Pass),
        with_query("32 wrong Bearer, right query", &[&wrong_bearer], KEY, Reject),
        with_query("33 empty field, right query", &[b"X-Metrics-Key:"], KEY, Pass),
        with_query("33 blank field, right query", &[b"X-Metrics-Key:   "], KEY, Pass),
        with_query("33 empty Authorization, right query", &[b"Authorization:"], KEY, Pass),
        case("33 empty field, right Bearer", Default, get(&[b"X-Metrics-Key:", &key_bearer]), Pass),
        with_query("34 Bearer without a key, right query", &[&authorization("Bearer ")], KEY, Reject),
        with_query("34 Bearer and a tab, right query", &[&authorization("Bearer\tx")], KEY, Reject),
        with_query("34 Basic of no base64, right query", &[&authorization("Basic !")], KEY, Reject),
        with_query("34 two Authorization lines, right query", &[&key_bearer, &key_bearer], KEY, Reject),
        with_query("34 foreign scheme, right query", &[&authorization("Negotiate abc=")], KEY, Pass),
        case("35 in a cookie", Stray, get(&[cookie.as_bytes()]), Reject),
        case("35 in a body", Stray, body, Reject),
        case("35 in the path", Stray, request("GET", &format!("/metrics/{KEY}"), &[]), Elsewhere(&[404])),
        case("35 in another field", Stray, get(&[format!("X-Api-Key: {KEY}").as_bytes()]), Reject),
        case("35 in Proxy-Authorization", Stray, get(&[&bytes(&[b"Proxy-", &key_bearer])]), Reject),
    ]
}

/// Cases about allowed clients. The tests connect from 127.0.0.1, without a certificate.
fn peers() -> Vec<Case> {
    let (key, wrong) = (metrics_key(KEY), metrics_key(WRONG));
    let claims: [&[u8]; 9] = [
        b"X-Forwarded-For: 10.0.0.1",
        b"X-Forwarded-For: 127.0.0.1, 10.0.0.1",
        b"X-Real-IP: 10.0.0.1",
        b"Forwarded: for=10.0.0.1",
        b"True-Client-IP: 10.0.0.1",
        b"Client-Cert: :MIIB:",
        b"X-Forwarded-Client-Cert: Subject=\"CN=prometheus\";DNS=prometheus.example;URI=spiffe://example.org/prometheus",
        b"X-SSL-Client-Verify: SUCCESS",
        b"X-SSL-Client-S-DN: CN=prometheus.example",
    ];
    let mut cases = vec![
        case("53 an allowed address, right key", Near, get(&[&key]), Pass),
        case("53 an allowed address, wrong key", Near, get(&[&wrong]), Reject),
        case("53 an allowed address, no key", Near, get(&[]), Reject),
        case(
            "52 an allowed address that claims to be another",
            Near,
            get(&[&key, b"X-Forwarded-For: 203.0.113.7"]),
            Pass,
        ),
    ];
    for (number, config) in [(55, Far), (56, Certified)] {
        let mut add = |name: &str, method: &str, lines: &[&[u8]]| {
            let name = format!("{number} {config:?}: {method} {name}");
            cases.push(case(name, config, request(method, "/metrics", lines), Forbid));
        };
        add("right key", "GET", &[&key]);
        add("wrong key", "GET", &[&wrong]);
        add("no key", "GET", &[]);
        add("malformed", "GET", &[b"Authorization: Basic !"]);
        add("right Bearer", "GET", &[&bearer(KEY)]);
        add("right key", "HEAD", &[&key]);
        for claim in claims {
            add(&format!("right key and {}", String::from_utf8_lossy(claim)), "GET", &[&key, claim]);
        }
        let post = case(format!("{number} {config:?}: POST"), config, request("POST", "/metrics", &[&key]), Forbid);
        cases.push(post.but_rocket_has_no_such_route());
        cases.push(case(format!("{number} {config:?}: another page"), config, request("GET", "/", &[]), OPEN));
    }
    cases
}

fn response() -> Vec<Case> {
    let key = metrics_key(KEY);
    let form = |lines: &[&[u8]]| {
        let mut lines = lines.to_vec();
        lines.extend([&b"Content-Type: application/x-www-form-urlencoded"[..], b"Content-Length: 11"]);
        bytes(&[&request("POST", "/metrics", &lines), b"_method=get"])
    };
    // main.rs checks 61 to 63 in every response.
    vec![
        case("64 HEAD without a key", Default, request("HEAD", "/metrics", &[]), Reject),
        case("64 HEAD with the key", Default, request("HEAD", "/metrics", &[&key]), Pass),
        // Rocket does not know this method.
        case("64 a method that does not exist", Default, request("SCRAPE", "/metrics", &[]), Reject)
            .but("rocket", BAD_REQUEST),
        case("65 POST that claims to be a GET", Default, form(&[]), Reject),
        // Rocket uses a form's `_method` as the method.
        case("65 the same with the key", Default, form(&[&key]), Elsewhere(&[405])).but("rocket", Pass),
    ]
}

fn framework() -> Vec<Case> {
    let targets = ["/metrics/", "//metrics", "/%6detrics", "/./metrics", "/metrics;a=1", "/metrics%2f", "/METRICS"];
    let mut cases = Vec::new();
    for target in targets {
        for (with, line, when_it_is_the_path) in [("without", None, Reject), ("with", Some(metrics_key(KEY)), Pass)] {
            let lines: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
            let name = format!("66 {target} {with} a key");
            let mut case = case(name, Default, request("GET", target, &lines), Elsewhere(&[404]));
            // Rocket decodes and normalizes paths before it compares them.
            if ["/metrics/", "//metrics", "/%6detrics"].contains(&target) {
                case = case.but("rocket", when_it_is_the_path);
            }
            // `warp::path!` accepts a slash at the end.
            if target == "/metrics/" {
                case = case.but("warp", when_it_is_the_path);
            }
            cases.push(case);
        }
    }
    for method in ["GET", "HEAD"] {
        for (target, expect) in [("/", OPEN), ("/fibonacci/10", OPEN), ("/fibonacci/300", Elsewhere(&[400, 404]))] {
            cases.push(case(format!("66 {method} {target}"), Default, request(method, target, &[]), expect));
        }
    }
    let absolute = |lines: &[&[u8]]| request("GET", "http://localhost/metrics", lines);
    cases.push(case("66 absolute form without a key", Default, absolute(&[]), Reject));
    cases.push(case("66 absolute form with the key", Default, absolute(&[&metrics_key(KEY)]), Pass));
    cases
}

/// Returns cases with every source, every kind of presented key and every method.
fn families() -> Vec<Case> {
    let (longer, upper) = (format!("{KEY}0"), KEY.to_ascii_uppercase());
    let variants: [(&str, &str); 8] = [
        ("right", KEY),
        ("the other", SYMBOLS),
        ("wrong", WRONG),
        ("a prefix", &KEY[..31]),
        ("a suffix", &KEY[1..]),
        ("longer", &longer),
        ("upper-case", &upper),
        ("empty", ""),
    ];
    let mut cases = Vec::new();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let is_served = ["GET", "HEAD"].contains(&method);
        let mut add = |name: String, config, target: &str, lines: &[Vec<u8>], passes: bool| {
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let expect = match (passes, is_served) {
                (true, true) => Pass,
                (true, false) => Elsewhere(&[405]),
                (false, _) => Reject,
            };
            let mut case = case(format!("{method} {name}"), config, request(method, target, &lines), expect);
            if !is_served {
                case = case.but_rocket_has_no_such_route();
            }
            cases.push(case);
        };
        for (kind, value) in variants {
            let passes = [KEY, SYMBOLS].contains(&value);
            let target = format!("/metrics?key={}", percent_encoded(value));
            add(format!("field {kind}"), Default, "/metrics", &[metrics_key(value)], passes);
            add(format!("Bearer {kind}"), Default, "/metrics", &[bearer(value)], passes);
            add(format!("Basic {kind}"), Default, "/metrics", &[basic(format!("u:{value}"))], passes);
            add(format!("query {kind}"), Query, &target, &[], passes);
        }
        let basic = basic(format!("u:{KEY}"));
        let twice = format!("/metrics?key={KEY}&key={KEY}");
        add("field repeated".into(), Default, "/metrics", &[metrics_key(KEY), metrics_key(KEY)], true);
        add("Bearer repeated".into(), Default, "/metrics", &[bearer(KEY), bearer(KEY)], false);
        add("Basic repeated".into(), Default, "/metrics", &[basic.clone(), basic.clone()], false);
        add("query repeated".into(), Query, &twice, &[], true);
        add("field padded".into(), Default, "/metrics", &[metrics_key(format!("\t{KEY} "))], true);
        add("Bearer padded".into(), Default, "/metrics", &[authorization(format!("  Bearer   {KEY}\t"))], true);
        add("Basic padded".into(), Default, "/metrics", &[bytes(&[&basic, b" \t"])], true);
        add("query padded".into(), Query, &format!("/metrics?key=+{KEY}+"), &[], false);
    }
    cases
}
