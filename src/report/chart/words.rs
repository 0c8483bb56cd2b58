//! A letter, a name and a class for every word of a guard and every verdict: colour never stands alone.

use crate::engine::{Verdict, Word};
use crate::plan::{Millis, Time};

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// The letter, the same as in `canary test`.
    pub letter: char,
    /// For people.
    pub text: &'static str,
    /// For styles.
    pub class: &'static str,
}

/// Every word, the worst first; `None`: the guard does not watch.
pub const WORDS: [Option<Word>; 9] = [
    Some(Word::Breached),
    Some(Word::Dark),
    Some(Word::Failing),
    Some(Word::Blind),
    Some(Word::Undecided),
    Some(Word::Thin),
    Some(Word::Warming),
    Some(Word::Ok),
    None,
];

/// Every verdict, `None`: the recording was over first.
pub const VERDICTS: [Option<Verdict>; 6] = [
    Some(Verdict::Promoted),
    Some(Verdict::RolledBack),
    Some(Verdict::Aborted),
    Some(Verdict::Killed),
    Some(Verdict::Refused),
    None,
];

/// Of a guard's word.
#[must_use]
pub fn of_word(word: Option<Word>) -> Sign {
    let Some(word) = word else { return Sign { letter: '·', text: "not watching", class: "off" } };
    let letter = match word {
        Word::Ok => 'o',
        Word::Failing => 'f',
        Word::Breached => 'B',
        Word::Warming => 'w',
        Word::Thin => 't',
        Word::Undecided => 'u',
        Word::Dark => 'd',
        Word::Blind => 'b',
    };
    Sign { letter, text: word.text(), class: word.text() }
}

/// Of a verdict.
#[must_use]
pub fn of_verdict(verdict: Option<Verdict>) -> Sign {
    match verdict {
        Some(Verdict::Promoted) => Sign { letter: 'P', text: "promoted", class: "promoted" },
        Some(Verdict::RolledBack) => Sign { letter: 'R', text: "rolled back", class: "rolled-back" },
        Some(Verdict::Aborted) => Sign { letter: 'A', text: "aborted", class: "aborted" },
        Some(Verdict::Killed) => Sign { letter: 'K', text: "killed", class: "killed" },
        Some(Verdict::Refused) => Sign { letter: 'X', text: "refused", class: "refused" },
        None => Sign { letter: '–', text: "not over", class: "open" },
    }
}

/// How bad: 0 for not watching.
#[must_use]
pub fn badness(word: Option<Word>) -> usize {
    WORDS.len() - 1 - WORDS.iter().position(|w| *w == word).unwrap_or(WORDS.len() - 1)
}

/// A stretch with one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// From.
    pub from: Time,
    /// To, where the next begins.
    pub to: Time,
    /// The word.
    pub word: Option<Word>,
}

/// The stretches between changes, up to `end`; changes without length are left out.
#[must_use]
pub fn stretches(changes: &[(Time, Option<Word>)], end: Time) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    for (i, (from, word)) in changes.iter().enumerate() {
        let to = changes.get(i + 1).map_or(end, |(next, _)| *next).min(end);
        match out.last_mut() {
            Some(last) if last.word == *word && last.to == *from => last.to = to.max(last.to),
            _ if to > *from => out.push(Stretch { from: *from, to, word: *word }),
            _ => {}
        }
    }
    out
}

/// How long each word was said, the worst first; words that were not said are left out.
#[must_use]
pub fn totals(stretches: &[Stretch]) -> Vec<(Option<Word>, Millis)> {
    let total = |word: Option<Word>| -> Millis {
        stretches.iter().filter(|s| s.word == word).map(|s| s.to.saturating_sub(s.from)).sum()
    };
    WORDS.iter().map(|w| (*w, total(*w))).filter(|(_, ms)| *ms > 0).collect()
}

/// In each of `columns` columns the worst word, so that a breach of one check does not disappear among a thousand; `None` where
/// nothing was said.
#[must_use]
pub fn worst(stretches: &[Stretch], span: super::time::Span, columns: usize) -> Vec<Option<Option<Word>>> {
    let mut out: Vec<Option<Option<Word>>> = vec![None; columns];
    for s in stretches {
        let first = span.column(s.from, columns);
        // up to the column in which the next begins, which belongs to that one unless this one is worse there
        let last = span.column(s.to.saturating_sub(1).max(s.from), columns);
        for column in out.iter_mut().take(last + 1).skip(first) {
            if column.is_none_or(|there| badness(there) < badness(s.word)) {
                *column = Some(s.word);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::time::Span;

    #[test]
    fn every_word_and_verdict_has_a_letter_of_its_own() {
        let mut letters: Vec<char> = WORDS.iter().map(|w| of_word(*w).letter).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), WORDS.len());
        let mut letters: Vec<char> = VERDICTS.iter().map(|v| of_verdict(*v).letter).collect();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), VERDICTS.len());
    }

    #[test]
    fn a_breach_of_one_check_is_seen_in_its_column() {
        let changes = [(0, Some(Word::Ok)), (70_001, Some(Word::Breached)), (70_002, Some(Word::Ok))];
        let all = stretches(&changes, 100_000);
        let columns = worst(&all, Span { from: 0, to: 100_000 }, 10);
        let letters: String = columns.iter().map(|c| of_word(c.unwrap_or(None)).letter).collect();
        assert_eq!(letters, "oooooooBoo");
        assert_eq!(totals(&all), [(Some(Word::Breached), 1), (Some(Word::Ok), 99_999)]);
    }

    #[test]
    fn stretches_end_where_the_next_begins() {
        let changes = [(0, None), (10, Some(Word::Ok)), (10, Some(Word::Dark)), (20, Some(Word::Dark))];
        let all = stretches(&changes, 30);
        let want = [(0, 10, None), (10, 30, Some(Word::Dark))].map(|(from, to, word)| Stretch { from, to, word });
        assert_eq!(all, want);
        assert!(stretches(&[(50, None)], 30).is_empty());
    }
}
