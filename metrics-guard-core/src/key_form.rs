//! Judges the form of a configured key: whether it is a template, a reference, a path, or a key with its wrapping.
//!
//! The rules describe forms, so that they cover tools that they do not name. What a key generator prints has none of these
//! forms: hexadecimal digits, base64, base64url, UUIDs, letters and digits. A test tries a million such keys.

use crate::{key_guess::is_guessable, shown::is_path, slots::MIN_LEN};

/// What a value is that should be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A published example, words of a placeholder, or a simple pattern.
    Guessable,
    /// A template or a reference that nothing has replaced by a key.
    Template,
    /// The path of a file.
    Path,
    /// A key and something around it, as this text says.
    Wrapped(&'static str),
}

const BRACKETS: &str = "a key in brackets";
const COMMENT: &str = "a key behind a comment sign";
const HASH: &str = "a password hash";
const JSON: &str = "a key in JSON";
const NAMED: &str = "a key behind `NAME=`";
const QUOTES: &str = "a key in quotes";
const SCHEME: &str = "a key behind an authentication scheme";
const TRAILER: &str = "a key with punctuation behind it";
const USER: &str = "a key behind `NAME:`";
const XML: &str = "a key in XML";

/// The form of `value`, if it is not that of a key. White space around it does not count.
pub(crate) fn form(value: &[u8]) -> Option<Form> {
    /// Longer values are documents. This also bounds the recursion of the rules.
    const MAX_LEN: usize = 1024;
    let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= MAX_LEN)?.trim();
    let found = if value.bytes().all(is_key_byte) { plain(value) } else { syntax(value) };
    found.or_else(|| is_guessable(value).then_some(Form::Guessable))
}

/// As [`syntax`], for values of key bytes alone, which have few of its forms. Most keys are such values.
fn plain(value: &str) -> Option<Form> {
    let is_candidate = ["-", "_", ".", "//", "sha", "md5"].iter().any(|beginning| value.starts_with(beginning))
        || value.trim_end_matches('=').contains('=');
    if is_candidate {
        syntax(value)
    } else {
        (value.contains('/') && (is_path(value) || is_path_of_names(value))).then_some(Form::Path)
    }
}

fn syntax(value: &str) -> Option<Form> {
    let wrapped = || {
        let found = hash(value).or_else(|| quotes(value)).or_else(|| comment(value));
        found.or_else(|| scheme(value)).or_else(|| trailer(value)).map(Form::Wrapped)
    };
    if is_path(value) {
        Some(Form::Path)
    } else if let Some(what) = document(value).or_else(|| brackets(value)) {
        Some(Form::Wrapped(what))
    } else if is_template(value) {
        Some(Form::Template)
    } else if is_path_of_names(value) {
        Some(Form::Path)
    } else {
        wrapped().or_else(|| assigned(value))
    }
}

/// `/etc/MyService/metrics_verification_key` and `C:\keys\metrics_key`: a path whose segments are names, however long. An
/// absolute one may have another segment, as in `/tmp/.tmpk16uUC/metrics_key`.
fn is_path_of_names(value: &str) -> bool {
    const MIN_NAMES_LEN: usize = 12;
    let has_drive = matches!(value.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic());
    let is_segment = |byte: u8| byte.is_ascii_alphanumeric() || b"/\\._:#@ -".contains(&byte);
    // With one of these in front of the first `/`, it is a reference or an assignment.
    let is_path = value.split_once('/').is_some_and(|(first, _)| !first.contains([':', '#', '@', ' ']));
    if !(is_path || has_drive || value.starts_with("\\\\")) || !value.bytes().all(is_segment) {
        return false;
    }
    let is_almost = || {
        let (names, others): (Vec<_>, Vec<_>) = value[1..].split('/').partition(|segment| is_names(segment));
        others.len() == 1 && names.iter().map(|name| name.len()).sum::<usize>() >= MIN_NAMES_LEN
    };
    is_names(value) || value.starts_with('/') && is_almost()
}

fn is_template(value: &str) -> bool {
    let is_tag = value.strip_prefix('!').is_some_and(|tag| tag.contains(' ') && is_names(tag));
    let is_command = value
        .strip_prefix('`')
        .and_then(|value| value.strip_suffix('`'))
        .is_some_and(|command| command.bytes().all(is_tame) && !looks_random(command));
    is_tag
        || is_command
        || is_url(value)
        || is_bracketed(value)
        || is_delimited(value)
        || is_marked(value)
        || is_call(value)
        || is_mixed(value)
}

