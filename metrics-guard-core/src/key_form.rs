//! Judges the form of a configured key: whether it is a template, a reference, a path, or a key with its wrapping.
//!
//! The rules describe forms, so that they cover tools that they do not name. What a key generator prints has none of these
//! forms: hexadecimal digits, base64, base64url, UUIDs, letters and digits. A test tries a million such keys.
//!
//! The value is not copied, because it may be a key, and nothing would clear the copy. What is decoded of it is cleared.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use crate::{
    key_guess::{camel_words, is_capitalized, is_guessable},
    shown::is_path,
    slots::MIN_LEN,
};

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

const AROUND: &str = "a key with other characters around it";
const BRACKETS: &str = "a key in brackets";
const COMMENT: &str = "a key behind a comment sign";
const ENCODED: &str = "a text in base64 that is no key";
const HASH: &str = "a password hash";
const JSON: &str = "a key in JSON";
const NAMED: &str = "a key behind `NAME=`";
const PUBLIC: &str = "a public key";
const PUNCTUATION: &str = "a key with punctuation, or several keys";
const QUOTES: &str = "a key in quotes";
const SCHEME: &str = "a key behind an authentication scheme";
const USER: &str = "a key behind `NAME:`";
const XML: &str = "a key in XML";

/// The form of `value`, if it is not that of a key. White space around it does not count.
pub(crate) fn form(value: &[u8]) -> Option<Form> {
    /// Longer values are documents. This also bounds the recursion of the rules.
    const MAX_LEN: usize = 1024;
    let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= MAX_LEN)?.trim();
    let found = if value.bytes().all(is_key_byte) { plain(value) } else { syntax(value) };
    found
        .or_else(|| is_guessable(value).then_some(Form::Guessable))
        .or_else(|| is_variable(value).then_some(Form::Template))
        .or_else(|| is_file_name(value).then_some(Form::Path))
        .or_else(|| has_made_key(value).then_some(Form::Wrapped(AROUND)))
        .or_else(|| encoded(value))
}

/// The name of a variable, as `ACME_SCRAPER_TOKEN` and `var.scraper_token`.
fn is_variable(value: &str) -> bool {
    let is_upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
    value.contains('_')
        && (value.bytes().all(is_upper) || value.contains('.') && value.bytes().all(is_lower))
        && is_names(value)
}

/// `0x<digits>`, `<digits>@host`, `<UUID>.`: so many hexadecimal digits are a key, and what is around them is none of it. Names
/// can be a part of a key: `metrics-<digits>`.
fn has_made_key(value: &str) -> bool {
    const MIN_DIGITS: usize = 32;
    let runs = value.split(|c: char| !c.is_ascii_hexdigit() && c != '-').map(|run| run.trim_matches('-'));
    let Some(key) = runs.max_by_key(|run| run.len()).filter(|run| run.len() >= MIN_DIGITS) else { return false };
    let Some((before, after)) = value.split_once(key) else { return false };
    let is_part = |text: &str, outer: Option<&u8>| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && outer.is_none_or(u8::is_ascii_alphanumeric)
    };
    let has_others = !is_part(before, before.as_bytes().first())
        || !is_part(after, after.as_bytes().last())
        || before.eq_ignore_ascii_case("0x");
    // What cannot be sent has an error of its own.
    has_others && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a name of a header or of a parameter is a key by mistake, or has one in it.
pub(crate) fn has_random_part(name: &str) -> bool {
    const UUID_LEN: usize = 36;
    let is_random = |part: &str| part.len() >= MIN_LEN && !is_name(part);
    let is_uuid = name.len() == UUID_LEN && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_uuid || name.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random)
}

