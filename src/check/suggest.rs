//! "Did you mean": the nearest known word, if it is near enough to be a slip.

/// The known word nearest to `word`; `None` when even that one is further away than a third of the word.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let cutoff = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), k))
        .filter(|(d, k)| *d <= cutoff && *d < k.chars().count())
        .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)))
        .map(|(_, k)| k)
}

/// `did you mean …` with the nearest word, else the list of known ones under `kinds`, else `otherwise`.
pub(super) fn help(word: &str, known: &[&str], kinds: &str, otherwise: &str) -> String {
    if let Some(near) = nearest(word, known.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    if known.is_empty() {
        return otherwise.to_owned();
    }
    format!("{kinds}: {}", list(known))
}

/// `` `a`, `b` `` for messages.
pub(super) fn list(words: &[&str]) -> String {
    let mut words: Vec<_> = words.iter().map(|w| format!("`{w}`")).collect();
    if words.len() > 12 {
        let more = words.len() - 12;
        words.truncate(12);
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_caught_and_strangers_are_not() {
        let known = ["errors", "latency", "oncall"];
        assert_eq!(nearest("erors", known), Some("errors"));
        assert_eq!(nearest("onclal", known), Some("oncall"));
        assert_eq!(nearest("saturation", known), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
