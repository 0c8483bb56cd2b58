//! What to say, and what to save, where the grammar could not go on.
//!
//! A junk slice is cut into pieces where a line begins with a keyword (or something near one); each piece is parsed again
//! with the rule that its first word suggests. Blocks with a broken head keep their body. So independent errors of one file
//! come out of one run.

mod explain;
mod forms;
mod habits;
mod hints;
mod saved;
mod stranger;
mod text;
mod words;

use super::ast::Name;
use super::build::Builder;
use super::diagnostic::Diagnostic;
use super::grammar::{self, Rule};
use super::parser::ENOUGH;
pub(crate) use forms::{CONTEXTS, Context};
use forms::{Form, nearest};
use pest::iterators::Pair;
use saved::Broken;
pub(crate) use saved::Saved;
use text::{begins_something, blank_trimmed, block_of, is_binding, outer_lines, word};

impl Builder<'_> {
    /// Makes what can be made of a junk slice (a range of the mended text), and says what is wrong with it.
    pub fn recover<T: Saved>(&mut self, range: (usize, usize), context: Context) -> Vec<T> {
        let mut out = Vec::new();
        if self.diagnostics.len() >= ENOUGH {
            return T::junk(self, range.0, range.1).into_iter().collect();
        }
        let mut at = range.0;
        for cut in self.cuts(range, context).into_iter().chain([range.1]) {
            let mut rest = Some((at, cut));
            if self.diagnostics.len() >= ENOUGH {
                out.extend(T::junk(self, at, range.1));
                break;
            }
            while let Some(piece) = rest {
                rest = self.piece(piece, context, &mut out);
            }
            at = cut;
        }
        out
    }

    /// Parses the inside of a block and builds its statements.
    pub(super) fn inside<T>(
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
        let lines = outer_lines(text);
        if lines.is_empty() {
            return out;
        }
        let indent = self.column(range.0 + blank_trimmed(text).start);
        for line in lines {
            let rest = text.get(line..).unwrap_or("");
            let level = self.column(range.0 + line) <= indent;
            if line > 0 && begins_something(rest, context, level) {
                out.push(range.0 + line);
            }
        }
        out
    }

    /// Bytes between the beginning of a place's line and the place.
    fn column(&self, at: usize) -> usize {
        let before = self.patched.text.get(..at).unwrap_or("");
        at - before.rfind('\n').map_or(0, |n| n + 1)
    }

    /// Takes one statement from a piece; what is left of it.
    fn piece<T: Saved>(&mut self, range: (usize, usize), context: Context, out: &mut Vec<T>) -> Option<(usize, usize)> {
        let patched = self.patched;
        let text = patched.text.get(range.0..range.1).unwrap_or("");
        let trimmed = blank_trimmed(text);
        if trimmed.is_empty() {
            return None;
        }
        let (start, end) = (range.0 + trimmed.start, range.0 + trimmed.end);
        let text = patched.text.get(start..end).unwrap_or("");
        let first = word(text);
        let keyword = context.form(first);
        match keyword {
            Some(form) => self.retry(form, (start, end), context, out),
            None if context == Context::Environment && is_binding(text, first) => {
                const BIND: Form = Form { keyword: "", rules: &[Rule::bind], shape: "NAME = BACKEND(ARGUMENT: VALUE)" };
                self.retry(&BIND, (start, end), context, out)
            }
            None => self.stranger(first, (start, end), context, out),
        }
    }

    /// Parses a piece with the rules its keyword suggests, and reports the one that came furthest.
    fn retry<T: Saved>(
        &mut self,
        form: &Form,
        range: (usize, usize),
        context: Context,
        out: &mut Vec<T>,
    ) -> Option<(usize, usize)> {
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
                    return Some((range.0 + used, range.1));
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
        let d = explain::explain(self, context, form, range, range.0 + at, &rules);
        self.report_at(d, range.0 + at);
        if let Some((head, open, close)) = block_of(text)
            && let Some(name) = self.head_name(head, form.keyword, range.0)
            && open >= at
        {
            let body = (range.0 + open + 1, range.0 + close);
            let whole = (range.0, range.0 + close + 1);
            let named = !name.node.is_empty();
            let broken = Broken { keyword: form.keyword, name, range: whole, body };
            if let Some(node) = T::block(self, broken) {
                // a block without a name is read for its errors only
                out.extend(if named { Some(node) } else { T::junk(self, whole.0, whole.1) });
                return Some((whole.1, range.1));
            }
        }
        out.extend(T::junk(self, range.0, range.1));
        None
    }

    /// The name in the head of a block whose head is broken; an empty one where none was written.
    fn head_name(&self, head: &str, keyword: &str, base: usize) -> Option<Name> {
        let rest = head.strip_prefix(keyword)?;
        let blank = rest.len() - rest.trim_start().len();
        let name = word(rest.trim_start());
        let start = base + keyword.len() + blank;
        Some(Name::new(name.to_owned(), self.patched.span(start, start + name.len())))
    }

    /// A piece that no keyword of its place begins.
    fn stranger<T: Saved>(
        &mut self,
        first: &str,
        range: (usize, usize),
        context: Context,
        out: &mut Vec<T>,
    ) -> Option<(usize, usize)> {
        let text = self.patched.text.get(range.0..range.1).unwrap_or("");
        let key = stranger::is_key(first, text);
        // of the lines of a YAML file one is enough to be told of
        let told = key && self.patched.text.get(self.keys_end..range.0).is_some_and(|t| t.trim().is_empty());
        if key {
            self.keys_end = range.1;
        }
        if !told {
            let d = stranger::stranger(self, first, text, range.0, context);
            self.report_at(d, range.0);
        }
        let near = nearest(first, context.forms().iter().map(|f| f.keyword));
        if let (Some(keyword), Some((head, open, close))) = (near, block_of(text)) {
            // a misspelt block is a block
            let name = self.head_name(head, first, range.0).filter(|n| !n.node.is_empty());
            let whole = (range.0, range.0 + close + 1);
            let body = (range.0 + open + 1, range.0 + close);
            if let Some(name) = name
                && let Some(node) = T::block(self, Broken { keyword, name, range: whole, body })
            {
                out.push(node);
                return Some((whole.1, range.1));
            }
        }
        out.extend(T::junk(self, range.0, range.1));
        None
    }

    /// Whether a place lies in a stretch of which enough was said. The stretches are sorted by their starts and do not
    /// touch each other (see the scan), so the last one that begins before the place decides.
    fn is_poisoned(&self, place: usize) -> bool {
        let n = self.poisoned.partition_point(|(start, _)| *start <= place);
        n.checked_sub(1).and_then(|n| self.poisoned.get(n)).is_some_and(|(_, end)| place <= *end)
    }

    /// Reports, unless the place lies in what the scan has spoken of.
    fn report_at(&mut self, d: Diagnostic, at: usize) {
        let place = self.patched.span(at, at).start as usize;
        let main = d.span().start as usize;
        let told = self.is_poisoned(place) || self.is_poisoned(main);
        if !told {
            self.report(d);
        }
    }
}