/// Base64 of what is no key, as Kubernetes has it in a Secret. Random bytes are no text.
fn encoded(value: &str) -> Option<Form> {
    // The text is shorter than the value, so that this ends.
    if value.len() < MIN_LEN {
        return None;
    }
    let engine = if value.contains(['-', '_']) { URL_SAFE_NO_PAD } else { STANDARD_NO_PAD };
    let mut text = Zeroizing::new(vec![0; value.len()]);
    let len = engine.decode_slice(value.trim_end_matches('='), &mut text).ok()?;
    text.truncate(len);
    let is_text = text.iter().all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    match form(is_text.then_some(&text)?)? {
        Form::Guessable => Some(Form::Guessable),
        _ => Some(Form::Wrapped(ENCODED)),
    }
}

/// The public keys of age and SSH.
fn public(value: &str) -> Option<&'static str> {
    const AGE_LEN: usize = 62;
    let is_age = value.starts_with("age1") && value.len() == AGE_LEN;
    let mut ssh = ["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh", "AAAAGnNrLX"].into_iter();
    (is_age || ssh.any(|beginning| value.starts_with(beginning))).then_some(PUBLIC)
}

/// As [`syntax`], for values of key bytes alone, which have few of its forms. Most keys are such values.
fn plain(value: &str) -> Option<Form> {
    let is_candidate =
        ["-", "_", ".", "//", "AAAA", "age1", "sha", "md5"].iter().any(|beginning| value.starts_with(beginning))
            || value.trim_end_matches('=').contains('=');
    if is_candidate {
        syntax(value)
    } else {
        (value.contains('/') && (is_path(value) || is_path_of_names(value))).then_some(Form::Path)
    }
}

fn syntax(value: &str) -> Option<Form> {
    let wrapped = || {
        let found = quotes(value).or_else(|| comment(value));
        found.or_else(|| scheme(value)).or_else(|| public(value)).map(Form::Wrapped)
    };
    if is_path(value) {
        Some(Form::Path)
    } else if let Some(what) =
        document(value).or_else(|| brackets(value)).or_else(|| hash(value)).or_else(|| hash(value.split_once(':')?.1))
    {
        Some(Form::Wrapped(what))
    } else if is_template(value) {
        Some(Form::Template)
    } else if is_path_of_names(value) {
        Some(Form::Path)
    } else {
        wrapped().or_else(|| assigned(value)).or_else(|| punctuation(value).map(Form::Wrapped))
    }
}

/// `appsettings.Production.json`
fn is_file_name(value: &str) -> bool {
    let extensions =
        ["conf", "env", "ini", "json", "key", "pem", "properties", "secret", "toml", "txt", "xml", "yaml", "yml"];
    value.rsplit_once('.').is_some_and(|(_, end)| extensions.contains(&end)) && is_names(value)
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
    let value = value.trim_start_matches('\\');
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
        || is_address(value)
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
        || inner.strip_prefix(['(', '<']).and_then(|inner| inner.strip_suffix([')', '>'])).is_some_and(is_in_brackets)
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

/// Names behind a sign that asks for their value: `$X`, `@file`, `.Values.x`, `*alias`. Also the half of a template: `${X`.
fn is_marked(value: &str) -> bool {
    let names = value.trim_start_matches(['$', '@', '*', '&', '%', ':', '.', '{', '(', '<', '[']);
    let names = names.trim_end_matches(['}', ')', '>', ']']);
    names.len() < value.len() && is_names(names)
}

/// `name@example.com`
fn is_address(value: &str) -> bool {
    let host = value.split_once('@').map(|(_, host)| host);
    host.is_some_and(|host| host.contains('.') && !host.contains('@')) && is_names(value)
}

/// A function with its argument: `ENC[..]`, `env(X)`, `@Microsoft.KeyVault(..)`, `$__file{..}`, `ENV["X"]`.
fn is_call(value: &str) -> bool {
    let value = value.trim_matches(['%', '$', '@', '!', '_']);
    let Some((function, argument)) = value.split_once(['(', '[', '{']) else { return false };
    let close = closing(value.as_bytes()[function.len()]);
    let is_argument = |byte: u8| is_tame(byte) || b"'\"\\;%$#?&*()[]{}<>".contains(&byte);
    let is_function = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    function.len() > 2
        && function.bytes().all(is_function)
        && is_names(function)
        && argument.as_bytes().last().copied() == close
        && argument.bytes().all(is_argument)
}

/// Templates among plain text: `key-${X}`, `{{ .X }}-{{ .Y }}`, `$X-suffix`.
fn is_mixed(value: &str) -> bool {
    const FRAGMENTS: [(&str, &str); 11] = [
        ("${", "}"),
        ("$(", ")"),
        ("{{", "}}"),
        ("{%", "%}"),
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
            (if open.len() > 1 { inner.bytes().all(is_inner) } else { is_names(inner) }).then_some(after)
        });
        let after = after.or_else(|| {
            let name = fragment.strip_prefix('$')?;
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            (end > 6 && is_names(&name[..end])).then(|| &name[end..])
        });
        match after {
            Some(after) if plain.bytes().all(is_tame) => rest = after,
            _ => return false,
        }
        is_mixed = true;
    }
    is_mixed && rest.bytes().all(is_tame)
}

