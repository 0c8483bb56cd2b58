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

/// A value's name in other languages: message, help, and the word that mends it.
pub(super) fn habit(word: &str) -> Option<(String, String, Option<&'static str>)> {
    let own = match word {
        "True" | "TRUE" | "yes" | "Yes" | "YES" | "enabled" | "enable" | "On" | "ON" => "on",
        "False" | "FALSE" | "no" | "No" | "NO" | "disabled" | "disable" | "Off" | "OFF" => "off",
        "null" | "nil" | "None" | "undefined" | "none" | "NaN" => {
            let help = "what is missing is unknown by itself; `missing(m)` asks, `default(m, 0)` stands in";
            return Some((format!("there is no `{word}`"), String::from(help), None));
        }
        _ => return None,
    };
    Some((format!("`{word}` is written `{own}` here"), format!("write `{own}`"), Some(own)))
}

/// The word of `` did you mean `word`? ``.
pub(super) fn meant(help: &str) -> Option<&str> {
    let near = help.strip_prefix("did you mean `")?.split('`').next()?;
    near.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(near)
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
