//! One step of a run: `(plan, state, input) → effects`. Pure: times come in with the inputs, nothing goes out but effects.

use super::eval::{Check, eval, pace};
use super::explain::{Explanation, guard_reports, input_reports};
use super::guards::{arm, check_guards, restart};
use super::monitor::Pace;
use super::monitor::Stopwatch;
use super::reactions;
use super::record::Record;
use super::state::{Owner, Paused, RunCause, Running, Stage, State, StepRun, Target, Verdict, Word};
use super::truth::Truth;
use crate::plan::{
    ActionId, Answer, ChannelId, Consequence, Happening, InputId, Millis, Missing, Node, PhaseId, Plan, PortId,
    PortKind, Reading, Setting, Step, Time, Window, show,
};
use crate::plan::{Ask, Population};
use serde::{Deserialize, Serialize};

/// How long a request may stay unverified before the phase is taken back.
pub const VERIFY_WITHIN: Millis = 60_000;
/// How often an undo action is tried.
const UNDO_TRIES: usize = 3;

/// What reaches the engine.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// The first check, before anything is changed.
    Start {
        /// Its planned time.
        at: Time,
        /// What every port was read as.
        originals: Vec<(PortId, Setting)>,
        /// What every input was answered (those of the baseline are ignored here).
        answers: &'a [Answer],
        /// What every input of the baseline was answered; `None` for the others.
        baseline: Vec<Option<Answer>>,
    },
    /// A check.
    Tick {
        /// Its planned time.
        at: Time,
        /// What every input was answered as of then.
        answers: &'a [Answer],
        /// What every port was read as; `None` where it was not read or could not be.
        ports: &'a [Option<Setting>],
        /// The epoch that was verified when `ports` were read.
        ports_epoch: u32,
        /// Whether it was asked at its time: a back-filled check feeds conditions, never `hold`, and ends no phase.
        live: bool,
    },
    /// A request was read back as asked for.
    Verified {
        /// When.
        at: Time,
        /// Which request.
        epoch: u32,
        /// What was read.
        read: Vec<(PortId, Setting)>,
    },
    /// An action ended.
    ActionEnded {
        /// When.
        at: Time,
        /// Which attempt.
        token: u32,
        /// Whether it succeeded.
        ok: bool,
        /// How it ended.
        how: String,
        /// Its output's end.
        output: String,
    },
    /// A person's word.
    Operator {
        /// When.
        at: Time,
        /// What.
        act: Operator,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// A runner has loaded this state after a stop: what was asked for and is not confirmed is asked for again.
    Recovered {
        /// When.
        at: Time,
    },
}

/// What a person can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Latch a pause.
    Pause,
    /// End it.
    Resume,
    /// Take everything back and end.
    Abort,
}

/// What the engine wants done. Effects come in the order in which they are to be journalled and begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write this into the journal.
    Record(Box<Record>),
    /// Make the world equal to this, read it back, and say so ([`Input::Verified`]). Replaces every earlier request.
    Apply {
        /// The request's number.
        epoch: u32,
        /// What to set, in this order.
        settings: Vec<(PortId, Setting)>,
        /// It takes exposure back: nothing may stand in front of it, not even the journal.
        lowers: bool,
    },
    /// Run an action and say how it ended.
    Run {
        /// The attempt.
        token: u32,
        /// Which action.
        action: ActionId,
        /// Why.
        cause: RunCause,
    },
    /// End every action under way.
    CancelRuns,
    /// Tell people.
    Notify {
        /// Where.
        channels: Vec<ChannelId>,
        /// What happened; none for `every d` and `at …`.
        happening: Option<Happening>,
        /// One line.
        title: String,
        /// More.
        text: String,
    },
    /// The run is over.
    Finish(Verdict),
}

impl Effect {
    pub(super) fn record(r: Record) -> Self {
        Self::Record(Box::new(r))
    }
}

/// What the rules of one check ask for; [`decide`] picks by precedence.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// Tell people.
    Tell(Happening, String),
    /// Latch a pause.
    Pause(Explanation),
    /// Take back: to a phase, or everything.
    Rollback(Option<PhaseId>, Explanation),
}

