//! What to say, and what to save, where the grammar could not go on.
//!
//! A junk slice is cut into pieces where a line begins with a keyword (or something near one); each piece is parsed again
//! with the rule that its first word suggests. Blocks with a broken head keep their body. So independent errors of one file
//! come out of one run.

mod explain;
mod forms;
mod words;

use super::ast::{EnvEntry, Environment, Item, Name, Phase, PhaseStatement, Rollout, Statement};
use super::build::Builder;
use super::diagnostic::Diagnostic;
use super::grammar::{self, Rule};
pub(crate) use forms::Context;
use forms::{CONTEXTS, Form, nearest};
use pest::iterators::Pair;

/// What can be saved from a piece of text.
pub(crate) trait Saved: Sized {
    /// From a rule that matched.
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self>;
    /// Text of which nothing can be made, if the place has a node for it.
    fn junk(b: &Builder<'_>, start: usize, end: usize) -> Option<Self>;
    /// A block whose head is broken and whose body was read.
    fn block(b: &mut Builder<'_>, keyword: &str, name: Name, range: (usize, usize), body: (usize, usize)) -> Option<Self>;
}

impl Saved for Item {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.item(p).into_iter().collect()
    }

    fn junk(b: &Builder<'_>, start: usize, end: usize) -> Option<Self> {
        Some(Self::Junk(b.patched.span(start, end)))
    }

    fn block(b: &mut Builder<'_>, keyword: &str, name: Name, range: (usize, usize), body: (usize, usize)) -> Option<Self> {
        let span = b.patched.span(range.0, range.1);
        match keyword {
            "rollout" => Some(Self::Rollout(Rollout {
                name,
                title: None,
                per: Vec::new(),
                body: b.inside(body, Rule::rollout_only, Builder::rollout_body),
                span,
            })),
            "environment" => Some(Self::Environment(Environment {
                name,
                entries: b.inside(body, Rule::env_only, Builder::env_body),
                span,
            })),
            _ => None,
        }
    }
}

impl Saved for Statement {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.statement(p).into_iter().collect()
    }

    fn junk(b: &Builder<'_>, start: usize, end: usize) -> Option<Self> {
        Some(Self::Junk(b.patched.span(start, end)))
    }

    fn block(b: &mut Builder<'_>, keyword: &str, name: Name, range: (usize, usize), body: (usize, usize)) -> Option<Self> {
        (keyword == "phase").then(|| {
            Self::Phase(Phase {
                name,
                purpose: None,
                body: b.inside(body, Rule::phase_only, Builder::phase_body),
                span: b.patched.span(range.0, range.1),
            })
        })
    }
}

impl Saved for PhaseStatement {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.phase_statements(p)
    }

    fn junk(b: &Builder<'_>, start: usize, end: usize) -> Option<Self> {
        Some(Self::Junk(b.patched.span(start, end)))
    }

    fn block(_: &mut Builder<'_>, _: &str, _: Name, _: (usize, usize), _: (usize, usize)) -> Option<Self> {
        None
    }
}

impl Saved for EnvEntry {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.env_entry(p).into_iter().collect()
    }

    fn junk(_: &Builder<'_>, _: usize, _: usize) -> Option<Self> {
        None
    }

    fn block(_: &mut Builder<'_>, _: &str, _: Name, _: (usize, usize), _: (usize, usize)) -> Option<Self> {
        None
    }
}

