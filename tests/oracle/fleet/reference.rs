//! The bookkeeping of a sliced run, as dumb as it can be: written from docs/language.md (Slices), one reference interpreter a life.

use super::{Begins, Event, Row};
use crate::reference::{Did, Reference};
use canary::engine::{Explanation, Input, Operator, RunCause, Stage, Verdict};
use canary::plan::{Act, ActionId, PhaseId, Plan, SliceValues, SwitchId, Time, Trigger};

pub struct Life<'p> {
    pub is: Reference<'p>,
    values: Vec<String>,
    /// Not begun: when it was seen, and when it was last refused.
    waits: Option<(Time, Option<Time>)>,
    /// Aborted before it began.
    never: bool,
}

impl Life<'_> {
    pub fn stage(&self) -> Stage {
        if self.never { Stage::Done(Verdict::Aborted) } else { self.is.stage }
    }

    fn under_way(&self) -> bool {
        matches!(self.stage(), Stage::Phase(_) | Stage::RollingBack(_))
    }
}

/// What is done, and for which slice.
pub type Done = (Option<usize>, Did);

/// A run that counts for a limit: by which life, at which input.
type Counted = (Time, usize, usize);

pub struct Lives<'p> {
    plan: &'p Plan,
    pub lives: Vec<Life<'p>>,
    started: Option<Time>,
    last: Option<Time>,
    /// A check was live.
    lived: bool,
    starts: Vec<Time>,
    pub halted: bool,
    closed: bool,
    pub verdict: Option<Verdict>,
    answered: Vec<Option<Time>>,
    /// By reaction: how many times of `every` and `at` lie behind.
    due: Vec<usize>,
    runs: Vec<Vec<Counted>>,
    own: Vec<u32>,
    tokens: u32,
    inputs: usize,
    did: Vec<Done>,
    halts: Option<usize>,
    /// Switches for all that guards have thrown and nobody has reset.
    thrown: Vec<SwitchId>,
    throws: Option<Throw>,
}

/// Switches that lives throw for all at one check, and how far back that leads.
type Throw = (Vec<SwitchId>, Option<PhaseId>);

