//! Judges whether a configured key can be guessed: a published example, words of a placeholder, or a simple pattern.

use std::sync::LazyLock;

use zeroize::Zeroizing;

/// Whether `value` is a key that an attacker tries first.
pub(crate) fn is_guessable(value: &str) -> bool {
    /// Parts of published examples. The last is in the token of jwt.io, in base64: `{"sub":"1234567890","name":"John Doe"`.
    const PARTS: [&str; 5] =
        ["changeme", "example", "placeholder", "quickbrownfox", "eyjzdwiioiixmjm0nty3odkwiiwibmftzsi6ikpvag4grg9lii"];
    let mut text = Zeroizing::new(value.as_bytes().to_ascii_lowercase());
    text.retain(u8::is_ascii_alphanumeric);
    let has_signs = text.len() < value.len();
    is_sample(&text)
        || is_sequence(&text)
        || is_periodic(&text)
        || has_signs && is_periodic(value.as_bytes())
        || is_walk(value.as_bytes())
        || std::str::from_utf8(&text).is_ok_and(|text| PARTS.iter().any(|part| text.contains(part)))
        || is_phrase(value.as_bytes())
        || is_phrase(&with_letters(value))
}

/// Whether `text`, letters and digits without what was between them, is published.
fn is_sample(text: &[u8]) -> bool {
    let is_row = text.len() >= MIN_PERIOD && ROWS.iter().any(|row| row.as_bytes().starts_with(text));
    let mut begun = SAMPLES.iter().filter(|sample| sample.as_bytes().first() == text.first());
    is_row || begun.any(|sample| sample.bytes().filter(|byte| *byte != b'-').eq(text.iter().copied()))
}

/// The keys of a keyboard in rows of twelve, without and with shift.
const KEYBOARD: [&[u8]; 2] = [b"1234567890-=qwertyuiop[]asdfghjkl;'\0zxcvbnm,./", b"!@#$%^&*()_+"];

/// Whether four of five keys are beside the one before them.
fn is_walk(keys: &[u8]) -> bool {
    const WIDTH: usize = 12;
    let place = |key: u8| KEYBOARD.iter().find_map(|keys| keys.iter().position(|it| *it == key.to_ascii_lowercase()));
    let is_step = |pair: &[u8]| match (place(pair[0]), place(pair[1])) {
        (Some(one), Some(two)) => (one / WIDTH).abs_diff(two / WIDTH) <= 1 && (one % WIDTH).abs_diff(two % WIDTH) <= 1,
        _ => false,
    };
    let most = keys.len() / 5;
    keys.len() >= MIN_PERIOD && keys.windows(2).filter(|pair| !is_step(pair)).take(most + 1).count() <= most
}

/// `value` with the letters that digits and signs are written for in words: `s3cr3t`. Digits behind a word stay.
fn with_letters(value: &str) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(value.as_bytes().to_vec());
    for index in (0..text.len()).rev() {
        let next = text.get(index + 1);
        let is_in_word = next.is_some_and(u8::is_ascii_alphabetic)
            || !next.is_some_and(u8::is_ascii_digit) && index > 0 && text[index - 1].is_ascii_alphabetic();
        if let Some(letter) = b"0134578@$!".iter().position(|sign| *sign == text[index]).filter(|_| is_in_word) {
            text[index] = b"oieastbasi"[letter];
        }
    }
    text
}

/// Ways over a keyboard, and the digits of well-known numbers. A key can be the beginning of one.
const ROWS: &[&str] = &[
    "3141592653589793238462643383279",
    "2718281828459045235360287471352",
    "1123581321345589144233377610987",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
];