/// Takes one input, changes the state, and appends what is to be done to `out`.
pub fn step(plan: &Plan, state: &mut State, input: Input<'_>, out: &mut Vec<Effect>) {
    match input {
        Input::Start { at, originals, answers, baseline } => start(plan, state, at, originals, answers, baseline, out),
        Input::Tick { at, answers, ports, ports_epoch, live } => {
            let check = Check { plan, at, answers };
            tick(check, state, ports, ports_epoch, live, out);
        }
        Input::Verified { at, epoch, read } => verified(plan, state, at, epoch, &read, out),
        Input::ActionEnded { at, token, ok, how, output } => action_ended(plan, state, at, token, ok, how, output, out),
        Input::Operator { at, act, who, why } => operator(plan, state, at, act, &who, &why, out),
        Input::Recovered { at } => recovered(plan, state, at, out),
    }
}

fn start(
    plan: &Plan,
    state: &mut State,
    at: Time,
    originals: Vec<(PortId, Setting)>,
    answers: &[Answer],
    baseline: Vec<Option<Answer>>,
    out: &mut Vec<Effect>,
) {
    if state.stage != Stage::Idle {
        return;
    }
    state.baseline = baseline;
    state.originals = originals;
    state.started = Some(at);
    state.last = Some(at);
    state.entered = at;
    let check = Check { plan, at, answers };
    accumulate(check, state);
    let mut reasons = exposed_already(plan, state);
    reasons.extend(missing_baseline(check, state));
    for r in &plan.requires {
        let (truth, _) = eval(check, state, r.cond, Owner::Rollout).truth();
        let why = if r.why.is_empty() { String::new() } else { format!(" ({})", r.why) };
        match truth {
            Truth::True => {}
            Truth::False => reasons.push(format!("`require {}` is not met{why}", r.text)),
            Truth::Unknown => reasons.push(format!("`require {}` is not known{why}", r.text)),
        }
    }
    for (i, g) in plan.guards.iter().enumerate() {
        let rolls_back = matches!(g.otherwise, Consequence::Rollback(_) | Consequence::Halt);
        if g.from == PhaseId(0) && rolls_back {
            let owner = Owner::Guard(crate::plan::GuardId::at(i));
            if eval(check, state, g.healthy, owner).truth().0.is_false() {
                reasons.push(format!("guard {} is false before anything was changed: `{}`", g.name, g.text));
            }
        }
    }
    if !reasons.is_empty() {
        state.stage = Stage::Done(Verdict::Refused);
        out.push(Effect::record(Record::Refused { reasons }));
        out.push(Effect::Finish(Verdict::Refused));
        return;
    }
    out.push(Effect::record(Record::Started { originals: named(plan, &state.originals) }));
    enter(plan, state, PhaseId(0), at, out);
}

/// Exposure above 0 before the first change is refused: a rollback could not tell what to go back to.
fn exposed_already(plan: &Plan, state: &State) -> Vec<String> {
    state
        .originals
        .iter()
        .filter(|(port, setting)| {
            let kind = plan.ports.get(port.index()).map(|p| &p.kind);
            let raised = plan.phases.iter().any(|ph| ph.settings.iter().any(|(p, v)| p == port && v.exposes()));
            raised && setting.exposes() && !matches!(kind, Some(PortKind::CountFlag(_)) | None)
        })
        .map(|(port, setting)| {
            format!(
                "{} is already at {setting}: a rollout starts from 0 (set it back, or finish the run that raised it)",
                plan.port_name(*port)
            )
        })
        .collect()
}

fn missing_baseline(check: Check<'_>, state: &State) -> Vec<String> {
    let mut out = Vec::new();
    for (i, input) in check.plan.inputs.iter().enumerate() {
        if input.population != Population::Before {
            continue;
        }
        if let Err(why) = check.reading(state, InputId::at(i)) {
            // bad events that never happened are no reason: the whole tells
            if matches!(why, Missing::Empty { .. }) && is_bad_part(check.plan, InputId::at(i)) {
                continue;
            }
            out.push(format!("no baseline for {}: {why}", input.metric));
        }
    }
    out
}

fn is_bad_part(plan: &Plan, id: InputId) -> bool {
    plan.program.nodes.iter().any(|n| matches!(n, Node::Events { bad, total } if *bad == id && *total != id))
}

