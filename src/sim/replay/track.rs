//! What is noted of a replay along the way.

use super::outcome::{Assumption, Decision, GuardTrack, Outcome, PhaseBand, Point, PortTrack};
use crate::engine::{Effect, Explanation, Record, Stage, State, Verdict, Word};
use crate::plan::{Compare, Guard, Millis, Node, Plan, PortId, Setting, Time, show};

/// So many points at most stand for a guard: more than a picture has columns.
const POINTS: i64 = 2_000;

/// How much is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Everything.
    #[default]
    Full,
    /// Decisions, phases and the verdict: what is told in words.
    Brief,
    /// Of the decisions those alone that change the course, and the verdict: what a sweep and a backtest are made of.
    Course,
}

/// Notes.
pub(super) struct Track {
    detail: Detail,
    /// Milliseconds that one point of a guard stands for.
    each: Millis,
    out: Outcome,
    words: Vec<Option<Word>>,
    paused: Option<Time>,
}

/// What stands in the place of a phase while everything is taken back.
const BACK: &str = "rolling back";

impl Track {
    pub(super) fn new(plan: &Plan, start: Time, last: Time, detail: Detail) -> Self {
        let full = detail == Detail::Full;
        let port = |name: &String| PortTrack {
            name: name.clone(),
            requested: Vec::new(),
            observed: Vec::new(),
            assumed_since: None,
        };
        let ports = plan.ports.iter().filter(|_| full).map(|p| port(&p.name)).collect();
        let guards: Vec<GuardTrack> = plan.guards.iter().filter(|_| full).map(|g| guard(plan, g)).collect();
        let every = plan.check_every.max(1);
        let out = Outcome {
            rollout: plan.rollout.clone(),
            policy: plan.hash.clone(),
            start,
            end: start,
            every: plan.check_every,
            verdict: None,
            decisions: Vec::new(),
            phases: Vec::new(),
            ports,
            guards,
            assumptions: Vec::new(),
            slices: None,
        };
        Self {
            detail,
            each: (last.saturating_sub(start).max(0) / POINTS / every + 1) * every,
            words: vec![None; out.guards.len()],
            out,
            paused: None,
        }
    }

    /// What a step has asked for.
    pub(super) fn happened(&mut self, at: Time, effect: Effect) {
        match effect {
            Effect::Record(r) => self.record(at, *r),
            Effect::Apply { settings, .. } => {
                for (port, to) in settings {
                    if let Some(track) = self.out.ports.get_mut(port.index())
                        && track.requested.last().is_none_or(|(_, is)| !is.same(to))
                    {
                        track.requested.push((at, to));
                    }
                }
            }
            _ => {}
        }
    }

    fn record(&mut self, at: Time, record: Record) {
        match &record {
            Record::Entered { phase, .. } | Record::Rollback { to: Some(phase), .. } => self.band(at, phase),
            Record::Rollback { to: None, .. } => self.band(at, BACK),
            Record::Paused { .. } => self.paused = self.paused.or(Some(at)),
            Record::Resumed { .. } => self.runs_on(at),
            Record::Finished { .. } => self.close(at),
            _ => {}
        }
        if self.detail == Detail::Course && !changes_course(&record) {
            return;
        }
        let explanation = explanation(&record).cloned();
        self.out.decisions.push(Decision { at, slice: None, text: String::new(), explanation, record });
    }

    fn band(&mut self, at: Time, name: &str) {
        self.close(at);
        // a request that follows a request at once is one band
        self.out.phases.push(PhaseBand { name: name.to_owned(), from: at, to: at, paused: Vec::new() });
    }

    fn runs_on(&mut self, at: Time) {
        if let (Some(since), Some(band)) = (self.paused.take(), self.out.phases.last_mut()) {
            band.paused.push((since, at));
        }
    }

    fn close(&mut self, at: Time) {
        self.runs_on(at);
        if let Some(band) = self.out.phases.last_mut() {
            band.to = band.to.max(at);
        }
    }

    /// A port was read.
    pub(super) fn observed(&mut self, at: Time, port: PortId, is: Setting) {
        if let Some(track) = self.out.ports.get_mut(port.index())
            && track.observed.last().is_none_or(|(_, was)| !was.same(is))
        {
            track.observed.push((at, is));
        }
    }

    /// From here on nobody knows what ports were.
    pub(super) fn ports_assumed(&mut self, since: Time) {
        for track in &mut self.out.ports {
            track.assumed_since = track.assumed_since.or(Some(since));
        }
    }

