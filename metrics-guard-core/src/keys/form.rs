//! Judges the form of a configured key: whether it is a key as generators print it, or a template, a path or a wrapped key.
//!
//! [`judged`] is the list of rules. The rules name few tools. [`guess`](super::guess) finds what attackers try first, and
//! [`chance`](super::chance) finds names and wrappings by likelihood. A test tries a million keys of common generators.
//!
//! The value may be a key, so each copy of it is in a `Zeroizing`.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use crate::{
    keys::{
        chance::{Parts, hex, is_encoded, is_plain, is_random, parts},
        guess::{is_digest, is_guessable},
        words::{camel_words, common_words, is_long_name, is_name, runs, without_number},
    },
    limits::MIN_LEN,
    shown::is_path,
};

/// The reason why a value is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A published example, words of a placeholder, or a simple pattern.
    Guessable,
    /// A template, a reference, a name or an address that was not replaced by a key.
    Template,
    /// The path of a file.
    Path,
    /// A key and something around it, which this text names.
    Wrapped(&'static str),
    /// Another value without a key in it, which this text names.
    NoKey(&'static str),
}

const AROUND: &str = "a key with other characters around it";
const QUOTES: &str = "a key in quotes";

/// Returns why `value` is not a key. Returns `None` if it can be one. White space around it does not count.
pub(crate) fn flaw(value: &[u8]) -> Option<Flaw> {
    /// Longer values are documents. The limit also bounds the work.
    const MAX_LEN: usize = 1024;
    let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= MAX_LEN)?.trim();
    let found = value.contains(['%', '&', '\\']).then(|| {
        let mut text = Zeroizing::new(value.to_owned().into_bytes());
        (0..3).for_each(|_| unescape(&mut text)); // an escaped text can be escaped again
        let text = std::str::from_utf8(&text).ok().filter(|text| text.len() < value.len())?;
        judged(text).or_else(|| is_plain(text).then_some(Flaw::Wrapped(AROUND)))
    });
    // A value that cannot be sent has its own error.
    let is_sendable = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let flaw = found.flatten().or_else(|| judged(value));
    flaw.filter(|flaw| is_sendable || *flaw != Flaw::Wrapped(AROUND))
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

/// Returns the character that an escape at the beginning of `text` means, and the length of the escape.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    const ENTITIES: [(&str, u8); 5] =
        [("&lt;", b'<'), ("&gt;", b'>'), ("&quot;", b'"'), ("&apos;", b'\''), ("&amp;", b'&')];
    const NUMBERS: [(&str, &str, u32); 6] =
        [("%", "", 16), ("\\x", "", 16), ("\\u00", "", 16), ("&#x", ";", 16), ("&#X", ";", 16), ("&#", ";", 10)];
    let number = |(before, after, radix): &(&str, &str, u32)| {
        let (digits, rest) = text.strip_prefix(before.as_bytes())?.split_at_checked(2)?;
        let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, *radix).ok()?;
        let is_needed = digits[0] != b'+' && byte.is_ascii() && !(*before == "%" && byte.is_ascii_alphanumeric());
        (is_needed && rest.starts_with(after.as_bytes())).then_some((byte, before.len() + 2 + after.len()))
    };
    let entity = ENTITIES.iter().find(|(entity, _)| text.starts_with(entity.as_bytes()));
    entity.map(|(entity, byte)| (*byte, entity.len())).or_else(|| NUMBERS.iter().find_map(number))
}

/// Judges a value. Its form decides which rules apply, and the first of these that fits decides.
fn judged(value: &str) -> Option<Flaw> {
    let guessable = is_guessable(value).then_some(Flaw::Guessable);
    if value.contains(['/', '\\']) && (is_path(value) || is_path_of_names(value)) {
        Some(Flaw::Path)
    } else if is_passphrase(value) {
        guessable
    } else if is_plain(value) {
        let template = || is_reference(value).then_some(Flaw::Template);
        guessable.or_else(|| composed(value)).or_else(template).or_else(|| encoded(value))
    } else if hex(value).is_none() && is_hex_with_signs(value) {
        let is_address = value.len() < 32 || value.parse::<std::net::Ipv6Addr>().is_ok();
        guessable.or(is_address.then_some(Flaw::Template))
    } else {
        composed(value).or(guessable)
    }
}

