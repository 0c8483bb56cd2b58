//! "Did you mean": the nearest known word, if it is near enough to be a slip.

/// The known word nearest to `word`; `None` when even that one is further away than a third of the word. A name that a module
/// brings is near when it is the same behind its alias: `errors` for `http.errors`.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let ends = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|alias| alias.ends_with('.'));
    let behind_alias = |k: &&&str| !k.is_empty() && (ends(k, word) || ends(word, k));
    if let Some(same) = known.iter().find(behind_alias).filter(|_| !word.is_empty()) {
        return Some(same);
    }
    let home = super::scope::home(word);
    let (word, known) = (
        word.get(home.len()..).unwrap_or(word),
        known.into_iter().filter(|k| super::scope::home(k) == home).map(|k| (k.get(home.len()..).unwrap_or(k), k)),
    );
    let cutoff = (word.chars().count() / 3).max(1);
    known
        .map(|(tail, k)| (strsim::damerau_levenshtein(word, tail), tail, k))
        .filter(|(d, tail, _)| *d > 0 && *d <= cutoff && *d < tail.chars().count())
        .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)))
        .map(|(_, _, k)| k)
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
        let known = ["http.errors", "errors_total", "grpc.latency"];
        assert_eq!(nearest("errors", known), Some("http.errors"));
        assert_eq!(nearest("http.erors", known), Some("http.errors"));
        assert_eq!(nearest("http.latency", known), None);
        assert_eq!(nearest("team.oncall", ["smoke", "oncall"]), Some("oncall"));
    }
}
