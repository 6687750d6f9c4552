//! Which values [`Key::new`] takes for keys.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::thread;

use metrics_guard_core::Key;

const HEX: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";
const BASE64: &str = "q9Zk/7yH2mVx0Lr4TtBw8sEc+Nd1JfUavK3oPiGh5bM=";
const ALPHANUMERIC_KEY: &str = "x7Kp2VqJ9LmZr4TtBw8sEcNd1Jf3avK6";
const UUID: &str = "0e8a6c4f-2d1b-4957-9c0f-8a7d6b5c4e3f";

fn problem(value: &str) -> Option<String> {
    let error = Key::new(value).err()?.to_string();
    assert!(!error.contains(value), "{error}");
    Some(error)
}

/// For values whose error contains `expected`.
fn assert_all(expected: &str, values: &[&str]) {
    let found = values.iter().map(|value| (value, problem(value)));
    let others: Vec<_> =
        found.filter(|(_, found)| !found.as_ref().is_some_and(|error| error.contains(expected))).collect();
    assert!(others.is_empty(), "not {expected:?}: {others:#?}");
}

/// For values that have more than one of these forms.
fn assert_rejected(values: impl IntoIterator<Item = impl AsRef<str>>) {
    let forms = ["published example", "template or reference", "the key is a path", "the value is "];
    let is_form = |error: &String| forms.iter().any(|form| error.contains(form));
    let found = values.into_iter().map(|value| (value.as_ref().to_owned(), problem(value.as_ref())));
    let others: Vec<_> = found.filter(|(_, found)| !found.as_ref().is_some_and(is_form)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn rejects_templates_and_references_by_their_form() {
    assert_all("template or reference", &["${METRICS_KEY}", "%METRICS_VERIFICATION_KEY%", "{{.Values.metricsKey}}"]);
    assert_rejected(TEMPLATES);
}

/// Each syntax, around `NAME`, with each of these names.
#[test]
fn rejects_templates_among_other_text() {
    let syntaxes = [
        "${NAME}",
        "$NAME",
        "%NAME%",
        "@NAME@",
        "__NAME__",
        "{NAME}",
        "{{NAME}}",
        "{{ .Values.NAME }}",
        "<NAME>",
        "<%= NAME %>",
        "#{NAME}",
        "%{NAME}",
        "%(NAME)s",
        "$(NAME)",
        "((NAME))",
        "[[NAME]]",
        "##NAME##",
        "~NAME~",
        "!NAME!",
        "$[NAME]",
        "@{NAME}",
        "{$NAME}",
        ":NAME",
        "${{ NAME }}",
        "%%NAME%%",
        "|NAME|",
        "${NAME:-default}",
        "{{NAME|lower}}",
        "*|NAME|*",
        "{%NAME%}",
        "$!{NAME}",
    ];
    for syntax in syntaxes {
        for [one, two] in [["stage", "region"], ["STAGE", "REGION_NAME"], ["stageName", "zone2"]] {
            let [one, two] = [one, two].map(|name| syntax.replace("NAME", name));
            assert_rejected(["-", ".", ":", "/"].map(|sign| format!("orders-{one}{sign}{two}")));
        }
    }
    assert_rejected([
        "$orders.$stage.$region",
        "orders-gateway-__env__",
        "{0}-{1}-{2}-{3}-{4}",
        "%1$s-%2$s-%3$s",
        "%24%7BMETRICS_KEY%7D",
        "%2524%257BMETRICS_KEY%257D",
        "&lt;metrics key&gt;",
    ]);
}

/// Names, addresses, dates and lists.
#[test]
fn rejects_values_that_are_not_secret() {
    assert_rejected([
        "10.0.0.0/8,192.168.0.0/16",
        "192.168.100.100:9090",
        "2001:db8:85a3:8d3:1319:8a2e:370:7334",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "prometheus.monitoring.svc.cluster.local",
        "the-quick-brown-fox-jumps-over-the-lazy-dog",
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2Q",
        "fe80::1ff:fe23:4567:890a",
        "[2001:db8::1]:9090",
        "00:1a:2b:3c:4d:5e",
        "2026-11-30T13:17:01Z",
        "20261130T131701Z",
        "1764508621000000000",
        "4929-1734-5678-9012",
        "cn=metrics,dc=example,dc=org",
        "v1.24.0-alpha.1+20261130",
        "true,true,true,true",
        "orders-gateway-prod",
        "AKIAIOSFODNN7EXAMPLE",
        "P@ssw0rd12345678",
        "s3cr3t-m3tr1cs-k3y",
        "ch4ng3m3-ch4ng3m3",
        "M3tr1csS3cr3tK3y",
        "1qaz@WSX3edc$RFV",
        "!QAZ2wsx#EDC4rfv",
        "zaq1xsw2cde3vfr4",
        "qwertyuiop[]asdf",
        // MD5, SHA-1 and SHA-256 of "password", SHA-256 of nothing in base64, bytes in a row, and a key with a line break.
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8",
        "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "NWYwYzFkOWU3YjNhNDI2OGExYzhlNmQyMDc0ZmI5MzUK",
        "6d792d7365637265742d6d6574726963732d6b6579",
        "v1.2.3-rc.4+build.5678",
        "2.0.0-SNAPSHOT-20240101",
        "text/plain;version=0.0.4",
        "192.168.0.1-192.168.0.254",
        "::ffff:192.168.100.100",
        "fe80::1%eth0/64,fe80::2",
        "2026-11-30T13:17:01+01:00",
        "CN=metrics,O=Example Org,C=DE",
        "ops-team+metrics@example.org",
        "null,null,null,null",
        "!@#$%^&*()_+1234567890",
        "poiuytrewqlkjhgfdsa",
        "zyxwvutsrqponmlkjihgfedcba",
        "n0t-s0-s3cr3t-k3y-v4lu3",
        "metrics-scrape-token-prod",
        "foo-bar-baz-foo-bar-baz",
    ]);
}

const TEMPLATES: &[&str] = &[
    // shells, compose, make, PowerShell, cmd
    "${METRICS_KEY}",
    "${METRICS_KEY:-default}",
    "${METRICS_KEY:?not set, sorry!}",
    "${METRICS_KEY-${OTHER}}",
    "$METRICS_VERIFICATION_KEY",
    "$(METRICS_SCRAPE_KEY)",
    "$(cat /run/secrets/metrics)",
    "`cat /run/secrets/metrics`",
    "$$METRICS_SCRAPE_KEY",
    "$HOME/keys/metrics_key",
    "$env:METRICS_SCRAPE_KEY",
    "${env:METRICS_SCRAPE_KEY}",
    "$ENV{METRICS_SCRAPE_KEY}",
    "%METRICS_VERIFICATION_KEY%",
    "%%METRICS_VERIFICATION_KEY%%",
    "!METRICS_VERIFICATION_KEY!",
    "$<METRICS_SCRAPE_KEY>",
    "$[variables.metricsKey]",
    "key-${METRICS_KEY}-of-${STAGE}",
    "$METRICS_KEY-production",
    "metrics-{stage}-{random}",
    "metrics-<stage>-<random>",
    "\\${METRICS_SCRAPE_KEY}",
    "${GRAFANA_AGENT_ID",
    "GRAFANA_AGENT_PROXY_ID",
    "metrics-team@example.com",
    "data:text/plain;base64,Zm9vYmFyMQ==",
    // Helm, Jinja, Go, ERB, Liquid, GitHub, Grafana, Caddy, and others
    "{{.Values.metricsKey}}",
    "{{ .Values.metricsKey | b64enc | quote }}",
    "{{ lookup('env', 'METRICS_KEY') }}",
    "{{- if .Values.key }}x{{- end }}",
    "{{ .One }}-{{ .Two }}",
    "{{{metricsKey}}}",
    "{% raw %}{{ key }}{% endraw %}",
    "{# the metrics key #}",
    "<%= ENV['METRICS_KEY'] %>",
    "<?= $metrics_key ?>",
    "[% metrics.secret_key %]",
    "${{ secrets.METRICS_KEY }}",
    "$__file{/etc/keys/MetricsKey}",
    "$__env{METRICS_SCRAPE_KEY}",
    "{$METRICS_SCRAPE_KEY}",
    "{env.METRICS_SCRAPE_KEY}",
    "{METRICS_SCRAPE_KEY}",
    "<your-metrics-key-here>",
    "<YOUR KEY OF 32 CHARACTERS>",
    "[your-metrics-key-here]",
    "[[metrics-scrape-key]]",
    "<<metrics-scrape-key>>",
    "(your metrics key here)",
    "((metrics-scrape-key))",
    "(( grab secrets.metrics_key ))",
    "%{METRICS_KEY_FROM_ENV}",
    "%(metrics_scrape_key)s",
    "#{METRICS_SCRAPE_KEY}",
    "#{METRICS_SCRAPE_KEY}#",
    "@{METRICS_SCRAPE_KEY}",
    "~{METRICS_SCRAPE_KEY}",
    "@metrics.scrape.key@",
    "@@METRICS_SCRAPE_KEY@@",
    "__METRICS_SCRAPE_KEY__",
    "--METRICS-SCRAPE-KEY--",
    "##METRICS_SCRAPE_KEY##",
    "|METRICS_SCRAPE_KEY|",
    "~METRICS_SCRAPE_KEY~",
    "%env(METRICS_SCRAPE_KEY)%",
    "[object Undefined]",
    // secret tools
    "op://vault/metrics/key",
    "op://My Vault/Metrics/API key",
    "vault:secret/data/metrics#key",
    "vault://secret/data/metrics#key",
    "ref+awsssm://metrics/key",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:metrics-AbCdEf",
    "arn:aws:ssm:eu-west-1:123456789012:parameter/metrics/key",
    "{{resolve:secretsmanager:metrics:SecretString:key}}",
    "ssm:/production/metrics/key",
    "ssm-secure:/production/key",
    "sm://project/metrics-key",
    "gcp:///projects/x/secrets/y",
    "@Microsoft.KeyVault(SecretUri=https://x.vault.azure.net/secrets/metrics/)",
    "@Microsoft.KeyVault(VaultName=x;SecretName=metrics)",
    "kv:metrics-scrape-key",
    "keyvault:metrics/key",
    "ENC[AES256_GCM,data:CwE4O1s=,iv:2k3=,tag:x==,type:str]",
    "ENC[PKCS7,MIIBiQYJKoZIhvcNAQcDoIIBejCCAXYCAQAxggEhMIIB]",
    "ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)",
    "secret://metrics/key",
    "{cipher}682bc583f4641835fa2db009355293665d2647dade3375c0ee201de2a49f7bda",
    "file:///run/secrets/metrics",
    "file:/run/secrets/metrics",
    "env:METRICS_SCRAPE_KEY",
    "env://METRICS_SCRAPE_KEY",
    "akeyless:/metrics/scrape-key",
    "doppler://metrics/key",
    "bws://0e8a6c4f-2d1b-3957-ec0f-8a7d6b5c4e3f",
    "awssm:metrics/scrape/key",
    "!var metrics/scrape/key",
    "!secret metrics_key",
    "!vault metrics_scrape_key",
    "$ANSIBLE_VAULT;1.1;AES256",
    "os.environ['METRICS_KEY']",
    "ENV[\"METRICS_KEY\"]",
    "getenv('METRICS_KEY')",
    "@/run/secrets/metrics_key",
    ".Values.metrics.scrapeKey",
    "*metrics-scrape-key",
    "https://vault.example/v1/secret/metrics?key=1",
    "HTTPS://VAULT.EXAMPLE/KEY",
    "postgres://user:pa55word@host/metrics",
    "module.orders_db.cluster_identifier",
    "data.aws_secretsmanager_secret_version.k.secret_string",
    // more of each
    "{{ .Env.METRICS_SCRAPE_KEY }}",
    "{{ with secret \"secret/metrics\" }}{{ .Data.key }}{{ end }}",
    "{{ op://vault/metrics/key }}",
    "${data.vault_generic_secret.metrics.data[\"key\"]}",
    "${file(\"${path.module}/key.txt\")}",
    "${opt:stage, 'dev'}-metrics",
    "$CREDENTIAL_PLACEHOLDER",
    "$((RANDOM))-$((RANDOM))",
    "$(openssl rand -hex 32)",
    "$(inputs.params.scrape-key)",
    "<(cat /run/secrets/metrics)",
    "!Ref MetricsScrapeKey",
    "!Sub \"${AWS::StackName}-key\"",
    "!Join [\"-\", [metrics, key]]",
    "{\"Ref\":\"MetricsScrapeKey\"}",
    "ref+vault://secret/metrics#/key",
    "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==",
    ">>vault:secret/data/metrics#key#1",
    "keeper://RECORD_UID/field/password",
    "secretKeyRef:metrics/key",
    "@Microsoft.AppConfiguration(Endpoint=https://x.azconfig.io; Key=metrics)",
    "<METRICS_SCRAPE_KEY:production>",
    "<path:secret/data/metrics#key>",
    "[(${metricsKey})]",
    "{http.vars.metrics_key}",
    "%{hiera('metrics::key')}",
    "%(ENV_METRICS_KEY)s",
    "#{ENV['METRICS_SCRAPE_KEY']}",
    "#[[${metrics.key}]]#",
    "===METRICS_SCRAPE_KEY===",
    "System.getenv(\"METRICS_KEY\")",
    "std::env::var(\"METRICS_KEY\")",
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "ENC[GPG,hQEMA7eV1kxlDpRtAQf/WZmnM0Dl2Yq1kq3xkP==]",
    "sops:ENC[AES256_GCM,data:p673w==,type:str]",
    "{aes}kPEvgkVn7bF4nVKg0zyLyA==",
    "jdbc:postgresql://localhost:5432/metrics",
    "git@github.com:acme/metrics-keys.git",
];

#[test]
fn rejects_words_of_placeholders_in_any_case_and_with_any_separators() {
    assert_rejected(PHRASES);
}

const PHRASES: &[&str] = &[
    "change_me_in_production",
    "CHANGE-ME-IN-PRODUCTION",
    "Change.Me.In.Production!",
    "changeMeInProduction",
    "changemeinproduction",
    "changeme1234567890",
    "changemechangeme",
    "please-change-this-key",
    "your-metrics-key-here",
    "YourSuperSecretKey123",
    "your_32_character_key_here",
    "my-super-secret-key",
    "some-super-secret-key",
    "thisisasecretkey",
    "insert-key-here-please",
    "INSERT_YOUR_KEY_HERE",
    "replace-me-with-a-real-key",
    "replace/me/With/A/Real/Key+1",
    "metrics-verification-key",
    "prometheus-metrics-secret",
    "acme-metrics-secret-key",
    "acme-scraper-token",
    "acmeScraperToken",
    "ACME_SCRAPER_TOKEN",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "YOUR_METRICS_KEY_GOES_HERE",
    "not-a-real-secret-key",
    "do-not-use-this-key",
    "TODO-generate-a-real-key",
    "passwordpassword",
    "Password12345678",
    "example-metrics-key",
    "test-metrics-key",
    "dummy_value_for_tests",
    "TODO_SET_THIS_KEY",
    "placeholder-placeholder",
    "secret-key-2024-01-01",
    "xxxx-your-key-xxxx",
    "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX",
    "process.env.METRICS_KEY",
    "vars.metrics.secret_key",
    "qwertyuiopasdfghjkl",
    "lorem-ipsum-dolor-sit-amet",
    "deadbeef-dead-beef-dead-beefdeadbeef",
    "openssl-rand-hex-32-output",
    "base64-encoded-secret-here",
    "managed-by-terraform",
    "populated-by-vault-agent",
    "injected-at-runtime",
    "will-be-overridden",
    // In base64: change-me in letters, digits in a row, and a word of a placeholder.
    "Y2hhbmdlbWVjaGFuZ2VtZWNoYW5nZW1l",
    "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=",
    "c3VwZXItc2VjcmV0LWtleQ==",
];

#[test]
fn rejects_simple_patterns() {
    assert_rejected(PATTERNS);
}

const PATTERNS: &[&str] = &[
    "00000000-0000-0000-0000-000000000000",
    "00000000-0000-0000-0000-000000000001",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "11111111-2222-3333-4444-555555555555",
    "12345678-1234-1234-1234-123456789012",
    "01234567-89ab-cdef-0123-456789abcdef",
    "0000000000000000000000000000000000000000",
    "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
    "0123456789abcdef0123456789abcdef",
    "0123456789ABCDEFGHIJKLMNOPQRSTUV",
    "fedcba9876543210fedcba9876543210",
    "1234567890123456",
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "00112233445566778899aabbccddeeff",
    "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6",
    "1a2b3c4d5e6f7g8h9i0j1k2l3m4n5o6p",
    "abcabcabcabcabcabcabcabcabcabcab",
    "hunter2hunter2hunter2",
    "k3x9q7w2m5z8r1tk3x9q7w2m5z8r1t",
    "7f3a7f3a7f3a7f3a7f3a7f3a7f3a7f3a",
    "7f3a9c-7f3a9c-7f3a9c-7f3a9c",
    "deadbeefdeadbeefdeadbeefdeadbeef",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "1qaz2wsx3edc4rfv5tgb6yhn",
    "qazwsxedcrfvtgbyhnujm",
    "31415926535897932384",
    "3.14159265358979323846",
    "2718281828459045235360",
    "1123581321345589144",
];

#[test]
fn rejects_paths_whether_or_not_a_file_is_there() {
    assert_all(
        "the key is a path",
        &["/run/k", "../keys/accepted_keys", "/etc/MyService/keys/metrics_verification_key"],
    );
    assert_rejected(PATHS);
}

const PATHS: &[&str] = &[
    "/etc/my-service/keys/accepted_keys",
    "/run/k",
    "./accepted_keys",
    "~/keys/metrics_key",
    "../keys/accepted_keys",
    "secret/data/metrics/key",
    "projects/x/secrets/y/versions/latest",
    "projects/my-project-123456/secrets/metrics-verification-key/versions/latest",
    "/etc/MyService/keys/metrics_verification_key",
    "/Users/operator/Library/Application Support/metrics/key",
    "C:\\ProgramData\\my-service\\metrics_key",
    "C:/ProgramData/my-service/metrics_key",
    "\\\\server\\share\\metrics_key",
    "registry.example.com/my-service:1.0",
    "appsettings.Production.json",
    "orders-gateway.pem",
    "/tmp/.tmpk16uUC/metrics_key",
    "/nix/store/0c3p9wx1mzq8y7rk2fzv5b6d4s1h8j9a-metrics/share/secret",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "/srv/app/releases/20241130131701/key",
    "%APPDATA%\\metrics\\key.txt",
    "$HOME/.config/metrics/key",
    "~operator/keys/metrics",
    "\\\\fileserver\\secrets\\metrics.key",
    "/run/user/1000/keys/metrics-key",
];

#[test]
fn rejects_keys_with_their_wrapping_and_names_it() {
    for key in [HEX, BASE64, UUID, ALPHANUMERIC_KEY, &BASE64[..32]] {
        for (what, values) in WRAPPINGS {
            assert_all(&format!("the value is {what};"), &[&values[0].replace("KEY", key)]);
            assert_rejected(values.iter().map(|value| value.replace("KEY", key)));
        }
    }
    // A key in base64 can begin with two such signs, and other keys can have such signs at their ends.
    for key in [HEX, UUID, &HEX.to_uppercase()] {
        let values = [
            "//KEY", "--KEY", "0xKEY", "0XKEY", "KEY.", "KEY...", "*KEY", "+KEY", "_KEY", "KEY_", "KEY=", "KEY//x",
            "/KEY", "KEY/", "KEY/KEY", "KEY.KEY", "KEY-KEY", "KEY_KEY",
        ];
        assert_rejected(values.map(|value| value.replace("KEY", key)));
    }
    let other = "Rw3Tq9ZkL7yH2mVx0pJ4BwUs8Ec6Nd1JfavK5oPiGhb";
    assert_rejected([
        format!("{}.{other}", &BASE64[..43].replace(['/', '+'], "_")),
        format!("{HEX}-{}", &UUID.replace('-', "")),
    ]);
    assert_rejected([HASHES, PUBLIC_KEYS, TEXTS_IN_BASE64].concat());
    assert_all("the value is a password hash;", &HASHES[..4]);
    assert_all("the value is a public key;", PUBLIC_KEYS);
    // With signs of every kind in the key.
    assert_all("the value is a key in quotes;", &["\"s+y%6Db&o=l;s:i/n?a#k\""]);
    assert_all(
        "the value is a key behind `NAME=`;",
        &["METRICS_KEY=s+y%6Db&o=l;s:i/n?a#k", "KEY=x7Kp-2Vq_9LmZr4TtBw8sEcNd1JfUavK3oPiGh5bM0Y"],
    );
}

/// Chance makes some passwords with signs contain so many letters and digits in a row, and some keys look like words.
#[test]
fn rejects_a_wrapping_of_few_signs_around_letters_and_digits() {
    let (mut numbers, mut key, mut accepted) = (Numbers(7), Vec::new(), Vec::new());
    for _ in 0..1_000 {
        numbers.of(ALPHANUMERIC, 24, &mut key);
        let key = std::str::from_utf8(&key).unwrap();
        let values = [
            "user:KEY",
            "admin:KEY",
            "{noop}KEY",
            "base64:KEY",
            "x=KEY&y=1",
            "?key=KEY",
            "KEY@host",
            "prometheus:KEY@",
            "token=KEY",
            ">KEY<",
            "}KEY{",
            "<KEY>",
        ];
        accepted
            .extend(values.map(|value| value.replace("KEY", key)).into_iter().filter(|value| Key::new(value).is_ok()));
    }
    assert!(accepted.len() <= 12, "{accepted:#?}");
}

/// No generator prints a key with these lengths and signs.
#[test]
fn rejects_more_characters_than_an_encoding_explains() {
    const URL_SAFE_KEY: &str = "q9Zk-7yH2mVx0Lr4TtBw8sEc_Nd1JfUavK3oPiGh5bM";
    for (key, values) in [
        (BASE64, &["/KEY", "KEY/", "KEY=", "0xKEY", "KEY.KEY"][..]),
        (ALPHANUMERIC_KEY, &["/KEY", "KEY/", "KEY="]),
        (URL_SAFE_KEY, &["/KEY", "KEY/", "secret/KEY", "KEY/metrics", "KEY.KEY", "ENC[base64url:KEY]"]),
        (&ALPHANUMERIC_KEY[..24], &["/KEY", "KEY/", "${KEY}", "$(KEY)", "ENC[base64url:KEY]", "ENC(KEY)"]),
    ] {
        assert!(Key::new(key).is_ok(), "{key}");
        assert_rejected(values.iter().map(|value| value.replace("KEY", key)));
    }
}

/// With `KEY` for the key.
const WRAPPINGS: &[(&str, &[&str])] = &[
    (
        "a key in quotes",
        &[
            "\"KEY\"",
            "\"KEY\"%0A",
            "\"KEY\"#old",
            "=\"KEY\"",
            "r#\"KEY\"#",
            "x'KEY'",
            "Ok(\"KEY\")",
            "&quot;KEY&quot;",
            "\\u0022KEY\\u0022",
            "'KEY'",
            "`KEY`",
            "“KEY”",
            "„KEY“",
            "«KEY»",
            "\"KEY",
            "KEY'",
            "b'KEY'",
            "\\\"KEY\\\"",
            "\"KEY\",",
            "Secret(\"KEY\")",
            "let key = \"KEY\";",
            "'key' => 'KEY',",
            "-H \"X-Metrics-Key: KEY\"",
            "%22KEY%22",
            "&#34;KEY&#34;",
        ],
    ),
    (
        "a key in JSON",
        &[
            "{\"key\":\"KEY\"}",
            "{ \"key\": \"KEY\" }",
            "[\"KEY\"]",
            "{'key': 'KEY'}",
            "{\"a\":1,\"data\":{\"key\":\"KEY\"}}",
            "{\n  \"key\": \"KEY\"\n}",
            "{\"metrics\":{\"keys\":[\"KEY\",\"KEY\"]}}",
            "%7B%22key%22%3A%22KEY%22%7D",
        ],
    ),
    ("a key in XML", &["<key>KEY</key>", "<![CDATA[KEY]]>", "&lt;KEY&gt;", "<add name=\"key\" value=\"KEY\"/>"]),
    ("a key in brackets", &["[KEY]", "(KEY)", "<KEY>", "{KEY}"]),
    (
        "a key behind `NAME=`",
        &[
            "metrics=KEY",
            "NAME%3DKEY",
            "METRICS_VERIFICATION_VALUE=KEY",
            "export NAME=KEY",
            "NAME = KEY",
            "k=KEY",
            "NAME?=KEY",
            "--metrics-name=KEY",
            "--metrics-name=KEY",
            "docker run -e NAME=KEY",
            "NAME=\"KEY\"",
            "/metrics?key=KEY",
            "metrics_name='KEY'",
            "key := KEY",
            "-DmetricsKey=KEY",
            "SCRAPE_KEY?=KEY",
            "https://host/metrics?key=KEY",
            "Endpoint=https://x/;SharedAccessKey=KEY",
            "SHA2-256(stdin)= KEY",
            "sv=2021-08-06&sig=KEY",
        ],
    ),
    (
        "a key behind `NAME:`",
        &[
            "prometheus:KEY",
            "prometheus%3AKEY",
            "metricsKey: KEY",
            "\"name\": \"KEY\",",
            "X-Metrics-Name: KEY",
            "X-Metrics-Name:KEY",
            "Authorization: Bearer KEY",
            "Authorization:KEY",
            "key: 'KEY'",
            "- key: KEY",
            "{noop}KEY",
            "http://prometheus:KEY@localhost:9090/metrics",
            "key: |\n  KEY",
            "//host/:_authToken=KEY",
        ],
    ),
    ("a key behind an authentication scheme", &["Bearer KEY", "Bearer%20KEY", "bearer KEY", "Basic KEY", "Token KEY"]),
    (
        "a key with other characters around it",
        &[
            "KEY@host",
            "KEY%0A",
            "KEY%20",
            "KEY&format=text",
            "KEY#old",
            "**KEY**",
            "%KEY%",
            "user@KEY",
            "prometheus/KEY",
            "KEY,KEY",
            "KEY; KEY",
            "KEY,",
            "KEY;",
            "KEY\\n",
            "KEY\\r\\n",
            "KEY\\t",
            "KEY:",
            "KEY::",
            ":KEY",
            "KEY:user",
            "1:KEY",
            "KEY:KEY",
            "KEY?",
            "KEY)",
            "[KEY",
            "KEY}",
            "=KEY",
            "\\nKEY",
            "(stdin)=KEY",
            "key->KEY",
            "1|KEY",
            "KEY|KEY",
            "KEY:9090",
            "KEY/metrics",
            "metrics KEY",
            "%w[KEY]",
            "[key](KEY)",
            "KEY *metrics.key",
            "KEY&nbsp;",
            "KEY%0D%0A",
            "KEY<br>",
            "The key is KEY.",
        ],
    ),
    (
        "a key behind a comment sign",
        &[
            "#KEY",
            "# KEY",
            ";KEY",
            "; KEY",
            "// KEY",
            "-- KEY",
            "/* KEY */",
            "<!-- KEY -->",
            "KEY # old",
            "##KEY",
            "#NAME=KEY",
        ],
    ),
];

const HASHES: &[&str] = &[
    "$2y$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
    "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG",
    "$6$rounds=5000$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwn",
    "$apr1$hfT7jp2q$wJ3F0tjX1uxLmH7qB3y0T1",
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC",
    "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
    "{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3",
    "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG",
    "sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    "sha256-K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
    "sha512$5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    "pbkdf2_sha256$600000$8QxTMbCZSlJ4$Q1zT0J1pQ8zYb3kqD0yX5u8nV2cR7wLm9fGh3sKj6tE=",
    "pbkdf2:sha256:260000$ab12CD34$5e884898da28047151d0e56f8dc6292773603d0d",
    "scrypt:32768:8:1$ab12CD34$5e884898da28047151d0e56f8dc6292773603d0d",
    "SCRAM-SHA-256$4096:c2FsdHNhbHQ=$Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OQ==:c2VydmVya2V5MTIzNDU2Nzg5MA==",
    "md55f4dcc3b5aa765d61d8327deb882cf9a",
    "*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29",
    "prometheus:$2y$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
    "prometheus:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
];

const PUBLIC_KEYS: &[&str] = &[
    "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
];

/// `prometheus:<key>`, `{"key":"<key>"}`, `${METRICS_SCRAPE_KEY}` and `/run/secrets/metrics`.
const TEXTS_IN_BASE64: &[&str] = &[
    "cHJvbWV0aGV1czo1ZjBjMWQ5ZTdiM2E0MjY4YTFjOGU2ZDIwNzRmYjkzNQ==",
    "eyJrZXkiOiI1ZjBjMWQ5ZTdiM2E0MjY4YTFjOGU2ZDIwNzRmYjkzNSJ9",
    "JHtNRVRSSUNTX1NDUkFQRV9LRVl9",
    "L3J1bi9zZWNyZXRzL21ldHJpY3M=",
    // `METRICS_KEY=secret-key`, `https://vault.example/key` and `-----BEGIN PRIVATE KEY-----`.
    "TUVUUklDU19LRVk9c2VjcmV0LWtleQ==",
    "aHR0cHM6Ly92YXVsdC5leGFtcGxlL2tleQ==",
    "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t",
];

#[test]
fn ends_on_any_value() {
    for len in [16, 255, 1024, 100_000] {
        for pattern in ["a:", "# ", "{{", "\"", "${", "k=\"", "a", "key", "//", "b'", "e\u{301}", "“"] {
            let value: String = pattern.chars().cycle().take(len).collect();
            assert!(Key::new(value).is_err(), "{pattern} {len}");
        }
    }
    assert!(Key::new([0xff; 32]).unwrap_err().to_string().contains("not visible ASCII"));
}

#[test]
fn any_signs_in_any_order_are_judged_without_a_panic() {
    let signs: Vec<char> = "{}()[]<>$#%@~!&*|`'\"“é€=:;,./\\?+-_ \nkK1".chars().collect();
    let (mut numbers, mut places) = (Numbers(5), Vec::new());
    for number in 0..50_000 {
        numbers.of(&(0..u8::try_from(signs.len()).unwrap()).collect::<Vec<_>>(), 1 + number % 30, &mut places);
        let value: String = places.iter().map(|place| signs[usize::from(*place)]).collect();
        drop(Key::new(value));
    }
}

/// The numbers of `SplitMix64`, the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn of(&mut self, alphabet: &[u8], len: usize, key: &mut Vec<u8>) {
        key.clear();
        while key.len() < len {
            let number = self.next();
            let parts = number.to_le_bytes();
            key.extend(
                parts
                    .chunks_exact(2)
                    .map(|part| alphabet[usize::from(u16::from_le_bytes([part[0], part[1]])) % alphabet.len()]),
            );
        }
        key.truncate(len);
    }
}

