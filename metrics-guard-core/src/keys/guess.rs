//! Judges whether a configured key can be guessed: a published example, words of a placeholder, or a simple pattern.

use zeroize::Zeroizing;

use crate::keys::words::{camel_words, common_words, is_capitalized};

/// Fewer bytes than this are too few for a key, also if a key repeats them.
const MIN_PERIOD: usize = 16;

/// Returns whether `value` is a key that an attacker tries first.
pub(crate) fn is_guessable(value: &str) -> bool {
    /// Parts of published examples. The last is in the token of jwt.io, in base64: `{"sub":"1234567890","name":"John Doe"`.
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

/// Returns whether `text` is a sample, a sequence, or a repetition of one or of a few bytes.
fn is_pattern(text: &[u8]) -> bool {
    let is_known = |text: &[u8]| is_sample(text) || is_sequence(text);
    let repeats = |period: &usize| text[*period..] == text[..text.len() - period];
    let period = (1..=text.len() / 2).find(repeats);
    is_known(text) || period.is_some_and(|period| period < MIN_PERIOD || is_known(&text[..period]))
}

/// Returns whether `text`, letters and digits without the signs between them, is published or begins a published value.
fn is_sample(text: &[u8]) -> bool {
    let begins = |sample: &&str| {
        let mut bytes = sample.bytes().filter(|byte| *byte != b'-');
        text.iter().all(|byte| bytes.next() == Some(*byte))
    };
    text.len() >= MIN_PERIOD && SAMPLES.iter().any(|sample| begins(sample))
}

/// Returns whether four of five characters follow the one before them in the alphabet or on the keyboard, or the second,
/// third or fourth before them in the alphabet: `0123456789abcdef`, `aabbccdd..`, `a1b2c3d4..`, `1qaz2wsx..`. Or whether there
/// are three different ones at most.
fn is_sequence(text: &[u8]) -> bool {
    const MAX_STRIDE: usize = 4;
    let is_sequence = |stride: usize, follows: fn(u8, u8) -> bool| {
        let breaks = text.iter().zip(&text[stride..]).filter(|(one, next)| !follows(**one, **next));
        let most = (text.len() - stride) / 5;
        breaks.take(most + 1).count() <= most
    };
    let is_new = |(index, byte): &(usize, &u8)| !text[..*index].contains(byte);
    text.len() >= MIN_PERIOD
        && ((1..=MAX_STRIDE).any(|stride| is_sequence(stride, follows))
            || is_sequence(1, is_beside)
            || text.iter().enumerate().filter(is_new).take(4).count() < 4)
}

/// Returns whether one character is another, or beside it in the alphabet.
fn follows(one: u8, next: u8) -> bool {
    let is_end = matches!([one.min(next), one.max(next)], [b'9', b'a'] | [b'0', b'9' | b'f'] | [b'a', b'z']);
    one.abs_diff(next) <= 1 || is_end
}

/// Returns whether one character is another, or beside it on the keyboard.
fn is_beside(one: u8, next: u8) -> bool {
    const WIDTH: usize = 12;
    const KEYS: [&[u8]; 2] = [b"1234567890-=qwertyuiop[]asdfghjkl;'\0zxcvbnm,./", b"!@#$%^&*()_+"];
    let place = |key: u8| KEYS.iter().find_map(|keys| keys.iter().position(|it| *it == key.to_ascii_lowercase()));
    let Some((one, next)) = place(one).zip(place(next)) else { return false };
    (one / WIDTH).abs_diff(next / WIDTH) <= 1 && (one % WIDTH).abs_diff(next % WIDTH) <= 1
}

/// Returns `value` with the letters that digits and signs are written for in words: `s3cr3t`. Digits behind a word stay.
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

/// Returns whether `value` consists of common words, or of at least as many of them as of other words, with anything between
/// them. A passphrase of dice has few common words, and a generated key has letters and digits at random.
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
                // A name such as `acme-scraper-token` needs fewer of the other words.
                Some(words) => known += words + usize::from(NOUNS.iter().any(|noun| word.eq_ignore_ascii_case(noun))),
                None if is_beside_number || !(2..=15).contains(&word.len()) || !is_capitalized(word) => return false,
                None => unknown += 1,
            }
        }
    }
    known > 0 && known >= unknown
}

