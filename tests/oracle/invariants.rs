//! What must hold of every run, whatever the reference says (invariants 1, 2 and 3 of the design), judged by what went in and
//! what came out.

use super::world::Event;
use canary::engine::{Effect, Record};
use canary::plan::{Consequence, InputId, Node, NodeId, Phase, Plan, Population, PortId, Reading, Setting, Step, Time};

/// Watches one run from outside.
pub struct Watch<'p> {
    plan: &'p Plan,
    originals: Vec<(PortId, Setting)>,
    /// The phase that it is in, by its own records.
    phase: usize,
    /// A rollback of everything has begun.
    final_rollback: bool,
    killed: Vec<usize>,
    paused: bool,
    /// The last request, and whether it was read back.
    asked: (u32, Vec<(PortId, Setting)>),
    verified: Option<Time>,
    /// Live checks since the phase was entered and its settings were read back.
    live: Vec<Time>,
    over: bool,
    /// The last point of no return that was passed.
    point: Option<usize>,
    /// The phase was entered in the step under way, and by which request.
    entering: bool,
    entered_by: u32,
    /// A switch was reset since the phase was entered: what it kept down begins anew.
    reset: bool,
}

fn amount(s: Setting) -> f64 {
    match s {
        Setting::Share(r) => r,
        Setting::Bool(b) => f64::from(u8::from(b)),
        Setting::Count(n) => n as f64,
        Setting::Absent => 0.0,
    }
}