const HEX_DIGITS: &[u8] = b"0123456789abcdef";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const STANDARD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The key with this number, of the kind that the number chooses.
fn random_key(number: u64, numbers: &mut Numbers, key: &mut Vec<u8>) {
    match number % 12 {
        0 => numbers.of(HEX_DIGITS, 64, key), // openssl rand -hex 32
        1 => numbers.of(HEX_DIGITS, 32, key), // openssl rand -hex 16, and a UUID without dashes
        2 | 3 => {
            // openssl rand -base64 32
            numbers.of(STANDARD, 43, key);
            key.push(b'=');
        }
        4 => numbers.of(STANDARD, 32, key), // openssl rand -base64 24
        5 => numbers.of(STANDARD, 64, key), // openssl rand -base64 48
        6 => numbers.of(URL_SAFE, 43, key), // Python's secrets.token_urlsafe()
        7 | 8 => {
            // a UUID of version 4
            numbers.of(HEX_DIGITS, 36, key);
            key[14] = b'4';
            key[19] = HEX_DIGITS[8 + usize::from(key[19] % 4)];
            for dash in [8, 13, 18, 23] {
                key[dash] = b'-';
            }
        }
        _ => {
            let len = 24 + usize::try_from(number / 12 % 41).unwrap();
            numbers.of(ALPHANUMERIC, len, key);
        }
    }
}