/// Published keys and numbers, in lower case. Words such as `change-me` and patterns need no list.
const SAMPLES: &[&str] = &[
    // The circle number, Euler's number, the numbers of Fibonacci, and the columns of a keyboard.
    "3141592653589793238462643383279",
    "2718281828459045235360287471352",
    "1123581321345589144233377610987",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    // Keys that earlier documents of this project showed.
    "7d1f0c5b9a3e48f2b6a0d4c8e1f75392",
    "e5b8a17c64d0f2395e8c1b7a0d63f498",
    "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "f0e1d2c3b4a5968778695a4b3c2d1e0f",
    // The document that describes the reference middleware.
    "some-super-secret-key",
    // UUIDs in RFC 4122, RFC 9562 and the documents of many libraries.
    "123e4567-e89b-12d3-a456-426614174000",
    "550e8400-e29b-41d4-a716-446655440000",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    // Secrets in the documents of AWS, and a comic strip.
    "wjalrxutnfemik7mdengbpxrficyexamplekey",
    "correct-horse-battery-staple",
    // The emulators of Azure Storage and Cosmos DB, and one-time passwords.
    "eby8vdm02xnocqflquwjpllmetlcdxj1ouzft50usrz6ifsufq2uvercz4i6tqk1szfptotrkbhbeksogmgw",
    "c2y6ydjf5rob0n8a7cgv30vrdjiwehlm4qdu5de2nq9nduvtqobd4b8mggypmbiznqymsecagqy67xiwjw",
    "jbswy3dpehpk3pxp",
];

/// How the MD5, SHA-1, SHA-256 and SHA-512 of nothing and of words begin, also with a line break: what a pipe prints whose first
/// command failed, and `echo password | sha256sum`.
const DIGESTS: &str = "\
    019768a0e586 01ba4719c80b 057ba03d6c44 098f6bcd4621 09c20244c04b 0a50261ebd1a 0e3e75234abc 146c07ef2479 14758f1afd44 \
    177a7ea3611f 1809f7cd0c75 1caced6fca22 21232f297a57 286755fad048 297647beea8d 2bb80d537b1d 2c70e12b7a06 2cf24dba5fb0 \
    3858f62230ac 3c6e0b8a9c15 4015bc9ee91e 41edf6e61ed4 456b7016a916 4cb9c8a8048f 4e1243bd22c6 501acc257eba 5891b5b522d5 \
    5baa61e4c9b9 5d41402abc4b 5e884898da28 5ebe2294ecd0 5f4dcc3b5aa7 65fa3fd47704 68b329da9893 6ac371cc3dc9 6b3a55e0261b \
    71cacc06bb91 7c4a8d09ca37 825c38c66db4 8335fa56d487 8843d7f92416 8c6976e5b541 8d969eef6eca 9151440965cf 950ceafc91fd \
    966b9734015a 988881adc9fc 9b71d224bd62 9f86d081884c a3c8575f1239 a62f2225bf70 a7998f247bd9 a94a8fe5ccb1 aa59d67c2123 \
    aad8f23c2fa0 aaf4c61ddcc5 adc83b19e793 aec070645fe5 b109f3bbbc24 b1946ac92492 b37e50cedcd3 ba3253876aed bd2b1aaf7ef4 \
    be688838ca86 c0afe552afb9 c3ab8ff13720 c4f9375f9834 c7ad44cbad76 c8fed00eb2e8 cf83e1357eef d033e22ae348 d41d8cd98f00 \
    d83f900baedb d8e8fca2dc0f da39a3ee5e6b dd02c7c22327 e10adc3949ba e150a1ec81e8 e1efc99729be e3b0c44298fc e4af19ee8b2c \
    e4f00638b8a1 e5e9fa1ba31e e78bd74e8af5 e79b8ad22b34 e7c22b994c59 eaa16b9ced0b ee26b0dd4af7 f1891cea80fc f2ca1bb6c7e9 \
    f447b20a7fcb f572d396fae9 fa9beb99e402 fc683cd9ed19 fc8252c8dc55 fd6970c36196";

/// Returns whether `bytes` begin as one of [`DIGESTS`].
pub(crate) fn is_digest(bytes: &[u8]) -> bool {
    let begin = bytes.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte));
    bytes.len() >= 16 && DIGESTS.split(' ').any(|digits| u64::from_str_radix(digits, 16) == Ok(begin))
}

#[cfg(test)]
mod tests {
    use super::{SAMPLES, is_guessable};

    #[test]
    fn samples_are_guessable_in_any_case_and_repeated() {
        for sample in SAMPLES {
            for key in
                [(*sample).to_owned(), sample.to_uppercase(), sample.repeat(2), format!("{sample}-{sample}-{sample}")]
            {
                assert!(is_guessable(&key), "{key}");
            }
        }
    }
}
