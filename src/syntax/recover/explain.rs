//! From a failed rule to a message: what was expected, in words, what stands there, and the way out.

use super::forms::{CONTEXTS, Context, Form, nearest};
use super::text::{blank_trimmed, holds_word, word};
use super::words::{Said, said};
use crate::syntax::build::Builder;
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::grammar::Rule;
use crate::syntax::source::Span;
use pest::error::{Error, ErrorVariant, InputLocation};

/// Where a rule gave up, and what it would have taken there.
pub(super) fn failure(e: &Error<Rule>) -> (usize, Vec<Rule>) {
    let at = match e.location {
        InputLocation::Pos(p) => p,
        InputLocation::Span((p, _)) => p,
    };
    match &e.variant {
        ErrorVariant::ParsingError { positives, .. } => (at, positives.clone()),
        ErrorVariant::CustomError { .. } => (at, Vec::new()),
    }
}

/// A failed statement. `at` and `range` are places in the mended text.
pub(super) fn explain(
    b: &Builder<'_>,
    context: Context,
    form: &Form,
    range: (usize, usize),
    at: usize,
    rules: &[Rule],
) -> Diagnostic {
    let found = Found::at(b, at, range.1);
    let site = Site { b, context, form, range, at, rules, found };
    site.touching_call()
        .or_else(|| site.reserved())
        .or_else(|| site.of_a_test())
        .or_else(|| site.of_a_window())
        .or_else(|| site.unquoted())
        .or_else(|| site.group())
        .or_else(|| site.promql())
        .or_else(|| site.quoted_name())
        .or_else(|| site.hyphen())
        .or_else(|| site.colon_or_equals())
        .or_else(|| site.filler())
        .or_else(|| site.no_else())
        .or_else(|| site.consequence())
        .unwrap_or_else(|| site.expected())
}

/// The token that stands where something else was expected.
pub(super) struct Found<'a> {
    pub text: &'a str,
    pub span: Span,
}

impl<'a> Found<'a> {
    fn at(b: &Builder<'a>, at: usize, end: usize) -> Self {
        let rest = b.patched.text.get(at..end).unwrap_or("");
        let skip = blank_trimmed(rest).start.min(rest.len());
        let from = at + skip;
        let rest = b.patched.text.get(from..end).unwrap_or("");
        let long = if rest.starts_with(|c: char| c.is_ascii_digit()) {
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '%'))).unwrap_or(rest.len())
        } else {
            word(rest).len()
        };
        let len = if long > 0 {
            long
        } else {
            match rest.chars().next() {
                Some(q @ ('"' | '`')) => rest.get(1..).and_then(|r| r.find(q)).map_or(rest.len(), |n| n + 2),
                Some(c) => rest
                    .get(..2)
                    .filter(|two| matches!(*two, "==" | "!=" | "<=" | ">=" | ".."))
                    .map_or(c.len_utf8(), str::len),
                None => 0,
            }
        };
        Self { text: rest.get(..len).unwrap_or(""), span: b.patched.span(from, from + len) }
    }
}

/// A place at which a statement could not go on.
pub(super) struct Site<'s, 'a> {
    pub b: &'s Builder<'a>,
    pub context: Context,
    pub form: &'s Form,
    /// The statement, in the mended text.
    pub range: (usize, usize),
    /// The place, in the mended text.
    pub at: usize,
    /// What would have fitted.
    pub rules: &'s [Rule],
    pub found: Found<'a>,
}