#[test]
fn accepts_a_million_random_keys() {
    const THREADS: u64 = 4;
    let accept_a_part = |seed: u64| {
        let (mut numbers, mut key) = (Numbers(seed), Vec::new());
        for number in 0..1_000_000 / THREADS {
            random_key(number, &mut numbers, &mut key);
            assert!(Key::new(&key).is_ok(), "{}", key.escape_ascii());
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|seed| drop(scope.spawn(move || accept_a_part(seed)))));
}

/// With padding and without, and in the form of `BitConverter.ToString`.
#[test]
fn accepts_random_bytes_of_any_length_in_any_encoding() {
    const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut numbers, mut key, mut rejected) = (Numbers(6), Vec::new(), Vec::new());
    for number in 0..50_000_usize {
        let len = 16 + number % 51;
        let mut judge = |key: &[u8]| rejected.extend(Key::new(key).is_err().then(|| key.escape_ascii().to_string()));
        for alphabet in [STANDARD, URL_SAFE] {
            numbers.of(alphabet, (len * 4).div_ceil(3), &mut key);
            judge(&key);
            key.resize(len.div_ceil(3) * 4, b'=');
            judge(&key);
        }
        if number < 1_000 {
            numbers.of(BASE32, (len * 8).div_ceil(5), &mut key);
            key.resize(len.div_ceil(5) * 8, b'=');
            judge(&key);
            numbers.of(b"0123456789ABCDEF", len * 2, &mut key);
            judge(&key.chunks(2).collect::<Vec<_>>().join(&b'-'));
        }
    }
    // By chance, one has the form of a path.
    assert!(rejected.len() < 2, "{rejected:#?}");
}