/// Adds this check's disjoint increments to every accumulator, and notes which inputs were answered.
fn accumulate(check: Check<'_>, state: &mut State) {
    for node in &check.plan.program.nodes {
        let Node::Accumulated { input, slot, .. } = *node else {
            continue;
        };
        let got = match check.reading(state, input) {
            Ok(Reading::Increase(v) | Reading::Value(v)) => Some(*v),
            _ => None,
        };
        if let Some(acc) = state.accumulators.get_mut(slot as usize) {
            acc.sum += got.unwrap_or(0.0);
            acc.behind = got.is_none();
        }
    }
    for i in 0..check.plan.inputs.len() {
        if check.plan.inputs.get(i).is_some_and(|x| x.population != Population::Before)
            && check.reading(state, InputId::at(i)).is_ok()
            && let Some(slot) = state.answered.get_mut(i)
        {
            *slot = Some(check.at);
        }
    }
}

/// From when an input's disjoint increments are to be counted at the next check.
#[must_use]
pub fn since(plan: &Plan, state: &State, id: InputId) -> Option<Time> {
    match plan.inputs.get(id.index())?.ask {
        Ask::Increase(_, Window::SinceLast) | Ask::Buckets(_, Window::SinceLast) => {
            state.answered.get(id.index()).copied().flatten()
        }
        _ => None,
    }
}

fn tick(
    check: Check<'_>,
    state: &mut State,
    ports: &[Option<Setting>],
    ports_epoch: u32,
    live: bool,
    out: &mut Vec<Effect>,
) {
    let (plan, at) = (check.plan, check.at);
    if state.last.is_some_and(|last| at <= last) {
        return;
    }
    match state.stage {
        Stage::Phase(_) => {}
        Stage::RollingBack(_) => {
            state.last = Some(at);
            rollback_slow(plan, state, at, out);
            return;
        }
        Stage::Idle | Stage::Done(_) => return,
    }
    accumulate(check, state);
    settle(plan, state, at, live);
    let mut wishes = check_guards(check, state, out);
    wishes.extend(blind_told(plan, state, at));
    wishes.extend(no_data(plan, state, at));
    wishes.extend(unverified(plan, state, at));
    wishes.extend(drift(plan, state, at, ports, ports_epoch, out));
    promote_conditions(check, state);
    let acted = decide(plan, state, at, wishes, out);
    if !acted {
        advance(plan, state, at, live, out);
    }
    reactions::timed(check, state, out);
    state.last = Some(at);
}

/// The first live check after read-back (and `settle`): from here goals count.
fn settle(plan: &Plan, state: &mut State, at: Time, live: bool) {
    let Some(verified) = state.target.verified else {
        return;
    };
    if !live || state.target.settled.is_some() || at < verified + plan.settle.unwrap_or(0) {
        return;
    }
    state.target.settled = Some(at);
    state.elapsed = Stopwatch::default();
    let phase = state.phase;
    restart(plan, state, Owner::Phase(phase), |_| true);
    for node in &plan.program.nodes {
        if let Node::Accumulated { slot, since_phase: true, .. } = *node
            && let Some(acc) = state.accumulators.get_mut(slot as usize)
        {
            acc.sum = 0.0;
        }
    }
}

fn blind_told(plan: &Plan, state: &State, at: Time) -> Vec<Wish> {
    let newly = |w: Word| {
        let names: Vec<&str> = plan
            .guards
            .iter()
            .zip(&state.guards)
            .filter(|(_, s)| s.active && s.word == Some(w) && s.since == at)
            .map(|(g, _)| g.name.as_str())
            .collect();
        names.join(", ")
    };
    let (blind, dark) = (newly(Word::Blind), newly(Word::Dark));
    let mut out = Vec::new();
    if !blind.is_empty() {
        out.push(Wish::Tell(Happening::Blind, format!("blind: {blind}")));
    }
    if !dark.is_empty() {
        out.push(Wish::Tell(Happening::Blind, format!("dark: {dark}")));
    }
    out
}