/// `$2y$12$..`, `{SSHA}..`, `sha256:..`, `pbkdf2_sha256$..$..`
fn hash(value: &str) -> Option<&'static str> {
    const ALGORITHMS: [&str; 10] =
        ["argon2", "bcrypt", "blake", "crypt", "md5", "pbkdf2", "scram", "scrypt", "sha", "ssha"];
    let is_id =
        |id: &str| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_algorithm = |id: &str| {
        let begins = |name: &&str| id.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name));
        id.split('_').all(is_id) && ALGORITHMS.iter().any(begins)
    };
    let is_rest =
        |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| is_key_byte(byte) || b"$,:*".contains(&byte));
    let is_crypt =
        |id: &str| id.len() <= 3 && id.as_bytes().iter().any(u8::is_ascii_digit) || ["y", "gy", "apr1"].contains(&id);
    let parts = |open, close| value.strip_prefix(open)?.split_once(close).filter(|(_, rest)| is_rest(rest));
    let is_modular = parts('$', '$').is_some_and(|(id, _)| is_crypt(id) || is_algorithm(id));
    let is_ldap = parts('{', '}').is_some_and(|(id, _)| is_names(id) && id != "cipher");
    let is_named = || {
        let at = value.find([':', '$']).or_else(|| value.starts_with("sha").then(|| value.find('-')).flatten());
        at.is_some_and(|at| is_algorithm(&value[..at]) && is_rest(&value[at + 1..]) && looks_random(&value[at + 1..]))
    };
    (is_modular || is_ldap || is_named()).then_some(HASH).or_else(|| postgres(value))
}

/// The hashes of two databases: `md5` or `*`, and digits.
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
    const ESCAPED: [&str; 6] = ["%22", "%27", "&quot;", "&apos;", "&#34;", "&#39;"];
    // Also typographic ones, which are not even ASCII.
    let is_quote = |c: &char| "\"'`“”„‟‘’‚‛«»‹›".contains(*c);
    let is_escaped = ESCAPED.iter().any(|quote| value.starts_with(quote) && value.ends_with(quote));
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
    (is_quoted || is_escaped).then_some(QUOTES)
}