/// `scheme://..`
fn is_url(value: &str) -> bool {
    let is_scheme = |scheme: &str| {
        let rest = |byte: u8| byte.is_ascii_digit() || b"+-.".contains(&byte);
        let is_lower = scheme.bytes().all(|byte| byte.is_ascii_lowercase() || rest(byte));
        let is_upper = scheme.bytes().all(|byte| byte.is_ascii_uppercase() || rest(byte));
        scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && (is_lower || is_upper)
    };
    value.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
}

fn closing(open: u8) -> Option<u8> {
    match open {
        b'{' => Some(b'}'),
        b'[' => Some(b']'),
        b'(' => Some(b')'),
        b'<' => Some(b'>'),
        _ => None,
    }
}

/// Signs that open and close, around anything: `${X:-default}`, `$(command)`, `{{ .X }}`, `<% X %>`. Or one bracket, with
/// or without a sign in front, around what references consist of: `<your-key-here>`, `#{X}`, `%(X)s`, `{$X}`.
fn is_bracketed(value: &str) -> bool {
    const AROUND: [(&str, &str); 9] = [
        ("${", "}"),
        ("$(", ")"),
        ("{{", "}}"),
        ("{%", "%}"),
        ("{#", "#}"),
        ("<%", "%>"),
        ("<?", "?>"),
        ("[[", "]]"),
        ("[%", "%]"),
    ];
    let value = value.strip_suffix(")s").map_or(value, |_| &value[..value.len() - 1]);
    let value = if value.starts_with("#{") { value.trim_end_matches('#') } else { value };
    let inner = value.trim_start_matches(['$', '#', '%', '@', '~']);
    let is_inner = |byte: u8| is_tame(byte) || b"$'\"".contains(&byte);
    let is_in_brackets = |value: &str| {
        let [first, inner @ .., last] = value.as_bytes() else { return false };
        closing(*first) == Some(*last) && inner.iter().copied().all(is_inner)
    };
    AROUND.iter().any(|(open, close)| value.starts_with(open) && value.ends_with(close))
        || is_in_brackets(inner)
        || inner.starts_with(['(', '<']) && is_in_brackets(&inner[1..inner.len().max(2) - 1])
}

/// Names between the same signs: `%X%`, `@X@`, `__X__`, `##X##`.
fn is_delimited(value: &str) -> bool {
    let Some(sign) = value.chars().next().filter(char::is_ascii_punctuation) else { return false };
    let inner = value.trim_matches(sign);
    let signs = value.len() - inner.len();
    // `-`, `_`, `/` and `+` are in the alphabets of base64, so that one of them on each side means nothing.
    let least = if "-_/+=".contains(sign) { 4 } else { 2 };
    !"\"'`".contains(sign) && value.ends_with(sign) && signs >= least && is_names(inner)
}

/// Names behind a sign that asks for their value: `$X`, `@file`, `.Values.x`, `*alias`.
fn is_marked(value: &str) -> bool {
    let names = value.trim_start_matches(['$', '@', '*', '&', '%', ':', '.']);
    names.len() < value.len() && is_names(names)
}

/// A function with its argument: `ENC[..]`, `env(X)`, `@Microsoft.KeyVault(..)`, `$__file{..}`, `ENV["X"]`.
fn is_call(value: &str) -> bool {
    let value = value.trim_matches(['%', '$', '@', '!', '_']);
    let Some((function, argument)) = value.split_once(['(', '[', '{']) else { return false };
    let close = closing(value.as_bytes()[function.len()]);
    let is_argument = |byte: u8| is_tame(byte) || b"'\"\\;%$#?&*()[]{}<>".contains(&byte);
    let is_function = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    function.bytes().all(is_function)
        && is_names(function)
        && argument.as_bytes().last().copied() == close
        && argument.bytes().all(is_argument)
}