fn no_data(plan: &Plan, state: &mut State, at: Time) -> Option<Wish> {
    let blind: Vec<&str> = plan
        .guards
        .iter()
        .zip(&state.guards)
        .filter(|(g, s)| s.active && s.word == Some(Word::Blind) && g.otherwise != Consequence::Tell)
        .map(|(g, _)| g.name.as_str())
        .collect();
    let clock = Pace { check_every: plan.check_every, bridge: None };
    let up = state.no_data.step(plan.no_data.tolerate.temporal(), clock, at, Truth::from(!blind.is_empty()));
    if blind.is_empty() {
        state.no_data_fired = false;
        return None;
    }
    if !up.is_true() || state.no_data_fired {
        return None;
    }
    state.no_data_fired = true;
    let long = match plan.no_data.tolerate {
        crate::plan::Tolerance::For(_) => show::duration(state.no_data.known()),
        crate::plan::Tolerance::Checks(_) => format!("{} checks", state.no_data.known()),
    };
    let summary = format!("no data for {}: {} blind for {long}", plan.rollout, blind.join(", "));
    let explanation = Explanation::plain(plan, state, at, "no data", "no data", summary);
    match plan.no_data.otherwise {
        Consequence::Tell | Consequence::Hold => None,
        Consequence::Pause | Consequence::Halt => Some(Wish::Pause(explanation)),
        Consequence::Rollback(to) => Some(Wish::Rollback(to, explanation)),
    }
}

fn unverified(plan: &Plan, state: &State, at: Time) -> Option<Wish> {
    if state.target.verified.is_some() || at - state.target.requested < VERIFY_WITHIN {
        return None;
    }
    let summary = format!(
        "settings of phase {} were not read back within {}",
        plan.phase_name(state.phase),
        show::duration(VERIFY_WITHIN)
    );
    Some(Wish::Rollback(None, Explanation::plain(plan, state, at, "settings", plan.phase_name(state.phase), summary)))
}

fn drift(
    plan: &Plan,
    state: &mut State,
    at: Time,
    ports: &[Option<Setting>],
    ports_epoch: u32,
    out: &mut Vec<Effect>,
) -> Vec<Wish> {
    if state.target.verified.is_none() || ports_epoch != state.target.epoch {
        return Vec::new();
    }
    let mut wishes = Vec::new();
    for (port, asked) in state.target.settings.clone() {
        let Some(read) = ports.get(port.index()).copied().flatten() else {
            continue;
        };
        if read.same(asked) {
            state.drifted.retain(|p| *p != port);
        } else if !state.drifted.contains(&port) {
            state.drifted.push(port);
            let name = plan.port_name(port).to_owned();
            let summary = format!("{name} was read as {read}, asked for was {asked}: somebody else changed it");
            out.push(Effect::record(Record::Drift { port: name.clone(), asked, read }));
            wishes.push(Wish::Pause(Explanation::plain(plan, state, at, "drift", &name, summary)));
        }
    }
    wishes
}

fn promote_conditions(check: Check<'_>, state: &mut State) {
    let Some(phase) = check.plan.phases.get(state.phase.index()) else {
        return;
    };
    if state.target.settled.is_none_or(|s| check.at < s) {
        state.promote = phase.steps.iter().map(|_| Truth::Unknown).collect();
        return;
    }
    let owner = Owner::Phase(state.phase);
    let mut values = Vec::with_capacity(phase.steps.len());
    for s in &phase.steps {
        values.push(match s {
            Step::Promote { when, .. } => eval(check, state, *when, owner).truth().0,
            Step::Run { .. } | Step::Hold(_) => Truth::Unknown,
        });
    }
    state.promote = values;
}

/// One tick decides once: rollback > halt and pause > promote; of several rollbacks the earliest target wins. Returns whether a
/// rollback began.
fn decide(plan: &Plan, state: &mut State, at: Time, wishes: Vec<Wish>, out: &mut Vec<Effect>) -> bool {
    let mut back: Option<(Option<PhaseId>, Explanation)> = None;
    let mut pause = None;
    for wish in wishes {
        match wish {
            Wish::Tell(happening, text) => reactions::happened(plan, state, at, happening, &text, "", out),
            Wish::Pause(why) => pause = pause.or(Some(why)),
            // `None` (everything) sorts before every phase
            Wish::Rollback(to, why) => {
                if back.as_ref().is_none_or(|(best, _)| to < *best) {
                    back = Some((to, why));
                }
            }
        }
    }
    if let Some((to, why)) = back {
        match to {
            None => roll_back(plan, state, at, Verdict::RolledBack, why, out),
            Some(phase) => roll_back_to(plan, state, at, phase, why, out),
        }
        return true;
    }
    if let Some(why) = pause {
        latch_pause(plan, state, at, why, out);
    }
    false
}