/// Judges a value with several parts: a password hash, a key in quotes, two keys, or parts that chance does not explain.
fn composed(value: &str) -> Option<Flaw> {
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote).filter(|inner: &&str| !inner.contains(quote));
    let is_quoted = || ['"', '\''].into_iter().find_map(quoted).is_some_and(|inner| inner.len() >= MIN_LEN);
    if let Some(what) = hash_or_public_key(value) {
        return Some(Flaw::NoKey(what));
    }
    let named = value.split_once(['=', ':']).filter(|(name, key)| {
        key.len() >= MIN_LEN
            && name.len() > 2
            && is_plain(name)
            && runs(name).all(|run| common_words(run).is_some_and(|words| words > 0))
    });
    match parts(value) {
        Some(Parts::AroundKey(before, after)) => Some(Flaw::Wrapped(kind(before, after))),
        Some(Parts::Names) => Some(Flaw::Template),
        None if named.is_some() => named.map(|(name, _)| Flaw::Wrapped(kind(&value[..=name.len()], ""))),
        None if is_quoted() => Some(Flaw::Wrapped(QUOTES)),
        None if is_two_keys(value) || is_longer_than_key(value) => Some(Flaw::Wrapped(AROUND)),
        None => is_between_template_signs(value).then_some(Flaw::Template),
    }
}

/// Returns whether template signs are around the whole value, such as `${` and `}`.
fn is_between_template_signs(value: &str) -> bool {
    const SIGNS: [(&str, &str); 8] =
        [("${", "}"), ("$(", ")"), ("{{", "}}"), ("{%", "%}"), ("<%", "%>"), ("<?", "?>"), ("[[", "]]"), ("((", "))")];
    SIGNS.iter().any(|(before, after)| value.starts_with(before) && value.ends_with(after))
}

/// Returns whether the value is a key with a `/` at an end, or has padding that does not fit, as with a second `=` or `0x`.
fn is_longer_than_key(value: &str) -> bool {
    let key = value.trim_matches('/');
    let has_slash = key.len() < value.len() && !key.contains('/') && is_random(&key);
    is_plain(value) && !is_encoded(value) && (has_slash || value.ends_with('='))
}

/// Returns whether the value is two keys of one length with a sign between them, which no generator prints.
fn is_two_keys(value: &str) -> bool {
    let Some((one, rest)) = value.split_at_checked(value.len() / 2) else { return false };
    let is_key = |key: &str| is_random(&key) && is_plain(key) && !key.contains('.');
    let two = rest.strip_prefix(['.', '-', '_']).filter(|two| two.len() == one.len());
    !is_encoded(value) && is_key(one) && two.is_some_and(is_key)
}

/// Returns whether the value is hexadecimal digits with signs between them, such as the address of a network card.
fn is_hex_with_signs(value: &str) -> bool {
    runs(value).all(|run| run.len() < MIN_LEN && run.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns whether the value is names or numbers: words that are longer on average than by chance, and few other characters.
fn is_reference(value: &str) -> bool {
    const MAX_RANDOM: usize = 7;
    const MAX_HEX_LEN: usize = 23;
    const MAX_LETTERS: usize = 3;
    let has = |is_it: fn(&u8) -> bool| value.as_bytes().iter().any(is_it);
    let min_word_len = match ["__", "--", ".", "=-"].iter().any(|signs| value.contains(signs)) {
        true => 2,
        false if has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) => 5,
        false => 3,
    };
    let random: usize = runs(value).filter(|run| !is_name(run)).map(str::len).sum();
    let words = || value.split(|c: char| !c.is_ascii_alphabetic()).flat_map(camel_words);
    let letters: usize = words().map(str::len).sum();
    // Password managers print values such as `XXXX-XXXX-XXXX-XXXX`.
    let has_blocks = letters > MAX_LETTERS
        && has(u8::is_ascii_digit)
        && runs(value).all(|run| run.len() > 3 && Some(run.len()) == runs(value).next().map(str::len));
    value.len() >= MIN_LEN
        && random <= MAX_RANDOM
        && hex(value).is_none_or(|key| key.len() <= MAX_HEX_LEN)
        && (letters <= MAX_LETTERS || letters >= min_word_len * words().count())
        && !has_blocks
}

/// Returns whether the value has four or more words with one sign or number between each two, as password managers make them.
fn is_passphrase(value: &str) -> bool {
    const MIN_WORDS: usize = 4;
    let value = value.strip_suffix(['!', '?']).unwrap_or(value);
    let signs = || value.bytes().filter(|byte| !byte.is_ascii_alphanumeric());
    let words = || runs(value).flat_map(|run| camel_words(without_number(run)));
    // Names of programs have two signs, but rarely numbers and never other signs.
    let is_varied = value.bytes().any(|byte| byte.is_ascii_digit() || b",!@*".contains(&byte));
    signs().all(|sign| b"-_.,!@*/+".contains(&sign))
        && runs(value).count() == signs().count() + 1
        && (is_varied || signs().all(|sign| Some(sign) == signs().next()))
        && runs(value).all(is_name)
        && words().all(|word| word.len() > 1)
        && words().filter(|word| word.len() > 2).count() >= MIN_WORDS
}

/// Returns what the value is, if it is a password hash or a public key. These begin in few ways.
fn hash_or_public_key(value: &str) -> Option<&'static str> {
    const ALGORITHMS: [&str; 11] =
        ["argon2", "bcrypt", "blake", "crypt", "md5", "pbkdf2", "scram-", "scrypt", "sha", "ssha", "yescrypt"];
    const PUBLIC_KEYS: [&str; 7] =
        ["AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh", "AAAAGnNrLX", "MCowBQYDK2V", "MFkwEwYHKoZ", "MIIBIjANBgk"];
    const AGE_LEN: usize = 62;
    if value.starts_with("age1") && value.len() == AGE_LEN || PUBLIC_KEYS.iter().any(|key| value.starts_with(key)) {
        return Some("a public key");
    }
    let is_hash_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_.-$,:{}".contains(&byte);
    let is_crypt = value.starts_with('$') && value.matches('$').count() > 2; // `$2y$12$..`
    let name = value.trim_start_matches(['$', '{']);
    let begins = |known: &&str| name.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known));
    let is_named = ALGORITHMS.iter().any(begins) && value.contains(['$', ':', '}'])
        || ["sha256-", "sha384-", "sha512-"].iter().any(|known| value.starts_with(known));
    let is_md5 = value.strip_prefix("md5").is_some_and(|digits| digits.len() == 32 && hex(digits) == Some(digits));
    let is_hash = (is_crypt || is_named) && value.len() > MIN_LEN && value.bytes().all(is_hash_byte) || is_md5;
    is_hash.then_some("a password hash")
}

