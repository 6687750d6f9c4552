//! Judges the form of a configured key: whether it is a key as generators print it, or a template, a path, a wrapped key.
//!
//! Keys of letters, digits and `+/_.-` are accepted, unless they are names. Keys with other signs are accepted if they have
//! many different characters at random: a template has names, and a wrapping has names and signs around a part that a
//! program made. The rules name few tools. A test tries a million keys of each common generator.
//!
//! The value is not copied, because it may be a key, and nothing would clear the copy. What is decoded of it is cleared.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use crate::{
    keys::guess::{camel_words, is_capitalized, is_digest, is_guessable},
    keys::slots::MIN_LEN,
    shown::is_path,
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
const ENCODED: &str = "a text in base64 or hexadecimal digits that is no key";
const HASH: &str = "a password hash";
const JSON: &str = "a key in JSON";
const NAMED: &str = "a key behind `NAME=`";
const PUBLIC: &str = "a public key";
const QUOTES: &str = "a key in quotes";
const SCHEME: &str = "a key behind an authentication scheme";
const USER: &str = "a key behind `NAME:`";
const XML: &str = "a key in XML";

/// The form of `value`, if it is not that of a key. White space around it does not count.
pub(crate) fn form(value: &[u8]) -> Option<Form> {
    /// Longer values are documents. This also bounds the work.
    const MAX_LEN: usize = 1024;
    let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= MAX_LEN)?.trim();
    let found = value.contains(['%', '&', '\\']).then(|| {
        let mut text = Zeroizing::new(value.to_owned().into_bytes());
        (0..3).for_each(|_| unescape(&mut text)); // what is escaped can be escaped again
        let text = std::str::from_utf8(&text).ok().filter(|text| text.len() < value.len())?;
        judged(text).or_else(|| text.bytes().all(is_key_byte).then_some(Form::Wrapped(AROUND)))
    });
    // What cannot be sent has an error of its own.
    let is_sendable = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let form = found.flatten().or_else(|| judged(value));
    form.filter(|form| is_sendable || *form != Form::Wrapped(AROUND))
}

/// Replaces `%22`, `&quot;` and `\x22` by the characters that they mean.
fn unescape(text: &mut Vec<u8>) {
    let (mut from, mut to) = (0, 0);
    while from < text.len() {
        let (byte, len) = escape(&text[from..]).unwrap_or((text[from], 1));
        text[to] = byte;
        (from, to) = (from + len, to + 1);
    }
    text.truncate(to);
}

/// The character that an escape at the beginning of `text` means, and the length of the escape.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    const ENTITIES: [(&str, u8); 5] =
        [("&lt;", b'<'), ("&gt;", b'>'), ("&quot;", b'"'), ("&apos;", b'\''), ("&amp;", b'&')];
    let number = |start: usize, len: usize, radix| {
        let digits =
            std::str::from_utf8(text.get(start..start + len)?).ok().filter(|digits| !digits.starts_with('+'))?;
        u8::from_str_radix(digits, radix).ok().filter(u8::is_ascii)
    };
    match text {
        [b'%', ..] => Some((number(1, 2, 16).filter(|byte| !byte.is_ascii_alphanumeric())?, 3)),
        [b'\\', b'x', ..] => Some((number(2, 2, 16)?, 4)),
        [b'\\', b'u', b'0', b'0', ..] => Some((number(4, 2, 16)?, 6)),
        [b'&', b'#', b'x' | b'X', _, _, b';', ..] => Some((number(3, 2, 16)?, 6)),
        [b'&', b'#', _, _, b';', ..] => Some((number(2, 2, 10)?, 5)),
        [b'&', ..] => {
            let (entity, byte) = ENTITIES.iter().find(|(entity, _)| text.starts_with(entity.as_bytes()))?;
            Some((*byte, entity.len()))
        }
        _ => None,
    }
}

fn judged(value: &str) -> Option<Form> {
    let is_plain = value.bytes().all(is_key_byte);
    let guessable = || is_guessable(value).then_some(Form::Guessable);
    let wrapped = || standard(value).or_else(|| wrapping(value)).map(Form::Wrapped);
    let path = || (value.contains(['/', '\\']) && (is_path(value) || is_path_of_names(value))).then_some(Form::Path);
    if is_plain {
        let found = path()
            .or_else(guessable)
            .or_else(wrapped)
            .or_else(|| (value.len() >= MIN_LEN && is_reference(value)).then_some(Form::Template));
        found.or_else(|| encoded(value))
    } else if is_passphrase(value) {
        guessable()
    } else {
        path().or_else(wrapped).or_else(|| is_template(value).then_some(Form::Template)).or_else(guessable)
    }
}

