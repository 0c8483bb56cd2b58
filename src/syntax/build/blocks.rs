//! Declarations with a block of their own lines: probes, signoffs, objectives, scores.

use super::{Builder, P, child};
use crate::syntax::ast::{Objective, Part, Probe, ProbeStep, Score, Signoff, SignoffLine, Slo};
use crate::syntax::grammar::Rule;
use crate::syntax::recover::{Context, Saved};

impl Builder<'_> {
    /// The lines of a body, whose junk is read once more.
    fn lines<T: Saved>(&mut self, body: P<'_>, junk: Rule, context: Context) -> Vec<T> {
        body.into_inner()
            .flat_map(|q| {
                if q.as_rule() == junk {
                    let range = self.range(&q);
                    self.recover(range, context)
                } else {
                    T::built(self, q)
                }
            })
            .collect()
    }

    pub fn probe(&mut self, p: P<'_>) -> Option<Probe> {
        let span = self.span(&p);
        let (mut name, mut every, mut timeout, mut steps) = (None, None, None, Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::dur => every = Some(self.value(q)),
                Rule::timeout => timeout = Some(self.value_in(q, span)),
                Rule::probe_block => steps = self.probe_body(q),
                _ => {}
            }
        }
        Some(Probe { name: name?, every: every?, timeout, steps, span })
    }

    pub fn probe_body(&mut self, p: P<'_>) -> Vec<ProbeStep> {
        self.lines(inner(p, Rule::probe_body), Rule::junk_probe, Context::Probe)
    }

    pub fn step(&mut self, p: P<'_>) -> Option<ProbeStep> {
        if p.as_rule() != Rule::step {
            return None;
        }
        let span = self.span(&p);
        let (name, value) = self.named_value(p)?;
        let call = self.call(value, "a step", "step NAME = get(\"/path\", status: 200)");
        Some(ProbeStep { name, call, span })
    }

    pub fn signoff(&mut self, p: P<'_>) -> Option<Signoff> {
        let span = self.span(&p);
        let name = child(p.clone(), Rule::name).map(|n| self.name(&n))?;
        let body = child(p, Rule::signoff_block).map_or_else(Vec::new, |b| self.signoff_body(b));
        Some(Signoff { name, body, span })
    }

    pub fn signoff_body(&mut self, p: P<'_>) -> Vec<SignoffLine> {
        self.lines(inner(p, Rule::signoff_body), Rule::junk_signoff, Context::Signoff)
    }

    pub fn signoff_line(&mut self, p: P<'_>) -> Option<SignoffLine> {
        let span = self.span(&p);
        match p.as_rule() {
            Rule::artifact => child(p, Rule::text).map(|t| SignoffLine::Artifact(self.text(&t), span)),
            Rule::sign_by => child(p, Rule::text).map(|t| SignoffLine::By(self.text(&t), span)),
            Rule::expires => Some(SignoffLine::Expires(self.value_in(p, span), span)),
            Rule::sign_require => {
                let (cond, why) = self.required(p);
                Some(SignoffLine::Require { cond: cond?, why, span })
            }
            _ => None,
        }
    }

    pub fn slo(&mut self, p: P<'_>) -> Option<Slo> {
        let span = self.span(&p);
        let name = child(p.clone(), Rule::name).map(|n| self.name(&n))?;
        let objectives = child(p, Rule::slo_block).map_or_else(Vec::new, |b| self.slo_body(b));
        Some(Slo { name, objectives, span })
    }

    pub fn slo_body(&mut self, p: P<'_>) -> Vec<Objective> {
        self.lines(inner(p, Rule::slo_body), Rule::junk_slo, Context::Slo)
    }

    pub fn objective(&mut self, p: P<'_>) -> Option<Objective> {
        let span = self.span(&p);
        let (mut of, mut over) = (None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::cond => of = Some(self.value(q)),
                Rule::dur => over = Some(self.value(q)),
                _ => {}
            }
        }
        Some(Objective { of: of?, over: over?, span })
    }

    pub fn score(&mut self, p: P<'_>) -> Option<Score> {
        let span = self.span(&p);
        let name = child(p.clone(), Rule::name).map(|n| self.name(&n))?;
        let parts = child(p, Rule::score_block).map_or_else(Vec::new, |b| self.score_body(b));
        Some(Score { name, parts, span })
    }

    pub fn score_body(&mut self, p: P<'_>) -> Vec<Part> {
        self.lines(inner(p, Rule::score_body), Rule::junk_score, Context::Score)
    }

    pub fn part(&mut self, p: P<'_>) -> Option<Part> {
        let span = self.span(&p);
        let (mut name, mut value, mut bad, mut good, mut weight) = (None, None, None, None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::value => value = Some(self.value(q)),
                Rule::part_bad => bad = Some(self.value_in(q, span)),
                Rule::part_good => good = Some(self.value_in(q, span)),
                Rule::part_weight => weight = Some(self.value_in(q, span)),
                _ => {}
            }
        }
        Some(Part { name: name?, value: value?, bad: bad?, good: good?, weight, span })
    }
}

/// The pair of a body: itself, or the one inside a block or a body that was read alone.
fn inner(p: P<'_>, body: Rule) -> P<'_> {
    if p.as_rule() == body { p } else { child(p.clone(), body).unwrap_or(p) }
}