/// Templates among plain text: `key-${X}`, `{{ .X }}-{{ .Y }}`, `$X-suffix`.
fn is_mixed(value: &str) -> bool {
    const FRAGMENTS: [(&str, &str); 10] = [
        ("${", "}"),
        ("$(", ")"),
        ("{{", "}}"),
        ("<%", "%>"),
        ("#{", "}"),
        ("%{", "}"),
        ("((", "))"),
        ("[[", "]]"),
        ("{", "}"),
        ("<", ">"),
    ];
    let is_inner = |byte: u8| is_tame(byte) || b"|$'\"".contains(&byte);
    let (mut rest, mut is_mixed) = (value, false);
    while let Some(at) = rest.find(['$', '{', '<', '#', '%', '(', '[']) {
        let (plain, fragment) = rest.split_at(at);
        let after = FRAGMENTS.iter().find_map(|(open, close)| {
            let (inner, after) = fragment.strip_prefix(open)?.split_once(close)?;
            inner.bytes().all(is_inner).then_some(after)
        });
        let after = after.or_else(|| {
            let name = fragment.strip_prefix('$')?;
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            (end > 3 && is_names(&name[..end])).then(|| &name[end..])
        });
        match after {
            Some(after) if plain.bytes().all(is_tame) => rest = after,
            _ => return false,
        }
        is_mixed = true;
    }
    is_mixed && rest.bytes().all(is_tame)
}

/// `$2y$12$..`, `{SSHA}..`, `sha256:..`, `pbkdf2_sha256$..$..`, `md5` and 32 digits, `*` and 40 digits.
fn hash(value: &str) -> Option<&'static str> {
    const ALGORITHMS: [&str; 10] =
        ["argon2", "bcrypt", "blake", "crypt", "md5", "pbkdf2", "scram", "scrypt", "sha", "ssha"];
    let is_id = |id: &str| (1..=20).contains(&id.len()) && id.bytes().all(|byte| is_key_byte(byte) && byte != b'/');
    let is_algorithm = |id: &str| {
        let id = id.to_ascii_lowercase();
        is_id(&id) && ALGORITHMS.iter().any(|algorithm| id.starts_with(algorithm))
    };
    let is_rest =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| is_key_byte(byte) || b"$,:*".contains(&byte));
    let split = |value: &str, end: char| value.split_once(end).map(|(id, rest)| (is_id(id), is_rest(rest)));
    let is_modular = value.strip_prefix('$').and_then(|value| split(value, '$')) == Some((true, true));
    let is_ldap = value.strip_prefix('{').and_then(|value| split(value, '}')) == Some((true, true));
    let is_named = || {
        let at = value.find([':', '$']).or_else(|| value.starts_with("sha").then(|| value.find('-')).flatten());
        at.is_some_and(|at| is_algorithm(&value[..at]) && is_rest(&value[at + 1..]) && looks_random(&value[at + 1..]))
    };
    (is_modular || is_ldap || is_named()).then_some(HASH).or_else(|| postgres(value))
}

/// The hashes of PostgreSQL and MySQL: digits behind a sign.
fn postgres(value: &str) -> Option<&'static str> {
    let is_hash = |sign, len| {
        let digits = value.strip_prefix(sign);
        digits.is_some_and(|digits| digits.len() == len && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    (is_hash("md5", 32) || is_hash("*", 40)).then_some(HASH)
}

/// A key in brackets, and nothing else.
fn brackets(value: &str) -> Option<&'static str> {
    let [first, .., last] = value.as_bytes() else { return None };
    (closing(*first) == Some(*last) && looks_random(&value[1..value.len() - 1])).then_some(BRACKETS)
}

/// An object or an array of JSON, or an element of XML.
fn document(value: &str) -> Option<&'static str> {
    let [open @ (b'{' | b'[' | b'<'), inner @ .., close] = value.as_bytes() else { return None };
    let inner = inner.trim_ascii_start();
    let is_inner = if *open == b'<' {
        let is_closed = inner.windows(2).any(|pair| pair == b"</") || inner.ends_with(b"/");
        is_closed && inner.first().is_some_and(u8::is_ascii_alphabetic)
    } else {
        matches!(inner.first(), Some(b'"' | b'\'' | b'\\'))
    };
    (closing(*open) == Some(*close) && is_inner).then_some(if *open == b'<' { XML } else { JSON })
}

fn quotes(value: &str) -> Option<&'static str> {
    // Also typographic ones, which are not even ASCII.
    let is_quote = |c: &char| "\"'`“”„‟‘’‚‛«»‹›".contains(*c);
    let bare = value.trim_matches([',', ';']);
    // Bash and programming languages have letters and signs in front of a quote, and JSON in a string has escapes.
    let prefix = bare.len() - bare.trim_start_matches(['b', 'B', 'r', 'u', 'L', 'f', '$', '@', '\\']).len();
    let bare = if bare[prefix..].starts_with(['"', '\'']) { &bare[prefix..] } else { bare };
    let (first, last) = (bare.chars().next().filter(is_quote), bare.chars().next_back().filter(is_quote));
    let inner = bare.trim_matches(|c| is_quote(&c));
    let is_quoted = match (first, last) {
        (Some(first), Some(last)) => {
            first == last && !inner.contains(first) || !first.is_ascii() || inner.bytes().all(is_key_byte)
        }
        (None, None) => false,
        _ => inner.bytes().all(is_key_byte),
    };
    is_quoted.then_some(QUOTES)
}

