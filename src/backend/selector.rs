//! Which series a bare selector means, for sources that hold the series themselves.

use super::series::Labels;
use crate::plan::Selector;
use promql_parser::label::{Matcher, Matchers};
use promql_parser::parser::{self, Expr};

/// A parsed selector.
#[derive(Debug, Clone)]
pub struct Matching {
    name: Option<String>,
    matchers: Matchers,
}

impl Matching {
    /// Parses `name{matchers}` with PromQL's rules: regular expressions match a whole value, an absent label is an empty one.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn parse(selector: &Selector) -> Result<Self, String> {
        match parser::parse(&selector.0) {
            Ok(Expr::VectorSelector(v)) if v.offset.is_none() && v.at.is_none() => {
                Ok(Self { name: v.name, matchers: v.matchers })
            }
            Ok(_) => Err(format!(
                "`{}` is no bare selector: only `name{{label=\"value\"}}` can be read from collected samples",
                selector.0
            )),
            Err(e) => Err(format!("the selector `{}` cannot be read: {}", selector.0, super::http::one_line(&e))),
        }
    }

    /// The metric's name, where the selector says just one: then no other metric need be looked at.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether a series is meant.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let all = |list: &[Matcher]| list.iter().all(|m| m.is_match(labels.get(&m.name)));
        self.name.as_ref().is_none_or(|n| *n == labels.name)
            && all(&self.matchers.matchers)
            && (self.matchers.or_matchers.is_empty() || self.matchers.or_matchers.iter().any(|list| all(list)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, code: &str) -> bool {
        let labels = Labels::new(
            "http_requests_total".into(),
            vec![("code".into(), code.into()), ("path".into(), "/a\"b\\c\nd".into())],
        );
        Matching::parse(&Selector(selector.into())).expect(selector).matches(&labels)
    }

    #[test]
    fn all_four_matchers_whole_values_and_absent_labels() {
        for (selector, want) in [
            ("http_requests_total", true),
            ("http_requests_total{}", true),
            ("http_requests", false),
            ("http_requests_total{code=\"500\"}", true),
            ("http_requests_total{code!=\"500\"}", false),
            ("http_requests_total{code=~\"5..\"}", true),
            ("http_requests_total{code=~\"5\"}", false),
            ("http_requests_total{code=~\"4..|500\"}", true),
            ("http_requests_total{code!~\"5..\"}", false),
            ("http_requests_total{code!~\"5\"}", true),
            ("http_requests_total{version=\"\"}", true),
            ("http_requests_total{version!=\"\"}", false),
            ("http_requests_total{version!=\"v2\"}", true),
            ("http_requests_total{path=\"/a\\\"b\\\\c\\nd\"}", true),
            ("{__name__=~\"http_.*\",code=\"500\"}", true),
            ("{__name__=\"other\"}", false),
        ] {
            assert_eq!(matches(selector, "500"), want, "{selector}");
        }
    }

    #[test]
    fn what_is_more_than_a_selector_is_refused() {
        for bad in ["sum(x)", "x offset 5m", "x @ 5", "x[5m]", "x{", "x{a=~\"(\"}", ""] {
            assert!(Matching::parse(&Selector(bad.into())).is_err(), "{bad}");
        }
    }
}
