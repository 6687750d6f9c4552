//! Distinguishes words and names, as people and programs write them, from random letters and digits.

use std::{collections::HashSet, sync::LazyLock};

use zeroize::Zeroizing;

/// Returns the runs of letters and digits between signs.
pub(crate) fn runs(value: &str) -> impl Iterator<Item = &str> {
    value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|run| !run.is_empty())
}

/// Returns the words of `camelCase`.
pub(crate) fn camel_words(letters: &str) -> impl Iterator<Item = &str> {
    let is_inside = |one: &u8, next: &u8| !(one.is_ascii_lowercase() && next.is_ascii_uppercase());
    letters.as_bytes().chunk_by(is_inside).filter_map(|word| std::str::from_utf8(word).ok())
}

/// Returns `run` without the digits at its end.
pub(crate) fn without_number(run: &str) -> &str {
    run.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Returns whether the letters of `word` are of one case, except for a capital at its beginning.
pub(crate) fn has_one_case(word: &str) -> bool {
    !word.bytes().any(|byte| byte.is_ascii_lowercase()) || !word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
}

/// Returns whether `run` is a number or a date.
pub(crate) fn is_number(run: &str) -> bool {
    run.bytes().any(|byte| byte.is_ascii_digit())
        && run.bytes().all(|byte| byte.is_ascii_digit() || b"TZ".contains(&byte))
}

/// Returns whether `run` is a number, a date, or `camelCase` with at most one number, at its end. Up to three letters and
/// digits of one case are a name too.
pub(crate) fn is_name(run: &str) -> bool {
    const MAX_DIGITS: usize = 19;
    const WORD_LENS: std::ops::RangeInclusive<usize> = 2..=15;
    let letters = without_number(run);
    if run.len() <= 3 {
        return has_one_case(run);
    }
    if is_number(run) {
        return run.len() <= MAX_DIGITS;
    }
    let count = camel_words(letters).count();
    run.len() - letters.len() <= MAX_DIGITS
        && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
        && camel_words(letters).all(|word| WORD_LENS.contains(&word.len()) && has_one_case(word))
        && letters.len() >= if count < 4 { 2 * count } else { 4 * count }
}

/// Returns whether `run` is a number, or a name whose words all have three letters or more.
pub(crate) fn is_long_name(run: &str) -> bool {
    let is_long = |word: &str| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    run.bytes().all(|byte| byte.is_ascii_digit()) || is_name(run) && camel_words(run).all(is_long)
}

/// Returns how many words of three letters or more `run` has, if it consists only of words in `common_words.txt`. A letter that
/// is repeated is one word.
pub(crate) fn common_words(run: &str) -> Option<usize> {
    const LONGEST: usize = 13;
    static COMMON: LazyLock<HashSet<&str>> =
        LazyLock::new(|| include_str!("common_words.txt").split_ascii_whitespace().collect());
    let run = Zeroizing::new(run.to_ascii_lowercase());
    if run.len() > 2 && run.bytes().all(|letter| letter == run.as_bytes()[0]) {
        return Some(1);
    }
    // Filled from the end: the number of words between each position and the end of the run.
    let mut counts: Vec<Option<usize>> = vec![None; run.len()];
    counts.push(Some(0));
    for start in (0..run.len()).rev() {
        counts[start] = (start + 1..=run.len().min(start + LONGEST))
            .filter(|end| counts[*end].is_some() && COMMON.contains(&run[start..*end]))
            .filter_map(|end| counts[end].map(|words| words + usize::from(end - start > 2)))
            .max();
    }
    counts[0]
}
