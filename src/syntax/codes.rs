//! The registry of diagnostic codes: each unique, never reused, with a slug and one line of meaning.
//!
//! E01xx is this room's (text and syntax); E02xx names, E03xx types and units, E04xx meaning of rollouts, E05xx environments.

/// A code, its slug and what it says.
pub type Code = (&'static str, &'static str, &'static str);

/// The file cannot be read as text.
pub const ENCODING: &str = "E0101";
/// A file beyond the size that is read.
pub const TOO_LARGE: &str = "E0102";
/// Nothing but blanks and comments.
pub const EMPTY: &str = "E0103";
/// A bracket, string or backtick that is never closed.
pub const UNCLOSED: &str = "E0104";
/// A closing bracket without its opener.
pub const STRAY_CLOSER: &str = "E0105";
/// Brackets nested beyond the cap.
pub const TOO_DEEP: &str = "E0106";
/// An expression with too many operators.
pub const TOO_LONG: &str = "E0107";
/// A character that the language does not use.
pub const CHARACTER: &str = "E0108";
/// Something written as in another language.
pub const HABIT: &str = "E0109";
/// A literal that is not one.
pub const LITERAL: &str = "E0110";
/// An escape in a string that means nothing.
pub const ESCAPE: &str = "E0111";
/// A construct with a word or part missing or wrong.
pub const EXPECTED: &str = "E0112";
/// A word that begins no statement or declaration.
pub const UNKNOWN_STATEMENT: &str = "E0113";
/// A statement that stands where it cannot.
pub const MISPLACED: &str = "E0114";
/// A guard or gate that does not say what happens.
pub const NO_ELSE: &str = "E0115";
/// A reserved word used as a name.
pub const RESERVED: &str = "E0116";
/// A tail in the wrong place or given twice.
pub const TAIL_ORDER: &str = "E0117";
/// `for` under `and`, `or`, `not` without parentheses.
pub const AMBIGUOUS_FOR: &str = "E0118";
/// `a < b < c`
pub const CHAINED: &str = "E0119";
/// Further errors were not looked for.
pub const TOO_MANY: &str = "E0120";
/// A comment that would let a warning pass, and does not say which, why or until when.
pub const SUPPRESSION: &str = "E0130";

/// Every code of the product.
pub const CODES: &[Code] = &[
    (ENCODING, "not-utf8", "the file is not UTF-8 text"),
    (TOO_LARGE, "file-too-large", "the file is larger than a policy may be"),
    (EMPTY, "empty-policy", "the file declares nothing"),
    (UNCLOSED, "unclosed", "a bracket, string or backtick text is never closed"),
    (STRAY_CLOSER, "stray-closer", "a closing bracket has no opener"),
    (TOO_DEEP, "nested-too-deep", "brackets are nested beyond the cap"),
    (TOO_LONG, "expression-too-long", "an expression has too many operators"),
    (CHARACTER, "unknown-character", "the language does not use this character"),
    (HABIT, "foreign-notation", "this is written as in another language"),
    (LITERAL, "bad-literal", "a number, duration, time or size is not written as one"),
    (ESCAPE, "bad-escape", "an escape in a string means nothing"),
    (EXPECTED, "syntax", "a part of a construct is missing or wrong"),
    (UNKNOWN_STATEMENT, "unknown-statement", "a word begins no statement or declaration"),
    (MISPLACED, "misplaced-statement", "a statement stands where it cannot"),
    (NO_ELSE, "missing-else", "a guard or gate does not say what happens when it is not met"),
    (RESERVED, "reserved-word", "a reserved word cannot be a name"),
    (TAIL_ORDER, "tail-order", "a tail stands in the wrong place or is given twice"),
    (AMBIGUOUS_FOR, "ambiguous-for", "`for` under `and`, `or`, `not` needs parentheses"),
    (CHAINED, "chained-comparison", "comparisons cannot be chained"),
    (TOO_MANY, "too-many-errors", "further errors were not looked for"),
    (SUPPRESSION, "bad-suppression", "a comment cannot let a warning pass like this"),
];

/// The entry of a code.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|c| c.0 == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_and_slugs_are_unique() {
        let codes: BTreeSet<_> = CODES.iter().map(|c| c.0).collect();
        let slugs: BTreeSet<_> = CODES.iter().map(|c| c.1).collect();
        assert_eq!((codes.len(), slugs.len()), (CODES.len(), CODES.len()));
    }
}