impl<'p> Lives<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            lives: Vec::new(),
            started: None,
            last: None,
            lived: false,
            starts: Vec::new(),
            halted: false,
            closed: false,
            verdict: None,
            answered: vec![None; plan.inputs.len()],
            due: vec![0; plan.reactions.len()],
            runs: vec![Vec::new(); plan.reactions.len()],
            own: Vec::new(),
            tokens: 0,
            inputs: 0,
            did: Vec::new(),
            halts: None,
            thrown: Vec::new(),
            throws: None,
        }
    }

    pub fn take(&mut self, event: &Event) -> Vec<Done> {
        self.inputs += 1;
        match event {
            Event::Seen { values, at } => self.seen(values, *at),
            Event::Tick { at, rows, begins, rolled_back, live } => {
                if self.verdict.is_none() && self.last.is_none_or(|last| *at > last) {
                    self.tick(*at, rows, begins, *rolled_back, *live);
                }
            }
            Event::Verified { slice, at, epoch, read } => {
                self.feed(*slice, &Input::Verified { at: *at, epoch: *epoch, read: read.clone() });
            }
            Event::ActionEnded { slice, at, token, ok } => {
                let (how, output) = (String::new(), String::new());
                self.feed(*slice, &Input::ActionEnded { at: *at, token: *token, ok: *ok, how, output });
            }
            Event::OwnActionEnded { token, .. } => {
                if self.own.contains(token) {
                    self.own.retain(|t| t != token);
                    self.did.push((None, Did::Wrote("action_ended")));
                }
            }
            Event::Operator { slices, at, act } => {
                // a switch is thrown also where all is over: the run ends once more
                if matches!(act, Operator::Kill(_)) {
                    self.verdict = None;
                }
                if self.verdict.is_none() {
                    self.person(slices, *at, *act);
                }
            }
            Event::Stored => {}
            Event::Recovered { at } => {
                for i in 0..self.lives.len() {
                    if self.lives[i].under_way() {
                        self.feed(i, &Input::Recovered { at: *at });
                    }
                }
                for _ in self.own.drain(..) {
                    self.did.push((None, Did::Wrote("action_ended")));
                }
            }
        }
        if self.verdict.is_none()
            && let Some(verdict) = self.over()
        {
            self.verdict = Some(verdict);
            self.did.push((None, Did::Finish(verdict)));
        }
        std::mem::take(&mut self.did)
    }

    /// Who is a slice: values of listed dimensions that are listed, others that are not empty.
    fn seen(&mut self, values: &[String], at: Time) {
        let fits = values.len() == self.plan.slices.len()
            && self.plan.slices.iter().zip(values).all(|(d, v)| match &d.values {
                SliceValues::Listed(list) => list.contains(v),
                SliceValues::Of(_) => !v.is_empty(),
            });
        let known = self.lives.iter().any(|l| l.values == values);
        if fits && !known && !self.closed && self.verdict.is_none() {
            let waits = Some((at, None));
            self.lives.push(Life { is: Reference::new(self.plan), values: values.to_vec(), waits, never: false });
        }
    }

    /// One life takes an input, with what is the run's.
    fn feed(&mut self, i: usize, input: &Input<'_>) {
        let runs: Vec<Vec<Time>> = self.runs.iter().map(|r| r.iter().map(|c| c.0).collect()).collect();
        let life = &mut self.lives[i].is;
        life.join(self.started.unwrap_or(0), &self.due, &runs);
        for did in life.take(input) {
            if did == Did::Halt {
                self.halts.get_or_insert(i);
            } else if let Did::Throw { switches, to } = did {
                let (all, earliest) = self.throws.get_or_insert((Vec::new(), to));
                *earliest = to.min(*earliest);
                let new: Vec<SwitchId> = switches.into_iter().filter(|k| !all.contains(k)).collect();
                all.extend(new);
            } else {
                self.did.push((Some(i), did));
            }
        }
        for (r, reaction) in self.plan.reactions.iter().enumerate() {
            if matches!(reaction.act, Act::Run { limit: Some(_), .. }) {
                let new = life.runs(r)[runs[r].len()..].iter().map(|t| (*t, i, self.inputs));
                self.runs[r].extend(new);
            }
        }
    }

    /// How often `every` and `at` have come due by the run's clock.
    fn due_by(&self, reaction: usize, at: Time) -> usize {
        let elapsed = at - self.started.unwrap();
        match &self.plan.reactions[reaction].trigger {
            Trigger::Every(d) => usize::try_from(elapsed / d).unwrap(),
            Trigger::At(times) => times.iter().filter(|t| **t <= elapsed).count(),
            Trigger::On(_) | Trigger::When(_) => 0,
        }
    }

    fn tick(&mut self, at: Time, rows: &[Row], begins: &[Begins], rolled_back: Option<Time>, live: bool) {
        // nobody begins at a check that is not live: the first that is live is the start
        let first = live && !self.lived;
        self.lived |= live;
        self.started.get_or_insert(at);
        let look = |i: usize| {
            let Row { answers, ports, epoch } = &rows[i];
            Input::Tick { at, answers, ports, ports_epoch: *epoch, live }
        };
        let under_way: Vec<usize> = (0..self.lives.len()).filter(|i| self.lives[*i].under_way()).collect();
        let mut before = Vec::new();
        for i in &under_way {
            self.lives[*i].is.mind_the_gap(&self.answered);
            before.push(self.lives[*i].is.clone());
            self.feed(*i, &look(*i));
        }
        let (by, throw) = (self.halts.take(), self.throws.take());
        if by.is_some() || throw.is_some() {
            // a kill and a halt come before what goes on, whichever life was looked at first
            let mut again = Vec::new();
            for (i, before) in under_way.iter().zip(before) {
                if Some(*i) == by || !self.did.iter().any(|(of, d)| *of == Some(*i) && goes_on(d)) {
                    continue;
                }
                self.did.retain(|(of, _)| *of != Some(*i));
                for runs in &mut self.runs {
                    runs.retain(|(_, of, input)| (*of, *input) != (*i, self.inputs));
                }
                self.lives[*i].is = before;
                again.push(*i);
            }
            for i in again {
                if let Some(throw) = &throw {
                    self.throw_in(i, at, throw);
                }
                if by.is_some() {
                    self.halt(i, at);
                }
                self.feed(i, &look(i));
            }
            self.halts = None;
            if let Some(throw) = throw {
                self.throw_in_all(at, &throw);
            }
            if let Some(by) = by {
                for i in (0..self.lives.len()).filter(|i| *i != by) {
                    if self.lives[i].under_way() {
                        self.halt(i, at);
                    }
                }
                if !self.halted {
                    self.halted = true;
                    self.did.push((None, Did::Wrote("paused")));
                }
            }
            while let Some(throw) = self.throws.take() {
                self.throw_in_all(at, &throw);
            }
        }
        for r in 0..self.due.len() {
            if matches!(self.plan.reactions[r].act, Act::Snapshot) {
                self.due[r] = self.due_by(r, at);
            }
        }
        if live {
            self.begin(at, rows, begins, rolled_back, first);
        }
        for (i, slot) in self.answered.iter_mut().enumerate() {
            if self.lives.iter().any(|l| l.is.answered[i] == Some(at)) {
                *slot = Some(at);
            }
        }
        if live && self.last.is_some() && self.verdict.is_none() && self.lives.iter().any(Life::under_way) {
            self.on_the_clock(at);
        }
        self.last = Some(at);
    }

    /// Throws switches in every life. Where everything is taken back nobody begins any more, else nobody until they are reset.
    fn throw_in_all(&mut self, at: Time, throw: &Throw) {
        for i in 0..self.lives.len() {
            self.throw_in(i, at, throw);
        }
        match throw.1 {
            None => self.closed = true,
            Some(_) => self.thrown.extend(&throw.0),
        }
    }

    /// In one: what is over is killed as by a person, what waits goes on waiting unless everything is taken back.
    fn throw_in(&mut self, i: usize, at: Time, (switches, to): &Throw) {
        let why = explained(at);
        let thrown: Vec<_> = switches.iter().map(|k| (*k, why.clone())).collect();
        let life = &mut self.lives[i];
        let (to, verdict) = match life.stage() {
            Stage::Idle if to.is_some() => return,
            Stage::Idle => (None, Verdict::Killed),
            Stage::Done(_) => {
                life.never = false;
                for k in switches {
                    life.is.goes_on_without(*k);
                }
                (None, Verdict::Killed)
            }
            Stage::Phase(_) | Stage::RollingBack(_) => (*to, Verdict::RolledBack),
        };
        life.waits = None;
        self.feed(i, &Input::Thrown { at, thrown: &thrown, to, verdict });
    }

    fn halt(&mut self, i: usize, at: Time) {
        let explanation = explained(at);
        self.feed(i, &Input::Halted { at, explanation: &explanation });
    }

    /// `every` and `at` that notify and run: the run's, once.
    fn on_the_clock(&mut self, at: Time) {
        for (r, reaction) in self.plan.reactions.iter().enumerate() {
            let now = self.due_by(r, at);
            if now <= self.due[r] {
                continue;
            }
            self.due[r] = now;
            match &reaction.act {
                Act::Notify(channels) => {
                    self.did.push((None, Did::Told { channels: channels.clone(), happening: None }));
                }
                Act::Run { action, limit } => {
                    let recent = |d| self.runs[r].iter().filter(|(t, _, _)| at - t < d).count();
                    if limit.is_none_or(|(n, d)| recent(d) < n as usize) {
                        self.runs[r].push((at, usize::MAX, self.inputs));
                        self.run(*action);
                    }
                }
                Act::Snapshot => {}
            }
        }
    }

    fn run(&mut self, action: ActionId) {
        self.tokens += 1;
        self.own.push(self.tokens);
        self.did.push((None, Did::Wrote("action_started")));
        self.did.push((None, Did::Run { token: self.tokens, action, cause: RunCause::Reaction }));
    }

    /// Who may begin: never refused before refused, the least risky first, then as seen; as many as the limit leaves.
    pub fn may_begin(&self, at: Time) -> Vec<usize> {
        if self.halted || self.closed || self.verdict.is_some() || !self.thrown.is_empty() {
            return Vec::new();
        }
        let risk = |life: &Life<'_>| {
            let by = self.plan.start_slices.as_ref().map(|s| &s.by);
            let dim = self.plan.slices.iter().position(|d| Some(&d.name) == by);
            dim.map_or(0, |i| match &self.plan.slices[i].values {
                SliceValues::Listed(list) => list.iter().position(|v| *v == life.values[i]).unwrap(),
                SliceValues::Of(_) => 0,
            })
        };
        let mut waiting: Vec<usize> = (0..self.lives.len()).filter(|i| self.lives[*i].waits.is_some()).collect();
        waiting.sort_by_key(|i| {
            let (seen, tried) = self.lives[*i].waits.unwrap();
            (tried, risk(&self.lives[*i]), seen, *i)
        });
        if let Some((n, d)) = self.plan.start_slices.as_ref().and_then(|s| s.limit) {
            waiting.truncate((n as usize).saturating_sub(self.starts.iter().filter(|t| at - **t < d).count()));
        }
        waiting
    }

    fn begin(&mut self, at: Time, rows: &[Row], begins: &[Begins], rolled_back: Option<Time>, first: bool) {
        let mut begun = 0;
        for i in self.may_begin(at) {
            let Some(Begins { originals, baseline, .. }) = begins.iter().find(|b| b.slice == i) else { continue };
            let (originals, baseline) = (originals.clone(), baseline.clone());
            let from = self.did.len();
            self.feed(i, &Input::Start { at, originals, answers: &rows[i].answers, baseline, rolled_back });
            if self.lives[i].is.stage == Stage::Done(Verdict::Refused) {
                self.did.truncate(from);
                self.lives[i].is = Reference::new(self.plan);
                self.lives[i].waits.as_mut().unwrap().1 = Some(at);
            } else {
                self.lives[i].waits = None;
                self.starts.push(at);
                begun += 1;
            }
        }
        if first && begun == 0 && !self.halted && !self.closed {
            self.verdict = Some(Verdict::Refused);
            self.did.push((None, Did::Wrote("refused")));
            self.did.push((None, Did::Finish(Verdict::Refused)));
        }
    }

    fn person(&mut self, slices: &[usize], at: Time, act: Operator) {
        let one_for_all =
            matches!(act, Operator::Kill(k) | Operator::Reset(k) if self.plan.switches[k.index()].for_all);
        let slices = if one_for_all { &[] } else { slices };
        let mut chosen = slices.to_vec();
        if chosen.is_empty() {
            chosen = (0..self.lives.len()).collect();
        }
        chosen.sort_unstable();
        chosen.dedup();
        for i in chosen {
            let life = &mut self.lives[i];
            if act == Operator::Abort && life.waits.is_some() {
                (life.never, life.waits) = (true, None);
                self.did.push((Some(i), Did::Wrote("finished")));
                continue;
            }
            if act == Operator::Resume {
                life.is.count_short_sums_anew();
            }
            if let (Operator::Kill(switch), Stage::Done(_)) = (act, life.stage()) {
                // what a life that is over has left exposed is taken back, by a switch that was thrown before as well
                life.never = false;
                life.is.goes_on_without(switch);
            }
            if !life.never {
                self.feed(i, &Input::Operator { at, act, who: String::from("ada"), why: String::from("because") });
            }
            if self.lives[i].stage() != Stage::Idle {
                self.lives[i].waits = None;
            }
        }
        if slices.is_empty() {
            match act {
                Operator::Pause if !self.halted => {
                    self.halted = true;
                    self.did.push((None, Did::Wrote("paused")));
                }
                Operator::Resume if self.halted => {
                    self.halted = false;
                    self.did.push((None, Did::Wrote("resumed")));
                }
                Operator::Abort | Operator::Kill(_) => self.closed = true,
                Operator::Reset(switch) => self.thrown.retain(|k| *k != switch),
                _ => {}
            }
        }
    }

    /// When nobody waits and every life is over; as the worst of them.
    fn over(&self) -> Option<Verdict> {
        if self.started.is_none() && !self.closed {
            return None;
        }
        let worst = [Verdict::Killed, Verdict::RolledBack, Verdict::Aborted, Verdict::Refused, Verdict::Promoted];
        let mut ends = Vec::new();
        for life in &self.lives {
            match life.stage() {
                Stage::Done(v) => ends.push(v),
                _ => return None,
            }
        }
        worst.into_iter().find(|v| ends.contains(v))
    }
}

fn explained(at: Time) -> Explanation {
    Explanation {
        at,
        kind: String::new(),
        rule: String::new(),
        summary: String::new(),
        guard: None,
        inputs: Vec::new(),
        others: Vec::new(),
    }
}

/// It has passed a step or a phase, or raised something.
fn goes_on(did: &Did) -> bool {
    match did {
        Did::Apply { lowers, .. } => !lowers,
        Did::Run { cause, .. } => *cause == RunCause::Step,
        Did::Finish(verdict) => *verdict == Verdict::Promoted,
        Did::Wrote(kind) => ["step_done", "passed", "entered"].contains(kind),
        _ => false,
    }
}
