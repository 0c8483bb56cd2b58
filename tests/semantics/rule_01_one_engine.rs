//! Rule 1: `test`, `sim`, the REPL and `run` execute the same compiled plan with the same pure step; only the clock, the
//! observations and the performer of effects differ.

use super::world::{Is, World, plan};
use canary::check;
use canary::engine::{Effect, Given, Input, Operator, Record, State, step, step_given};
use canary::plan::{Answer, PhaseId, PortId, Setting};
use canary::sim::{self, Event};
use canary::syntax::{self, source::SourceMap};
use std::path::{Path, PathBuf};

const BODY: &str = "guard late: load < 5 tolerate 1m else rollback
    guard slow: queue < 7 else hold
    phase one { traffic checkout = 5%  run scale  hold 3m }
    phase two { flag cache = on, traffic checkout = 50%  promote when queue < 5 for 10m }";

const TEST: &str = "test \"late\" for shop {
  given load = 1
  given load = 9 from 7m
  given queue = 1
  operator pauses at 1m
  operator resumes at 2m
  expect rollback at 8m because late
}";

#[test]
fn a_test_and_a_run_decide_the_same_at_the_same_checks() {
    let text = format!("{}\nrollout shop \"Shop\" {{\n{BODY}\n}}\n{TEST}", include_str!("../engine/prelude.canary"));
    let mut map = SourceMap::default();
    let id = map.add("test.canary", text.clone());
    let (file, found) = syntax::parse(id, &text);
    assert!(found.is_empty(), "{found:#?}");
    let compiled = check::tests::compile(&[file], &map);
    let test = &compiled.tests[0];
    let trace = sim::run(test, &test.plan);
    assert_eq!(sim::judge(test, &test.plan, &trace), []);
    let tested: Vec<(i64, String)> = trace.events.iter().filter_map(|(at, e)| Some((*at, told(e)?))).collect();

    let w = World::of_plan(plan(BODY)).operator(Operator::Pause, "1m").operator(Operator::Resume, "2m");
    let run = w.from("load", "7m", Is(9.0)).run("2h");
    let ran: Vec<(i64, String)> =
        run.effects.iter().filter_map(|(at, e)| Some((at + 999 - (at + 999) % 1000, word(e)?))).collect();
    assert_eq!(tested, ran);
    assert!(tested.len() > 5, "{tested:?}");
}

fn told(event: &Event) -> Option<String> {
    Some(match event {
        Event::Entered(p) => format!("entered {}", p.index()),
        Event::Paused(_) => String::from("paused"),
        Event::Resumed => String::from("resumed"),
        Event::Rollback(_, why) => format!("rollback {}", why.rule),
        Event::Ran(a, _) => format!("ran {}", a.index()),
        Event::Finished(v) => v.text().to_owned(),
        _ => return None,
    })
}

fn word(effect: &Effect) -> Option<String> {
    let record = match effect {
        Effect::Run { action, .. } => return Some(format!("ran {}", action.index())),
        Effect::Record(r) => r.as_ref(),
        _ => return None,
    };
    let index = |name: &str| plan(BODY).phases.iter().position(|p| p.name == name).unwrap();
    Some(match record {
        Record::Entered { phase, .. } => format!("entered {}", PhaseId::at(index(phase)).index()),
        Record::Paused { .. } => String::from("paused"),
        Record::Resumed { .. } => String::from("resumed"),
        Record::Rollback { explanation, .. } => format!("rollback {}", explanation.rule),
        Record::Finished { verdict, .. } => verdict.text().to_owned(),
        _ => return None,
    })
}

#[test]
fn a_step_with_nothing_given_is_the_step() {
    let plan = plan(BODY);
    let answers = vec![Answer::failed("refused"); plan.inputs.len()];
    let start = || Input::Start {
        at: 0,
        originals: vec![(PortId(0), Setting::Share(0.0))],
        answers: &answers,
        baseline: vec![None; plan.inputs.len()],
        rolled_back: None,
    };
    let (mut a, mut b) = (State::new(&plan), State::new(&plan));
    let (mut one, mut two) = (Vec::new(), Vec::new());
    step(&plan, &mut a, start(), &mut one);
    step_given(&plan, &mut b, start(), Given::NONE, &mut two);
    assert_eq!((one, a), (two, b));
}

/// Only these call the engine's step: what performs the effects, and what shows them. Who computed a decision elsewhere would not
/// be one of them, and nothing of a guard's word or a phase's end is named outside of the engine's own room.
#[test]
fn nobody_decides_beside_the_step() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut callers = Vec::new();
    let mut todo = vec![src.clone()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let name: PathBuf = path.strip_prefix(&src).unwrap().into();
        if name.starts_with("engine") || name.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code: Vec<&str> = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        for made in ["Record::Passed {", "Record::Rollback {", "Record::Entered {"] {
            let here = code.match_indices(made).any(|(i, _)| code[..i].ends_with("Effect::record("));
            assert!(!here, "{} makes a decision", name.display());
        }
        if ["step(", "step_given(", "fleet_step("].iter().any(|f| {
            code.match_indices(f).any(|(i, _)| {
                code[i + f.len()..].trim_start().starts_with(['&', 's'])
                    && code[i + f.len()..].contains("&mut")
                    && code[..i].ends_with([' ', '('])
                    && code[i..].lines().next().unwrap().contains("plan")
            })
        }) {
            callers.push(name.display().to_string());
        }
    }
    callers.sort();
    for must in ["runtime/executor.rs", "sim/runner.rs"] {
        assert!(callers.iter().any(|c| c == must), "{must} does not drive the engine: {callers:?}");
    }
}