fn comment(value: &str) -> Option<&'static str> {
    let is_digits = |rest: &str| rest.len() > 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_commented = |rest: &str, is_key: &dyn Fn(&str) -> bool| {
        rest.starts_with(' ') || is_key(rest) || syntax(rest).is_some_and(|form| matches!(form, Form::Wrapped(_)))
    };
    let is_comment = |value: &str| {
        if let Some(rest) = value.strip_prefix(['#', ';']) {
            is_commented(rest.trim_start_matches(['#', ';']), &|rest| rest.bytes().all(is_key_byte))
        } else if let Some(rest) = value.strip_prefix("//").or_else(|| value.strip_prefix("--")) {
            // A key in base64 can begin with two such signs.
            is_commented(rest, &is_digits)
        } else {
            value.starts_with("/*") && value.ends_with("*/") || value.starts_with("<!--") && value.ends_with("-->")
        }
    };
    let behind = value.find(' ').map(|at| value[at..].trim_start());
    (is_comment(value) || behind.is_some_and(is_comment)).then_some(COMMENT)
}

/// `Bearer ..`
fn scheme(value: &str) -> Option<&'static str> {
    let (scheme, key) = value.split_once(' ')?;
    let is_scheme = ["apikey", "basic", "bearer", "digest", "key", "token"].contains(&&*scheme.to_ascii_lowercase());
    (is_scheme && !key.trim_start().contains(' ')).then_some(SCHEME)
}

/// `..,`, `..;` and `..\n` as two characters.
fn trailer(value: &str) -> Option<&'static str> {
    let bare = value.trim_end_matches("\\n").trim_end_matches("\\r").trim_end_matches([',', ';', '\\']);
    (bare.len() < value.len() && bare.bytes().all(is_key_byte)).then_some(TRAILER)
}

/// `NAME=..`, `export NAME=..`, `"NAME": ..`, `USER:..`, and with a reference behind it: `vault:secret/data/x#key`.
fn assigned(value: &str) -> Option<Form> {
    let (name, rest) = value.split_once(['=', ':'])?;
    let wrapped = if value.as_bytes()[name.len()] == b'=' { NAMED } else { USER };
    let rest = rest.trim_start_matches(['=', ':', '>']).trim();
    // Of `export NAME`, `curl -H NAME` and `/metrics?NAME`, the name.
    let (before, name) = name.trim().rsplit_once([' ', '?', '&']).unwrap_or(("", name.trim()));
    let name = name.trim_start_matches(['-', '$']).trim_matches(['"', '\'', '\\']);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) && is_names(name);
    // A key in base64 ends in `=`. And bytes with colons between them are a key.
    let is_bytes = value.split(':').all(|byte| byte.len() <= 4 && byte.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !is_name || !before.bytes().all(is_tame) || rest.is_empty() || is_bytes {
        return None;
    }
    match syntax(rest) {
        Some(Form::Wrapped(HASH)) => Some(Form::Wrapped(HASH)),
        Some(Form::Template) => Some(Form::Template),
        Some(Form::Wrapped(_)) => Some(Form::Wrapped(wrapped)),
        _ if looks_random(rest) => Some(Form::Wrapped(wrapped)),
        _ if wrapped == USER && rest.bytes().all(|byte| is_tame(byte) || byte == b'#') => Some(Form::Template),
        _ if rest.len() >= MIN_LEN && rest.bytes().all(is_key_byte) || is_name_of_a_secret(name) => {
            Some(Form::Wrapped(wrapped))
        }
        _ => None,
    }
}

fn is_name_of_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "bearer", "key", "metrics", "pass", "secret", "token"].iter().any(|word| name.contains(word))
}

/// What keys consist of, unless they have signs of every kind.
fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_.-".contains(&byte)
}

/// What keys and references consist of.
fn is_tame(byte: u8) -> bool {
    is_key_byte(byte) || b" :,@".contains(&byte)
}