fn latch_pause(plan: &Plan, state: &mut State, at: Time, why: Explanation, out: &mut Vec<Effect>) {
    if state.paused.is_some() {
        return;
    }
    state.paused = Some(Paused { since: at, why: why.summary.clone() });
    let text = why.summary.clone();
    out.push(Effect::record(Record::Paused { explanation: why }));
    reactions::happened(plan, state, at, Happening::Pause, &format!("paused: {text}"), "", out);
}

/// Goes through the phase's steps as far as this check lets it, and ends the phase if all is well.
fn advance(plan: &Plan, state: &mut State, at: Time, live: bool, out: &mut Vec<Effect>) {
    let Some(phase) = plan.phases.get(state.phase.index()) else {
        return;
    };
    let settled = state.target.settled.is_some();
    let clock = pace(plan, Owner::Rollout);
    let open = settled && live && state.paused.is_none();
    let frozen = watching(plan, state).any(|w| w.is_none_or(Word::freezes_hold));
    state.elapsed.step(clock, at, settled && live);
    match phase.steps.get(state.step) {
        Some(Step::Hold(_)) => state.hold.step(clock, at, open && !frozen),
        Some(Step::Promote { .. }) => state.within.step(clock, at, open),
        Some(Step::Run { .. }) | None => {}
    }
    if !open {
        return;
    }
    while let Some(step) = phase.steps.get(state.step) {
        let done = match step {
            Step::Run { action, .. } => match state.step_run {
                Some(StepRun::Succeeded) => true,
                Some(StepRun::Running | StepRun::Failed) => false,
                None => {
                    state.step_run = Some(StepRun::Running);
                    run(plan, state, at, *action, RunCause::Step, out);
                    false
                }
            },
            Step::Hold(d) => state.hold.counted >= *d,
            Step::Promote { within, text, .. } => {
                let holds = state.promote.get(state.step).is_some_and(|t| t.is_true());
                if !holds
                    && let Some((limit, otherwise)) = within
                    && state.within.counted >= *limit
                    && !state.within_fired
                {
                    state.within_fired = true;
                    let summary = format!("`promote when {text}` was not met within {}", show::duration(*limit));
                    let why = Explanation::plain(plan, state, at, "within", &phase.name, summary);
                    consequence(plan, state, at, *otherwise, why, out);
                    return;
                }
                holds
            }
        };
        if !done {
            return;
        }
        out.push(Effect::record(Record::StepDone { phase: phase.name.clone(), step: step_text(plan, step) }));
        state.step += 1;
        state.step_run = None;
        state.hold = Stopwatch::default();
        state.within = Stopwatch::default();
        state.within_fired = false;
        // the next step's clock starts at this check
        match phase.steps.get(state.step) {
            Some(Step::Hold(_)) => state.hold.step(clock, at, !frozen),
            Some(Step::Promote { .. }) => state.within.step(clock, at, true),
            Some(Step::Run { .. }) | None => {}
        }
    }
    if watching(plan, state).all(|w| w == Some(Word::Ok)) {
        pass(plan, state, at, out);
    }
}

/// The words of the guards that can keep a phase from ending.
fn watching<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = Option<Word>> + 'a {
    plan.guards
        .iter()
        .zip(&state.guards)
        .filter(|(g, s)| s.active && g.otherwise != Consequence::Tell)
        .map(|(_, s)| s.word)
}

/// A step in words, as it stands in the policy.
#[must_use]
pub fn step_text(plan: &Plan, step: &Step) -> String {
    match step {
        Step::Run { action, .. } => format!("run {}", plan.action_name(*action)),
        Step::Hold(d) => format!("hold {}", show::duration(*d)),
        Step::Promote { text, .. } => format!("promote when {text}"),
    }
}

fn pass(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    let name = plan.phase_name(state.phase).to_owned();
    out.push(Effect::record(Record::Passed { phase: name.clone(), guards: guard_reports(plan, state) }));
    let next = PhaseId::at(state.phase.index() + 1);
    if next.index() < plan.phases.len() {
        let text = format!("phase {name} passed, next is {}", plan.phase_name(next));
        reactions::happened(plan, state, at, Happening::Promote, &text, "", out);
        enter(plan, state, next, at, out);
    } else {
        let summary = String::from("every phase ended with all guards ok");
        let why = Explanation::plain(plan, state, at, "plan", &name, summary);
        reactions::happened(plan, state, at, Happening::Promote, "promoted: every phase passed", "", out);
        finish(plan, state, at, Verdict::Promoted, why, out);
    }
}