impl<'p> Watch<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            originals: Vec::new(),
            phase: 0,
            final_rollback: false,
            killed: Vec::new(),
            paused: false,
            asked: (0, Vec::new()),
            verified: None,
            live: Vec::new(),
            over: false,
            point: None,
            entering: false,
            entered_by: 0,
            reset: false,
        }
    }

    /// One event and what came of it.
    pub fn saw(&mut self, event: &Event, effects: &[Effect]) -> Result<(), String> {
        let at = match event {
            Event::Start { at, originals, .. } => {
                if self.originals.is_empty() {
                    self.originals.clone_from(originals);
                }
                *at
            }
            Event::Verified { at, epoch, .. } => {
                if *epoch == self.asked.0 && self.verified.is_none() {
                    self.verified = Some(*at);
                    // a request that is made again within the phase takes no observed time away
                    if *epoch == self.entered_by {
                        self.live.clear();
                    }
                }
                *at
            }
            Event::Tick { at, live, .. } => {
                if *live && self.verified.is_some() && self.live.last().is_none_or(|l| l < at) {
                    self.live.push(*at);
                }
                *at
            }
            Event::ActionEnded { at, .. }
            | Event::Operator { at, .. }
            | Event::Recovered { at }
            | Event::Halted { at, .. } => *at,
        };
        self.entering = false;
        if self.over && !effects.is_empty() {
            let record = |e: &Effect| matches!(e, Effect::Record(r) if matches!(r.as_ref(), Record::ActionEnded { .. } | Record::Verified { .. }));
            if !effects.iter().all(record) {
                return Err(format!("after the end: {effects:?}"));
            }
        }
        for e in effects {
            match e {
                Effect::Record(r) => self.record(r, event, at)?,
                Effect::Apply { epoch, settings, lowers } => self.apply(*epoch, settings, *lowers)?,
                Effect::Finish(_) => self.over = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &Record, event: &Event, at: Time) -> Result<(), String> {
        let index = |name: &str| self.plan.phases.iter().position(|p| p.name == name).unwrap();
        match record {
            Record::Entered { phase, .. } => {
                let to = index(phase);
                let again = self.reset && to == self.phase;
                if to > 0 && to != self.phase + 1 && !again {
                    return Err(format!("from phase {} to phase {to}", self.phase));
                }
                (self.phase, self.entering, self.reset) = (to, true, false);
                if self.plan.phases[to].irreversible.is_some() {
                    self.point = self.point.max(Some(to));
                }
                self.live.clear();
            }
            Record::Rollback { to: Some(p), .. } => {
                let to = index(p);
                if self.point.is_some_and(|point| to < point) {
                    return Err(format!("back to phase {to} across a point of no return"));
                }
                if to >= self.phase {
                    return Err(format!("a rollback from phase {} to phase {to}", self.phase));
                }
                (self.phase, self.entering) = (to, true);
            }
            Record::Rollback { to: None, .. } => {
                if self.point.is_some() {
                    return Err(String::from("everything taken back across a point of no return"));
                }
                self.final_rollback = true;
                self.paused = false;
            }
            Record::KillSwitch { switch, .. } => {
                self.killed.push(self.plan.switches.iter().position(|s| s.name == *switch).unwrap());
            }
            Record::Paused { .. } => self.paused = true,
            Record::Resumed { .. } => self.paused = false,
            Record::KillReset { switch, .. } => {
                self.killed.retain(|k| self.plan.switches[*k].name != *switch);
                self.reset = true;
            }
            Record::Passed { .. } | Record::Promoted { .. } => self.passed(event, at)?,
            _ => {}
        }
        Ok(())
    }

    /// 1: no port is asked to expose more than the phase sets, or than it did before the first change. 2: after a final
    /// rollback nothing is raised above what was there before, and nothing above what a thrown switch sets.
    fn apply(&mut self, epoch: u32, settings: &[(PortId, Setting)], lowers: bool) -> Result<(), String> {
        if epoch < self.asked.0 {
            return Err(format!("request {epoch} after {}", self.asked.0));
        }
        for (port, s) in settings {
            let original = self.originals.iter().find(|(p, _)| p == port).map_or(0.0, |(_, s)| amount(*s));
            let ramps = |p: &'p Phase| {
                p.steps.iter().filter_map(|s| match s {
                    Step::Ramp { port, to, .. } => Some((*port, *to)),
                    _ => None,
                })
            };
            let phases = self.plan.phases[..=self.phase].iter();
            let mut all = phases.flat_map(|p| p.settings.iter().copied().chain(ramps(p)));
            let set = all.rfind(|(p, _)| p == port).map(|(_, s)| amount(s));
            let thrown = self.killed.iter().flat_map(|k| &self.plan.switches[*k].settings);
            let switched = thrown.filter(|(p, _)| p == port).map(|(_, s)| amount(*s)).reduce(f64::min);
            let most = match (switched, set) {
                (Some(most), _) => most,
                (None, Some(set)) if !self.final_rollback => set,
                _ => original,
            };
            if amount(*s) > most + 1e-9 {
                return Err(format!("{} at {s}, more than {most}", self.plan.port_name(*port)));
            }
        }
        if self.final_rollback && !lowers {
            return Err(String::from("something is raised after a final rollback"));
        }
        if epoch > self.asked.0 {
            if self.entering {
                self.entered_by = epoch;
            }
            self.verified = None;
        }
        self.asked = (epoch, settings.to_vec());
        Ok(())
    }

    /// 3: a phase ends at a live check, after a read-back, with every port as asked for, no pause, every plain comparison of a
    /// guard that can block, and of the gate, true of fresh numbers, and holds over in observed time.
    fn passed(&self, event: &Event, at: Time) -> Result<(), String> {
        let Event::Tick { answers, ports, ports_epoch, live: true, .. } = event else {
            return Err(String::from("a phase ended without a live check"));
        };
        if self.final_rollback || self.paused || self.verified.is_none() || *ports_epoch != self.asked.0 {
            return Err(String::from("a phase ended in a rollback, a pause, or before the read-back"));
        }
        if !self.asked.1.iter().all(|(p, s)| ports[p.index()].is_some_and(|r| r.same(*s))) {
            return Err(String::from("a phase ended with a port that is not as asked for"));
        }
        let phase = &self.plan.phases[self.phase];
        let mut conditions: Vec<NodeId> = self
            .plan
            .guards
            .iter()
            .filter(|g| g.otherwise != Consequence::Tell)
            .filter(|g| g.from.index() <= self.phase && g.until.is_none_or(|u| self.phase < u.index()))
            .map(|g| g.healthy)
            .collect();
        let mut hold = 0;
        for s in &phase.steps {
            match s {
                Step::Hold(d) => hold += d,
                Step::Promote { when, .. } | Step::HoldUntil { when, .. } => conditions.push(*when),
                _ => {}
            }
        }
        for c in conditions {
            if self.plainly(c, answers, at) == Some(false) {
                return Err(format!("phase {} ended although node {} was not true", phase.name, c.0));
            }
        }
        let gap = 2 * self.plan.check_every;
        let observed: i64 = self.live.windows(2).map(|w| w[1] - w[0]).filter(|d| *d <= gap).sum();
        if observed < hold {
            return Err(format!("phase {} ended after {observed} ms of observed time, of {hold}", phase.name));
        }
        Ok(())
    }

    /// Whether a comparison of one gauge with a constant is true, or such are joined by `and`; none where it is more.
    fn plainly(&self, node: NodeId, answers: &[canary::plan::Answer], at: Time) -> Option<bool> {
        let nodes = &self.plan.program.nodes;
        match nodes[node.index()] {
            Node::And(a, b) => match (self.plainly(a, answers, at), self.plainly(b, answers, at)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Node::Compare { op, left, right, .. } => {
                let (Node::Gauge(i), Node::Const(limit)) = (&nodes[left.index()], &nodes[right.index()]) else {
                    return None;
                };
                let v = self.fresh(*i, answers, at);
                Some(v.is_some_and(|v| match op {
                    canary::plan::Compare::Lt => v < *limit,
                    canary::plan::Compare::Le => v <= *limit,
                    canary::plan::Compare::Gt => v > *limit,
                    canary::plan::Compare::Ge => v >= *limit,
                    canary::plan::Compare::Eq => v == *limit,
                    canary::plan::Compare::Ne => v != *limit,
                }))
            }
            _ => None,
        }
    }

    fn fresh(&self, id: InputId, answers: &[canary::plan::Answer], at: Time) -> Option<f64> {
        let input = &self.plan.inputs[id.index()];
        let answer = &answers[id.index()];
        let age = at - answer.sampled_at.unwrap_or(at);
        match &answer.value {
            Ok(Reading::Value(v))
                if v.is_finite() && age <= input.max_age && input.population != Population::Before =>
            {
                Some(*v * input.scale)
            }
            _ => None,
        }
    }
}
