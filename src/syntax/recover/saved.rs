//! What each place makes of a piece that was read once more.

use crate::syntax::ast::{
    EnvEntry, Environment, Item, Killswitch, Name, Objective, Part, Phase, PhaseStatement, Probe, ProbeStep, Rollout,
    Score, Signoff, SignoffLine, Slo, Statement, Test, TestLine, TestLineKind,
};
use crate::syntax::build::Builder;
use crate::syntax::grammar::Rule;
use crate::syntax::source::Spanned;
use pest::iterators::Pair;

/// What can be saved from a piece of text.
pub(crate) trait Saved: Sized {
    /// From a rule that matched.
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self>;

    /// Text of which nothing can be made, if the place has a node for it.
    fn junk(_: &Builder<'_>, _start: usize, _end: usize) -> Option<Self> {
        None
    }

    /// A block whose head is broken and whose body was read; nothing where a place has no blocks.
    fn block(_: &mut Builder<'_>, _broken: Broken<'_>) -> Option<Self> {
        None
    }
}

/// A block whose head could not be read.
pub(crate) struct Broken<'k> {
    /// Its keyword, as it was meant.
    pub keyword: &'k str,
    /// Its name; empty where none was written.
    pub name: Name,
    /// The whole of it, in the mended text.
    pub range: (usize, usize),
    /// What stands between its braces.
    pub body: (usize, usize),
}

impl Saved for Item {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.item(p).into_iter().collect()
    }

    fn junk(b: &Builder<'_>, start: usize, end: usize) -> Option<Self> {
        Some(Self::Junk(b.patched.span(start, end)))
    }

    fn block(b: &mut Builder<'_>, broken: Broken<'_>) -> Option<Self> {
        let Broken { keyword, name, range, body } = broken;
        let span = b.patched.span(range.0, range.1);
        let item = match keyword {
            "rollout" => Self::Rollout(Rollout {
                name,
                title: None,
                per: Vec::new(),
                body: b.inside(body, Rule::rollout_only, Builder::rollout_body),
                span,
            }),
            "environment" => Self::Environment(Environment {
                name,
                entries: b.inside(body, Rule::env_only, Builder::env_body),
                span,
            }),
            "killswitch" => Self::Killswitch(Killswitch {
                name,
                per: Vec::new(),
                body: b.inside(body, Rule::switch_only, Builder::switch_body),
                span,
            }),
            "probe" => {
                let every = Builder::hole(name.span);
                let steps = b.inside(body, Rule::probe_only, Builder::probe_body);
                Self::Probe(Probe { name, every, timeout: None, steps, span })
            }
            "signoff" => {
                Self::Signoff(Signoff { name, body: b.inside(body, Rule::signoff_only, Builder::signoff_body), span })
            }
            "slo" => Self::Slo(Slo { name, objectives: b.inside(body, Rule::slo_only, Builder::slo_body), span }),
            "score" => Self::Score(Score { name, parts: b.inside(body, Rule::score_only, Builder::score_body), span }),
            "test" => {
                let title = Spanned::new(String::new(), name.span);
                let body = b.inside(body, Rule::test_only, Builder::test_body);
                Self::Test(Test { title, rollout: name, with: Vec::new(), body, span })
            }
            _ => return None,
        };
        Some(item)
    }
}

impl Saved for Statement {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.statement(p).into_iter().collect()
    }

    fn junk(b: &Builder<'_>, start: usize, end: usize) -> Option<Self> {
        Some(Self::Junk(b.patched.span(start, end)))
    }

    fn block(b: &mut Builder<'_>, broken: Broken<'_>) -> Option<Self> {
        let Broken { keyword, name, range, body } = broken;
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
}

impl Saved for EnvEntry {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.env_entry(p).into_iter().collect()
    }
}

impl Saved for ProbeStep {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.step(p).into_iter().collect()
    }
}

impl Saved for SignoffLine {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.signoff_line(p).into_iter().collect()
    }

    fn junk(b: &Builder<'_>, start: usize, end: usize) -> Option<Self> {
        Some(Self::Junk(b.patched.span(start, end)))
    }
}

impl Saved for Objective {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.objective(p).into_iter().collect()
    }
}

impl Saved for Part {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.part(p).into_iter().collect()
    }
}

impl Saved for TestLine {
    fn built(b: &mut Builder<'_>, p: Pair<'_, Rule>) -> Vec<Self> {
        b.test_line(p).into_iter().collect()
    }

    fn junk(b: &Builder<'_>, start: usize, end: usize) -> Option<Self> {
        let span = b.patched.span(start, end);
        Some(Self { kind: TestLineKind::Junk, from: None, to: None, at: None, slices: None, span })
    }
}
