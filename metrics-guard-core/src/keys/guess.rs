//! Judges whether a configured key can be guessed: a published example, words of a placeholder, or a simple pattern.

use std::{collections::HashSet, sync::LazyLock};

use zeroize::Zeroizing;

use crate::keys::words::{camel_words, common_words, has_one_case};
use crate::limits::MIN_LEN;

static SAMPLES: LazyLock<Vec<&str>> = LazyLock::new(|| values_of(include_str!("samples.txt")).collect());
static DIGESTS: LazyLock<HashSet<u64>> = LazyLock::new(|| {
    values_of(include_str!("digests.txt")).filter_map(|digits| u64::from_str_radix(digits, 16).ok()).collect()
});

/// Returns whether `value` is a key that an attacker tries first.
pub(crate) fn is_guessable(value: &str) -> bool {
    /// Parts of published examples. The last one is in the token of jwt.io, as base64: `{"sub":"1234567890","name":"John Doe"`.
    const PARTS: [&str; 5] =
        ["changeme", "example", "placeholder", "quickbrownfox", "eyjzdwiioiixmjm0nty3odkwiiwibmftzsi6ikpvag4grg9lii"];
    let mut letters = Zeroizing::new(value.to_ascii_lowercase());
    letters.retain(|c| c.is_ascii_alphanumeric());
    is_pattern(letters.as_bytes())
        || is_pattern(value.as_bytes())
        || PARTS.iter().any(|part| letters.contains(part))
        || is_phrase(value)
        || is_phrase(&with_letters(value))
}

/// Returns whether `text` is a sample, a sequence, or a repetition of a few bytes.
fn is_pattern(text: &[u8]) -> bool {
    let is_known = |text: &[u8]| is_sample(text) || is_sequence(text);
    let repeats = |period: &usize| text[*period..] == text[..text.len() - period];
    let period = (1..=text.len() / 2).find(repeats);
    is_known(text) || period.is_some_and(|period| period < MIN_LEN || is_known(&text[..period]))
}

/// Returns whether `text`, letters and digits without the signs between them, is published or begins a published value.
fn is_sample(text: &[u8]) -> bool {
    let begins = |sample: &str| {
        let mut bytes = sample.bytes().filter(|byte| *byte != b'-');
        text.iter().all(|byte| bytes.next() == Some(*byte))
    };
    text.len() >= MIN_LEN && SAMPLES.iter().any(|sample| begins(sample))
}

/// Returns whether `text` is a sequence, or has at most three different characters. In a sequence, four of five characters
/// follow the one before them, in the alphabet or on the keyboard. Or they follow the second, third or fourth character before
/// them in the alphabet. Examples are `0123456789abcdef`, `aabbccdd..`, `a1b2c3d4..` and `1qaz2wsx..`.
fn is_sequence(text: &[u8]) -> bool {
    const MAX_STRIDE: usize = 4;
    let has_few_breaks = |stride: usize, follows: fn(u8, u8) -> bool| {
        let breaks = text.iter().zip(&text[stride..]).filter(|(one, next)| !follows(**one, **next));
        let most = (text.len() - stride) / 5;
        breaks.take(most + 1).count() <= most
    };
    let is_new = |(index, byte): &(usize, &u8)| !text[..*index].contains(byte);
    text.len() >= MIN_LEN
        && ((1..=MAX_STRIDE).any(|stride| has_few_breaks(stride, follows))
            || has_few_breaks(1, is_beside)
            || text.iter().enumerate().filter(is_new).take(4).count() < 4)
}

/// Returns whether the two characters are equal, or neighbours in the alphabet.
fn follows(one: u8, next: u8) -> bool {
    let is_end = matches!([one.min(next), one.max(next)], [b'9', b'a'] | [b'0', b'9' | b'f'] | [b'a', b'z']);
    one.abs_diff(next) <= 1 || is_end
}

