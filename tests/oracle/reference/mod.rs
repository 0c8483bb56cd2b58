//! The engine once more, as dumb as it can be: written from LANGUAGE §5 and docs/language.md, to be believed by whoever reads
//! it. It keeps what came in and works everything out anew. It uses the plan's data, and of the engine only the names for what
//! comes in and goes out (`imports_nothing_of_the_engine` holds it to that).

mod ahead;
mod back;
mod condition;
mod course;
mod guard;
pub mod joined;
mod stand;
mod temporal;
mod told;
mod truth;
mod window;

use canary::engine::{Input, Operator, RunCause, Stage, Verdict, Word};
use canary::plan::{
    ActionId, Answer, ChannelId, Consequence, GroupId, Happening, Millis, Missing, PhaseId, Plan, PortId, Reading,
    Setting, Step, SwitchId, Time,
};
use condition::Owner;
use temporal::Watch;
use truth::Truth;

/// What the engine is to do, without its words.
#[derive(Debug, Clone, PartialEq)]
pub enum Did {
    /// A record of this kind.
    Wrote(&'static str),
    Apply {
        epoch: u32,
        settings: Vec<(PortId, Setting)>,
        lowers: bool,
    },
    Run {
        token: u32,
        action: ActionId,
        cause: RunCause,
    },
    CancelRuns,
    Halt,
    /// Switches that are one for all slices, and how far back the others go.
    Throw {
        switches: Vec<SwitchId>,
        to: Option<PhaseId>,
    },
    Told {
        channels: Vec<ChannelId>,
        happening: Option<Happening>,
    },
    Finish(Verdict),
}

/// A check's time and answers.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub at: Time,
    pub answers: &'a [Answer],
}

/// What the world is asked to be.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub epoch: u32,
    pub settings: Vec<(PortId, Setting)>,
    lowers: bool,
    requested: Time,
    pub verified: Option<Time>,
    /// The first live check after the read-back and `settle`.
    pub settled: Option<Time>,
    /// A step of a ramp: the phase's own time and sums go on over it.
    goes_on: bool,
}

/// What a raise of exposure waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Advance,
    Switch(SwitchId),
    /// What `require` and the guards said at the start.
    Start,
}

#[derive(Debug, Clone, Default)]
pub struct GuardNow {
    pub active: bool,
    pub word: Option<Word>,
    /// What its tolerance saw at each check since it was armed: whether it was unhealthy.
    unhealthy: Vec<(Time, Truth)>,
    /// Its consequence has come and it has not been ok since.
    fired: bool,
    /// That it is blind or dark has been told.
    silent: Option<Word>,
}

