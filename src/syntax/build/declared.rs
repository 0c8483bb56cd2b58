//! Declarations of one line each: modules, slices, loads, windows.

use super::{Builder, P, child};
use crate::syntax::ast::{CivilWindow, Expr, ExprKind, Hours, Load, Module, Name, Slice, SliceValues, Use};
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::grammar::Rule;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

impl Builder<'_> {
    pub fn use_(&mut self, p: P<'_>) -> Option<Use> {
        let span = self.span(&p);
        let (mut module, mut args, mut alias) = (None, Vec::new(), None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::text => module = Some(Module::File(self.text(&q))),
                Rule::path => module = Some(Module::Library(self.path(q))),
                Rule::call_args => args = self.args(q, &mut 0),
                Rule::name => alias = Some(self.name(&q)),
                _ => {}
            }
        }
        Some(Use { module: module?, args, alias: alias?, span })
    }

    pub fn slice(&mut self, p: P<'_>) -> Option<Slice> {
        let span = self.span(&p);
        let (mut name, mut values) = (None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::list => values = Some(SliceValues::In(self.list(q))),
                Rule::slice_of => {
                    let (mut metric, mut label) = (None, None);
                    for r in q.into_inner() {
                        match r.as_rule() {
                            Rule::path => metric = Some(self.path(r)),
                            Rule::text => label = Some(self.text(&r)),
                            _ => {}
                        }
                    }
                    values = metric.map(|metric| SliceValues::Of { metric, label });
                }
                _ => {}
            }
        }
        Some(Slice { name: name?, values: values?, span })
    }

    pub fn load(&mut self, p: P<'_>) -> Option<Load> {
        let span = self.span(&p);
        let (name, value) = self.named_value(p)?;
        let value = self.call(value, "a load", "load NAME = burst(get: \"/path\", requests: 100)");
        Some(Load { name, value, span })
    }

    /// The name and the value of `… NAME = VALUE`.
    pub fn named_value(&mut self, p: P<'_>) -> Option<(Name, Expr)> {
        let (mut name, mut value) = (None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::value => value = Some(self.value(q)),
                _ => {}
            }
        }
        name.zip(value)
    }

    /// A value that must be a call; a hole, and a finding, where it is something else.
    pub fn call(&mut self, value: Expr, what: &str, shape: &str) -> Expr {
        if matches!(value.kind, ExprKind::Call { .. } | ExprKind::Hole) {
            return value;
        }
        self.report(
            Diagnostic::error(codes::EXPECTED, format!("{what} is a call"), value.span, "not a call")
                .help(format!("it is written `{shape}`")),
        );
        Self::hole(value.span)
    }

    pub fn window(&mut self, p: P<'_>) -> Option<CivilWindow> {
        let span = self.span(&p);
        let (mut name, mut days, mut hours, mut zone) = (None, Vec::new(), Vec::new(), None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::days => {
                    for d in q.into_inner().filter(|d| d.as_rule() == Rule::day_span) {
                        let mut ends = d.into_inner().filter(|n| n.as_rule() == Rule::name).map(|n| self.name(&n));
                        if let Some(from) = ends.next() {
                            days.push((from, ends.next()));
                        }
                    }
                }
                Rule::hours => {
                    for h in q.into_inner() {
                        match h.as_rule() {
                            Rule::hour_span => hours.extend(self.hours(&h)),
                            Rule::bad_hours => self.bad_hours(&h),
                            _ => {}
                        }
                    }
                }
                Rule::text => zone = Some(self.text(&q)),
                _ => {}
            }
        }
        Some(CivilWindow { name: name?, days, hours, zone: zone?, span })
    }

    fn hours(&mut self, p: &P<'_>) -> Option<Hours> {
        let span = self.span(p);
        let (from, to) = p.as_str().split_once("..")?;
        if let (Some(from), Some(to)) = (minutes(from), minutes(to))
            && from < DAY
        {
            return Some(Hours { from, to, span });
        }
        self.report(
            Diagnostic::error(codes::LITERAL, format!("there is no `{}`", p.as_str()), span, "no such hours").help(
                "hours are `00:00` to `23:59`, and `24:00` for an end at midnight: `09:00..17:00`, `22:00..06:00`",
            ),
        );
        None
    }

    /// `9-17`: told, with what was meant where that is plain.
    fn bad_hours(&mut self, p: &P<'_>) {
        let span = self.span(p);
        let text = p.as_str();
        let clock = |t: &str| {
            let (hour, minute) = t.split_once(':').unwrap_or((t, "00"));
            let padded = format!("{hour:0>2}:{minute:0>2}");
            minutes(&padded).map(|_| padded)
        };
        let digit = |c: char| c.is_ascii_digit() || c == ':';
        let from = text.find(|c| !digit(c)).and_then(|n| text.get(..n)).and_then(clock);
        let to = text.rfind(|c| !digit(c)).and_then(|n| text.get(n..)).map(|t| t.trim_start_matches(|c| !digit(c)));
        let mut d =
            Diagnostic::error(codes::LITERAL, "hours are written `09:00..17:00`", span, "not the hours of a window");
        d = match from.zip(to.and_then(clock)) {
            Some((from, to)) => d.help(format!("write `{from}..{to}`")).fix(span, format!("{from}..{to}")),
            None => d.help("hours and minutes of a day of 24 hours, from `..` to"),
        };
        self.report(d);
    }

    /// The dimension and label of each `label` of a `labels` pair.
    pub fn labels(&mut self, p: P<'_>) -> Vec<(Name, crate::syntax::source::Spanned<String>)> {
        p.into_inner()
            .filter(|l| l.as_rule() == Rule::label)
            .filter_map(|l| {
                let name = child(l.clone(), Rule::name).map(|n| self.name(&n));
                name.zip(child(l, Rule::text).map(|t| self.text(&t)))
            })
            .collect()
    }
}

/// `09:30` as minutes after midnight, `24:00` included.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let at = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && at <= DAY).then_some(at)
}