impl Builder<'_> {
    /// Makes what can be made of a junk slice (a range of the mended text), and says what is wrong with it.
    pub fn recover<T: Saved>(&mut self, range: (usize, usize), context: Context) -> Vec<T> {
        let mut out = Vec::new();
        let mut at = range.0;
        for cut in self.cuts(range, context) {
            self.piece((at, cut), context, &mut out);
            at = cut;
        }
        self.piece((at, range.1), context, &mut out);
        out
    }

    /// Parses the inside of a block and builds its statements.
    fn inside<T>(
        &mut self,
        range: (usize, usize),
        rule: Rule,
        build: impl FnOnce(&mut Self, Pair<'_, Rule>) -> Vec<T>,
    ) -> Vec<T> {
        let patched = self.patched;
        let text = patched.text.get(range.0..range.1).unwrap_or("");
        let before = std::mem::replace(&mut self.base, range.0);
        let out = match grammar::run(rule, text).ok().and_then(|mut p| p.next()) {
            Some(p) => build(self, p),
            None => Vec::new(),
        };
        self.base = before;
        out
    }

    /// Offsets at which a slice falls into pieces: lines, outside all brackets, that begin with something like a statement.
    fn cuts(&self, range: (usize, usize), context: Context) -> Vec<usize> {
        let text = self.patched.text.get(range.0..range.1).unwrap_or("");
        let mut out = Vec::new();
        for line in outer_lines(text) {
            let rest = text.get(line..).unwrap_or("");
            if line > 0 && begins_something(rest, context) {
                out.push(range.0 + line);
            }
        }
        out
    }

    fn piece<T: Saved>(&mut self, range: (usize, usize), context: Context, out: &mut Vec<T>) {
        let patched = self.patched;
        let text = patched.text.get(range.0..range.1).unwrap_or("");
        let trimmed = blank_trimmed(text);
        if trimmed.is_empty() {
            return;
        }
        let (start, end) = (range.0 + trimmed.start, range.0 + trimmed.end);
        let text = patched.text.get(start..end).unwrap_or("");
        let first = word(text);
        let keyword = context.form(first);
        match keyword {
            Some(form) => self.retry(form, (start, end), context, out),
            None if context == Context::Environment && is_binding(text, first) => {
                const BIND: Form = Form {
                    keyword: "",
                    rules: &[Rule::bind],
                    shape: "NAME = BACKEND(ARGUMENT: VALUE)",
                };
                self.retry(&BIND, (start, end), context, out);
            }
            None => {
                self.stranger(first, (start, end), context, out);
            }
        }
    }

    /// Parses a piece with the rules its keyword suggests, and reports the one that came furthest.
    fn retry<T: Saved>(&mut self, form: &Form, range: (usize, usize), context: Context, out: &mut Vec<T>) {
        let patched = self.patched;
        let text = patched.text.get(range.0..range.1).unwrap_or("");
        let mut furthest: Option<(usize, Vec<Rule>)> = None;
        for rule in form.rules {
            match grammar::run(*rule, text) {
                Ok(mut pairs) => {
                    let Some(p) = pairs.next() else { continue };
                    let used = p.as_span().end();
                    let before = std::mem::replace(&mut self.base, range.0);
                    out.extend(T::built(self, p));
                    self.base = before;
                    self.leftover((range.0 + used, range.1), context, out);
                    return;
                }
                Err(e) => {
                    let (at, rules) = explain::failure(&e);
                    match &mut furthest {
                        Some((far, all)) if *far == at => all.extend(rules),
                        Some((far, _)) if *far > at => {}
                        _ => furthest = Some((at, rules)),
                    }
                }
            }
        }
        let (at, rules) = furthest.unwrap_or_default();
        let d = explain::explain(self, form, range, range.0 + at, &rules);
        self.report_at(d, range.0 + at);
        if let Some((head, open, close)) = block_of(text) {
            if let Some(name) = self.head_name(head, form.keyword, range.0)
                && open >= at
            {
                let body = (range.0 + open + 1, range.0 + close);
                let whole = (range.0, range.0 + close + 1);
                let named = !name.node.is_empty();
                if let Some(node) = T::block(self, form.keyword, name, whole, body) {
                    // a block without a name is read for its errors only
                    out.extend(if named { Some(node) } else { T::junk(self, whole.0, whole.1) });
                    self.leftover((range.0 + close + 1, range.1), context, out);
                    return;
                }
            }
        }
        out.extend(T::junk(self, range.0, range.1));
    }

    /// Text behind a statement that was understood.
    fn leftover<T: Saved>(&mut self, range: (usize, usize), context: Context, out: &mut Vec<T>) {
        self.piece(range, context, out);
    }

    /// The name in the head of a block whose head is broken; an empty one where none was written.
    fn head_name(&self, head: &str, keyword: &str, base: usize) -> Option<Name> {
        let rest = head.strip_prefix(keyword)?;
        let blank = rest.len() - rest.trim_start().len();
        let name = word(rest.trim_start());
        let start = base + keyword.len() + blank;
        Some(Name::new(
            name.to_owned(),
            self.patched.span(start, start + name.len()),
        ))
    }

    /// A piece that no keyword of its place begins.
    fn stranger<T: Saved>(&mut self, first: &str, range: (usize, usize), context: Context, out: &mut Vec<T>) {
        let text = self.patched.text.get(range.0..range.1).unwrap_or("");
        let d = explain::stranger(self, first, text, range.0, context);
        self.report_at(d, range.0);
        out.extend(T::junk(self, range.0, range.1));
    }

    /// Reports, unless the place lies in what the scan has spoken of.
    fn report_at(&mut self, d: Diagnostic, at: usize) {
        let place = self.patched.span(at, at).start as usize;
        let main = d.span();
        let told = self
            .poisoned
            .iter()
            .any(|(a, b)| (*a <= place && place <= *b) || (*a <= main.start as usize && (main.start as usize) < *b));
        if !told {
            self.report(d);
        }
    }
}