    /// A check was made.
    pub(super) fn checked(&mut self, at: Time, state: &State) {
        self.out.end = at;
        if self.detail != Detail::Full {
            return;
        }
        let watches = matches!(state.stage, Stage::Phase(_));
        for ((track, seen), guard) in self.out.guards.iter_mut().zip(&mut self.words).zip(&state.guards) {
            let word = guard.word.filter(|_| guard.active && watches);
            if *seen != word || (track.words.is_empty() && word.is_some()) {
                *seen = word;
                track.words.push((at, word));
            }
            if word.is_none() {
                continue;
            }
            let point = Point { at, value: guard.reading.value, limit: guard.reading.limit };
            let bucket = |t: Time| (t - self.out.start).div_euclid(self.each);
            match track.points.last_mut().filter(|p| bucket(p.at) == bucket(at)) {
                // of several checks the one that came nearest to the limit, or went furthest beyond
                Some(last) => {
                    if worse(point, *last, track.below) {
                        *last = point;
                    }
                }
                None => track.points.push(point),
            }
        }
    }

    /// A check was made at which what is noted had not begun.
    pub(super) fn waited(&mut self, at: Time) {
        self.out.end = at;
    }

    pub(super) fn assume(&mut self, since: Option<Time>, text: String) {
        if !self.out.assumptions.iter().any(|a| a.text == text) {
            self.out.assumptions.push(Assumption { since, text });
        }
    }

    /// Everything that was decided so far.
    pub(super) fn decisions(&self) -> &[Decision] {
        &self.out.decisions
    }

    pub(super) fn done(self, state: &State) -> Outcome {
        let (verdict, over) = ended(state);
        self.ended(verdict, over)
    }

    /// As [`Track::done`], of what nobody had recorded.
    pub(super) fn stopped(self, state: &State) -> Outcome {
        let (verdict, over) = ended(state);
        self.closed(verdict, over)
    }

    /// Of a rollout that has ended so; `over`: nothing more came of what was noted.
    pub(super) fn ended(self, verdict: Option<Verdict>, over: bool) -> Outcome {
        let mut out = self.closed(verdict, over);
        if out.verdict.is_none() {
            let long = show::duration(out.end - out.start);
            out.assumptions.push(Assumption {
                since: Some(out.end),
                text: format!("not decided: the recording was over after {long}"),
            });
        }
        out
    }

    fn closed(mut self, verdict: Option<Verdict>, over: bool) -> Outcome {
        let end = self.out.end;
        if !over {
            self.close(end);
        }
        self.out.verdict = verdict;
        self.out
    }
}

/// Whether a point tells more than another one of the same stretch.
fn worse(a: Point, b: Point, below: bool) -> bool {
    let margin = |p: Point| Some((p.limit? - p.value?) * if below { 1.0 } else { -1.0 });
    match (margin(a), margin(b)) {
        (Some(a), Some(b)) => a < b,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn guard(plan: &Plan, g: &Guard) -> GuardTrack {
    let shown = g.shown.and_then(|n| plan.program.nodes.get(n.index()));
    let above = matches!(shown, Some(Node::Compare { op: Compare::Gt | Compare::Ge, .. }));
    // `not (x > limit)` wants it below
    let turned =
        g.shown.is_some_and(|shown| plan.program.nodes.iter().any(|n| matches!(n, Node::Not(of) if *of == shown)));
    let below = above == turned;
    GuardTrack {
        name: g.name.clone(),
        condition: g.text.clone(),
        unit: g.unit.word().to_owned(),
        words: Vec::new(),
        points: Vec::new(),
        below,
    }
}

/// Whether a record is one of those out of which [`super::sweep::cell`] and [`super::backtest::run`] tell how a rollout went.
fn changes_course(record: &Record) -> bool {
    matches!(
        record,
        Record::Entered { .. }
            | Record::Rollback { .. }
            | Record::Promoted { .. }
            | Record::Refused { .. }
            | Record::Finished { .. }
    )
}

/// How a rollout has ended, and whether it has. One that holds for good is promoted, and nothing but the recording's end ends it.
fn ended(state: &State) -> (Option<Verdict>, bool) {
    (state.verdict().or(state.promoted.map(|_| Verdict::Promoted)), state.verdict().is_some())
}

/// What a record says of why.
pub(super) fn explanation(record: &Record) -> Option<&Explanation> {
    match record {
        Record::Paused { explanation }
        | Record::Rollback { explanation, .. }
        | Record::KillSwitch { explanation, .. }
        | Record::NotRolledBack { explanation }
        | Record::Finished { explanation, .. } => Some(explanation),
        _ => None,
    }
}