impl<'a> Site<'_, 'a> {
    /// The text of the statement before the failure, without blanks at its end.
    pub(super) fn before(&self) -> &'a str {
        self.b.patched.text.get(self.range.0..self.at).unwrap_or("").trim_end()
    }

    /// The end of the last word before the failure.
    pub(super) fn behind(&self) -> Span {
        let at = self.range.0 + self.before().len();
        self.b.patched.span(at, at)
    }

    pub(super) fn expects(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    fn wants_value(&self) -> bool {
        self.rules.iter().any(|r| {
            matches!(
                r,
                Rule::dur
                    | Rule::cond
                    | Rule::value
                    | Rule::expr
                    | Rule::primary
                    | Rule::text
                    | Rule::number
                    | Rule::name
                    | Rule::names
                    | Rule::said
                    | Rule::said_names
                    | Rule::kw_none
            )
        })
    }

    pub(super) fn shape(&self, d: Diagnostic) -> Diagnostic {
        d.help(format!("it is written `{}`", self.form.shape))
    }

    /// `share (h < 3)`
    fn touching_call(&self) -> Option<Diagnostic> {
        let before = self.before();
        let gap = self.at - self.range.0 - before.len();
        let name = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
        if !matches!(self.found.text, "(" | "[") || gap == 0 || name.is_empty() {
            return None;
        }
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || self.form.keyword == name {
            return None;
        }
        let blank = self.b.patched.span(self.range.0 + before.len(), self.at);
        let bracket = self.found.text;
        Some(
            Diagnostic::error(
                codes::EXPECTED,
                format!("the `{bracket}` of `{name}{bracket}…` touches the name"),
                blank,
                "blank before the bracket",
            )
            .help(format!("write `{name}{bracket}`"))
            .fix(blank, ""),
        )
    }

    /// `every: notify live`: the colon is right, what stands before it is missing.
    fn act_follows(&self) -> bool {
        let rest = self.b.patched.text.get(self.at..self.range.1).unwrap_or("");
        let next = word(rest.trim_start_matches([':', ' ', '\t']));
        matches!(next, "notify" | "run" | "snapshot")
    }

    /// `flag m4: [one, two]`
    fn group(&self) -> Option<Diagnostic> {
        if self.form.keyword != "flag" || self.found.text != "[" || !self.before().ends_with(':') {
            return None;
        }
        let keyword = self.b.patched.span(self.range.0, self.range.0 + self.form.keyword.len());
        Some(
            Diagnostic::error(codes::EXPECTED, "several flags are declared with `flags`", keyword, "declares one flag")
                .also(self.found.span, "a list of flags")
                .help("write `flags`")
                .fix(keyword, "flags"),
        )
    }

    /// A query that does not stand between backticks.
    fn promql(&self) -> Option<Diagnostic> {
        let before = self.before();
        let grouping = matches!(self.found.text, "by" | "without" | "offset" | "ignoring" | "group_left");
        let matchers =
            self.found.text == "{" && before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        let range = before.ends_with('[') && self.found.text.starts_with(|c: char| c.is_ascii_digit());
        if !matches!(self.form.keyword, "metric" | "guard" | "let" | "promote" | "require" | "when")
            || !(grouping || matchers || range)
        {
            return None;
        }
        let help = match self.form.keyword {
            "metric" => {
                "write it as one text behind its source: ``prometheus(`sum by (job) (rate(requests_total[5m]))`)``"
            }
            _ => "declare a metric for it: ``metric NAME: KIND = prometheus(`…`)``, and compare that",
        };
        Some(
            Diagnostic::error(
                codes::HABIT,
                "PromQL stands between backticks",
                self.found.span,
                "a query without backticks",
            )
            .help(help),
        )
    }

    /// `traffic "checkout"`
    fn quoted_name(&self) -> Option<Diagnostic> {
        let name = self.found.text.strip_prefix('"')?.strip_suffix('"')?;
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain || !(self.expects(Rule::name) || self.expects(Rule::names)) || self.expects(Rule::text) {
            return None;
        }
        Some(
            Diagnostic::error(codes::HABIT, "a name stands without quotes", self.found.span, "not a text here")
                .help(format!("write `{name}`"))
                .fix(self.found.span, name),
        )
    }

    /// `traffic check-out`
    fn hyphen(&self) -> Option<Diagnostic> {
        let rest = self.b.patched.text.get(self.at..self.range.1).unwrap_or("");
        let behind = word(rest.strip_prefix('-')?);
        let before = self.before();
        let name = self.last_word();
        let touches = self.range.0 + before.len() == self.at && before.ends_with(name);
        if name.is_empty() || !touches || behind.is_empty() || before.len() == name.len() {
            return None;
        }
        let from = self.at - name.len();
        let whole = self.b.patched.span(from, self.at + 1 + behind.len());
        let mended = format!("{name}_{behind}");
        Some(
            Diagnostic::error(codes::HABIT, "a name has no `-`", whole, "not one name")
                .help(format!("write `{mended}`, here and wherever it is named"))
                .fix(whole, mended),
        )
    }

    /// A reserved word where a name belongs.
    fn reserved(&self) -> Option<Diagnostic> {
        let text = self.found.text;
        let names = [Rule::name, Rule::names, Rule::said, Rule::said_names, Rule::path, Rule::reference];
        if !self.rules.iter().any(|r| names.contains(r)) {
            return None;
        }
        let what = match text {
            "and" | "or" | "not" | "in" | "for" => "an operator",
            "on" | "off" | "true" | "false" => "a value",
            "ms" | "s" | "m" | "h" | "d" | "w" | "pp" | "B" | "KiB" | "MiB" | "GiB" | "kB" | "MB" | "GB" => "a unit",
            _ => return None,
        };
        Some(
            Diagnostic::error(
                codes::RESERVED,
                format!("`{text}` is {what} and cannot be a name"),
                self.found.span,
                "reserved",
            )
            .help("reserved are `and or not in for on off true false` and the units; choose a longer name"),
        )
    }

    /// `:` for `=` and the other way round, and either where neither belongs.
    fn colon_or_equals(&self) -> Option<Diagnostic> {
        let text = self.found.text;
        let other = match text {
            "=" | "==" if self.expects(Rule::colon) => ":",
            ":" | "==" if self.expects(Rule::equals) => "=",
            ":" | "=" if !self.act_follows() && (self.wants_value() || self.expects(Rule::kw_every)) => {
                let word = self.last_word();
                return Some(
                    self.shape(
                        Diagnostic::error(
                            codes::HABIT,
                            format!("there is no `{text}` behind `{word}`"),
                            self.found.span,
                            "not needed",
                        )
                        .fix(self.found.span, " "),
                    ),
                );
            }
            _ => return None,
        };
        if other == ":" && matches!(self.form.keyword, "metric" | "param") {
            let what = if self.form.keyword == "metric" { "kind" } else { "type" };
            let name = self.last_word();
            return Some(self.shape(Diagnostic::error(
                codes::EXPECTED,
                format!("`{name}` does not say its {what}"),
                self.behind(),
                format!("expected `: {}`", what.to_uppercase()),
            )));
        }
        Some(
            self.shape(
                Diagnostic::error(
                    codes::HABIT,
                    format!("expected `{other}` here, found `{text}`"),
                    self.found.span,
                    format!("`{other}` belongs here"),
                )
                .fix(self.found.span, other),
            ),
        )
    }

    pub(super) fn last_word(&self) -> &'a str {
        self.before().rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).find(|w| !w.is_empty()).unwrap_or("")
    }

    /// A guard or gate that ends without saying what happens.
    fn no_else(&self) -> Option<Diagnostic> {
        if !(self.expects(Rule::otherwise) || self.expects(Rule::kw_else)) {
            return None;
        }
        let rest = self.b.patched.text.get(self.at..self.range.1).unwrap_or("");
        let ended = self.found.text.is_empty() || CONTEXTS.iter().any(|c| c.form(self.found.text).is_some());
        if !ended || holds_word(rest, "else") {
            return None;
        }
        let (message, help) = match self.form.keyword {
            "guard" => (
                "a guard says what happens when it breaks",
                "`else tell`, `else hold`, `else pause`, `else halt`, `else rollback`, `else rollback to PHASE`: from mild to strong",
            ),
            "no" => (
                "`no data` says what happens when a source stays silent",
                "`else hold`, `else pause` or `else rollback`",
            ),
            _ => ("a gate with a time limit says what happens when it stays shut", "`else pause` or `else rollback`"),
        };
        let word = if self.form.keyword == "no" { "pause" } else { "rollback" };
        let place = self.behind();
        Some(
            Diagnostic::error(codes::NO_ELSE, message, place, "`else …` is missing")
                .help(help)
                .fix(place, format!(" else {word}")),
        )
    }

    /// `else notify`
    fn consequence(&self) -> Option<Diagnostic> {
        if !(self.expects(Rule::consequence) || self.expects(Rule::consequence_word)) {
            return None;
        }
        const WORDS: [&str; 5] = ["tell", "hold", "pause", "halt", "rollback"];
        let text = self.found.text;
        let (place, label) =
            if text.is_empty() { (self.behind(), "a word is missing") } else { (self.found.span, "not a consequence") };
        let mut d = Diagnostic::error(
            codes::EXPECTED,
            format!("expected a consequence behind `else`, found {}", quoted(text)),
            place,
            label,
        );
        if let Some(near) = nearest(text, WORDS.into_iter()) {
            return Some(d.help(format!("did you mean `{near}`?")).fix(self.found.span, near));
        }
        d = d.help("the consequences are `tell`, `hold`, `pause`, `halt` and `rollback`, from mild to strong; people are told by a reaction: `on breach: notify CHANNEL`");
        Some(d)
    }

    fn expected(&self) -> Diagnostic {
        let found = quoted(self.found.text);
        let (label, span) = if self.found.text.is_empty() {
            (String::from("something is missing here"), self.behind())
        } else {
            (String::from("not expected here"), self.found.span)
        };
        let ends = self.rules.iter().any(|r| matches!(said(*r), Said::End(_)));
        let keywords = self.context.forms().iter().map(|f| f.keyword);
        if ends && let Some(near) = nearest(self.found.text, keywords) {
            return Diagnostic::error(
                codes::UNKNOWN_STATEMENT,
                format!("{found} does not begin {}", self.context.wants()),
                span,
                "unknown word",
            )
            .help(format!("did you mean `{near}`?"))
            .fix(span, near);
        }
        if self.expects(Rule::close_paren)
            && self.found.text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '"' | '`'))
            && self.before().ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        {
            let argument = self.last_word();
            let place = self.behind();
            return Diagnostic::error(
                codes::EXPECTED,
                format!("expected `,` or `)` behind `{argument}`, found {found}"),
                span,
                "not expected here",
            )
            .help(format!(
                "an argument is named with `:`, as in `{argument}: {}`; two are parted by `,`",
                self.found.text
            ))
            .fix(place, ":");
        }
        let wanted = wanted(self.rules);
        // where a name is kept from being the next word, pest names nothing
        let nameless = matches!(self.last_word(), "kills" | "resets" | "lacks" | "to") && self.context == Context::Test;
        let message = if wanted.is_empty() && nameless {
            format!("expected a name behind `{}`, found {found}", self.last_word())
        } else if wanted.is_empty() {
            format!("`{}` does not go on with {found}", self.form.keyword)
        } else {
            format!("expected {wanted}, found {found}")
        };
        let d = Diagnostic::error(codes::EXPECTED, message, span, label);
        // a sign that is missing between two words
        let sign = match wanted.as_str() {
            "`:`" => ":",
            "`=`" => " =",
            _ => "",
        };
        if !sign.is_empty() && self.found.text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '`') {
            return self.shape(d).fix(self.behind(), sign);
        }
        let keywords: Vec<&str> = self
            .rules
            .iter()
            .filter_map(|r| match said(*r) {
                Said::Keyword(w) => Some(w.trim_matches('`')),
                _ => None,
            })
            .collect();
        match nearest(self.found.text, keywords.into_iter()) {
            Some(near) if near != self.found.text => {
                d.help(format!("did you mean `{near}`?")).fix(self.found.span, near)
            }
            _ => self.shape(d),
        }
    }
}

/// `a name, a value or :`
fn wanted(rules: &[Rule]) -> String {
    let mut words: Vec<Said> = rules.iter().map(|r| said(*r)).collect();
    words.sort();
    words.dedup();
    let mut out: Vec<&str> = Vec::new();
    for w in &words {
        match w {
            Said::Thing(t) | Said::Keyword(t) | Said::End(t) => out.push(t),
            Said::Operator | Said::Silent => {}
        }
    }
    if out.is_empty() && words.contains(&Said::Operator) {
        out.push("an operator");
    }
    let last = out.pop();
    match (out.is_empty(), last) {
        (_, None) => String::new(),
        (true, Some(l)) => l.to_owned(),
        (false, Some(l)) => format!("{} or {l}", out.join(", ")),
    }
}

pub(super) fn quoted(text: &str) -> String {
    if text.is_empty() {
        return String::from("the end of the statement");
    }
    if text.chars().count() > 30 {
        let head: String = text.chars().take(28).collect();
        return format!("`{head}…`");
    }
    format!("`{text}`")
}