/// Names or numbers that no passphrase has the form of: fewer than four words, or other than one separator between each two.
fn is_reference(value: &str) -> bool {
    const MIN_RANDOM: usize = 8;
    const MIN_DIGITS: usize = 24;
    const MIN_PAIRED: usize = 32;
    let random: usize = runs(value).filter(|run| !is_name(run)).map(str::len).sum();
    let least = if ["__", "--", "..", "=-"].iter().any(|signs| value.contains(signs)) { 2 } else { 3 };
    if runs(value).all(|run| run.len() < 3) {
        return runs(value).map(str::len).sum::<usize>() < MIN_PAIRED; // such as the address of a network card
    }
    if random >= MIN_RANDOM || hex(value).is_some_and(|key| key.len() >= MIN_DIGITS) || !has_words(value, least) {
        return false;
    }
    !is_passphrase(value) && !is_blocks(value)
}

/// Four words and more with one sign or number between each two, as password managers make them.
fn is_passphrase(value: &str) -> bool {
    const MIN_WORDS: usize = 4;
    let value = value.strip_suffix(['!', '?']).unwrap_or(value);
    let signs = value.bytes().filter(|byte| !byte.is_ascii_alphanumeric());
    let words = runs(value).flat_map(|run| run.split(|c: char| c.is_ascii_digit()));
    let words: Vec<_> = words.flat_map(|run| camel_words(run.as_bytes())).collect();
    // Names of programs have two signs, but rarely numbers and never other signs.
    let is_varied = value.bytes().any(|byte| byte.is_ascii_digit() || b",!@*".contains(&byte));
    signs.clone().all(|sign| b"-_.,!@*/+".contains(&sign))
        && runs(value).count() == signs.clone().count() + 1
        && (distinct(signs) < 2 || is_varied)
        && words.iter().all(|word| word.len() > 1 && is_capitalized(word))
        && words.iter().filter(|word| word.len() > 2).count() >= MIN_WORDS
}

/// Letters and digits in blocks of one length, such as `XXXX-XXXX-XXXX-XXXX`, or in a single one.
fn is_blocks(value: &str) -> bool {
    const MIN_BLOCK_LEN: usize = 4;
    let len = runs(value).next().map_or(0, str::len);
    let count = |is_it: fn(&u8) -> bool| value.bytes().filter(is_it).count();
    len >= MIN_BLOCK_LEN
        && runs(value).all(|run| run.len() == len)
        && count(u8::is_ascii_digit) > 0
        && count(u8::is_ascii_alphabetic) >= MIN_BLOCK_LEN
}

/// Whether the letters of `value` are in words of so many letters and more, on average, or are few.
fn has_words(value: &str, least: usize) -> bool {
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    let words = value.split(|c: char| !c.is_ascii_alphabetic()).filter(|run| !run.is_empty());
    let has = |is_it: fn(&u8) -> bool| value.as_bytes().iter().any(is_it);
    let least = if least > 2 && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) { 5 } else { least };
    letters < 4 || letters >= least * words.flat_map(|run| camel_words(run.as_bytes())).count()
}