/// Published keys, in lower case. Words such as `change-me` are in [`LIST_OF_WORDS`], and patterns need no list.
const SAMPLES: &[&str] = &[
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

/// Whether `bytes` begin as one of [`DIGESTS`].
pub(crate) fn is_digest(bytes: &[u8]) -> bool {
    const LEN: usize = 6;
    static BEGINNINGS: LazyLock<Vec<u64>> =
        LazyLock::new(|| DIGESTS.split(' ').filter_map(|digits| u64::from_str_radix(digits, 16).ok()).collect());
    let number = |begin: &[u8]| begin.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    bytes.get(..LEN).is_some_and(|begin| BEGINNINGS.binary_search(&number(begin)).is_ok())
}

/// Fewer bytes than this are too few for a key, also if a key repeats them.
const MIN_PERIOD: usize = 16;

/// Whether a few bytes are repeated, or a sample is.
fn is_periodic(text: &[u8]) -> bool {
    let repeats = |period: &usize| text[*period] == text[0] && text[*period..] == text[..text.len() - period];
    match (1..=text.len() / 2).find(repeats) {
        Some(period) => period < MIN_PERIOD || is_sample(&text[..period]) || is_sequence(&text[..period]),
        None => false,
    }
}

/// Whether most characters follow the one before them, or the second, third or fourth before them, in the alphabet:
/// `0123456789abcdef`, `aabbccdd..`, `a1b2c3d4..`. Or whether there are three different ones at most.
fn is_sequence(text: &[u8]) -> bool {
    const MAX_STRIDE: usize = 4;
    if text.len() < MIN_PERIOD {
        return false;
    }
    let is_sequence = |stride: usize| {
        let mut breaks_left = (text.len() - stride) / 5;
        for index in stride..text.len() {
            if !follows(text[index - stride], text[index]) {
                let Some(left) = breaks_left.checked_sub(1) else { return false };
                breaks_left = left;
            }
        }
        true
    };
    let is_new = |(index, byte): &(usize, &u8)| !text[..*index].contains(byte);
    (1..=MAX_STRIDE).any(is_sequence) || text.iter().enumerate().filter(is_new).take(4).count() < 4
}

/// Whether one character is another, or beside it in the alphabet.
fn follows(one: u8, next: u8) -> bool {
    let ends = |one, next| matches!((one, next), (b'9', b'a' | b'0') | (b'f', b'0') | (b'z', b'a'));
    one.abs_diff(next) <= 1 || ends(one, next) || ends(next, one)
}

/// Whether `value` is words of [`LIST_OF_WORDS`], or at least as many of them as of other words, with anything between them.
///
/// A passphrase of dice has few of these words, and a key that a program made has letters and digits at random.
fn is_phrase(value: &[u8]) -> bool {
    const MAX_DIGITS: usize = 8;
    const MAX_LEN: usize = 15;
    const MAX_CHANGES: usize = 6;
    const NOUNS: [&[u8]; 4] = [b"key", b"password", b"secret", b"token"];
    // Between letters and digits. This ends most looks at a key soon.
    let changes = value.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit());
    if changes.take(MAX_CHANGES + 1).count() > MAX_CHANGES {
        return false;
    }
    let (mut known, mut unknown, mut digits) = (0, 0, 0);
    let mut rest = value;
    let mut was_digit = false;
    while let [first, ..] = rest {
        let same = |byte: &&u8| (byte.is_ascii_alphabetic(), byte.is_ascii_digit());
        let len = rest.iter().take_while(|byte| same(byte) == same(&first)).count();
        let (run, after) = rest.split_at(len);
        if first.is_ascii_digit() {
            digits += if run.windows(2).all(|pair| follows(pair[0], pair[1])) { 0 } else { len };
            if digits > MAX_DIGITS {
                return false;
            }
        } else if first.is_ascii_alphabetic() {
            let is_beside_digits = was_digit || after.first().is_some_and(u8::is_ascii_digit);
            let whole = words(run).map(|words| vec![(run, Some(words))]);
            for (word, found) in whole.unwrap_or_else(|| camel_words(run).map(|word| (word, words(word))).collect()) {
                match found {
                    // A name such as `acme-scraper-token` needs fewer of the other words.
                    Some(words) => known += words + usize::from(NOUNS.iter().any(|it| word.eq_ignore_ascii_case(it))),
                    None if is_beside_digits || !(2..=MAX_LEN).contains(&word.len()) || !is_capitalized(word) => {
                        return false;
                    }
                    None => unknown += 1,
                }
            }
        }
        was_digit = first.is_ascii_digit();
        rest = after;
    }
    known > 0 && known >= unknown
}

/// The words of `camelCase`.
pub(crate) fn camel_words(letters: &[u8]) -> impl Iterator<Item = &[u8]> {
    letters.chunk_by(|one, next| !(one.is_ascii_lowercase() && next.is_ascii_uppercase()))
}

/// Whether the letters of `word` are of one case, but for a capital at its beginning.
pub(crate) fn is_capitalized(word: &[u8]) -> bool {
    !word.iter().any(u8::is_ascii_lowercase) || !word.iter().skip(1).any(u8::is_ascii_uppercase)
}

/// How many words of [`LIST_OF_WORDS`], of three letters or more, follow each other in `run`, if it is nothing but such words and
/// shorter ones. One letter over and over is a word.
fn words(run: &[u8]) -> Option<usize> {
    const LONGEST: usize = 13;
    if run.len() > 2 && run.iter().all(|letter| letter.eq_ignore_ascii_case(&run[0])) {
        return Some(1);
    }
    // From the end: how many words each part of the run has that goes to its end.
    let mut counts: Vec<Option<usize>> = vec![None; run.len() + 1];
    counts[run.len()] = Some(0);
    for start in (0..run.len()).rev() {
        counts[start] = (start + 1..=run.len().min(start + LONGEST))
            .filter(|end| counts[*end].is_some() && is_word(&run[start..*end]))
            .filter_map(|end| counts[end].map(|words| words + usize::from(end - start > 2)))
            .max();
    }
    counts[0]
}

fn is_word(word: &[u8]) -> bool {
    let lower = |letter: &u8| letter.to_ascii_lowercase();
    WORDS.binary_search_by(|known| known.bytes().cmp(word.iter().map(lower))).is_ok()
}

/// In lower case, with spaces between them.
const LIST_OF_WORDS: &str = "\
    a abc abcd abcdef access actual add admin agent amet an and any api app as asdf asdfgh asdfghjkl at auth \
    authorization azerty babe bar base baz be bearer beef before bit bits by bytes cafe change changed changeit \
    changeme changethis char chars ci cluster complex computed config credential credentials data dead default define \
    demo deploy deployment dev development digit digits do dolor dummy empty encoded enter env example face fake \
    feed fill fixme foo foobar for from generate generated goes hello here hex hidden hunter id in injected \
    input insecure insert instead ipsum is it key keyhere keys later length letmein local localhost long lorem \
    make managed masked me metric metrics missing module monitoring must my name never new nil no none not null on only \
    openssl or our output overridden own params pass passphrase passwd password placeholder please populated \
    process prod production prom prometheus put qwerty qwertyuiop qwertz rand random real redacted ref replace \
    replaced resolve root runtime sample scrape secret secrets secure security sensitive service set setting sit \
    some something staging string strong super supersecret svc tbd temp template terraform test testing text the \
    this to todo token undefined unsafe unset update use user value values var variable vars vault verification \
    verify very welcome will with world you your yourkey yours zxcvbnm";

static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut words: Vec<_> = LIST_OF_WORDS.split(' ').collect();
    words.sort_unstable();
    words
});

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
