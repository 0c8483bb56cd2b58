//! What a recording of a run comes to when its inputs are given to the engine once more, against the run's journal.

use super::canary::Work;
use canary::engine::{Effect, Input, Operator, State, step};
use canary::plan::{Answer, Missing, Plan, Population, PortId, Setting, Time};
use canary::sim::recording::{Happened, Key, Recording, decode};
use canary::store::{EventFilter, Store};
use serde_json::Value;

/// An event of a journal: when, what, and its particulars to the byte.
pub type Told = (Time, String, String);

/// The recording in a file of a folder.
pub fn recording(work: &Work, name: &str) -> Recording {
    let bytes = std::fs::read(work.path(name)).unwrap();
    decode(&bytes, name).unwrap_or_else(|e| panic!("{e}"))
}

/// The newest run's plan and journal.
pub fn journal(work: &Work, rollout: &str) -> (Plan, Vec<Told>) {
    let store = Store::open_readonly(&work.path(".canary/store.db")).unwrap();
    let run = store.latest_run(rollout).unwrap().expect("a run");
    let plan = serde_json::from_str(&store.documents(&run.id).unwrap().plan_json).unwrap();
    let events = store.events(&run.id, &EventFilter::default()).unwrap();
    let told = events.into_iter().map(|e| (e.at, e.kind, sorted(&e.body)));
    (plan, told.collect())
}

/// JSON with its keys in order: a store keeps them so.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(k, _)| *k);
            let list: Vec<_> = keys.iter().map(|(k, v)| format!("{k:?}:{}", sorted(v))).collect();
            format!("{{{}}}", list.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(sorted).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn answers(plan: &Plan, r: &Recording, at: Time, before: bool) -> Vec<Option<Answer>> {
    let one = |input: &canary::plan::Input| {
        if (input.population == Population::Before) != before {
            return None;
        }
        let series = r.find(&Key::of(input, &[]))?;
        series.answer(series.times.binary_search(&at).ok()?)
    };
    plan.inputs.iter().map(one).collect()
}

fn ids(plan: &Plan, list: &[(String, Setting)]) -> Vec<(PortId, Setting)> {
    let id = |name: &String| PortId::at(plan.ports.iter().position(|p| p.name == *name).expect("a port of the plan"));
    list.iter().map(|(name, s)| (id(name), *s)).collect()
}

/// Gives a recording's inputs to the engine and returns what it has told.
pub fn replayed(plan: &Plan, r: &Recording) -> Vec<Told> {
    let mut state = State::new(plan);
    let mut told = Vec::new();
    for happened in &r.happened {
        let at = happened.at();
        let unasked = || Answer::missing(Missing::NotAsked);
        let given: Vec<Answer> = answers(plan, r, at, false).into_iter().map(|a| a.unwrap_or_else(unasked)).collect();
        let mut ports = vec![None; plan.ports.len()];
        let input = match happened.clone() {
            Happened::Start { originals, rolled_back, .. } => Input::Start {
                at,
                originals: ids(plan, &originals),
                answers: &given,
                baseline: answers(plan, r, at, true),
                rolled_back,
            },
            Happened::Check { ports: read, ports_epoch, live, .. } => {
                for (port, setting) in ids(plan, &read) {
                    ports[port.index()] = Some(setting);
                }
                Input::Tick { at, answers: &given, ports: &ports, ports_epoch, live }
            }
            Happened::Verified { epoch, read, .. } => Input::Verified { at, epoch, read: ids(plan, &read) },
            Happened::ActionEnded { token, ok, how, output, .. } => Input::ActionEnded { at, token, ok, how, output },
            Happened::Operator { act, of, who, why, .. } => {
                let of = of.unwrap_or_default();
                let act = match act.as_str() {
                    "pause" => Operator::Pause,
                    "resume" => Operator::Resume,
                    "abort" => Operator::Abort,
                    "approve" => Operator::Approve(plan.group(&of).unwrap()),
                    "kill" => Operator::Kill(plan.switch(&of).unwrap()),
                    "reset" => Operator::Reset(plan.switch(&of).unwrap()),
                    other => panic!("{other}"),
                };
                Input::Operator { at, act, who, why }
            }
            Happened::Recovered { .. } => Input::Recovered { at },
            Happened::Sliced(_) => panic!("a run with slices is replayed by canary itself"),
        };
        let mut effects = Vec::new();
        step(plan, &mut state, input, &mut effects);
        for effect in effects {
            if let Effect::Record(record) = effect {
                told.push((at, record.kind().to_owned(), sorted(&serde_json::to_value(&record).unwrap())));
            }
        }
    }
    told
}

/// The recording of the newest run says, given to the engine, what the journal says: every event, to the byte.
#[track_caller]
pub fn is_the_run(work: &Work, rollout: &str, file: &str) -> Recording {
    let (plan, told) = journal(work, rollout);
    let r = recording(work, file);
    assert_eq!(r.about.policy, plan.hash);
    let again = replayed(&plan, &r);
    for (a, b) in again.iter().zip(&told) {
        assert_eq!(a, b, "the replay on the left, the journal on the right");
    }
    assert_eq!(again.len(), told.len(), "{again:#?}\n{told:#?}");
    assert!(!work.path(&format!("{file}.part")).exists(), "the side file goes when the recording is whole");
    r
}
