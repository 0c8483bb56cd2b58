//! The simple paths with which a number is found in a command's JSON: `$.a.b[0]`, `$["odd key"]`.

use serde_json::Value;

/// A path from the root of a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl JsonPath {
    /// Reads `$`, then any number of `.key`, `["key"]` and `[0]`.
    ///
    /// # Errors
    /// What is wrong, and where (in characters, from 1).
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text
            .strip_prefix('$')
            .ok_or_else(|| format!("the path {text:?} does not begin with `$`: write `$.a.b` or `$.list[0]`"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let step = Self::step(rest);
            let Some((step, after)) = step else {
                let at = text.chars().count() - rest.chars().count() + 1;
                return Err(format!(
                    "the path {text:?} cannot be read at character {at}: `.key`, `[\"key\"]` and `[0]` are understood"
                ));
            };
            steps.push(step);
            rest = after;
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    fn step(rest: &str) -> Option<(Step, &str)> {
        if let Some(rest) = rest.strip_prefix('.') {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            return (!key.is_empty()).then(|| (Step::Key(key.to_owned()), after));
        }
        let rest = rest.strip_prefix('[')?;
        if rest.starts_with('"') {
            // a JSON string, with JSON's own escapes
            let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let key = strings.next()?.ok()?;
            let after = rest.get(strings.byte_offset()..)?.strip_prefix(']')?;
            return Some((Step::Key(key), after));
        }
        let (index, after) = rest.split_once(']')?;
        Some((Step::Index(index.parse().ok()?), after))
    }

    /// What stands at the path, if anything.
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(root, |v, step| match step {
            Step::Key(key) => v.as_object()?.get(key),
            Step::Index(i) => v.as_array()?.get(*i),
        })
    }
}

impl std::fmt::Display for JsonPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_what_is_there() {
        let doc = json!({"a": {"b-c": [10, {"odd ]\"key": 7}]}, "n": null});
        for (path, want) in [
            ("$.a.b-c[0]", Some(json!(10))),
            (r#"$.a["b-c"][1]["odd ]\"key"]"#, Some(json!(7))),
            ("$.n", Some(json!(null))),
            ("$.a.b-c[2]", None),
            ("$.a[0]", None),
            ("$.zz", None),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().find(&doc), want.as_ref(), "{path}");
        }
        assert_eq!(JsonPath::parse("$").unwrap().find(&doc), Some(&doc));
    }

    #[test]
    fn says_where_it_cannot_be_read() {
        for (path, at) in [("$.", 2), ("$.a[", 4), ("$.a[-1]", 4), ("$.a..b", 4), ("$.a b", 4), ("$[\"x]", 2)] {
            let e = JsonPath::parse(path).unwrap_err();
            assert!(e.contains(&format!("at character {at}:")), "{path}: {e}");
        }
        assert!(JsonPath::parse("a.b").unwrap_err().contains("begin with `$`"));
        assert!(JsonPath::parse("").is_err());
    }
}