/// Returns whether the two characters are equal, or neighbours on the keyboard.
fn is_beside(one: u8, next: u8) -> bool {
    const WIDTH: usize = 12;
    const KEYS: [&[u8]; 2] = [b"1234567890-=qwertyuiop[]asdfghjkl;'\0zxcvbnm,./", b"!@#$%^&*()_+"];
    let place = |key: u8| KEYS.iter().find_map(|keys| keys.iter().position(|it| *it == key.to_ascii_lowercase()));
    let Some((one, next)) = place(one).zip(place(next)) else { return false };
    (one / WIDTH).abs_diff(next / WIDTH) <= 1 && (one % WIDTH).abs_diff(next % WIDTH) <= 1
}

/// Returns `value` with letters for the digits and signs that replace them in words, as in `s3cr3t`. Two or more digits after a
/// word stay.
fn with_letters(value: &str) -> Zeroizing<String> {
    let bytes = value.as_bytes();
    let letter = |(index, sign): (usize, char)| {
        let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
        let is_digit = bytes.get(index + 1).is_some_and(u8::is_ascii_digit);
        let is_in_word = is_letter(index + 1) || !is_digit && index > 0 && is_letter(index - 1);
        let letter = "0134578@$!".find(sign).filter(|_| is_in_word);
        letter.map_or(sign, |letter| char::from(b"oieastbasi"[letter]))
    };
    let mut text = Zeroizing::new(String::with_capacity(value.len()));
    text.extend(value.char_indices().map(letter));
    text
}

/// Returns whether `value` consists of common words, or of at least as many common words as other words, with anything between
/// them. A passphrase made with dice has few common words, and a generated key has letters and digits at random.
fn is_phrase(value: &str) -> bool {
    const MAX_NUMBERS: usize = 4;
    const MAX_DIGITS: usize = 8;
    const NOUNS: [&str; 4] = ["key", "password", "secret", "token"];
    let class = |byte: &u8| (byte.is_ascii_alphabetic(), byte.is_ascii_digit());
    let parts: Vec<_> = value.as_bytes().chunk_by(|one, next| class(one) == class(next)).collect();
    let is_number = |part: Option<&&[u8]>| part.is_some_and(|part| part[0].is_ascii_digit());
    let numbers = parts.iter().filter(|part| is_number(Some(part)));
    let odd = numbers.clone().filter(|part| !part.windows(2).all(|pair| follows(pair[0], pair[1])));
    if numbers.count() > MAX_NUMBERS || odd.map(|part| part.len()).sum::<usize>() > MAX_DIGITS {
        return false;
    }
    let (mut known, mut unknown) = (0, 0);
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| part[0].is_ascii_alphabetic()) {
        let is_beside_number = is_number(parts.get(index + 1)) || index > 0 && is_number(parts.get(index - 1));
        let Ok(run) = std::str::from_utf8(part) else { continue };
        let words = if common_words(run).is_some() { vec![run] } else { camel_words(run).collect() };
        for word in words {
            match common_words(word) {
                // These nouns count twice, so that a name such as `acme-scraper-token` is found in spite of its other words.
                Some(words) => known += words + usize::from(NOUNS.iter().any(|noun| word.eq_ignore_ascii_case(noun))),
                None if is_beside_number || !(2..=15).contains(&word.len()) || !has_one_case(word) => return false,
                None => unknown += 1,
            }
        }
    }
    known > 0 && known >= unknown
}

/// Returns whether `bytes` begin like a digest in `digests.txt`.
pub(crate) fn is_digest(bytes: &[u8]) -> bool {
    let begin = bytes.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte));
    bytes.len() >= 16 && DIGESTS.contains(&begin)
}

/// Returns the values in a file, without its comments.
fn values_of(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use super::{SAMPLES, is_guessable};

    #[test]
    fn rejects_published_keys_in_any_case_and_repeated() {
        for sample in SAMPLES.iter() {
            for key in
                [(*sample).to_owned(), sample.to_uppercase(), sample.repeat(2), format!("{sample}-{sample}-{sample}")]
            {
                assert!(is_guessable(&key), "{key}");
            }
        }
    }
}