/// A template, a reference or a list: it has too few characters that are in no name and no number, or brackets around all.
fn is_template(value: &str) -> bool {
    const AROUND: [&str; 9] = ["${ }", "$( )", "{{ }}", "{% %}", "<% %>", "<? ?>", "[[ ]]", "[% %]", "(( ))"];
    const MAX_SIGNS: usize = 2;
    let is_sign = |byte: &u8| !byte.is_ascii_alphanumeric();
    let other_signs = distinct(value.bytes().filter(|byte| !is_key_byte(*byte)));
    let has_spaces = value.contains(char::is_whitespace);
    let least = if has_spaces { 0 } else { 2 + usize::from(other_signs > MAX_SIGNS) };
    let is_of_names = runs(value).all(is_name) && has_words(value, least);
    let signs = || value.bytes().filter(is_sign);
    let is_regular = signs().count() > 5
        && distinct(signs()) * 5 <= signs().count() * 2
        && runs(value).all(|run| run.starts_with(|c: char| c.is_ascii_alphabetic()));
    let found =
        distinct(runs(value).filter(|run| run.len() == 3 || !is_known(run)).flat_map(str::bytes)) + distinct(signs());
    let is_call = || {
        let (name, rest) = value.split_at(value.find(['(', '[', '{']).unwrap_or(0));
        let name = name.strip_prefix(|c: char| c.is_ascii_punctuation()).unwrap_or(name);
        runs(name).any(|run| run.len() > 2)
            && runs(name).all(is_known)
            && name.bytes().all(is_key_byte)
            && is_pair(rest)
            && !rest.ends_with(['(', '[', '{'])
    };
    if value.bytes().filter(u8::is_ascii_alphanumeric).all(|byte| byte.is_ascii_hexdigit()) {
        return hex_len(value) < 32 || value.parse::<std::net::Ipv6Addr>().is_ok();
    }
    is_of_names
        || is_regular
        || found + 3 < (value.len() / 2).min(32)
        || value.contains("://")
        || value.starts_with("data:")
        || is_call()
        || AROUND.iter().any(|signs| value.starts_with(&signs[..2]) && value.ends_with(&signs[3..]))
}

fn hex_len(value: &str) -> usize {
    value.bytes().filter(u8::is_ascii_hexdigit).count()
}

/// How many different ones there are.
fn distinct(bytes: impl Iterator<Item = u8>) -> usize {
    let mut seen = [false; 256];
    bytes.filter(|byte| !std::mem::replace(&mut seen[usize::from(*byte)], true)).count()
}

/// Password hashes and public keys, which begin in few ways.
fn standard(value: &str) -> Option<&'static str> {
    const ALGORITHMS: [&str; 12] =
        ["argon2", "bcrypt", "blake", "crypt", "md5", "pbkdf2", "scram", "scrypt", "sha", "ssha", "apr1", "yescrypt"];
    const PUBLIC_KEYS: [&str; 7] =
        ["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh", "AAAAGnNrLX", "MCowBQYDK2V", "MFkwEwYHKoZ", "MIIBIjANBgk"];
    const AGE_LEN: usize = 62;
    let is_public =
        value.starts_with("age1") && value.len() == AGE_LEN || PUBLIC_KEYS.iter().any(|key| value.starts_with(key));
    let hash = value.strip_prefix(['$', '{']).unwrap_or(value);
    let (name, rest) = hash.split_at(hash.find(['$', ':', '}', '-']).unwrap_or(0));
    let is_algorithm = || {
        let begins = |known: &str| name.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known));
        let is_sri = ["sha1", "sha256", "sha384", "sha512"].contains(&name);
        ALGORITHMS.iter().any(|known| begins(known)) && name.len() <= 14 && (is_sri || !value.bytes().all(is_key_byte))
    };
    let is_hash = value.len() > MIN_LEN
        && value.bytes().all(|byte| is_key_byte(byte) || b"$,:{}".contains(&byte))
        && (value.starts_with('$')
            && name.len() <= 3
            && rest.starts_with('$')
            && (name.contains(|c: char| c.is_ascii_digit()) || name.ends_with('y'))
            || is_algorithm())
        || value.strip_prefix("md5").is_some_and(|digits| digits.len() == 32 && hex(digits) == Some(digits));
    if is_public { Some(PUBLIC) } else { is_hash.then_some(HASH) }
}