fn enter(plan: &Plan, state: &mut State, phase: PhaseId, at: Time, out: &mut Vec<Effect>) {
    state.stage = Stage::Phase(phase);
    state.phase = phase;
    state.furthest = state.furthest.max(phase);
    state.entered = at;
    reset_steps(state);
    arm(plan, state, phase, false);
    let settings = plan.settings_at(phase);
    let changed = settings != state.target.settings || state.target.verified.is_none();
    if changed {
        request(state, at, settings.clone());
    } else {
        state.target.settled = None;
    }
    let epoch = state.target.epoch;
    out.push(Effect::record(Record::Entered {
        phase: plan.phase_name(phase).to_owned(),
        settings: named(plan, &settings),
        epoch,
    }));
    if changed {
        out.push(Effect::Apply { epoch, settings, lowers: false });
    }
}

fn reset_steps(state: &mut State) {
    state.step = 0;
    state.step_run = None;
    state.hold = Stopwatch::default();
    state.within = Stopwatch::default();
    state.within_fired = false;
    state.promote.clear();
}

fn request(state: &mut State, at: Time, settings: Vec<(PortId, Setting)>) {
    state.target = Target { epoch: state.target.epoch + 1, settings, requested: at, verified: None, settled: None };
    state.drifted.clear();
}

fn consequence(plan: &Plan, state: &mut State, at: Time, what: Consequence, why: Explanation, out: &mut Vec<Effect>) {
    match what {
        Consequence::Tell | Consequence::Hold => {}
        Consequence::Pause | Consequence::Halt => latch_pause(plan, state, at, why, out),
        Consequence::Rollback(Some(to)) if to < state.phase => roll_back_to(plan, state, at, to, why, out),
        Consequence::Rollback(Some(_)) => {}
        Consequence::Rollback(None) => roll_back(plan, state, at, Verdict::RolledBack, why, out),
    }
}

/// Takes everything back to what was read before the first change: traffic first, then flags.
fn roll_back(plan: &Plan, state: &mut State, at: Time, verdict: Verdict, why: Explanation, out: &mut Vec<Effect>) {
    let touched = |port: PortId| {
        plan.phases.iter().take(state.furthest.index() + 1).any(|p| p.settings.iter().any(|(q, _)| *q == port))
    };
    let mut settings: Vec<(PortId, Setting)> =
        state.originals.iter().copied().filter(|(port, _)| touched(*port)).collect();
    settings.sort_by_key(|(p, _)| (!plan.is_traffic(*p), std::cmp::Reverse(*p)));
    request(state, at, settings.clone());
    state.stage = Stage::RollingBack(verdict);
    state.paused = None;
    state.slow_told = false;
    state.explanation = Some(why.clone());
    let summary = why.summary.clone();
    let epoch = state.target.epoch;
    out.push(Effect::record(Record::Rollback { to: None, settings: named(plan, &settings), epoch, explanation: why }));
    out.push(Effect::Apply { epoch, settings, lowers: true });
    if !state.running.is_empty() {
        out.push(Effect::CancelRuns);
    }
    reactions::happened(plan, state, at, Happening::Rollback, &format!("rolling back: {summary}"), "", out);
}

/// Takes the run back to an earlier phase; it lives on from there.
fn roll_back_to(plan: &Plan, state: &mut State, at: Time, to: PhaseId, why: Explanation, out: &mut Vec<Effect>) {
    let mut settings = plan.settings_at(to);
    // what later phases set goes back to what was read before the first change
    for (port, original) in &state.originals {
        let later =
            plan.phases.iter().take(state.furthest.index() + 1).any(|p| p.settings.iter().any(|(q, _)| q == port));
        if later && !settings.iter().any(|(q, _)| q == port) {
            settings.push((*port, *original));
        }
    }
    settings.sort_by_key(|(p, _)| (!plan.is_traffic(*p), std::cmp::Reverse(*p)));
    state.stage = Stage::Phase(to);
    state.phase = to;
    state.entered = at;
    reset_steps(state);
    request(state, at, settings.clone());
    arm(plan, state, to, true);
    let summary = why.summary.clone();
    let (name, epoch) = (plan.phase_name(to).to_owned(), state.target.epoch);
    out.push(Effect::record(Record::Rollback {
        to: Some(name.clone()),
        settings: named(plan, &settings),
        epoch,
        explanation: why,
    }));
    out.push(Effect::Apply { epoch, settings, lowers: true });
    let text = format!("rolling back to phase {name}: {summary}");
    reactions::happened(plan, state, at, Happening::Rollback, &text, "", out);
}

