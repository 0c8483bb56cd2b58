//! How many pairs of policy and trace reached what: a harness that reaches nothing finds nothing.

use super::world::World;
use canary::engine::{Effect, Operator, Record, RunCause, State, Word};
use canary::plan::{Consequence, Plan};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that must be reached by at least one pair in a hundred.
const WANTED: [&str; 77] = [
    "word ok",
    "word failing",
    "word breached",
    "word warming",
    "word thin",
    "word undecided",
    "word dark",
    "word blind",
    "breach tell",
    "breach hold",
    "breach pause",
    "breach rollback",
    "breach rollback to",
    "breach kill",
    "no data hold",
    "no data pause",
    "no data rollback",
    "verdict promoted",
    "verdict rolled_back",
    "verdict aborted",
    "verdict killed",
    "verdict refused",
    "verdict none",
    "operator pause",
    "operator resume",
    "operator abort",
    "operator kill",
    "operator approve",
    "recovered idle or over",
    "recovered in a phase",
    "recovered while rolling back",
    "recovered unverified",
    "run step",
    "run reaction",
    "run undo",
    "run kill",
    "record drift",
    "record rollback_slow",
    "record snapshot",
    "record step_done",
    "record resumed",
    "fault MissedChecks",
    "fault BackFilled",
    "fault BackFilledUnasked",
    "fault LateReadBack",
    "fault OtherEpoch",
    "fault Unreadable",
    "fault ActionFails",
    "fault ActionLate",
    "fault SameTime",
    "fault Backwards",
    "fault Jitter",
    "fault SourceFails",
    "fault SeriesGone",
    "fault Stales",
    "fault NoNumber",
    "fault Ambiguity",
    "fault RolledBackBefore",
    "fault Halted",
    "breach halt",
    "breach kill to",
    "operator reset",
    "record waiting",
    "record raised",
    "record promoted",
    "record set_again",
    "record not_rolled_back",
    "fleet",
    "fleet late",
    "fleet vanished",
    "fleet unlisted",
    "fleet a slice is refused",
    "fleet a limit or a halt keeps one",
    "fleet said to all",
    "fleet said to some",
    "fleet recovered",
    "fleet back-filled",
];

/// What one pair reached.
#[derive(Default)]
pub struct Reached(BTreeSet<String>);

impl Reached {
    pub fn note(&mut self, what: String) {
        self.0.insert(what);
    }

    pub fn saw(&mut self, plan: &Plan, before: &State, state: &State, effects: &[Effect], recovered: bool) {
        use canary::engine::Stage;
        for e in effects {
            match e {
                Effect::Record(r) => {
                    self.note(format!("record {}", r.kind()));
                    if let Record::Guard { report, .. } = r.as_ref() {
                        self.note(format!("word {}", report.word.text()));
                    }
                }
                Effect::Run { cause, .. } => self.note(format!(
                    "run {}",
                    match cause {
                        RunCause::Step => "step",
                        RunCause::Reaction => "reaction",
                        RunCause::Undo => "undo",
                        RunCause::Kill => "kill",
                    }
                )),
                _ => {}
            }
        }
        for (g, (b, s)) in plan.guards.iter().zip(before.guards.iter().zip(&state.guards)) {
            if s.fired && !b.fired {
                let word = g.otherwise.word();
                self.note(match (g.otherwise, g.kill) {
                    (Consequence::Rollback(Some(_)), Some(_)) => String::from("breach kill to"),
                    (_, Some(_)) => String::from("breach kill"),
                    (Consequence::Rollback(Some(_)), _) => String::from("breach rollback to"),
                    _ => format!("breach {word}"),
                });
            }
            if s.word == Some(Word::Breached) {
                self.note(String::from("word breached"));
            }
        }
        if state.no_data_fired && !before.no_data_fired {
            self.note(format!("no data {}", plan.no_data.otherwise.word()));
        }
        if recovered {
            self.note(String::from(match before.stage {
                Stage::Idle | Stage::Done(_) => "recovered idle or over",
                Stage::Phase(_) => "recovered in a phase",
                Stage::RollingBack(_) => "recovered while rolling back",
            }));
            if before.target.verified.is_none() {
                self.note(String::from("recovered unverified"));
            }
        }
    }

    pub fn ended(&mut self, world: &World<'_>, state: &State) {
        self.note(format!("verdict {}", state.verdict().map_or("none", canary::engine::Verdict::text)));
        for f in &world.happened {
            self.note(format!("fault {f:?}"));
        }
        for said in &world.said {
            self.note(String::from(match said {
                Operator::Pause => "operator pause",
                Operator::Resume => "operator resume",
                Operator::Abort => "operator abort",
                Operator::Approve(_) => "operator approve",
                Operator::Kill(_) => "operator kill",
                Operator::Reset(_) => "operator reset",
            }));
        }
    }
}

/// What all pairs reached.
#[derive(Default)]
pub struct Tally {
    pub pairs: u64,
    seen: BTreeMap<String, u64>,
}

impl Tally {
    pub fn add(&mut self, reached: Reached) {
        self.pairs += 1;
        for what in reached.0 {
            *self.seen.entry(what).or_default() += 1;
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.pairs += other.pairs;
        for (what, n) in other.seen {
            *self.seen.entry(what).or_default() += n;
        }
    }

    /// A line each, and what is reached too seldom.
    pub fn report(&self) -> (String, Vec<String>) {
        let share = |n: u64| 100.0 * n as f64 / self.pairs.max(1) as f64;
        let mut out = format!("{} pairs of policy and trace; how many of them reached\n", self.pairs);
        for (what, n) in &self.seen {
            out.push_str(&format!("  {what:<32}{n:>9}{:>7.1} %\n", share(*n)));
        }
        let count = |w: &&&str| self.seen.get(**w).copied().unwrap_or(0);
        let seldom = WANTED.iter().filter(|w| share(count(w)) < 1.0);
        (out, seldom.map(|w| format!("{w}: {:.2} %", share(count(&w)))).collect())
    }
}