/// What is around a key, if there is anything, and if chance does not explain it.
fn wrapping(value: &str) -> Option<&'static str> {
    /// In eighths of a bit, so that chance makes fewer than one of 2,000 passwords look like a wrapped key.
    const LEAST: usize = 92;
    let is_plain = value.bytes().all(is_key_byte);
    let bare = digits(value).filter(|_| is_plain).unwrap_or(value);
    if is_plain && is_joined(value) {
        return Some(AROUND);
    }
    let (mut rest, mut outside, mut weight, mut is_quoted) = (bare, Vec::new(), 0, false);
    while let Some((before, key, after)) = made(rest) {
        let has = |is_it: fn(&u8) -> bool| key.as_bytes().iter().any(is_it);
        let has_cases = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
        weight += key.len() * if hex(key).is_some() { 16 } else { 9 - 6 * usize::from(has_cases) };
        let behind = after.trim_start_matches(['=', '\\']).chars().next();
        is_quoted |= behind.is_some_and(|sign| "\"'`".contains(sign) && before.ends_with(sign));
        outside.push(before);
        rest = after;
    }
    if outside.is_empty() {
        return named(value);
    }
    outside.push(rest);
    let is_part = |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    let is_signs = |part: &str| !part.is_empty() && runs(part).next().is_none();
    let is_all_key = outside.iter().all(is_part)
        && !is_signs(outside[0])
        && !is_signs(rest)
        && !outside[0].eq_ignore_ascii_case("0x");
    if is_all_key {
        return None;
    }
    let signs = |set: &str| outside.iter().any(|part| part.contains(|c| set.contains(c)));
    let (names, others): (Vec<_>, Vec<_>) = outside
        .iter()
        .flat_map(|part| runs(part))
        .partition(|run| is_known(run.trim_end_matches(|c: char| c.is_ascii_digit())));
    let (least, most) = if weight >= LEAST { (LEAST, 3) } else { (LEAST + 12, 0) };
    let words = names.iter().map(|name| name.trim_end_matches(|c: char| c.is_ascii_digit()));
    weight += words.filter(|name| is_word(name)).map(|name| (name.len() - 2) * 13).sum::<usize>();
    // Chance rarely makes all signs outside be of those that separate a name from a value.
    let is_separator = |byte: &u8| b":=@?&{}<>".contains(byte);
    let outer_signs: Vec<u8> =
        outside.iter().flat_map(|part| part.bytes()).filter(|byte| !byte.is_ascii_alphanumeric()).collect();
    let has_separators = !outer_signs.is_empty() && outer_signs.iter().all(is_separator);
    weight += if has_separators { outer_signs.len().min(3) * 13 } else { 0 };
    weight += if is_pair(bare) { 48 } else { 0 } + if signs(" \n\r\t\"'`,;\\“”„«»") { 32 } else { 0 };
    // One sign at each end, which are no pair, are rather a part of the key.
    weight -= if outside.len() == 2 && outside.iter().all(|part| part.len() == 1) && !is_pair(bare) { 16 } else { 0 };
    // A parameter can have a name of one letter: `x=<key>&y=1`.
    let is_query = has_separators && signs("=") && signs("&");
    let random = distinct(others.iter().filter(|run| run.len() > 1 || !is_query).flat_map(|run| run.bytes()));
    let random = if value.contains(char::is_whitespace) { random.saturating_sub(3) } else { random };
    if is_quoted && random <= 8 || random <= most && weight >= least {
        Some(kind(outside[0], rest))
    } else {
        named(value)
    }
}

/// What is in front of the first part of `value` that a program made, this part, and what is behind it.
fn made(value: &str) -> Option<(&str, &str, &str)> {
    let is_plain = value.bytes().all(is_key_byte);
    let is_it = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let found = value.split(|c| !is_it(c)).find_map(|run| {
        let run = if is_plain { run } else { run.trim_matches(['+', '/', '-', '_']) };
        let is_alphabet = !(run.contains(['+', '/']) && run.contains(['-', '_']));
        let has_random = |run: &&str| run.len() >= MIN_LEN && runs(run).any(|part| !is_name(part)) && !is_path(run);
        hex(run).or_else(|| is_alphabet.then_some(run).filter(has_random)).or_else(|| runs(run).find(has_random))
    })?;
    value.split_once(found).map(|(before, after)| (before, found, after))
}

/// The first part of `value` that is hexadecimal digits, with dashes as in a UUID.
fn hex(value: &str) -> Option<&str> {
    let is_digits = |part: &&str| hex_len(part) >= MIN_LEN && part.bytes().filter(u8::is_ascii_digit).count() > 3;
    value.split(|c: char| !c.is_ascii_hexdigit() && c != '-').map(|part| part.trim_matches('-')).find(is_digits)
}