fn comment(value: &str) -> Option<&'static str> {
    let is_digits = |rest: &str| rest.len() > 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_comment = |value: &str| {
        if let Some(rest) = value.strip_prefix(['#', ';']) {
            let rest = rest.trim_start_matches(['#', ';']);
            rest.starts_with(' ') || rest.bytes().all(is_key_byte) || matches!(syntax(rest), Some(Form::Wrapped(_)))
        } else if let Some(rest) =
            value.strip_prefix("//").or_else(|| value.strip_prefix("--")).or_else(|| value.strip_prefix(['%', '!']))
        {
            // A key in base64 can begin with two such signs, one of signs with others, and an option with its value does.
            rest.starts_with(' ') || is_digits(rest)
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
    let mut schemes = ["apikey", "basic", "bearer", "digest", "key", "token"].into_iter();
    (schemes.any(|known| scheme.eq_ignore_ascii_case(known)) && !key.trim_start().contains(' ')).then_some(SCHEME)
}

/// `..,`, `..:`, `..\n` as two characters, `1:..`, and several keys with such signs between them. These signs are in few
/// generators' alphabets.
fn punctuation(value: &str) -> Option<&'static str> {
    const SIGNS: &[char] = &[',', ';', '|', ':', '=', '?', '\\', '(', ')', '[', ']', '{', '}', '<', '>'];
    const MIN_KEY_LEN: usize = 22; // 16 bytes in base64
    let is_inner = |c: char| c == ' ' || SIGNS.contains(&c) || u8::try_from(c).is_ok_and(is_key_byte);
    let is_key = |part: &str| part.len() >= MIN_KEY_LEN && looks_random(part);
    let bare = value.trim_end_matches('=');
    let is_it = bare.contains(SIGNS) && bare.chars().all(is_inner) && bare.split(SIGNS).map(str::trim).any(is_key);
    is_it.then_some(PUNCTUATION)
}

/// `NAME=..`, `export NAME=..`, `"NAME": ..`, `USER:..`, and with a reference behind it: `vault:secret/data/x#key`.
fn assigned(value: &str) -> Option<Form> {
    let (name, rest) = value.split_once(['=', ':'])?;
    let wrapped = if value.as_bytes()[name.len()] == b'=' { NAMED } else { USER };
    let rest = rest.trim_start_matches(['=', ':', '>']).trim();
    // Of `export NAME`, `curl -H NAME` and `/metrics?NAME`, the name.
    let name = name.trim_end_matches(['?', '+']).trim();
    let (before, name) = name.rsplit_once([' ', '?', '&']).unwrap_or(("", name));
    let name = name.trim_start_matches(['-', '$']).trim_matches(['"', '\'', '\\']);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-@".contains(&byte)) && is_names(name);
    // A key in base64 ends in `=`. And bytes with colons between them are a key.
    let is_bytes = value.split(':').all(|byte| byte.len() <= 4 && byte.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !is_name || !before.bytes().all(is_tame) || rest.is_empty() || is_bytes {
        return None;
    }
    // A short name can be a part of a key with signs in it, unless what is behind it is what a program makes.
    let is_short = name.len() < 4 && !is_name_of_a_secret(name);
    let is_made = || rest.ends_with('=') || rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    match syntax(rest) {
        Some(Form::Template) => Some(Form::Template),
        Some(Form::Wrapped(_)) => Some(Form::Wrapped(wrapped)),
        _ if is_short && !is_made() && !is_names(rest) => None,
        _ if looks_random(rest) => Some(Form::Wrapped(wrapped)),
        _ if wrapped == USER && rest.bytes().all(|byte| is_tame(byte) || b"#;".contains(&byte)) => Some(Form::Template),
        _ if rest.len() >= MIN_LEN && rest.bytes().all(is_key_byte) || is_name_of_a_secret(name) => {
            Some(Form::Wrapped(wrapped))
        }
        _ => None,
    }
}

fn is_name_of_a_secret(name: &str) -> bool {
    let has = |word: &str| name.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    ["auth", "bearer", "key", "metrics", "pass", "secret", "token"].into_iter().any(has)
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
    let digits = name.len() - letters.len();
    if name.len() <= 3 {
        return is_capitalized(name.as_bytes());
    }
    digits <= MAX_DIGITS
        && letters.len() <= MAX_LEN
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        && (is_capitalized(letters.as_bytes()) || is_camel(letters.as_bytes()))
}

/// `metricsKey`: words that begin with a capital, and are long on average if they are many.
fn is_camel(letters: &[u8]) -> bool {
    let words: Vec<_> = camel_words(letters).collect();
    let is_word = |word: &&[u8]| word.len() > 1 && word[1..].iter().all(u8::is_ascii_lowercase);
    words.iter().all(is_word) && (words.len() < 4 || letters.len() >= 4 * words.len())
}
