//! What must hold after every single step of every run, whatever the policy and the world (DESIGN, invariants 1, 2, 3, 4).

use canary::engine::{Effect, Input, Record, RunCause, Stage, State, Verdict, Word, step};
use canary::plan::{PhaseId, Plan, PortId, Setting, Step};
use std::cmp::Ordering;

/// Watches one run.
#[derive(Default)]
pub struct Watch {
    /// Whether the input under way is a live check.
    live: bool,
    /// The state before the input.
    before: Option<State>,
    /// Whether the input under way is a check at which every port was read as asked for, after the read-back.
    confirmed: bool,
    /// Everything is being taken back, or was.
    final_rollback: bool,
}

impl Watch {
    pub fn before(&mut self, _plan: &Plan, state: &State, input: &Input<'_>) {
        self.live = matches!(input, Input::Tick { live: true, .. } | Input::Start { .. });
        self.confirmed = match input {
            Input::Tick { ports, ports_epoch, .. } => {
                let as_asked = |(p, asked): &(PortId, Setting)| ports[p.index()].is_some_and(|read| read.same(*asked));
                *ports_epoch == state.target.epoch && state.target.settings.iter().all(as_asked)
            }
            _ => false,
        };
        self.before = Some(state.clone());
    }

    pub fn after(&mut self, plan: &Plan, state: &State, effects: &[Effect]) {
        for e in effects {
            match e {
                Effect::Apply { settings, lowers, .. } => self.apply(plan, state, settings, *lowers),
                Effect::Record(r) => self.record(plan, r),
                _ => {}
            }
        }
        if matches!(state.stage, Stage::RollingBack(_)) {
            self.final_rollback = true;
        }
        assert!(
            effects.len() <= 40 + 10 * (plan.guards.len() + plan.reactions.len()),
            "too many effects: {effects:#?}"
        );
        kept(plan, state);
        recoverable(plan, state);
    }

    /// 1: never more than the current phase sets; 2: nothing after a final rollback but what was read before the first change.
    fn apply(&self, plan: &Plan, state: &State, settings: &[(PortId, Setting)], lowers: bool) {
        let original = |p: PortId| state.originals.iter().find(|(q, _)| *q == p).map(|(_, s)| *s);
        let over = self.final_rollback || !matches!(state.stage, Stage::Phase(_));
        let of_phase = if over { Vec::new() } else { reached(plan, state) };
        for (port, s) in settings {
            let killed = state.killed.iter().flat_map(|k| &plan.switches[k.index()].settings);
            let of_switch = killed.rev().find(|(q, _)| q == port).map(|(_, s)| *s);
            let set = of_switch.or_else(|| of_phase.iter().find(|(q, _)| q == port).map(|(_, s)| *s));
            let set = set.or_else(|| original(*port));
            // what a rollback has left below the phase's own setting stays there until the phase begins anew
            let below = state.anew && set.is_some_and(|set| s.size() < set.size());
            assert!(below || Some(*s) == set, "{} = {s} is asked for, not {set:?}", plan.port_name(*port));
            // what takes back raises nothing that the phase sets
            if lowers && !over && of_phase.iter().any(|(q, _)| q == port) {
                let before =
                    self.before.as_ref().and_then(|b| b.target.settings.iter().find(|(q, _)| q == port).copied());
                let before = before.map(|(_, s)| s).or_else(|| original(*port)).map_or(0.0, Setting::size);
                assert!(s.size() <= before + 1e-9, "{} = {s} raises {before}", plan.port_name(*port));
            }
        }
        assert!(!over || lowers, "a raise after the rollback: {settings:?}");
    }

    /// 3: a phase ends on a live check, with every guard that can block known to be ok at that check, and every port read as
    /// asked for.
    fn record(&self, plan: &Plan, record: &Record) {
        let ended = match record {
            Record::Passed { phase, guards } => {
                let index = plan.phases.iter().position(|p| p.name == *phase).unwrap();
                for (i, g) in plan.guards.iter().enumerate() {
                    let here = g.from <= PhaseId::at(index) && g.until.is_none_or(|u| PhaseId::at(index) < u);
                    if here && g.otherwise != canary::plan::Consequence::Tell {
                        let report = guards.iter().find(|r| r.guard == g.name);
                        assert_eq!(
                            report.map(|r| r.word),
                            Some(Word::Ok),
                            "guard {i} {} at the end of {phase}",
                            g.name
                        );
                    }
                }
                true
            }
            Record::Finished { verdict: Verdict::Promoted, .. } | Record::Promoted { .. } => true,
            _ => false,
        };
        let paused = self.before.as_ref().is_some_and(|s| s.paused.is_some());
        assert!(!ended || self.confirmed, "{record:?} with a port that is not known to be as asked for");
        assert!(!ended || (self.live && !self.final_rollback && !paused), "{record:?} without a live check");
    }
}

/// What the phase sets, with its ramps as far as they have come.
fn reached(plan: &Plan, state: &State) -> Vec<(PortId, Setting)> {
    let mut out = plan.settings_at(state.phase);
    for (i, step) in plan.phases[state.phase.index()].steps.iter().enumerate() {
        let Step::Ramp { port, to, .. } = *step else { continue };
        let value = match i.cmp(&state.step) {
            Ordering::Less => Some(to),
            Ordering::Equal => state.ramp,
            Ordering::Greater => None,
        };
        if let Some(value) = value {
            out.retain(|(p, _)| *p != port);
            out.push((port, value));
        }
    }
    out
}

/// The state survives the store unchanged.
fn kept(_plan: &Plan, state: &State) {
    let text = serde_json::to_string(state).unwrap();
    let read: State = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(read, *state);
}

/// 4: a new runner asks again for what is not confirmed and for nothing else, and goes on from the same state.
fn recoverable(plan: &Plan, state: &State) {
    let at = state.last.unwrap_or(0);
    let (mut again, mut effects) = (state.clone(), Vec::new());
    step(plan, &mut again, Input::Recovered { at }, &mut effects);
    let living = matches!(state.stage, Stage::Phase(_) | Stage::RollingBack(_));
    let mut applies = 0;
    for e in &effects {
        match e {
            Effect::Apply { epoch, settings, .. } => {
                applies += 1;
                // but for what `drift correct` leaves until the rest is lowered
                let mut asked = state.target.settings.clone();
                asked.retain(|(port, _)| !state.drifted.contains(port));
                assert_eq!((*epoch, settings), (state.target.epoch, &asked));
            }
            Effect::Run { token, action, .. } => {
                assert!(
                    state.running.iter().any(|r| r.token == *token && r.action == *action),
                    "{e:?} was not under way"
                );
            }
            Effect::Record(r) => assert!(
                matches!(r.as_ref(), Record::ActionEnded { ok: false, .. }),
                "a recovery decides nothing: {r:?}"
            ),
            other => panic!("a recovery decides nothing: {other:?}"),
        }
    }
    assert_eq!(applies, usize::from(living && state.target.verified.is_none()), "{:?}", state.stage);
    // an action of a reaction is not begun again: nobody waits for it; neither is what a rollback has ended
    again.running.clone_from(&state.running);
    assert_eq!(again, *state);
    if living {
        for r in state.running.iter().filter(|r| matches!(r.cause, RunCause::Undo | RunCause::Kill)) {
            assert!(
                effects.iter().any(|e| matches!(e, Effect::Run { token, .. } if *token == r.token)),
                "{r:?} is lost"
            );
        }
    }
}
