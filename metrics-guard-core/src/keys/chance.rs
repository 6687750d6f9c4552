//! Finds the parts of a value that chance does not explain: names, numbers, repeated signs, brackets, and a key among them.
//!
//! Two descriptions of the value are compared by their length in eighths of a bit. The first spells the value as a random
//! password, which costs 51 (83 possible characters) for each character, or 48 (64) without signs that base64 does not have.
//! The second lists the parts:
//!
//! | part | cost |
//! |---|---|
//! | a key, for each character | 32 (hexadecimal), 41 (letters of one case and digits) or 48 (all letters and digits) |
//! | common words | 24 to begin them, 64 for each (of some 200) |
//! | another name | 26 to begin it, 38 for each letter (of 26), 40 for each further word |
//! | a number | 25 to begin it, 26 for each digit |
//! | other letters and digits | more than in the first description, because they interrupt the list |
//! | a sign | 16, and more the more different ones there are |
//! | a bracket that closes another | 19 |
//!
//! Each saved bit halves the number of random passwords that save as much (Kraft's inequality). The costs are rough, so tests
//! measure how many passwords are rejected by mistake.

use zeroize::Zeroizing;

use crate::{
    keys::words::{camel_words, common_words, is_name, is_number, runs, without_number},
    limits::MIN_LEN,
    shown::is_path,
};

/// The parts of a value.
pub(crate) enum Parts<'a> {
    /// Names and numbers, without a key.
    Names,
    /// The text before the first key, and the text behind the last one.
    AroundKey(&'a str, &'a str),
}

/// Returns the parts of `value`. Returns `None` if chance explains them, or if `value` is a key.
pub(crate) fn parts(value: &str) -> Option<Parts<'_>> {
    let (mut rest, mut outside, mut cost) = (value, Vec::new(), 0);
    while let Some((before, key, after)) = key_in(rest) {
        outside.push(before);
        cost += cost_of_key(key);
        rest = after;
    }
    outside.push(rest);
    let (is_plain, has_key) = (is_plain(value), outside.len() > 1);
    // A space in a key has its own error.
    let is_cut = || value.contains(' ') && outside.iter().flat_map(|part| runs(part)).any(|run| !is_name(run));
    let is_key = if has_key { is_part_of_key(&outside) || is_cut() } else { is_plain };
    if is_key {
        return None;
    }
    // A character is one of 64 in base64, and one of at least 83 in a password with signs.
    let literal = if is_plain { 48 } else { 51 };
    cost += outside.iter().flat_map(|part| runs(part)).map(|run| cost_of_run(run, literal)).sum::<usize>();
    cost += cost_of_signs(&outside);
    let has_text_signs = outside.iter().any(|part| part.contains(['"', '\'', '`', ',', ';', '\\']));
    let savings = if has_text_signs { 32 } else { 0 } + if is_in_brackets(value) { 50 } else { 0 };
    // Tests measure how many values are rejected by mistake: one of 2,000 passwords, and none of the keys that programs print.
    let least = match has_key {
        true if is_plain && is_encoded(value) => 136,
        true => 87,
        false => 68,
    };
    let is_found = cost + least <= literal * value.len() + savings;
    is_found.then(|| if has_key { Parts::AroundKey(outside[0], rest) } else { Parts::Names })
}

/// Returns the cost of a key. Its characters are hexadecimal digits, letters of one case and digits, or any.
fn cost_of_key(key: &str) -> usize {
    let has = |is_it: fn(&u8) -> bool| key.as_bytes().iter().any(is_it);
    let of_a_character = match has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) {
        _ if hex(key).is_some() => 32,
        true => 48,
        false => 41,
    };
    key.len() * of_a_character
}

/// Returns the cost of a run outside of keys. A run that is no name is spelled, and costs more because it interrupts the list.
fn cost_of_run(run: &str, literal: usize) -> usize {
    let letters = without_number(run);
    let digits = 26 * (run.len() - letters.len());
    let spelled = literal * run.len();
    // The words may have numbers between them, as in `base64url`.
    let is_digit = |c: char| c.is_ascii_digit();
    match run.split(is_digit).map(common_words).sum() {
        _ if is_number(run) => 26 * run.len() + 25,
        Some(words @ 1_usize..) => 24 + 64 * words + 26 * run.matches(is_digit).count(),
        _ if !is_name(run) || !letters.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            spelled + 16 * run.len().min(4)
        }
        _ if run.len() < 3 => spelled + 5,
        _ if run.len() < 4 => spelled,
        _ => spelled.min(38 * letters.len() + 40 * camel_words(letters).count() - 14 + digits + digits.min(25)),
    }
}