#[derive(Debug, Clone)]
struct Approval {
    group: GroupId,
    phase: usize,
    at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Running {
    token: u32,
    action: ActionId,
    cause: RunCause,
}

#[derive(Debug, Clone, Default)]
struct Reacted {
    /// `when C`: C was true when it was last known.
    high: bool,
    /// How many times of `every` and `at` are behind.
    due: usize,
    runs: Vec<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepRun {
    Running,
    Succeeded,
    Failed,
}

#[derive(Clone)]
pub struct Reference<'p> {
    plan: &'p Plan,
    pub stage: Stage,
    pub phase: usize,
    furthest: usize,
    started: Time,
    last: Option<Time>,
    originals: Vec<(PortId, Setting)>,
    baseline: Vec<Option<Answer>>,
    pub asked: Asked,
    pub paused: bool,
    pub step: usize,
    step_run: Option<StepRun>,
    hold: Watch,
    within: Watch,
    within_fired: bool,
    /// What the ramp under way has come to.
    ramp: Option<Setting>,
    waiting: Option<Wait>,
    /// `hold forever` was reached.
    promoted: bool,
    /// What `advance when` is.
    gate: Truth,
    elapsed: Watch,
    /// Since the first check.
    observed: Watch,
    /// A switch was reset that kept down what the phase sets.
    anew: bool,
    pub guards: Vec<GuardNow>,
    /// By operator: what its operand was at each check since it began.
    operands: Vec<Vec<(Time, Truth)>>,
    /// By sum: what each check added, and from which check on it counts.
    increments: Vec<Vec<Option<f64>>>,
    counted_from: Vec<usize>,
    /// By sum: from which check on the phase's goals count.
    goals_from: Vec<Option<usize>>,
    /// When each of their checks was.
    checks: Vec<Time>,
    /// By sum: at which check the question for all slices had gone on without this one.
    short: Vec<Option<usize>>,
    /// By input: the last check that had an answer.
    pub answered: Vec<Option<Time>>,
    /// One of several slices: the run's first check.
    clock: Option<Time>,
    /// By value over time: what its operand was at each check.
    windows: Vec<window::Log>,
    /// Whether a guard that counts was blind, at each check.
    blind: Vec<(Time, Truth)>,
    no_data_fired: bool,
    reacted: Vec<Reacted>,
    running: Vec<Running>,
    tokens: u32,
    /// Actions that were started and can be undone, with the phase.
    to_undo: Vec<(ActionId, usize)>,
    undo_ran: bool,
    undo_tries: usize,
    killed: Vec<SwitchId>,
    kill_actions: Vec<ActionId>,
    kill_tries: usize,
    approvals: Vec<Approval>,
    drifted: Vec<PortId>,
    /// Every drift that `drift correct` has set again or will.
    corrected: Vec<(PortId, Time)>,
    /// The request of which was said that it is not read back, behind a point of no return.
    stuck: Option<u32>,
    slow_told: bool,
    did: Vec<Did>,
}

impl<'p> Reference<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            stage: Stage::Idle,
            phase: 0,
            furthest: 0,
            started: 0,
            last: None,
            originals: Vec::new(),
            baseline: Vec::new(),
            asked: Asked::default(),
            paused: false,
            step: 0,
            step_run: None,
            hold: Watch::default(),
            within: Watch::default(),
            within_fired: false,
            ramp: None,
            waiting: None,
            promoted: false,
            gate: Truth::Unknown,
            elapsed: Watch::default(),
            observed: Watch::default(),
            anew: false,
            guards: vec![GuardNow::default(); plan.guards.len()],
            operands: vec![Vec::new(); plan.program.monitors as usize],
            increments: vec![Vec::new(); plan.program.accumulators as usize],
            counted_from: vec![0; plan.program.accumulators as usize],
            goals_from: vec![None; plan.program.accumulators as usize],
            checks: Vec::new(),
            short: vec![None; plan.program.accumulators as usize],
            answered: vec![None; plan.inputs.len()],
            clock: None,
            windows: vec![Vec::new(); plan.program.pasts as usize],
            blind: Vec::new(),
            no_data_fired: false,
            reacted: vec![Reacted::default(); plan.reactions.len()],
            running: Vec::new(),
            tokens: 0,
            to_undo: Vec::new(),
            undo_ran: false,
            undo_tries: 0,
            killed: Vec::new(),
            kill_actions: Vec::new(),
            kill_tries: 0,
            approvals: Vec::new(),
            drifted: Vec::new(),
            corrected: Vec::new(),
            stuck: None,
            slow_told: false,
            did: Vec::new(),
        }
    }

    /// Takes what came in and says what is to be done.
    pub fn take(&mut self, input: &Input<'_>) -> Vec<Did> {
        self.did.clear();
        match input {
            Input::Start { at, originals, answers, baseline, rolled_back } => {
                if self.stage == Stage::Idle {
                    self.originals.clone_from(originals);
                    self.baseline.clone_from(baseline);
                    self.start(Look { at: *at, answers }, *rolled_back);
                }
            }
            Input::Tick { at, answers, ports, ports_epoch, live } => {
                if self.last.is_some_and(|last| *at > last) {
                    // what was read before the request in force was read back says nothing of it
                    let of_now = self.asked.verified.is_some() && *ports_epoch == self.asked.epoch;
                    self.check(Look { at: *at, answers }, of_now.then_some(*ports), *live);
                }
            }
            Input::Verified { at, epoch, .. } => self.read_back(*at, *epoch),
            Input::ActionEnded { at, token, ok, .. } => self.action_ended(*at, *token, *ok),
            Input::Operator { at, act, .. } => self.operator(*at, *act),
            Input::Halted { at, .. } => {
                if matches!(self.stage, Stage::Phase(_)) {
                    self.pause(*at);
                }
            }
            Input::Thrown { at, thrown, to, verdict } => {
                let switches: Vec<SwitchId> = thrown.iter().map(|(k, _)| *k).collect();
                self.killed_by_another(*at, &switches, *to, *verdict);
            }
            Input::Recovered { at } => self.recovered(*at),
        }
        self.one_notice_a_channel()
    }

    fn wrote(&mut self, kind: &'static str) {
        self.did.push(Did::Wrote(kind));
    }

    fn start(&mut self, look: Look<'_>, rolled_back: Option<Time>) {
        let plan = self.plan;
        self.started = look.at;
        self.observed.mark(look.at, true, true);
        self.last = Some(look.at);
        self.count(look);
        self.look_at_windows(look);
        let cooling = plan.cooldown.zip(rolled_back).is_some_and(|(d, last)| look.at < last + d);
        let mut refused = cooling || self.originals.iter().any(|(p, s)| self.exposed(*p, *s) || self.outside(*p, *s));
        for (i, input) in plan.inputs.iter().enumerate() {
            let id = canary::plan::InputId::at(i);
            if input.population == canary::plan::Population::Before {
                // bad events that have no series have not happened
                let none = plan.is_bad_part(id) && matches!(self.reading(look, id), Err(Missing::Empty { .. }));
                refused |= self.reading(look, id).is_err() && !none;
            }
        }
        refused |= !self.may_start(look);
        if refused {
            self.stage = Stage::Done(Verdict::Refused);
            self.wrote("refused");
            self.did.push(Did::Finish(Verdict::Refused));
        } else {
            self.wrote("started");
            self.ask_gate(look);
            self.begin(look.at, true);
        }
    }

    /// What must hold when the first change is made: every `require` is true, no guard that takes back or halts is false.
    fn may_start(&mut self, look: Look<'_>) -> bool {
        let plan = self.plan;
        let mut may = true;
        for r in &plan.requires {
            may &= self.truth(look, r.cond, Owner::Rollout).0 == Truth::True;
        }
        for (i, g) in plan.guards.iter().enumerate() {
            if g.from == PhaseId(0) && matches!(g.otherwise, Consequence::Rollback(_) | Consequence::Halt) {
                may &= self.truth(look, g.healthy, Owner::Guard(i)).0 != Truth::False;
            }
        }
        may
    }

    /// A port that the rollout raises stands above 0 already. (What is 0 of a count is the policy's matter.)
    fn exposed(&self, port: PortId, setting: Setting) -> bool {
        let sets = self.plan.phases.iter().flat_map(|p| &p.settings).any(|(q, s)| *q == port && s.exposes());
        let ramp = |s: &Step| matches!(s, Step::Ramp { port: q, .. } if *q == port);
        let raises = sets || self.plan.phases.iter().flat_map(|p| &p.steps).any(ramp);
        let count = matches!(self.plan.ports[port.index()].kind, canary::plan::PortKind::CountFlag(_));
        raises && setting.exposes() && !count
    }

    /// A flag stands at a value that is none of its own.
    fn outside(&self, port: PortId, setting: Setting) -> bool {
        match (&self.plan.ports[port.index()].kind, setting) {
            (canary::plan::PortKind::CountFlag(l), Setting::Count(n)) => !l.is_empty() && !l.contains(&n),
            (canary::plan::PortKind::RatioFlag(l), Setting::Share(r)) => {
                !l.is_empty() && !l.iter().any(|x| (x - r).abs() < 1e-6)
            }
            _ => false,
        }
    }

    /// Writes down what every sum gets at a check.
    fn count(&mut self, look: Look<'_>) {
        self.checks.push(look.at);
        for i in 0..self.plan.inputs.len() {
            let of_now = self.plan.inputs[i].population != canary::plan::Population::Before;
            if of_now && self.reading(look, canary::plan::InputId::at(i)).is_ok() {
                self.answered[i] = Some(look.at);
            }
        }
        for node in &self.plan.program.nodes {
            if let canary::plan::Node::Accumulated { input, slot, .. } = *node {
                let got = match self.reading(look, input) {
                    Ok(Reading::Increase(v) | Reading::Value(v)) => Some(v),
                    _ => None,
                };
                self.increments[slot as usize].push(got);
            }
        }
    }

    /// Begins the operators below a condition anew, and those of its sums that `which` picks by whether they count since the
    /// phase's read-back.
    fn anew(&mut self, node: canary::plan::NodeId, which: &dyn Fn(bool) -> bool) {
        let node = &self.plan.program.nodes[node.index()];
        match *node {
            canary::plan::Node::For { slot, .. } => self.operands[slot as usize].clear(),
            canary::plan::Node::Accumulated { slot, since_phase, .. } if which(since_phase) => {
                self.counted_from[slot as usize] = self.increments[slot as usize].len();
            }
            _ => {}
        }
        for below in node.operands() {
            self.anew(below, which);
        }
    }

    /// Sums since the phase's read-back begin here.
    fn count_phase_anew(&mut self) {
        for node in &self.plan.program.nodes {
            if let canary::plan::Node::Accumulated { slot, since_phase: true, .. } = *node {
                self.counted_from[slot as usize] = self.increments[slot as usize].len();
                self.goals_from[slot as usize] = None;
            }
        }
    }

    /// Sums are of the next check alone.
    fn count_all_anew(&mut self) {
        for (from, increments) in self.counted_from.iter_mut().zip(&self.increments) {
            *from = increments.len();
        }
    }

    /// The phase's goals count once its settings have settled, from the first check on at which their source answers.
    fn begin_goals(&mut self, below: canary::plan::NodeId) {
        let node = &self.plan.program.nodes[below.index()];
        if let canary::plan::Node::Accumulated { slot, since_phase: true, .. } = *node {
            let all = &self.increments[slot as usize];
            if self.goals_from[slot as usize].is_none() && all.last().is_some_and(Option::is_some) {
                self.goals_from[slot as usize] = Some(all.len());
            }
        }
        for below in node.operands() {
            self.begin_goals(below);
        }
    }

    /// What a phase sets: what it says itself, over what the phases before it say and have raised, and over all of it what thrown
    /// switches set; flags first, then traffic.
    fn settings_of(&self, phase: usize) -> Vec<(PortId, Setting)> {
        let mut list: Vec<(PortId, Setting)> = Vec::new();
        for (i, p) in self.plan.phases[..=phase].iter().enumerate() {
            list.extend(&p.settings);
            for (n, s) in p.steps.iter().enumerate() {
                match s {
                    Step::Ramp { port, to, .. } if i < phase => list.push((*port, *to)),
                    // a ramp that is the first step begins with the phase
                    Step::Ramp { port, from, .. } if n == 0 => list.push((*port, *from)),
                    _ => {}
                }
            }
        }
        for k in &self.killed {
            list.extend(&self.plan.switches[k.index()].settings);
        }
        self.in_order_of_setting(list)
    }

    /// Flags first, then traffic; what stands later in the list lies over what stands before.
    fn in_order_of_setting(&self, list: Vec<(PortId, Setting)>) -> Vec<(PortId, Setting)> {
        let mut out = std::collections::BTreeMap::new();
        for (port, setting) in list {
            out.insert((self.is_traffic(port), port), setting);
        }
        out.into_iter().map(|((_, port), s)| (port, s)).collect()
    }

    fn is_traffic(&self, port: PortId) -> bool {
        self.plan.ports[port.index()].kind == canary::plan::PortKind::Traffic
    }

    fn ask(&mut self, settings: Vec<(PortId, Setting)>, lowers: bool, at: Time) {
        let epoch = self.asked.epoch + 1;
        self.asked = Asked { epoch, settings, lowers, requested: at, verified: None, settled: None, goes_on: false };
        self.drifted.clear();
        self.undo_ran = false;
    }

    /// Hands the request in force to whoever sets ports.
    fn apply(&mut self) {
        let Asked { epoch, settings, lowers, .. } = self.asked.clone();
        self.did.push(Did::Apply { epoch, settings, lowers });
    }

    fn run(&mut self, action: ActionId, cause: RunCause) {
        self.tokens += 1;
        let token = self.tokens;
        self.running.push(Running { token, action, cause });
        let can_be_undone = self.plan.actions[action.index()].undo.is_some();
        if can_be_undone && matches!(cause, RunCause::Step | RunCause::Reaction) {
            self.to_undo.push((action, self.phase));
        }
        self.wrote("action_started");
        self.did.push(Did::Run { token, action, cause });
    }

    fn is_running(&self, cause: RunCause) -> bool {
        self.running.iter().any(|r| r.cause == cause)
    }

    fn operator(&mut self, at: Time, act: Operator) {
        if let Operator::Kill(switch) = act {
            return self.killed_by_hand(at, switch);
        }
        if !matches!(self.stage, Stage::Phase(_)) {
            return;
        }
        match act {
            Operator::Pause => self.pause(at),
            Operator::Abort => self.roll_back(at, Verdict::Aborted),
            Operator::Approve(group) => {
                self.approvals.push(Approval { group, phase: self.phase, at });
                self.wrote("approved");
            }
            Operator::Resume if self.paused => {
                self.paused = false;
                self.wrote("resumed");
                // a failed step is tried again, a timed-out gate gets its time again
                if self.step_run == Some(StepRun::Failed) {
                    self.step_run = None;
                }
                if self.within_fired {
                    self.within = Watch::default();
                    self.within_fired = false;
                }
                if !self.drifted.is_empty() && self.asked.verified.is_some() {
                    self.ask(self.asked.settings.clone(), false, at);
                    self.asked.goes_on = true;
                    self.apply();
                }
            }
            Operator::Reset(switch) if self.killed.contains(&switch) => {
                self.killed.retain(|k| *k != switch);
                let sets = &self.plan.switches[switch.index()].settings;
                let here = self.ports_up_to(self.phase);
                self.anew |= self.asked.epoch != 0 && sets.iter().any(|(port, _)| here.contains(port));
                self.wrote("kill_switch.reset");
            }
            Operator::Resume | Operator::Kill(_) | Operator::Reset(_) => {}
        }
    }

    /// A new runner: what is not confirmed is asked for again, what is awaited is run again.
    fn recovered(&mut self, at: Time) {
        let rolling = matches!(self.stage, Stage::RollingBack(_));
        if !rolling && !matches!(self.stage, Stage::Phase(_)) {
            return;
        }
        if self.asked.verified.is_none() {
            // a stop does not use up the time in which settings must be read back
            let seen = self.last.unwrap_or(at).max(self.asked.requested);
            if !rolling && at - seen > 2 * self.plan.check_every {
                self.asked.requested += at - seen;
            }
            self.apply_again();
        }
        for r in std::mem::take(&mut self.running) {
            let awaited = match r.cause {
                RunCause::Step => !rolling,
                RunCause::Undo | RunCause::Kill => true,
                RunCause::Reaction => false,
            };
            if awaited {
                self.did.push(Did::Run { token: r.token, action: r.action, cause: r.cause });
                self.running.push(r);
            } else {
                self.wrote("action_ended");
            }
        }
        if self.asked.verified.is_some() && (rolling || self.next_undo().is_some() || !self.kill_actions.is_empty()) {
            self.undo_next(at);
        }
    }

    /// How long the request in force has not been read back.
    fn unverified_for(&self, at: Time) -> Millis {
        if self.asked.verified.is_some() { 0 } else { at - self.asked.requested }
    }
}