struct Trimmed {
    start: usize,
    end: usize,
}

impl Trimmed {
    fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// A text without blanks and comments before it, and without blanks behind it.
fn blank_trimmed(text: &str) -> Trimmed {
    let mut start = 0;
    loop {
        let rest = text.get(start..).unwrap_or("");
        start += rest.len() - rest.trim_start().len();
        let rest = text.get(start..).unwrap_or("");
        if !rest.starts_with('#') {
            break;
        }
        start += rest.find('\n').unwrap_or(rest.len());
    }
    Trimmed {
        start,
        end: text.trim_end().len(),
    }
}

/// The word a text begins with.
fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}

/// Whether a word stands somewhere in a text.
fn holds_word(text: &str, wanted: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .any(|w| w == wanted)
}

/// `NAME =` or `NAME:`
fn is_binding(text: &str, first: &str) -> bool {
    let rest = text.get(first.len()..).unwrap_or("").trim_start();
    !first.is_empty() && (rest.starts_with('=') || rest.starts_with(':'))
}

/// Offsets of the first words of lines that begin outside all brackets, strings and backtick texts of a balanced text.
fn outer_lines(text: &str) -> Vec<usize> {
    let mut out = Vec::new();
    let (mut depth, mut fresh) = (0_usize, false);
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            '\n' => fresh = true,
            '#' => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            c if c.is_whitespace() => {}
            _ => {
                if fresh && depth == 0 {
                    out.push(i);
                }
                fresh = false;
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    '`' => while chars.next().is_some_and(|(_, c)| c != '`') {},
                    '"' => {
                        while let Some((_, c)) = chars.next_if(|(_, c)| *c != '\n') {
                            match c {
                                '"' => break,
                                '\\' => {
                                    chars.next();
                                }
                                _ => {}
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    out
}

/// Whether a line looks like the beginning of a statement or declaration: a keyword or nearly one, or `name:`, `name =`.
fn begins_something(rest: &str, context: Context) -> bool {
    let first = word(rest);
    if first.is_empty() {
        return false;
    }
    let behind = rest.get(first.len()..).unwrap_or("");
    let next = behind.trim_start_matches([' ', '\t']);
    let goes_on = next.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '"' | '{'));
    let known = CONTEXTS.iter().any(|c| c.form(first).is_some())
        && !(first == "at" && (next.starts_with("least") || next.starts_with("most")));
    let near = || nearest(first, context.forms().iter().map(|f| f.keyword)).is_some();
    (goes_on && (known || near())) || (is_binding(rest, first) && !behind.contains("==")) || context == Context::Top && known
}

/// The first block of a piece: its head, and the offsets of its braces.
fn block_of(text: &str) -> Option<(&str, usize, usize)> {
    let (mut depth, mut open) = (0_usize, None);
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '#' => {
                for (_, c) in chars.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
            }
            '`' => {
                for (_, c) in chars.by_ref() {
                    if c == '`' {
                        break;
                    }
                }
            }
            '"' => {
                let mut escaped = false;
                for (_, c) in chars.by_ref() {
                    match c {
                        '"' if !escaped => break,
                        '\\' => escaped = !escaped,
                        _ => escaped = false,
                    }
                }
            }
            '(' | '[' | '{' => {
                if depth == 0 && c == '{' && open.is_none() {
                    open = Some(i);
                }
                depth += 1;
            }
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' && let Some(open) = open {
                    return Some((text.get(..open)?, open, i));
                }
            }
            _ => {}
        }
    }
    None
}