/// Whether a part of `value` is a key as a program makes it, and not made of names.
fn looks_random(value: &str) -> bool {
    let value = value.rsplit([':', '$', ' ']).next().unwrap_or_default();
    value.bytes().all(is_key_byte) && value.split('/').any(|part| part.len() >= MIN_LEN && !is_names(part))
}

/// Whether `value` is names, as programs and people give them, with any signs between them: `METRICS_KEY`, `my-service`,
/// `metricsKey`, `AES256`. Letters and digits at random are none.
fn is_names(value: &str) -> bool {
    let is_between = |byte: u8| is_tame(byte) || b"#\\;%".contains(&byte);
    let mut names = value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|name| !name.is_empty()).peekable();
    names.peek().is_some()
        && value.bytes().all(is_between)
        && names.all(is_name)
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn is_name(name: &str) -> bool {
    const MAX_DIGITS: usize = 12;
    const MAX_LEN: usize = 24;
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if name.len() <= 3 || name.len() - letters.len() > MAX_DIGITS || letters.len() > MAX_LEN {
        return name.len() <= 3;
    }
    let is_lower = |byte: &u8| byte.is_ascii_lowercase();
    let is_upper = |byte: &u8| byte.is_ascii_uppercase();
    // `metricsKey`: words of two letters or more, of which one at most is a capital.
    let is_camel = |letters: &[u8]| {
        letters
            .chunk_by(|one, next| !(is_lower(one) && is_upper(next)))
            .all(|word| word.len() > 1 && word[1..].iter().all(is_lower))
    };
    let letters = letters.as_bytes();
    letters.iter().all(u8::is_ascii_alphabetic) && (letters.iter().all(is_upper) || is_camel(letters))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{BRACKETS, COMMENT, Form, HASH, JSON, NAMED, QUOTES, SCHEME, TRAILER, USER, XML, form};

    const HEX: &str = "5f0c1d9e7b3a4268a1c8e6d2074fb935";
    const BASE64: &str = "q9Zk/7yH2mVx0Lr4TtBw8sEc+Nd1JfUavK3oPiGh5bM=";

    fn assert_all(expected: Form, values: &[&str]) {
        let found = values.iter().map(|value| (value, form(value.as_bytes())));
        let others: Vec<_> = found.filter(|(_, found)| *found != Some(expected)).collect();
        assert!(others.is_empty(), "not {expected:?}: {others:#?}");
    }

    #[test]
    fn rejects_templates_and_references_by_their_form() {
        assert_all(
            Form::Template,
            &[
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
            ],
        );
    }

    #[test]
    fn rejects_words_of_placeholders_in_any_case_and_with_any_separators() {
        assert_all(
            Form::Guessable,
            &[
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
                "deadbeef-dead-beef-dead-beefdeadbeef",
            ],
        );
    }

    #[test]
    fn rejects_published_keys_and_simple_patterns() {
        let samples = crate::key_guess::SAMPLES;
        assert_all(Form::Guessable, samples);
        for sample in samples {
            for repeated in [sample.repeat(2), sample.to_uppercase(), format!("{sample}-{sample}"), sample.repeat(3)] {
                assert_all(Form::Guessable, &[&repeated]);
            }
        }
        assert_all(
            Form::Guessable,
            &[
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
                "7f3a7f3a7f3a7f3a7f3a7f3a7f3a7f3a",
                "7f3a9c-7f3a9c-7f3a9c-7f3a9c",
                "deadbeefdeadbeefdeadbeefdeadbeef",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            ],
        );
    }

    #[test]
    fn rejects_paths_whether_or_not_a_file_is_there() {
        assert_all(
            Form::Path,
            &[
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
                "/tmp/.tmpk16uUC/metrics_key",
                "/nix/store/0c3p9wx1mzq8y7rk2fzv5b6d4s1h8j9a-metrics/share/secret",
            ],
        );
    }

    #[test]
    fn rejects_keys_with_their_wrapping_and_names_it() {
        for key in [HEX, BASE64, "0e8a6c4f-2d1b-4957-9c0f-8a7d6b5c4e3f"] {
            let assert_all = |what, values: &[&str]| {
                for value in values {
                    assert_all(Form::Wrapped(what), &[&value.replace("KEY", key)]);
                }
            };
            assert_all(
                QUOTES,
                &[
                    "\"KEY\"",
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
                ],
            );
            assert_all(
                JSON,
                &[
                    "{\"key\":\"KEY\"}",
                    "{ \"key\": \"KEY\" }",
                    "[\"KEY\"]",
                    "{'key': 'KEY'}",
                    "{\"a\":1,\"data\":{\"key\":\"KEY\"}}",
                ],
            );
            assert_all(XML, &["<key>KEY</key>", "<add name=\"key\" value=\"KEY\"/>"]);
            assert_all(BRACKETS, &["[KEY]", "(KEY)", "<KEY>", "{KEY}"]);
            assert_all(
                NAMED,
                &[
                    "metrics=KEY",
                    "METRICS_VERIFICATION_VALUE=KEY",
                    "export NAME=KEY",
                    "NAME = KEY",
                    "k=KEY",
                    "NAME=\"KEY\"",
                    "/metrics?key=KEY",
                    "metrics_name='KEY'",
                ],
            );
            assert_all(
                USER,
                &[
                    "prometheus:KEY",
                    "metricsKey: KEY",
                    "\"name\": \"KEY\",",
                    "X-Metrics-Name: KEY",
                    "X-Metrics-Name:KEY",
                    "Authorization: Bearer KEY",
                    "Authorization:KEY",
                    "key: 'KEY'",
                ],
            );
            assert_all(SCHEME, &["Bearer KEY", "bearer KEY", "Basic KEY", "Token KEY"]);
            assert_all(TRAILER, &["KEY,", "KEY;", "KEY\\n", "KEY\\r\\n"]);
            assert_all(
                COMMENT,
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
            );
        }
        assert_all(Form::Wrapped(COMMENT), &[&format!("//{HEX}"), &format!("--{HEX}")]);
        assert_all(
            Form::Wrapped(HASH),
            &[
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
            ],
        );
        // With signs of every kind in the key.
        assert_all(Form::Wrapped(QUOTES), &["\"s+y%6Db&o=l;s:i/n?a#k\""]);
        assert_all(Form::Wrapped(NAMED), &["METRICS_KEY=s+y%6Db&o=l;s:i/n?a#k"]);
    }

    #[test]
    fn ends_on_any_value() {
        for len in [16, 255, 1024, 100_000] {
            for pattern in ["a:", "# ", "{{", "\"", "${", "k=\"", "a", "key", "//", "b'", "e\u{301}", "“"] {
                let value: String = pattern.chars().cycle().take(len).collect();
                form(value.as_bytes());
            }
        }
        form(&[0xff; 32]);
        form(b"");
    }

    /// The numbers of SplitMix64, the same ones each time.
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
                for shift in [0, 16, 32, 48] {
                    key.push(alphabet[usize::from((number >> shift) as u16) % alphabet.len()]);
                }
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
                assert_eq!(form(&key), None, "{}", key.escape_ascii());
            }
        };
        thread::scope(|scope| (0..THREADS).for_each(|seed| drop(scope.spawn(move || accept_a_part(seed)))));
    }

    /// Of keys with signs of every kind, some look like another thing by chance: fewer than one of a thousand.
    #[test]
    fn accepts_random_keys_with_signs() {
        let signs: Vec<u8> = (b'!'..=b'~').collect();
        let (mut numbers, mut key) = (Numbers(4), Vec::new());
        let mut rejected = Vec::new();
        for number in 0..50_000 {
            numbers.of(&signs, 20 + number % 45, &mut key);
            if let Some(form) = form(&key) {
                rejected.push((form, key.escape_ascii().to_string()));
            }
        }
        assert!(rejected.len() < 50, "{rejected:#?}");
    }

    #[test]
    fn accepts_passphrases_and_keys_that_look_odd() {
        for key in [
            "s+y%6Db&o=l;s:i/n?a#k\"e,y'<>{}\\|^`~",
            "vocalist-ferment-ambiguity-sternum-mumbling-unsold",
            "lamp ocean violin marble".replace(' ', ".").as_str(),
            "3f:a2:c4:7e:90:1b:d8:55:6e:2f:aa:03:c9:47:e1:7b",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "another-key-of-32-characters-too",
            "#8fK2pQ9xLm4Vt7ZrB1nW6yHc3JdG5sE!",
            "$4kT9wXz2QmL7vRb8NcJ5hYp6FsD3gUe?",
            "%3Za8LkQ5wN1xVt7Rb9McJ4hYp6FsD2gU-",
            "00718264935017284659301827465930",
        ] {
            assert_eq!(form(key.as_bytes()), None, "{key}");
        }
    }
}