/// `prometheus/<key>` and `/<key>`, where the key has the length that a generator prints. What can be base64 as a whole needs
/// a well-known word beside the key.
fn is_joined(value: &str) -> bool {
    let is_standard = |key: &str| [22, 24, 28, 32, 43, 44, 64, 86, 88].contains(&key.len());
    let is_name = |name: &str| name.is_empty() || runs(name).all(|run| is_word(run) || run == "k8s");
    let is_known =
        |name: &str| name.len() > 3 && name.bytes().all(|byte| byte.is_ascii_lowercase()) && is_guessable(name);
    let is_whole = digits(value).is_some();
    let is_alphanumeric = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_uuid = |key: &str| key.len() == 36 && hex(key) == Some(key);
    let is_key = |key: &str| is_standard(key) && is_alphanumeric(key) || is_uuid(key);
    let (first, rest) = value.split_at(value.len() / 2);
    let second = rest.strip_prefix(['.', '-', '_']);
    if !is_whole && is_key(first) && second.is_some_and(|second| second.len() == first.len() && is_key(second)) {
        return true;
    }
    value.match_indices('/').map(|(at, _)| (&value[..at], &value[at + 1..])).any(|(one, two)| {
        if is_whole {
            is_known(one) && is_standard(two) || is_standard(one) && is_known(two)
        } else {
            is_name(one) && is_standard(two) || is_standard(one) && (is_name(two) || is_standard(two))
        }
    })
}

/// `value` without its padding, if it can be base64 or base32 of whole bytes.
fn digits(value: &str) -> Option<&str> {
    let digits = value.trim_end_matches('=');
    let is_base32 = || digits.bytes().all(|byte| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte));
    let is_padded = match value.len() - digits.len() {
        0 => digits.len() % 4 != 1,
        1 | 2 => value.len() % 4 == 0,
        3 | 4 | 6 => value.len() % 8 == 0 && is_base32(),
        _ => false,
    };
    (is_padded && !digits.contains(['=', '.'])).then_some(digits)
}

/// Whether a value begins and ends in the same quotes or in brackets, also in those of what was around it.
fn is_pair(value: &str) -> bool {
    let (Some(first), Some(last)) = (value.chars().next(), value.chars().next_back()) else { return false };
    ["{}", "[]", "()", "<>", "}{", "][", ")(", "><"].iter().any(|pair| pair.chars().eq([first, last]))
        || first == last && first.is_ascii_punctuation()
}

/// A key with any signs, in quotes or behind a name.
fn named(value: &str) -> Option<&'static str> {
    let inner = value.strip_prefix(['"', '\'']).and_then(|inner| inner.strip_suffix(['"', '\'']));
    if inner.is_some_and(|inner| value.ends_with(&value[..1]) && !inner.contains(&value[..1]) && !is_template(inner)) {
        return Some(QUOTES);
    }
    let (name, key) = value.split_once(['=', ':', ' '])?;
    let has = |word: &str| name.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    let is_secret = || ["auth", "key", "pass", "token"].into_iter().any(has);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) && is_names(name);
    let is_it = is_name
        && (runs(name).any(|run| run.len() > 6 && is_word(run)) || is_secret())
        && key.len() >= MIN_LEN
        && !is_template(key);
    is_it.then(|| kind(&value[..=name.len()], ""))
}

/// What the wrapping is that has these texts in front of the key and behind it.
fn kind(before: &str, after: &str) -> &'static str {
    let is_quote = |c: char| "\"'`“”„«»‘’‹›".contains(c);
    let name = before.trim_end_matches(|c: char| is_quote(c) || c.is_whitespace() || "\\>".contains(c));
    let has_quotes = before[name.len()..].contains(is_quote) || after.trim_start_matches('\\').starts_with(is_quote);
    let has_names = before.contains(|c: char| c.is_ascii_alphabetic());
    let is_comment = |text: &str| ["#", ";", "//", "--", "/*", "<!--"].iter().any(|sign| text.starts_with(sign));
    if is_comment(before) && (!has_names || before.starts_with('#'))
        || after.starts_with(char::is_whitespace) && is_comment(after.trim())
    {
        COMMENT
    } else if before.starts_with(['{', '[']) && has_quotes {
        JSON
    } else if before.starts_with('<') && has_names {
        XML
    } else {
        match name.chars().next_back() {
            Some('=') if has_names => NAMED,
            Some(':') if has_names => USER,
            Some('{' | '[' | '(' | '<') => BRACKETS,
            _ if has_quotes => QUOTES,
            Some(_) if has_names && before.ends_with(' ') => SCHEME,
            _ => AROUND,
        }
    }
}