/// Of passwords with signs, some look like another thing by chance: fewer than one of 2,000.
#[test]
fn accepts_random_passwords_with_signs() {
    let visible: Vec<u8> = (b'!'..=b'~').collect(); // KeePass, and `pwgen -sy`
    let terraform = [ALPHANUMERIC, b"!@#$%&*()-_=+[]{}<>:?"].concat(); // `random_password`
    let rejected_of = |alphabet: &[u8], len| {
        let (mut numbers, mut key) = (Numbers(4), Vec::new());
        let is_rejected = |_: &u32| {
            numbers.of(alphabet, len, &mut key);
            Key::new(&key).is_err()
        };
        (0..100_000).filter(is_rejected).count()
    };
    let rejected_of = &rejected_of;
    thread::scope(|scope| {
        for (alphabet, len) in
            [&*terraform, &visible].iter().flat_map(|alphabet| [24, 32, 64].map(|len| (*alphabet, len)))
        {
            scope.spawn(move || {
                let rejected = rejected_of(alphabet, len);
                assert!(rejected <= 50, "{rejected} of {len} characters");
            });
        }
    });
}

#[test]
fn accepts_passphrases_and_keys_that_look_odd() {
    for key in [
        "s+y%6Db&o=l;s:i/n?a#k\"e,y'<>{}\\|^`~",
        "vocalist-ferment-ambiguity-sternum-mumbling-unsold",
        "lamp.ocean.violin.marble",
        "3f:a2:c4:7e:90:1b:d8:55:6e:2f:aa:03:c9:47:e1:7b",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "another-key-of-32-characters-too",
        "OCEAN_VIOLIN_LAMP_MARBLE",
        "ocean-violin-lamp-marble-tundra",
        "oceanViolinLampMarble",
        "violin3.lamp_ocean5,marble",
        "falcon6!jungle6,harbor_umpire",
        "timber3eagle_dragon-jungle",
        "ocean-violin-lamp-marble-tundra!",
        "Kaqqoc-cotcox-kotdi9",
        "2O85-WGDJ-ISIC-NTJ8",
        "LUTMM-P0MCP-ARLD2",
        "thoohah4aenaLoopeish",
        "-tt8Q~XOljEAJNb6_BgAsZHUX8y_R3hw-tD1HDKc",
        "glpat-x7Kp2VqJ9LmZr4TtBw8s",
        "ghp_x7Kp2VqJ9LmZr4TtBw8sEcNd1Jf3avK6abcd",
        "#8fK2pQ9xLm4Vt7ZrB1nW6yHc3JdG5sE!",
        "$4kT9wXz2QmL7vRb8NcJ5hYp6FsD3gUe?",
        "%3Za8LkQ5wN1xVt7Rb9McJ4hYp6FsD2gU-",
        "00718264935017284659301827465930",
        "UdkrZVEmQJb$PoTq",
        "$gpS2iHJKnm4Fn8S$47b",
        "{WYr3K55}4s6DDfrwF*O",
        "Unwritten-Trapdoor7-Shrink-Pulp",
        "velvet.orbit.canyon.marsh",
        "hyxwaz-9Cenme-vafqyw",
        "whsec_x7Kp2VqJ9LmZr4TtBw8sEcNd1Jf3avK6",
        "github_pat_11ABX7KQ20Zq9LmZr4TtBw_8sEcNd1Jf3avK6yWq5oPiGh5bM0YrTzL1",
        "wK7x/QpR2mVx0Lr4TtBw8sEcNd1JfUavK3oPiGh5",
        "xoxb-271828459045-314159265358-x7Kp2VqJ9LmZr4TtBw8sEcNd",
        "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",
        "dop_v1_5f0c1d9e7b3a4268a1c8e6d2074fb9355f0c1d9e7b3a4268a1c8e6d2074fb9a5",
        "npm_x7Kp2VqJ9LmZr4TtBw8sEcNd1Jf3avK6yWq5",
        "hvs.CAESIJ7Kp2VqJ9LmZr4TtBw8sEcNd1Jf3avK6yWq5oPiGh5bM",
        "crystal-onion-94-vivid-harbor",
        "tiger$Quilt7Lamp!harbor",
        "bV9#kQ2!mZ7@wR4%",
        "3q8zv2m6k1x9w4t7",
        "PZXQKWMVTRBNHJLD",
        "01HF7YAT31JZECVXQ5BBGKKQ3S",
        "E-5f0c1d9e7b3a4268a1c8e6d2074fb935",
        "x7Kp2VqJ/9LmZr4Tt+Bw8sEcNd==",
        // A name with digits is a part of the key.
        "metrics-5f0c1d9e7b3a4268a1c8e6d2074fb935",
        "5f0c1d9e7b3a4268a1c8e6d2074fb935_2024",
        // A key in hexadecimal digits, once more in base64.
        "NWYwYzFkOWU3YjNhNDI2OGExYzhlNmQyMDc0ZmI5MzU=",
    ] {
        assert!(Key::new(key).is_ok(), "{key}: {:?}", problem(key));
    }
}