fn rollback_slow(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    if state.slow_told || state.target.verified.is_some() || at - state.target.requested < VERIFY_WITHIN {
        return;
    }
    state.slow_told = true;
    let since = state.target.requested;
    out.push(Effect::record(Record::RollbackSlow { since }));
    let text = format!("the rollback has not been read back for {}: act by hand", show::duration(at - since));
    reactions::happened(plan, state, at, Happening::Rollback, &text, "", out);
}

fn verified(plan: &Plan, state: &mut State, at: Time, epoch: u32, read: &[(PortId, Setting)], out: &mut Vec<Effect>) {
    if epoch != state.target.epoch || state.target.verified.is_some() {
        return;
    }
    state.target.verified = Some(at);
    let took = at - state.target.requested;
    out.push(Effect::record(Record::Verified { epoch, read: named(plan, read), took }));
    if let Stage::RollingBack(verdict) = state.stage {
        undo_next(plan, state, at, verdict, out);
    }
}

/// Starts the next undo, newest action first; when none is left the rollback is done.
fn undo_next(plan: &Plan, state: &mut State, at: Time, verdict: Verdict, out: &mut Vec<Effect>) {
    while let Some(action) = state.to_undo.last().copied() {
        if let Some(undo) = plan.actions.get(action.index()).and_then(|a| a.undo) {
            run(plan, state, at, undo, RunCause::Undo, out);
            return;
        }
        state.to_undo.pop();
    }
    let mut why = state
        .explanation
        .clone()
        .unwrap_or_else(|| Explanation::plain(plan, state, at, "plan", &plan.rollout, String::from("rolled back")));
    if !state.undo_failed.is_empty() {
        let names: Vec<&str> = state.undo_failed.iter().map(|a| plan.action_name(*a)).collect();
        why.summary.push_str(&format!("; NOT UNDONE: {} failed {UNDO_TRIES} times", names.join(", ")));
    }
    let text = format!("rolled back and read back: {}", why.summary);
    reactions::happened(plan, state, at, Happening::Rollback, &text, "", out);
    finish(plan, state, at, verdict, why, out);
}

fn finish(plan: &Plan, state: &mut State, at: Time, verdict: Verdict, why: Explanation, out: &mut Vec<Effect>) {
    reactions::early_snapshot(plan, state, at, out);
    state.stage = Stage::Done(verdict);
    state.paused = None;
    let text = format!("{}: {}", verdict.text().replace('_', " "), why.summary);
    state.explanation = Some(why.clone());
    out.push(Effect::record(Record::Finished { verdict, explanation: why }));
    reactions::happened(plan, state, at, Happening::Done, &text, "", out);
    out.push(Effect::Finish(verdict));
}

/// Starts an action.
pub(super) fn run(plan: &Plan, state: &mut State, at: Time, action: ActionId, cause: RunCause, out: &mut Vec<Effect>) {
    let token = state.next_token;
    state.next_token += 1;
    state.running.push(Running { token, action, cause, since: at });
    if cause != RunCause::Undo && plan.actions.get(action.index()).is_some_and(|a| a.undo.is_some()) {
        state.to_undo.push(action);
    }
    out.push(Effect::record(Record::ActionStarted { action: plan.action_name(action).to_owned(), token, cause }));
    out.push(Effect::Run { token, action, cause });
}

