//! The same lives as a list of whole states: what each takes, written down without columns. For plans whose lives share nothing
//! but their sums' question (no limits of reactions, nothing on the run's clock, no halt).

use super::world::World;
use canary::engine::fleet::FleetInput;
use canary::engine::{Input, Operator, Stage, State, Verdict, step};
use canary::plan::{Ask, Node, Window};

pub fn feed(world: &World<'_>, lives: &mut [State], input: &FleetInput<'_>) {
    let plan = world.plan;
    let mut out = Vec::new();
    match input {
        FleetInput::Tick { at, observed, begins, rolled_back, live } => {
            if world.fleet.verdict().is_some() {
                return;
            }
            for (slice, s) in world.fleet.slices().zip(lives.iter_mut()) {
                if !matches!(s.stage, Stage::Phase(_) | Stage::RollingBack(_)) {
                    continue;
                }
                for node in &plan.program.nodes {
                    if let Node::Accumulated { input, slot, .. } = *node
                        && matches!(plan.inputs[input.index()].ask, Ask::Increase(_, Window::SinceLast))
                        && let Some(asked) = world.fleet.since(plan, input)
                        && let Some(had) = s.answered[input.index()].max(s.started)
                        && asked > had
                        // what was lost before the sum began anew is nothing to it, nor is what was minded before
                        && s.last.is_some_and(|last| asked > last || asked == last && !s.accumulators[slot as usize].fresh)
                    {
                        s.accumulators[slot as usize].short = true;
                    }
                }
                let (answers, ports, ports_epoch) =
                    (observed.answers(slice), observed.ports(slice), observed.verified(slice));
                step(plan, s, Input::Tick { at: *at, answers, ports, ports_epoch, live: *live }, &mut out);
            }
            for b in begins {
                let Some(s) = lives.get_mut(b.slice.index()) else { continue };
                let before = s.clone();
                let (originals, baseline) = (b.originals.clone(), b.baseline.clone());
                let answers = observed.answers(b.slice);
                step(
                    plan,
                    s,
                    Input::Start {
                        at: *at,
                        originals: originals.unwrap(),
                        answers,
                        baseline,
                        rolled_back: *rolled_back,
                    },
                    &mut out,
                );
                if s.stage == Stage::Done(Verdict::Refused) {
                    *s = before;
                }
            }
        }
        FleetInput::Verified { slice, at, epoch, read } => {
            let input = Input::Verified { at: *at, epoch: *epoch, read: read.clone() };
            step(plan, &mut lives[slice.index()], input, &mut out);
        }
        FleetInput::ActionEnded { slice, at, token, ok, how, output } => {
            let (how, output) = (how.clone(), output.clone());
            let input = Input::ActionEnded { at: *at, token: *token, ok: *ok, how, output };
            step(plan, &mut lives[slice.index()], input, &mut out);
        }
        FleetInput::Operator { slices, at, act, who, why } => {
            for (i, s) in lives.iter_mut().enumerate() {
                if !slices.is_empty() && !slices.iter().any(|c| c.index() == i) {
                    continue;
                }
                assert!(*act != Operator::Abort || s.stage != Stage::Idle, "left to its own test");
                if let (Operator::Kill(switch), Stage::Done(_)) = (*act, s.stage) {
                    // what is over is killed like what goes on
                    s.stage = Stage::Phase(s.phase);
                    s.killed.retain(|k| *k != switch);
                }
                if *act == Operator::Resume && s.paused.is_some() {
                    for a in s.accumulators.iter_mut().filter(|a| a.short) {
                        (a.sum, a.short, a.fresh) = (0.0, false, true);
                        a.before = a.before.map(|_| 0.0);
                    }
                }
                step(plan, s, Input::Operator { at: *at, act: *act, who: who.clone(), why: why.clone() }, &mut out);
            }
        }
        FleetInput::Recovered { at } => {
            for s in lives {
                step(plan, s, Input::Recovered { at: *at }, &mut out);
            }
        }
        FleetInput::OwnActionEnded { .. } => panic!("nothing is the run's own"),
    }
}