/// Returns the cost of the signs outside of keys. It is small for few different signs, and for a bracket that is closed. Random
/// passwords have few of the signs that text and programs put around values.
fn cost_of_signs(outside: &[&str]) -> usize {
    let (mut count, mut different, mut cost) = (0, [false; 256], 0);
    let mut open = Zeroizing::new(Vec::new());
    for part in outside {
        for (index, sign) in part.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_alphanumeric()) {
            let is_behind_name = index > 0 && part.as_bytes()[index - 1].is_ascii_alphanumeric();
            match sign {
                b'}' | b']' | b')' | b'>' if open.last() == Some(&sign) => cost += open.pop().map_or(0, |_| 19),
                b' ' | b'\n' | b'\r' | b'\t' | 128.. => cost += 24,
                _ => {
                    open.extend(BRACKETS.iter().find(|pair| pair[0] == sign).map(|pair| pair[1]));
                    different[usize::from(sign)] = true;
                    count += 1;
                    cost += if is_behind_name && b"=:".contains(&sign) { 0 } else { 16 };
                }
            }
        }
    }
    let different = different.iter().filter(|is_there| **is_there).count();
    cost + 44 * different + count * 8 * different.checked_ilog2().unwrap_or(0) as usize
}

const BRACKETS: [[u8; 2]; 4] = [*b"{}", *b"[]", *b"()", *b"<>"];

/// Returns whether a value begins and ends in brackets. They may be those of the text around it, as in `}..{`. A name may come
/// first, as in `ENC[..]`.
fn is_in_brackets(value: &str) -> bool {
    let brackets = value.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let name = &value[..value.len() - brackets.len()];
    let brackets = if name.len() > 2 && is_name(name) { brackets } else { value };
    let ends = brackets.bytes().next().zip(brackets.bytes().next_back());
    BRACKETS.iter().any(|[open, close]| ends == Some((*open, *close)) || ends == Some((*close, *open)))
}

/// Returns whether the text outside of keys can be a part of the key, such as `sk_live_` or a number.
fn is_part_of_key(outside: &[&str]) -> bool {
    let is_signs = |part: &str| !part.is_empty() && runs(part).next().is_none();
    let ends = [outside[0], outside[outside.len() - 1]];
    outside.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)))
        && !ends.iter().any(|part| is_signs(part))
        && !outside[0].eq_ignore_ascii_case("0x")
}

/// Returns the text before the first key in `value`, this key, and the text behind it.
fn key_in(value: &str) -> Option<(&str, &str, &str)> {
    let is_plain = is_plain(value);
    let is_it = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let key = value.split(|c| !is_it(c)).find_map(|run| {
        let run = if is_plain { run } else { run.trim_matches(['+', '/', '-', '_']) };
        let is_alphabet = !(run.contains(['+', '/']) && run.contains(['-', '_']));
        hex(run)
            .or_else(|| is_alphabet.then(|| without_path(run)).filter(is_random))
            .or_else(|| runs(run).find(is_random))
    })?;
    let (before, after) = value.split_once(key)?;
    let padding = after.len() - after.trim_start_matches('=').len();
    let is_padded = hex(key).is_none() && padding <= 6 && (key.len() + padding) % 4 == 0;
    Some((before, key, if is_padded { &after[padding..] } else { after }))
}

/// Returns whether `run` is long enough for a key and is not a name.
pub(crate) fn is_random(run: &&str) -> bool {
    run.len() >= MIN_LEN && runs(run).any(|part| !is_name(part)) && !is_path(run)
}

/// Returns `run` without a common word before its first `/` and behind its last.
fn without_path(run: &str) -> &str {
    let is_word = |word: &str| {
        word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_lowercase()) && common_words(word).is_some()
    };
    match (run.split_once('/'), run.rsplit_once('/')) {
        (Some((word, key)), _) | (_, Some((key, word))) if is_word(word) => key,
        _ => run,
    }
}

/// Returns the first part of `value` that has 16 hexadecimal digits or more, with dashes as in a UUID. At least four of them
/// are decimal, because the part could otherwise be words.
pub(crate) fn hex(value: &str) -> Option<&str> {
    let count = |part: &str, is_it: fn(&u8) -> bool| part.bytes().filter(is_it).count();
    let is_digits = |part: &&str| count(part, u8::is_ascii_hexdigit) >= MIN_LEN && count(part, u8::is_ascii_digit) > 3;
    value.split(|c: char| !c.is_ascii_hexdigit() && c != '-').map(|part| part.trim_matches('-')).find(is_digits)
}

/// Returns whether `value` consists of the characters of encoded bytes, of names and of versions, with padding at the end.
pub(crate) fn is_plain(value: &str) -> bool {
    value.trim_end_matches('=').bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/_.-".contains(&byte))
}

/// Returns whether a plain value can be base64, in one of its alphabets, or base32 of whole bytes.
pub(crate) fn is_encoded(value: &str) -> bool {
    let digits = value.trim_end_matches('=');
    let is_base32 = || digits.bytes().all(|byte| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte));
    let is_padded = match value.len() - digits.len() {
        0 => digits.len() % 4 != 1,
        1 | 2 => value.len() % 4 == 0,
        3 | 4 | 6 => value.len() % 8 == 0 && is_base32(),
        _ => false,
    };
    is_padded && !digits.contains('.') && !(digits.contains(['+', '/']) && digits.contains(['-', '_']))
}