#[expect(clippy::too_many_arguments, reason = "the fields of one input")]
fn action_ended(
    plan: &Plan,
    state: &mut State,
    at: Time,
    token: u32,
    ok: bool,
    how: String,
    output: String,
    out: &mut Vec<Effect>,
) {
    let Some(i) = state.running.iter().position(|r| r.token == token) else {
        return;
    };
    let ended = state.running.remove(i);
    let name = plan.action_name(ended.action).to_owned();
    out.push(Effect::record(Record::ActionEnded { action: name.clone(), token, ok, how: how.clone(), output }));
    match (ended.cause, state.stage) {
        (RunCause::Step, Stage::Phase(_)) => {
            state.step_run = Some(if ok { StepRun::Succeeded } else { StepRun::Failed });
            let step = plan.phases.get(state.phase.index()).and_then(|p| p.steps.get(state.step));
            if let (false, Some(Step::Run { otherwise, .. })) = (ok, step) {
                let summary = format!("action {name} failed: {how}");
                let why = Explanation::plain(plan, state, at, "action", &name, summary);
                consequence(plan, state, at, *otherwise, why, out);
            }
        }
        (RunCause::Undo, Stage::RollingBack(verdict)) => {
            let tries = 1 + state.undo_tries;
            if ok || tries >= UNDO_TRIES {
                state.undo_tries = 0;
                let undone = state.to_undo.pop();
                if !ok {
                    state.undo_failed.extend(undone);
                }
            } else {
                state.undo_tries = tries;
            }
            undo_next(plan, state, at, verdict, out);
        }
        _ => {}
    }
}

fn operator(plan: &Plan, state: &mut State, at: Time, act: Operator, who: &str, why: &str, out: &mut Vec<Effect>) {
    if !matches!(state.stage, Stage::Phase(_)) {
        return;
    }
    let because = if why.is_empty() { String::new() } else { format!(": {why}") };
    match act {
        Operator::Pause => {
            let summary = format!("paused by {who}{because}");
            let why = Explanation::plain(plan, state, at, "person", who, summary);
            latch_pause(plan, state, at, why, out);
        }
        Operator::Abort => {
            let summary = format!("aborted by {who}{because}");
            let why = Explanation::plain(plan, state, at, "person", who, summary);
            roll_back(plan, state, at, Verdict::Aborted, why, out);
        }
        Operator::Resume => {
            if state.paused.take().is_none() {
                return;
            }
            // a failed step is tried again, a timed-out gate gets its time again
            if state.step_run == Some(StepRun::Failed) {
                state.step_run = None;
            }
            if state.within_fired {
                state.within = Stopwatch::default();
                state.within_fired = false;
            }
            out.push(Effect::record(Record::Resumed { who: who.to_owned(), why: why.to_owned() }));
            if !state.drifted.is_empty() {
                let settings = state.target.settings.clone();
                request(state, at, settings.clone());
                out.push(Effect::Apply { epoch: state.target.epoch, settings, lowers: false });
            }
        }
    }
}

/// After a stop: an unfinished rollback first, then what was asked for and not confirmed; nothing skipped, nothing begun again.
fn recovered(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    let lowers = matches!(state.stage, Stage::RollingBack(_));
    if matches!(state.stage, Stage::Idle | Stage::Done(_)) {
        return;
    }
    if state.target.verified.is_none() {
        out.push(Effect::Apply { epoch: state.target.epoch, settings: state.target.settings.clone(), lowers });
    }
    let mut kept = Vec::new();
    for r in std::mem::take(&mut state.running) {
        let awaited = matches!(
            (r.cause, state.stage),
            (RunCause::Step, Stage::Phase(_)) | (RunCause::Undo, Stage::RollingBack(_))
        );
        if awaited {
            // how it ended is not known, and unknown never helps the canary: it must succeed under our eyes
            out.push(Effect::Run { token: r.token, action: r.action, cause: r.cause });
            kept.push(r);
        } else {
            out.push(Effect::record(Record::ActionEnded {
                action: plan.action_name(r.action).to_owned(),
                token: r.token,
                ok: false,
                how: String::from("not known: the runner stopped while it ran"),
                output: String::new(),
            }));
        }
    }
    state.running = kept;
    if let (Stage::RollingBack(verdict), Some(_), true) = (state.stage, state.target.verified, state.running.is_empty())
    {
        undo_next(plan, state, at, verdict, out);
    }
}

/// Settings with their ports' names.
pub(super) fn named(plan: &Plan, settings: &[(PortId, Setting)]) -> Vec<(String, Setting)> {
    settings.iter().map(|(p, s)| (plan.port_name(*p).to_owned(), *s)).collect()
}

/// A record of all values at this check.
pub(super) fn snapshot(check: Check<'_>, state: &State) -> Record {
    let all: Vec<InputId> = (0..check.plan.inputs.len()).map(InputId::at).collect();
    Record::Snapshot {
        guards: guard_reports(check.plan, state),
        inputs: input_reports(check, state, &all),
        early: false,
    }
}