/// Returns the kind of the wrapping that has these texts in front of the key and behind it.
fn kind(before: &str, after: &str) -> &'static str {
    let is_quote = |c: char| "\"'`“”„«»‘’‹›".contains(c);
    let name = before.trim_end_matches(|c: char| is_quote(c) || c.is_whitespace() || "\\>".contains(c));
    let has_quotes = before[name.len()..].contains(is_quote) || after.trim_start_matches('\\').starts_with(is_quote);
    let has_names = before.contains(|c: char| c.is_ascii_alphabetic());
    let is_comment = |text: &str| ["#", ";", "//", "--", "/*", "<!--"].iter().any(|sign| text.starts_with(sign));
    if is_comment(before) && (!has_names || before.starts_with('#'))
        || after.starts_with(char::is_whitespace) && is_comment(after.trim())
    {
        "a key behind a comment sign"
    } else if before.starts_with(['{', '[']) && has_quotes {
        "a key in JSON"
    } else if before.starts_with('<') && has_names {
        "a key in XML"
    } else {
        match name.chars().next_back() {
            Some('=') if has_names => "a key behind `NAME=`",
            Some(':') if has_names => "a key behind `NAME:`",
            Some('{' | '[' | '(' | '<') => "a key in brackets",
            _ if has_quotes => QUOTES,
            Some(_) if has_names && before.ends_with(' ') => "a key behind an authentication scheme",
            _ => AROUND,
        }
    }
}

/// Judges base64 or hexadecimal digits. They are no key if they encode a text, as in a Secret of Kubernetes, or bytes in a row.
/// They are no key either if they are the digest of a common text.
fn encoded(value: &str) -> Option<Flaw> {
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
        return Some(Flaw::Guessable);
    }
    let text = std::str::from_utf8(&bytes)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()))?;
    // The text is shorter than the value, so the recursion ends.
    match flaw(text.as_bytes()) {
        Some(Flaw::Guessable) => Some(Flaw::Guessable),
        None if text.len() >= MIN_LEN && text.bytes().all(|byte| byte.is_ascii_graphic()) => None,
        _ => Some(Flaw::NoKey("a text in base64 or hexadecimal digits")),
    }
}

/// Returns whether the value is a path whose segments are names of any length, such as
/// `/etc/MyService/metrics_verification_key` or `C:\keys\metrics_key`. An absolute path may have one other segment, as in
/// `/tmp/.tmpk16uUC/metrics_key`.
fn is_path_of_names(value: &str) -> bool {
    const MIN_NAMES_LEN: usize = 12;
    let path =
        value.strip_prefix(|c: char| c.is_ascii_alphabetic()).and_then(|path| path.strip_prefix(':')).unwrap_or(value);
    let segments = || path.split(['/', '\\']).filter(|segment| !segment.is_empty());
    let is_names = |segment: &&str| runs(segment).all(is_long_name);
    let others = segments().filter(|segment| !is_names(segment)).count();
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/\\._ -".contains(&byte))
        && segments().filter(is_names).map(str::len).sum::<usize>() >= MIN_NAMES_LEN
        && (others == 0 || others == 1 && segments().count() > 2 && path.starts_with('/'))
}

/// Returns whether the name of a header, a parameter or a guard is a key by mistake, or contains one.
pub(crate) fn has_random_part(name: &str) -> bool {
    hex(name).is_some() || runs(name).any(|run| run.len() >= MIN_LEN && !is_name(run))
}
