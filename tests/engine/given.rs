//! Values that are said instead of measured, and people's approvals: what a test stands on.

use super::world::{World, plan};
use canary::engine::eval::Value;
use canary::engine::value::Num;
use canary::engine::{Effect, Given, Input, Operator, Record, State, Word, step, step_given};
use canary::plan::{Answer, GroupId, Missing, Node, NodeId, Plan, Setting};

fn gauge(plan: &Plan, metric: &str) -> NodeId {
    let read = |n: &Node| matches!(n, Node::Gauge(i) if plan.inputs[i.index()].metric == metric);
    NodeId::at(plan.program.nodes.iter().position(read).unwrap())
}

/// A start and a few checks of which no source answers anything, with what is given.
fn run(plan: &Plan, given: Given<'_>, checks: i64) -> (State, Vec<Effect>) {
    let mut state = State::new(plan);
    let mut out = Vec::new();
    let nothing = vec![Answer::missing(Missing::Empty { others: None }); plan.inputs.len()];
    let originals = vec![(canary::plan::PortId(0), Setting::Share(0.0))];
    let baseline = vec![None; plan.inputs.len()];
    let input = Input::Start { at: 0, originals, answers: &nothing, baseline, rolled_back: None };
    step_given(plan, &mut state, input, given, &mut out);
    for i in 1..=checks {
        let at = i * plan.check_every;
        if state.target.verified.is_none() {
            let (epoch, read) = (state.target.epoch, state.target.settings.clone());
            step(plan, &mut state, Input::Verified { at: at - 1, epoch, read }, &mut out);
        }
        let ports: Vec<_> = state.target.settings.iter().map(|(_, s)| Some(*s)).collect();
        let ports_epoch = state.target.epoch;
        let tick = Input::Tick { at, answers: &nothing, ports: &ports, ports_epoch, live: true };
        step_given(plan, &mut state, tick, given, &mut out);
    }
    (state, out)
}

const MEAN: &str = "guard soft: mean < 5 else hold
    guard load: load < 5 else hold
    phase one { traffic checkout = 5%  hold 10m }";

#[test]
fn a_given_value_is_fresh_and_complete_and_the_rest_is_measured() {
    let plan = plan(MEAN);
    let nodes = [(gauge(&plan, "mean"), Value::Num(Num::known(4.0)))];
    let (state, _) = run(&plan, Given { nodes: &nodes, ..Given::NONE }, 1);
    // two minutes of window would be warming for two minutes: nothing of it is measured
    assert_eq!(state.guards[0].word, Some(Word::Ok));
    assert_eq!(state.guards[0].reading.value, Some(4.0));
    assert_eq!(state.guards[1].word, Some(Word::Blind));
    let (state, _) = run(&plan, Given::NONE, 1);
    assert_eq!(state.guards[0].word, Some(Word::Blind));
}

#[test]
fn what_is_assumed_is_ok_without_values_and_its_operators_begin_anew() {
    let plan =
        plan("guard soft: not ((load > 5) for 2 checks) else hold  phase one { traffic checkout = 5%  hold 10m }");
    let assumed = [canary::plan::GuardId(0)];
    let (mut state, mut out) = run(&plan, Given { guards: &assumed, ..Given::NONE }, 4);
    assert_eq!((state.guards[0].word, state.guards[0].reading.value), (Some(Word::Ok), None));
    // from here on it is given: two bad checks, not one, and no gap before them
    let nodes = [(gauge(&plan, "load"), Value::Num(Num::known(9.0)))];
    let nothing = vec![Answer::missing(Missing::Empty { others: None }); plan.inputs.len()];
    let mut words = Vec::new();
    for i in 5..=6 {
        let ports = [Some(Setting::Share(0.05))];
        let (at, ports_epoch) = (i * plan.check_every, state.target.epoch);
        let tick = Input::Tick { at, answers: &nothing, ports: &ports, ports_epoch, live: true };
        step_given(&plan, &mut state, tick, Given { nodes: &nodes, ..Given::NONE }, &mut out);
        words.push(state.guards[0].word.unwrap());
    }
    assert_eq!(words, [Word::Ok, Word::Breached]);
}

#[test]
fn a_baseline_that_is_given_need_not_be_read() {
    let plan = plan("guard worse: load <= before + 1 else hold  phase one { traffic checkout = 5%  hold 10m }");
    let refused = |out: &[Effect]| {
        out.iter().any(|e| matches!(e, Effect::Record(r) if matches!(r.as_ref(), Record::Refused { .. })))
    };
    assert!(refused(&run(&plan, Given::NONE, 0).1));
    let before = plan.inputs.iter().position(|i| i.population == canary::plan::Population::Before).unwrap();
    let node = plan.program.nodes.iter().position(|n| matches!(n, Node::Gauge(i) if i.index() == before)).unwrap();
    let nodes = [(NodeId::at(node), Value::Num(Num::known(4.0)))];
    assert!(!refused(&run(&plan, Given { nodes: &nodes, ..Given::NONE }, 0).1));
    let assumed = [canary::plan::GuardId(0)];
    assert!(!refused(&run(&plan, Given { guards: &assumed, ..Given::NONE }, 0).1));
}

const APPROVED: &str = "guard load: load < 5 else rollback to one
    phase one { traffic checkout = 5%   promote when approved(\"people\") }
    phase two { traffic checkout = 50%  promote when approved(\"people\", valid: 2m) and load < 3 }";
const PEOPLE: Operator = Operator::Approve(GroupId(0));

#[test]
fn an_approval_is_of_the_phase_in_which_it_is_given() {
    let run = World::of(APPROVED).operator(PEOPLE, "5m").run("1h");
    assert_eq!(run.course, ["0s entered one", "5m approved one for people by kim", "5m entered two"]);
    let run = World::of(APPROVED).operator(PEOPLE, "5m").operator(PEOPLE, "10m").run("1h");
    assert_eq!(run.course.last().unwrap(), "10m promoted");
}

#[test]
fn an_approval_ends_after_its_time_and_with_a_rollback_and_not_with_a_pause() {
    use super::world::Is;
    let late =
        World::of(APPROVED).operator(PEOPLE, "5m").operator(PEOPLE, "10m").during("load", "9m", "12m15s", Is(4.0));
    assert_eq!(late.run("1h").state.verdict(), None, "two minutes were over before the load fell");
    let within =
        World::of(APPROVED).operator(PEOPLE, "5m").operator(PEOPLE, "10m").during("load", "9m", "11m30s", Is(4.0));
    assert_eq!(within.run("1h").course.last().unwrap(), "11m30s promoted");
    let paused = World::of(APPROVED)
        .operator(Operator::Pause, "4m")
        .operator(PEOPLE, "5m")
        .operator(Operator::Resume, "6m")
        .run("10m");
    assert_eq!(paused.course.last().unwrap(), "6m entered two");
    let back = World::of(APPROVED).operator(PEOPLE, "5m").during("load", "8m", "8m15s", Is(9.0)).run("1h");
    assert_eq!(back.course.last().unwrap(), "8m rollback to one because load");
    assert!(back.state.approvals.is_empty());
}
