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

/// Rocket's response to a method that no route has, because each route has one method.
const NO_ROUTE: Expect = Elsewhere(&[404]);

/// The response of another route, which is public.
const OPEN: Expect = Elsewhere(&[200]);

/// Replaces `$K` by [`KEY`], `$B` by [`WRONG`], and `$S` by [`SYMBOLS`].
fn expanded(text: &str) -> String {
    text.replace("$K", KEY).replace("$B", WRONG).replace("$S", SYMBOLS)
}

/// Returns a request with these header lines, in Latin-1. The keys in them and in the target are [`expanded`].
fn ask(method: &str, target: &str, lines: &str) -> Vec<u8> {
    let bytes = |line: &str| expanded(line).chars().map(|char| u8::try_from(char).unwrap()).collect::<Vec<_>>();
    let lines: Vec<_> = lines.lines().map(bytes).collect();
    request(method, &expanded(target), &lines.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn get(lines: &str) -> Vec<u8> {
    ask("GET", "/metrics", lines)
}

fn get_query(query: &str) -> Vec<u8> {
    ask("GET", &format!("/metrics?{query}"), "")
}

pub(crate) fn basic_credentials(user_and_password: &str) -> String {
    Base64::encode_string(expanded(user_and_password).as_bytes())
}

pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

fn extraction() -> Vec<Case> {
    let one = |name, value: &str, expect| case(name, Default, get(&format!("X-Metrics-Key: {value}")), expect);
    // With the other two lines of the request, these are as many as actix-web reads.
    let lines = "X-Metrics-Key: $B\n".repeat(94);
    vec![
        one("1 right key", "$K", Pass),
        one("1 the other key", "$S", Pass),
        case("1 lower case", Default, get("x-metrics-key: $K"), Pass),
        case("1 upper case", Default, get("X-METRICS-KEY: $K"), Pass),
        case("1 no key", Default, get(""), Reject),
        case("1 the name that is not configured", Named, get("X-Metrics-Key: $K"), Reject),
        case("1 the name that is", Named, get("x-scrape-key: $K"), Pass),
        one("2 wrong key", "$B", Reject),
        case("2 wrong, then right", Default, get("X-Metrics-Key: $B\nX-Metrics-Key: $K"), Reject),
        case("2 right, then wrong", Default, get("X-Metrics-Key: $K\nX-Metrics-Key: $B"), Pass),
        one("3 a list with the key last", "$B, $K", Reject),
        one("3 a list of the key twice", "$K,$K", Reject),
        one("4 empty", "", Reject),
        one("4 blank", " \t ", Reject),
        case("4 empty, then right", Default, get("X-Metrics-Key:\nX-Metrics-Key: $K"), Reject),
        one("5 white space around", " \t $K\t ", Pass),
        one("6 no-break space before", "\u{c2}\u{a0}$K", Reject),
        one("6 Latin-1 no-break space after", "$K\u{a0}", Reject),
        one("6 space inside", &format!("{} {}", &KEY[..9], &KEY[9..]), Reject),
        one("6 tab inside", &format!("{}\t{}", &KEY[..9], &KEY[9..]), Reject),
        one("6 vertical tab after", "$K\x0b", BAD_REQUEST),
        case("7 folded line", Default, get("X-Metrics-Key:\n $K"), BAD_REQUEST),
        case("7 folded second line", Default, get("X-Metrics-Key: $B\n\t$K"), BAD_REQUEST),
        case("7 space before the colon", Default, get("X-Metrics-Key : $K"), BAD_REQUEST),
        one("7 NUL after", "$K\0", BAD_REQUEST),
        one("7 bare CR after", "$K\r ", BAD_REQUEST),
        one("8 not UTF-8", "\u{ff}", Reject),
        one("8 not UTF-8 before the key", "\u{ff}$K", Reject),
        one("8 UTF-8 before the key", "\u{c3}\u{a9}$K", Reject),
        // Rocket drops lines that are not UTF-8 before the guard runs.
        case("9 not UTF-8, then right", Default, get("X-Metrics-Key: \u{ff}\nX-Metrics-Key: $K"), Reject)
            .but("rocket", Pass),
        case(
            "9 not UTF-8 alone, and a right query",
            Query,
            ask("GET", "/metrics?key=$K", "X-Metrics-Key: \u{ff}"),
            Reject,
        )
        .but("rocket", Pass),
        one("10 64 KiB", &"k".repeat(65_536), Reject),
        one("10 the key and 64 KiB more", &format!("$K{}", "k".repeat(65_536)), Reject),
        // A guard that kept only the first bytes and trimmed them would accept this.
        one("10 the key, much white space, and more", &format!("$K{}junk", " ".repeat(400)), Reject),
        case("11 94 lines, all wrong", Default, get(&lines), Reject),
        case("11 94 lines, the first right", Default, get(&lines.replacen("$B", "$K", 1)), Pass),
    ]
}

fn query() -> Vec<Case> {
    let one = |name, query: &str, expect| case(name, Query, get_query(query), expect);
    let symbols = percent_encoded(SYMBOLS);
    vec![
        one("12 right key", "key=$K", Pass),
        case("12 right key, with the query disabled", Stray, get_query("key=$K"), Reject),
        one("12 among others", "a=1&key=$K&b", Pass),
        one("12 encoded key", &format!("key={}", percent_encoded(KEY)), Pass),
        one("12 encoded name", "%6Bey=$K", Pass),
        one("13 wrong, then right", "key=$B&key=$K", Reject),
        one("13 empty, then right", "key=&key=$K", Reject),
        one("13 no value, then right", "key&key=$K", Reject),
        one("13 right, then wrong", "key=$K&key=$B", Pass),
        one("14 symbols encoded", &format!("key={symbols}"), Pass),
        one("14 plus as it is", &format!("key={}", symbols.replace("%2B", "+")), Reject),
        one("14 plus in lower-case hexadecimal", &format!("key={}", symbols.replace("%2B", "%2b")), Pass),
        one("15 bad escape, then right", "key=%zz&key=$K", Pass),
        one("15 right with a bad escape, then wrong", "key=$K%zz&key=$B", Reject),
        one("15 bad and good escapes, then right", "key=%35%zz&key=$K", Pass),
        one("15 bad escape in the name", "key%=1&key=$K", Pass),
        one("16 percent at the end", "key=$K%", Reject),
        one("16 half an escape at the end", "key=$K%4", Reject),
        one("17 semicolon before", "x=1;key=$K", Reject),
        one("17 semicolon after", "key=$K;x=1", Reject),
        one("17 semicolon and escape, then right", "key=%35;x=1&key=$K", Pass),
        // The core ignores this pair. A client that sends it has the key.
        one("17 semicolon in the key as it is", &format!("key={}", symbols.replace("%3B", ";")), Reject),
        one("17 semicolon pair, then right", "x=1;key=$B&key=$K", Pass),
        one("18 no value", "key", Reject),
        one("18 empty value", "key=", Reject),
        case("18 upper-case name", Stray, get_query("KEY=$K"), Reject),
        case("18 bracketed name", Stray, get_query("key[]=$K"), Reject),
        case("18 longer name", Stray, get_query("keys=$K"), Reject),
        one("19 not UTF-8", "key=%ff", Reject),
        one("19 replacement character", "key=%EF%BF%BD", Reject),
        one("19 not UTF-8 before the key", "key=%ff$K", Reject),
        one("20 NUL before", "key=%00$K", Reject),
        one("20 NUL after", "key=$K%00", Reject),
        one("20 encoded twice", &format!("key={}", percent_encoded(&percent_encoded(KEY))), Reject),
        // Go would read "K#f". A client that conforms to RFC 3986 never sends a fragment.
        one("21 a fragment after", "key=$K#f", Pass),
        one("22 target over 64 KiB", &format!("key={}", "k".repeat(65_600)), Elsewhere(&[400, 414])),
        one("22 target of a megabyte", &format!("key={}", "k".repeat(1_000_000)), Elsewhere(&[414, 431])),
        one("22 many pairs before", &format!("{}key=$K", "a&".repeat(20_000)), Pass),
        one("22 a value that is cut to the key at 1 KiB", &format!("a={}&key=$Kjunk", "b".repeat(985)), Reject),
        one("22 a value that ends there", &format!("a={}&key=$K", "b".repeat(984)), Pass),
        one("22 many escapes before", &format!("a={}&key=$K", "%41".repeat(300)), Pass),
        one("22 a long value", &format!("key=$K{}", "%41".repeat(10_000)), Reject),
    ]
}

fn scheme() -> Vec<Case> {
    let one = |name, value: &str, expect| case(name, Default, get(&format!("Authorization: {value}")), expect);
    let basic = |name, credentials: &str, expect| {
        case(name, Default, get(&format!("Authorization: Basic {}", basic_credentials(credentials))), expect)
    };
    let encoded = basic_credentials("u:$K");
    // 34 bytes: the last group has two characters and two bits that must be zero, "==" after it.
    let unpadded = encoded.strip_suffix("==").unwrap();
    let noncanonical = encoded.replace("NQ==", "NR==");
    vec![
        one("23 Bearer", "Bearer $K", Pass),
        one("23 bearer", "bearer $K", Pass),
        one("23 BEARER", "BEARER $K", Pass),
        one("23 wrong key", "Bearer $B", Reject),
        one("24 two spaces", "Bearer  $K", Pass),
        one("24 a tab", "Bearer\t$K", Reject),
        one("24 a space and a tab", "Bearer \t$K", Reject),
        one("25 scheme alone", "Bearer", Reject),
        one("25 scheme and space", "Bearer ", Reject),
        one("25 no space", "Bearer$K", Reject),
        one("25 a colon for the space", "Bearer:$K", Reject),
        one("26 something after", "Bearer $K x", Reject),
        one("26 a list", "Bearer $K,$K", Reject),
        one("26 something far after", &format!("Bearer $K{}junk", " ".repeat(800)), Reject),
        one("26 something right after, far away", &format!("Bearer{}$Kjunk", " ".repeat(730)), Reject),
        one("26 quoted", "Bearer \"$K\"", Reject),
        one("26 as a parameter", "Bearer token=$K", Reject),
        case("27 two lines", Default, get("Authorization: Bearer $K\nAuthorization: Bearer $K"), Reject),
        case("27 two lines, one foreign", Default, get("Authorization: Bearer $K\nAuthorization: Digest x"), Reject),
        case("27 two lines, one empty", Default, get("Authorization: Bearer $K\nAuthorization:"), Reject),
        case(
            "27 two lines, the first wrong",
            Default,
            get("Authorization: Bearer x\nAuthorization: Bearer $K"),
            Reject,
        ),
        basic("28 Basic", "u:$K", Pass),
        one("28 basic", &format!("basic {encoded}"), Pass),
        basic("28 no user", ":$K", Pass),
        basic("28 a long user", &format!("{}:$K", "u".repeat(200)), Pass),
        basic("28 a user as long as a page", &format!("{}:$K", "u".repeat(5_000)), Reject),
        basic("28 a password with colons", "u:$S", Pass),
        basic("28 after the second colon", "u:a:$K", Reject),
        basic("28 key as user", "$K:", Reject),
        basic("28 key as user and password", "$K:$K", Pass),
        basic("29 no colon", "$K", Reject),
        basic("29 empty password", "u:", Reject),
        one("29 scheme alone", "Basic", Reject),
        one("29 not base64", "Basic u:$K", Reject),
        one("29 a bad character", &format!("Basic {}", encoded.replacen('d', "!", 1)), Reject),
        one("29 URL-safe alphabet", "Basic dTp_-_8_", Reject),
        one("29 no padding", &format!("Basic {unpadded}"), Reject),
        one("29 too much padding", &format!("Basic {encoded}="), Reject),
        one("29 padding inside", &format!("Basic {}={}", &encoded[..8], &encoded[8..]), Reject),
        one("29 trailing bits", &format!("Basic {noncanonical}"), Reject),
        one("29 space inside", &format!("Basic {} {}", &encoded[..8], &encoded[8..]), Reject),
        one("29 one character", "Basic A", Reject),
        one("29 64 KiB", &format!("Basic {}", "A".repeat(65_536)), Reject),
        one("30 Token", "Token $K", Reject),
        one("30 Digest", "Digest $K", Reject),
        one("30 no scheme", "$K", Reject),
        one("30 no scheme, and no token", "$S", Reject),
        one("31 symbols", "Bearer $S", Pass),
    ]
}

fn precedence() -> Vec<Case> {
    let with_query = |name, lines: &str, key: &str, expect| {
        case(name, Query, ask("GET", &format!("/metrics?key={key}"), lines), expect)
    };
    let long = "k".repeat(2000);
    let body = [get(&format!("Content-Length: {}", KEY.len())), KEY.into()].concat();
    vec![
        case("32 wrong field, right Bearer", Default, get("X-Metrics-Key: $B\nAuthorization: Bearer $K"), Reject),
        case("32 right field, wrong Bearer", Default, get("Authorization: Bearer $B\nX-Metrics-Key: $K"), Pass),
        // A value that is too long is not absent.
        case(
            "32 long field, right Bearer",
            Default,
            get(&format!("X-Metrics-Key: {long}\nAuthorization: Bearer $K")),
            Reject,
        ),
        with_query("32 long Bearer, right query", &format!("Authorization: Bearer {long}"), "$K", Reject),
        with_query("32 wrong field, right query", "X-Metrics-Key: $B", "$K", Reject),
        with_query("32 right field, wrong query", "X-Metrics-Key: $K", "$B", Pass),
        with_query("32 wrong Bearer, right query", "Authorization: Bearer $B", "$K", Reject),
        with_query("33 empty field, right query", "X-Metrics-Key:", "$K", Pass),
        with_query("33 blank field, right query", "X-Metrics-Key:   ", "$K", Pass),
        with_query("33 empty Authorization, right query", "Authorization:", "$K", Pass),
        case("33 empty field, right Bearer", Default, get("X-Metrics-Key:\nAuthorization: Bearer $K"), Pass),
        with_query("34 Bearer without a key, right query", "Authorization: Bearer ", "$K", Reject),
        with_query("34 Bearer and a tab, right query", "Authorization: Bearer\tx", "$K", Reject),
        with_query("34 Basic of no base64, right query", "Authorization: Basic !", "$K", Reject),
        with_query(
            "34 two Authorization lines, right query",
            "Authorization: Bearer $K\nAuthorization: Bearer $K",
            "$K",
            Reject,
        ),
        with_query("34 foreign scheme, right query", "Authorization: Negotiate abc=", "$K", Pass),
        case("35 in a cookie", Stray, get("Cookie: key=$K; X-Metrics-Key=$K"), Reject),
        case("35 in a body", Stray, body, Reject),
        case("35 in the path", Stray, ask("GET", "/metrics/$K", ""), Elsewhere(&[404])),
        case("35 in another field", Stray, get("X-Api-Key: $K"), Reject),
        case("35 in Proxy-Authorization", Stray, get("Proxy-Authorization: Bearer $K"), Reject),
    ]
}

/// Cases about allowed clients. The tests connect from 127.0.0.1, without a certificate.
fn peers() -> Vec<Case> {
    let claims = [
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-For: 127.0.0.1, 10.0.0.1",
        "X-Real-IP: 10.0.0.1",
        "Forwarded: for=10.0.0.1",
        "True-Client-IP: 10.0.0.1",
        "Client-Cert: :MIIB:",
        "X-Forwarded-Client-Cert: Subject=\"CN=prometheus\";DNS=prometheus.example;URI=spiffe://example.org/prometheus",
        "X-SSL-Client-Verify: SUCCESS",
        "X-SSL-Client-S-DN: CN=prometheus.example",
    ];
    let another = "X-Metrics-Key: $K\nX-Forwarded-For: 203.0.113.7";
    let mut cases = vec![
        case("53 an allowed address, right key", Near, get("X-Metrics-Key: $K"), Pass),
        case("53 an allowed address, wrong key", Near, get("X-Metrics-Key: $B"), Reject),
        case("53 an allowed address, no key", Near, get(""), Reject),
        case("52 an allowed address that claims to be another", Near, get(another), Pass),
    ];
    for (number, config) in [(55, Far), (56, Certified)] {
        let mut add = |method: &str, lines: &str| {
            let name = format!("{number} {config:?}: {method} {lines}");
            cases.push(case(name, config, ask(method, "/metrics", lines), Forbid));
        };
        add("GET", "X-Metrics-Key: $K");
        add("GET", "X-Metrics-Key: $B");
        add("GET", "");
        add("GET", "Authorization: Basic !");
        add("GET", "Authorization: Bearer $K");
        add("HEAD", "X-Metrics-Key: $K");
        for claim in claims {
            add("GET", &format!("X-Metrics-Key: $K\n{claim}"));
        }
        let post = ask("POST", "/metrics", "X-Metrics-Key: $K");
        cases.push(case(format!("{number} {config:?}: POST"), config, post, Forbid).but("rocket", NO_ROUTE));
        cases.push(case(format!("{number} {config:?}: another page"), config, ask("GET", "/", ""), OPEN));
    }
    cases
}

fn response() -> Vec<Case> {
    let form = |line: &str| {
        let lines = format!("{line}Content-Type: application/x-www-form-urlencoded\nContent-Length: 11");
        [ask("POST", "/metrics", &lines), b"_method=get".to_vec()].concat()
    };
    // main.rs checks 61 to 63 in every response.
    vec![
        case("64 HEAD without a key", Default, ask("HEAD", "/metrics", ""), Reject),
        case("64 HEAD with the key", Default, ask("HEAD", "/metrics", "X-Metrics-Key: $K"), Pass),
        // Rocket does not know this method.
        case("64 another method", Default, ask("SCRAPE", "/metrics", ""), Reject).but("rocket", BAD_REQUEST),
        case("65 POST that claims to be a GET", Default, form(""), Reject),
        // Rocket uses a form's `_method` as the method.
        case("65 the same with the key", Default, form("X-Metrics-Key: $K\n"), Elsewhere(&[405])).but("rocket", Pass),
    ]
}

fn framework() -> Vec<Case> {
    let targets = ["/metrics/", "//metrics", "/%6detrics", "/./metrics", "/metrics;a=1", "/metrics%2f", "/METRICS"];
    let mut cases = Vec::new();
    for target in targets {
        for (lines, when_it_is_the_path) in [("", Reject), ("X-Metrics-Key: $K", Pass)] {
            let name = format!("66 {target} {lines}");
            let mut case = case(name, Default, ask("GET", target, lines), Elsewhere(&[404]));
            // Rocket decodes and normalizes paths before it compares them.
            if ["/metrics/", "//metrics", "/%6detrics"].contains(&target) {
                case = case.but("rocket", when_it_is_the_path);
            }
            // actix-web decodes paths.
            if target == "/%6detrics" {
                case = case.but("actix", when_it_is_the_path);
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
            cases.push(case(format!("66 {method} {target}"), Default, ask(method, target, ""), expect));
        }
    }
    for (lines, expect) in [("", Reject), ("X-Metrics-Key: $K", Pass)] {
        let request = ask("GET", "http://localhost/metrics", lines);
        cases.push(case(format!("66 absolute form {lines}"), Default, request, expect));
    }
    cases
}

/// Returns cases with every source, every kind of presented key and every method.
fn families() -> Vec<Case> {
    let (longer, upper) = (format!("{KEY}0"), KEY.to_ascii_uppercase());
    let variants = [KEY, SYMBOLS, WRONG, &KEY[..31], &KEY[1..], &longer, &upper, ""];
    let mut cases = Vec::new();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let is_served = ["GET", "HEAD"].contains(&method);
        let mut add = |config, target: &str, lines: &str, passes: bool| {
            let expect = match (passes, is_served) {
                (true, true) => Pass,
                (true, false) => Elsewhere(&[405]),
                (false, _) => Reject,
            };
            let mut case = case(format!("{method} {target} {lines}"), config, ask(method, target, lines), expect);
            if !is_served {
                case = case.but("rocket", NO_ROUTE);
            }
            cases.push(case);
        };
        for value in variants {
            let passes = [KEY, SYMBOLS].contains(&value);
            let basic = basic_credentials(&format!("u:{value}"));
            add(Default, "/metrics", &format!("X-Metrics-Key: {value}"), passes);
            add(Default, "/metrics", &format!("Authorization: Bearer {value}"), passes);
            add(Default, "/metrics", &format!("Authorization: Basic {basic}"), passes);
            add(Query, &format!("/metrics?key={}", percent_encoded(value)), "", passes);
        }
        let basic = basic_credentials("u:$K");
        add(Default, "/metrics", "X-Metrics-Key: $K\nX-Metrics-Key: $K", true);
        add(Default, "/metrics", "Authorization: Bearer $K\nAuthorization: Bearer $K", false);
        add(Default, "/metrics", &format!("Authorization: Basic {basic}\nAuthorization: Basic {basic}"), false);
        add(Query, "/metrics?key=$K&key=$K", "", true);
        add(Default, "/metrics", "X-Metrics-Key: \t$K ", true);
        add(Default, "/metrics", "Authorization:   Bearer   $K\t", true);
        add(Default, "/metrics", &format!("Authorization: Basic {basic} \t"), true);
        add(Query, "/metrics?key=+$K+", "", false);
    }
    cases
}
