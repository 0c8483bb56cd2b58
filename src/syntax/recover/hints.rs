//! Hints for slips that have a way out of their own: words of other languages, lines of tests, windows, texts without quotes.

use super::explain::{Site, quoted};
use super::forms::{Context, nearest};
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::grammar::Rule;
use crate::syntax::source::Span;

/// What `expect` goes on with, beside a port.
pub(super) const EXPECTED: [&str; 11] =
    ["rollback", "promoted", "paused", "refused", "snapshot", "phase", "guard", "notified", "ran", "killed", "no"];

impl Site<'_, '_> {
    /// Slips in the lines of a test.
    pub(super) fn of_a_test(&self) -> Option<Diagnostic> {
        if self.context != Context::Test {
            return None;
        }
        let text = self.found.text;
        if self.expects(Rule::kw_is) {
            return self.expected_word();
        }
        if text == "at" && self.form.keyword != "expect" && self.expects(Rule::kw_from) {
            return Some(
                Diagnostic::error(
                    codes::EXPECTED,
                    format!("`{}` holds from a time, or to a time", self.form.keyword),
                    self.found.span,
                    "`from` belongs here",
                )
                .help("`from` and `to` bound a stretch; `at` stands behind what happens once")
                .fix(self.found.span, "from"),
            );
        }
        if text == "at" && self.before().contains("because") {
            return Some(
                Diagnostic::error(codes::TAIL_ORDER, "`at` stands before `because`", self.found.span, "too far right")
                    .help("it is written `expect rollback at 17m because GUARD`"),
            );
        }
        None
    }

    /// `expect rollbacks at 5m`, `expect checkout = 5%`: what was read as a port has no value.
    fn expected_word(&self) -> Option<Diagnostic> {
        let text = self.found.text;
        if matches!(text, "=" | "==" | ":") {
            return Some(
                Diagnostic::error(
                    codes::HABIT,
                    format!("expected `is` here, found `{text}`"),
                    self.found.span,
                    "`is` belongs here",
                )
                .help("it is written `expect PORT is 50%`, `expect guard NAME is failing`")
                .fix(self.found.span, "is"),
            );
        }
        let word = self.last_word();
        if matches!(word, "phase" | "guard" | "notified" | "ran" | "killed") {
            return Some(self.shape(Diagnostic::error(
                codes::EXPECTED,
                format!("`{word}` does not say which"),
                self.behind(),
                "a name is missing",
            )));
        }
        if self.before().split_whitespace().count() != 2 || EXPECTED.contains(&word) {
            return None;
        }
        // by the mended text: what stands there may have had another length in the original
        let end = self.range.0 + self.before().len();
        let place = self.b.patched.span(end.saturating_sub(word.len()), end);
        let d = Diagnostic::error(
            codes::EXPECTED,
            format!("`expect` does not go on with {}", quoted(word)),
            place,
            "nothing that can be expected, or a port without its value",
        );
        Some(match nearest(word, EXPECTED.into_iter()) {
            Some(near) => d.help(format!("did you mean `{near}`?")).fix(place, near),
            None => self.shape(d),
        })
    }

    /// `mon-fri`
    pub(super) fn of_a_window(&self) -> Option<Diagnostic> {
        let dash = matches!(self.found.text, "-" | "–" | "to" | "..");
        if self.form.keyword != "window"
            || !dash
            || ![Rule::hours, Rule::hour_span, Rule::bad_hours].into_iter().any(|r| self.expects(r))
        {
            return None;
        }
        let d = Diagnostic::error(
            codes::HABIT,
            "days go from one to another with `..`, without blanks",
            self.found.span,
            "`..` belongs here",
        );
        Some(self.shape(if matches!(self.found.text, "-" | "–") { d.fix(self.found.span, "..") } else { d }))
    }

    /// `zone Europe/Berlin`: a text without its quotes.
    pub(super) fn unquoted(&self) -> Option<Diagnostic> {
        let only_text = self.rules.iter().all(|r| *r == Rule::text) && !self.rules.is_empty();
        let word = self.found.text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !only_text || !word || matches!(self.found.text, "for" | "in" | "on" | "as") {
            return None;
        }
        let rest = self.b.patched.text.get(self.at..self.range.1).unwrap_or("");
        let blank = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let len = rest.find(|c: char| c.is_whitespace() || "{}[](),\"`#".contains(c)).unwrap_or(rest.len());
        let text = rest.get(..len)?;
        let place = self.b.patched.span(self.at + blank, self.at + blank + len);
        Some(
            self.shape(
                Diagnostic::error(
                    codes::EXPECTED,
                    format!("expected a text in double quotes, found {}", quoted(text)),
                    place,
                    "without its quotes",
                )
                .fix(place, format!("\"{text}\"")),
            ),
        )
    }

    /// Words that other languages put between.
    pub(super) fn filler(&self) -> Option<Diagnostic> {
        if self.last_word() == "if" {
            let end = self.behind();
            let place = Span { start: end.start.saturating_sub(2), ..end };
            return Some(
                Diagnostic::error(codes::HABIT, "there is no `if`", place, "not a word of the language")
                    .help("the condition stands by itself: it says what is true while all is well")
                    .fix(place, ""),
            );
        }
        if self.found.text == "if" && self.expects(Rule::kw_when) {
            return Some(
                self.shape(
                    Diagnostic::error(codes::HABIT, "there is no `if`", self.found.span, "`when` belongs here")
                        .fix(self.found.span, "when"),
                ),
            );
        }
        if self.found.text == "for" && self.form.keyword == "hold" {
            return Some(
                self.shape(
                    Diagnostic::error(codes::HABIT, "there is no `for` behind `hold`", self.found.span, "not needed")
                        .fix(self.found.span, ""),
                ),
            );
        }
        if self.found.text == "is" && self.last_word() == "now" {
            return Some(
                Diagnostic::error(codes::HABIT, "there is no `is`", self.found.span, "not a word of the language")
                    .help("whether it is a time of a window is asked by `now in office`")
                    .fix(self.found.span, ""),
            );
        }
        let (message, help) = match self.found.text {
            "then" => ("there is no `then`", "a guard says `else CONSEQUENCE`, a reaction `when CONDITION: ACT`"),
            "if" => (
                "there is no `if`",
                "a guard states what is true while all is well: `guard NAME: HEALTHY else CONSEQUENCE`",
            ),
            "is" | "equals" => ("comparisons are written with signs", "write `==`, `<`, `<=`, `>`, `>=` or `!=`"),
            "between" => ("there is no `between`", "write both comparisons: `pool >= 10% and pool <= 80%`"),
            "unless" => ("there is no `unless`", "write `or`: the condition says what is true while all is well"),
            "do" => ("there is no `do`", "what happens stands behind the colon: `on breach: notify CHANNEL`"),
            _ => return None,
        };
        let d = Diagnostic::error(codes::HABIT, message, self.found.span, "not a word of the language").help(help);
        // one word mends it
        Some(match (self.found.text, self.form.keyword) {
            ("then", "guard") => d.fix(self.found.span, "else"),
            ("is" | "equals", _) => d.fix(self.found.span, "=="),
            _ => d,
        })
    }
}
