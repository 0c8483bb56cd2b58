//! Queries of metrics: calls of a source port, placeholders, and PromQL's own errors put where they stand.

use super::Cx;
use super::metrics::Source;
use super::promql::{self, Filled, Stand, Template};
use super::scope::{Decl, home};
use super::suggest;
use super::types::{Ty, Value};
use crate::plan::{Millis, show};
use crate::syntax::ast::{Arg, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::ops::Range;

/// The window while a query is checked without one being asked for.
const SOME_WINDOW: Millis = 60_000;

/// What is filled in everywhere, beside params.
const FILLED: [&str; 3] = ["where", "by", "window"];

impl<'a> Cx<'a> {
    /// A call of a source port: the query and its settings; the `unit:` is left to the caller. `home` is the module in which it
    /// stands: what `${…}` means is decided there.
    pub(super) fn source(
        &self,
        port: &'a Name,
        args: &'a [Arg],
        span: Span,
        home: &str,
    ) -> Option<(Source<'a>, Option<&'a Expr>)> {
        const KNOWN: [&str; 4] = ["max_age", "lag", "unit", "window"];
        let mut query = None;
        let mut unit = None;
        let (mut window, mut max_age, mut lag) = (None, None, 0);
        let mut ok = true;
        for arg in args {
            let Some(name) = &arg.name else {
                match &arg.value.kind {
                    ExprKind::Raw(raw) if query.is_none() => query = Some((raw, arg.value.span)),
                    ExprKind::Hole => return None,
                    _ => {
                        ok = false;
                        self.push(
                            Diagnostic::error(
                                "E0207",
                                format!("`{}` takes one query between backticks", port.node),
                                arg.value.span,
                                "not that query",
                            )
                            .help("for example `prometheus(`up{job=\"shop\"}`)`"),
                        );
                        // what follows would only repeat it
                        query = query.or(None);
                    }
                }
                continue;
            };
            let mut time = |slot: &mut Option<Millis>, min| {
                *slot = self.duration(&arg.value, &format!("`{}:`", name.node), min);
                ok &= slot.is_some();
            };
            match name.node.as_str() {
                "window" => time(&mut window, 1),
                "max_age" => time(&mut max_age, 1),
                "lag" => {
                    let mut given = None;
                    time(&mut given, 0);
                    lag = given.unwrap_or(0);
                }
                "unit" => unit = Some(&arg.value),
                _ => {
                    ok = false;
                    self.unknown_argument(arg, &port.node, &KNOWN, "");
                }
            }
        }
        let Some((raw, raw_span)) = query else {
            if ok {
                self.push(
                    Diagnostic::error(
                        "E0207",
                        format!("`{}` needs a query between backticks", port.node),
                        span,
                        "",
                    )
                    .help("for example `prometheus(`up{job=\"shop\"}`)`; a function is one of those in `docs/language.md`"),
                );
            }
            return None;
        };
        let template = match Template::scan(raw) {
            Ok(t) => t.within(home, &FILLED),
            Err(p) => {
                self.template_problem(&p, raw_span);
                return None;
            }
        };
        if !ok {
            return None;
        }
        let asked = self.parsed(&template, window.unwrap_or(SOME_WINDOW), raw_span)?;
        Some((Source { port, template, raw: raw_span, window, max_age, lag, scale: 1.0, asked }, unit))
    }

    /// Fills a query for a window and parses it; reports what is wrong inside the policy's own text.
    fn parsed(&self, template: &Template, window: Millis, raw: Span) -> Option<promql::Inspected> {
        let filled = match self.fill(template, window, "") {
            Ok(f) => f,
            Err(p) => {
                self.template_problem(&p, raw);
                return None;
            }
        };
        match promql::parse(&filled.text) {
            Ok(expr) => Some(promql::inspect(&expr)),
            Err(bad) => {
                self.push(
                    Diagnostic::error(
                        "E0310",
                        format!("malformed PromQL: {}", bad.message),
                        inside(raw, filled.source(bad.range)),
                        "here",
                    )
                    .help("the text between the backticks is PromQL; `${where}`, `${by}`, `${window}` and params are filled in"),
                );
                None
            }
        }
    }

    /// A query with every placeholder replaced; `${where}` by [`promql::WHERE`].
    pub(super) fn fill(&self, template: &Template, window: Millis, by: &str) -> Result<Filled, promql::Problem> {
        template.fill(|name, stand| match name {
            "where" if stand == Stand::Braces => Ok(promql::WHERE.to_owned()),
            "where" => Err((
                String::from("`${where}` stands for label matchers"),
                String::from("put it between `{` and `}`: `requests_total{${where}}`"),
            )),
            // no slices: grouped by nothing
            "by" if stand == Stand::Open => Ok(by.to_owned()),
            "by" => Err((
                String::from("`${by}` stands for label names"),
                String::from("put it behind `by`: `sum by (${by}) (…)`"),
            )),
            "window" => Ok(show::duration(window)),
            _ => self.placeholder(name, stand),
        })
    }

    fn placeholder(&self, name: &str, stand: Stand) -> Result<String, (String, String)> {
        let value = match self.scope().names.get(name) {
            Some(Decl::Param(_)) => {
                self.use_name(name);
                self.param(name)
            }
            Some(Decl::Let(l)) if self.is_const(&l.value) => {
                self.use_name(name);
                self.constant(&l.value, "a value in a query")
            }
            _ if self.of_broken_module(name) => None,
            Some(Decl::Slice(_)) => {
                self.use_name(name);
                return Err((
                    format!("`${{{name}}}` is one slice, and a query is asked for all of them at once"),
                    String::from("group by the slices: `sum by (${by}) (…)`"),
                ));
            }
            _ => {
                let here = home(name);
                let params = self.scope().of_kind(|d| matches!(d, Decl::Param(_)));
                let mut known: Vec<&str> =
                    params.into_iter().filter(|p| home(p) == here).filter_map(|p| p.get(here.len()..)).collect();
                known.extend(FILLED);
                let name = name.get(here.len()..).unwrap_or(name);
                return Err((
                    format!("unknown `${{{name}}}` in a query"),
                    match suggest::nearest(name, known.iter().copied()) {
                        Some(near) => format!("did you mean `${{{near}}}`?"),
                        None => String::from(
                            "`${where}`, `${by}`, `${window}` and params can be filled in; a dollar is written `$$`",
                        ),
                    },
                ));
            }
        };
        let name = name.get(home(name).len()..).unwrap_or(name);
        // a poisoned param was reported where it is declared
        let Some(value) = value else {
            return Ok(String::from("1"));
        };
        match (value, stand) {
            // what is filled in is not filled in again
            (Value::Text(t), Stand::Quoted(_)) if t.contains("${") => Err((
                format!("`${{{name}}}` holds a `${{`, which a query would take for its own"),
                String::from("give a text without it"),
            )),
            (Value::Text(t), Stand::Quoted(q)) => Ok(escape(&t, q)),
            (Value::Text(_), _) => Err((
                format!("`${{{name}}}` is a string, and stands outside quotes"),
                format!("write `\"${{{name}}}\"`"),
            )),
            (Value::Num(v, Ty::Duration), Stand::Range | Stand::Quoted(_)) => {
                Ok(show::duration(super::consts::to_millis(v)))
            }
            (Value::Num(..), Stand::Braces) => Err((
                format!("`${{{name}}}` cannot stand between label matchers"),
                String::from("put it between quotes, as a label's value"),
            )),
            (Value::Num(v, _), _) => Ok(plain(v)),
            (Value::Bool(b), _) => Ok(String::from(if b { "1" } else { "0" })),
            (Value::List(_), _) => {
                Err((format!("`${{{name}}}` is a list"), String::from("a query takes single values")))
            }
        }
    }

    fn template_problem(&self, p: &promql::Problem, raw: Span) {
        self.push(Diagnostic::error("E0312", p.message.clone(), inside(raw, p.range.clone()), "").help(p.help.clone()));
    }
}

/// A range of a raw text as a place in the file: the text begins behind its backtick.
fn inside(raw: Span, range: Range<usize>) -> Span {
    let at = |i: usize| {
        raw.start.saturating_add(1).saturating_add(u32::try_from(i).unwrap_or(0)).min(raw.end.saturating_sub(1))
    };
    let (start, end) = (at(range.start), at(range.end));
    Span { start, end: end.max(start), ..raw }
}

/// A number as PromQL reads it: no exponent needed for what policies hold.
fn plain(v: f64) -> String {
    format!("{v}")
}

/// A text inside a PromQL string.
fn escape(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_string_cannot_leave_its_quotes() {
        assert_eq!(escape("a\"}) or vector(0) #\\", '"'), "a\\\"}) or vector(0) #\\\\");
        assert_eq!(escape("it's \"x\"\n", '\''), "it\\'s \"x\"\\n");
    }
}