/// Base64 or hexadecimal digits of what is no key: a text, such as Kubernetes has in a Secret, a digest, or bytes in a row.
fn encoded(value: &str) -> Option<Form> {
    if value.len() < MIN_LEN {
        return None;
    }
    let mut bytes = Zeroizing::new(vec![0; value.len()]);
    let digits = value.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let is_hex =
        value.len() % 2 == 0 && bytes.iter_mut().zip(digits).all(|(byte, digit)| digit.map(|it| *byte = it).is_some());
    let engine = if value.contains(['-', '_']) { URL_SAFE_NO_PAD } else { STANDARD_NO_PAD };
    let len =
        if is_hex { value.len() / 2 } else { engine.decode_slice(value.trim_end_matches('='), &mut bytes).ok()? };
    bytes.truncate(len);
    if len >= MIN_LEN && bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == bytes[1].wrapping_sub(bytes[0]))
        || is_digest(&bytes)
    {
        return Some(Form::Guessable);
    }
    let text = std::str::from_utf8(&bytes)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()))?;
    // The text is shorter than the value, so that this ends.
    match form(text.as_bytes()) {
        Some(Form::Guessable) => Some(Form::Guessable),
        None if text.len() >= MIN_LEN && text.bytes().all(|byte| byte.is_ascii_graphic()) => None,
        _ => Some(Form::Wrapped(ENCODED)),
    }
}

/// `/etc/MyService/metrics_verification_key` and `C:\keys\metrics_key`: a path whose segments are names, however long. An
/// absolute one may have another segment, as in `/tmp/.tmpk16uUC/metrics_key`.
fn is_path_of_names(value: &str) -> bool {
    const MIN_NAMES_LEN: usize = 12;
    let path =
        value.strip_prefix(|c: char| c.is_ascii_alphabetic()).and_then(|path| path.strip_prefix(':')).unwrap_or(value);
    let (names, others): (Vec<_>, Vec<_>) =
        path.split(['/', '\\']).filter(|segment| !segment.is_empty()).partition(|segment| runs(segment).all(is_known));
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/\\._ -".contains(&byte))
        && names.concat().len() >= MIN_NAMES_LEN
        && (others.is_empty() || others.len() == 1 && names.len() > 1 && path.starts_with('/'))
}

/// Whether a name of a header or of a parameter is a key by mistake, or has one in it.
pub(crate) fn has_random_part(name: &str) -> bool {
    hex(name).is_some() || runs(name).any(|part| part.len() >= MIN_LEN && !is_name(part))
}

/// What keys consist of, unless they have signs of every kind.
fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_.-".contains(&byte)
}

/// The letters and digits between signs.
fn runs(value: &str) -> impl Iterator<Item = &str> {
    value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|run| !run.is_empty())
}

/// Whether `value` is names, as programs and people give them, with any signs between them: `METRICS_KEY`, `my-service`,
/// `metricsKey`, `AES256`. Letters and digits at random are none.
fn is_names(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_alphabetic()) && runs(value).all(is_name)
}

/// Whether `run` is a number, or letters in words of three or more.
fn is_known(run: &str) -> bool {
    run.bytes().all(|byte| byte.is_ascii_digit())
        || is_name(run)
            && camel_words(run.as_bytes()).all(|word| word.len() > 2 && word.iter().all(u8::is_ascii_alphabetic))
}

/// Whether `run` is letters of one case, but for a capital at the beginning.
fn is_word(run: &str) -> bool {
    run.len() > 2 && run.bytes().all(|byte| byte.is_ascii_alphabetic()) && is_capitalized(run.as_bytes())
}

/// Whether `run` is a number, or words, with a number behind them.
fn is_name(run: &str) -> bool {
    const MAX_DIGITS: usize = 19;
    const MAX_WORD_LEN: usize = 15;
    let letters = run.trim_end_matches(|c: char| c.is_ascii_digit()).as_bytes();
    if run.len() <= 3 {
        return is_capitalized(run.as_bytes());
    }
    if run.bytes().all(|byte| byte.is_ascii_digit() || b"TZ".contains(&byte)) {
        return run.len() <= MAX_DIGITS;
    }
    let words: Vec<_> = camel_words(letters).collect();
    let is_word = |word: &&[u8]| word.len() > 1 && word.len() <= MAX_WORD_LEN && is_capitalized(word);
    run.len() - letters.len() <= MAX_DIGITS
        && letters.iter().all(u8::is_ascii_alphabetic)
        && words.iter().all(is_word)
        && (words.len() < 2 || letters.len() * 2 >= 5 * words.len())
        && (words.len() < 4 || letters.len() >= 4 * words.len())
}
