//! Guards at one check: their words, their clocks, and what they ask for.

use super::eval::{Check, Shown, Value, eval, pace, truth};
use super::explain::{Explanation, guard_report};
use super::past;
use super::planted::planted;
use super::record::Record;
use super::state::{GuardReading, Owner, State, Word, roots, subtree};
use super::step::{Effect, Wish};
use super::truth::Truth;
use super::value::{Causes, Num};
use crate::plan::{
    Consequence, Guard, GuardId, Happening, InputId, Millis, Node, NodeId, PhaseId, Plan, Population, Temporal,
    Tolerance, show,
};

impl Tolerance {
    /// As the operator that measures it.
    #[must_use]
    pub fn temporal(self) -> Temporal {
        match self {
            Self::For(d) => Temporal::For(d),
            Self::Checks(n) => Temporal::Checks(n),
        }
    }
}

/// Arms the guards that watch in `phase` and disarms the others; `anew` starts all of them from nothing (after a rollback to a
/// phase). An armed guard is judged from the next check on.
pub(super) fn arm(plan: &Plan, state: &mut State, phase: PhaseId, anew: bool) {
    for (i, guard) in plan.guards.iter().enumerate() {
        let late = planted!(8) && phase > PhaseId(0) && guard.from == phase;
        let watches = !late && guard.from <= phase && guard.until.is_none_or(|until| phase < until);
        let Some(s) = state.guards.get_mut(i) else {
            continue;
        };
        let fresh = watches && (anew || !s.active);
        s.active = watches;
        if !fresh {
            continue;
        }
        s.monitor.restart();
        s.word = None;
        // after a rollback to a phase a guard that takes back must have been ok before it fires again; a pause that lost
        // against the rollback may still come
        if !anew || !matches!(guard.otherwise, Consequence::Rollback(_)) {
            s.fired = false;
        }
        restart(plan, state, Owner::Guard(GuardId::at(i)), |since_phase| !since_phase);
    }
}

/// Starts the temporal operators of an owner anew, and those of its accumulators that `which` picks.
pub(super) fn restart(plan: &Plan, state: &mut State, owner: Owner, which: impl Fn(bool) -> bool) {
    for (root, o) in roots(plan) {
        if o != owner {
            continue;
        }
        subtree(plan, root, &mut |_, node| match *node {
            Node::For { slot, .. } => {
                if let Some(m) = state.monitors.get_mut(slot as usize) {
                    m.restart();
                }
            }
            Node::Accumulated { slot, since_phase, .. } if which(since_phase) => {
                if let Some(a) = state.accumulators.get_mut(slot as usize) {
                    a.start_anew();
                }
            }
            _ => {}
        });
    }
}

/// Starts the sums `since phase` anew: at the read-back, or where a phase sets nothing new, when it is entered. The next answer
/// covers everything since the one before, so that the check in which the read-back falls is counted whole: too much rather than
/// too little, which errs against the canary wherever what is counted is bad.
pub(super) fn count_anew(plan: &Plan, state: &mut State) {
    for node in &plan.program.nodes {
        if let Node::Accumulated { slot, since_phase: true, .. } = *node
            && let Some(acc) = state.accumulators.get_mut(slot as usize)
        {
            acc.start_anew();
        }
    }
}

/// Evaluates all active guards. Returns what they ask for.
pub(super) fn check_guards(check: Check<'_>, state: &mut State, out: &mut Vec<Effect>) -> Vec<Wish> {
    let mut wishes = Vec::new();
    // two passes: an explanation names what the other guards say at the same check
    let mut breaches = Vec::new();
    for i in 0..check.plan.guards.len() {
        let id = GuardId::at(i);
        if state.guards.get(i).is_some_and(|s| s.active) && check_guard(check, state, id, out) {
            breaches.push(id);
        }
    }
    for id in breaches {
        let Some(guard) = check.plan.guards.get(id.index()) else {
            continue;
        };
        let summary = breach_summary(check.plan, state, id);
        let explanation = Explanation::of_guard(check, state, id, "guard", summary);
        wishes.push(Wish::Tell(Happening::Breach, explanation.summary.clone()));
        match guard.otherwise {
            Consequence::Tell | Consequence::Hold => {}
            Consequence::Pause => wishes.push(Wish::Pause(explanation)),
            Consequence::Halt => wishes.push(Wish::Halt(explanation)),
            Consequence::Rollback(Some(to)) if to >= state.phase => {}
            Consequence::Rollback(to) => wishes.push(match guard.kill {
                Some(switch) => Wish::Kill(switch, to, explanation),
                None => Wish::Rollback(to, explanation),
            }),
        }
        if let Some(s) = state.guards.get_mut(id.index()) {
            s.fired = true;
        }
    }
    wishes
}

/// Evaluates one guard; whether its consequence fires now.
fn check_guard(check: Check<'_>, state: &mut State, id: GuardId, out: &mut Vec<Effect>) -> bool {
    let Some(guard) = check.plan.guards.get(id.index()) else {
        return false;
    };
    let owner = Owner::Guard(id);
    let assumed = check.given.assumes(id);
    let (truth, causes, reading, warming) = if assumed {
        // ok without values: what its operators and sums have seen before says nothing of what comes after
        restart(check.plan, state, owner, |_| true);
        (Truth::True, Causes::NONE, GuardReading::default(), false)
    } else {
        let mut shown = Shown::of(guard.shown);
        let (truth, causes) = truth(&check, state, guard.healthy, owner, &mut shown);
        (truth, causes, read(check, state, guard, owner, shown), warming(check, state, guard))
    };
    let (word, fed) = match truth {
        Truth::Unknown if causes.has(Causes::BLIND) => (Word::Blind, Truth::Unknown),
        Truth::Unknown if causes.has(Causes::DARK) => (Word::Dark, Truth::False),
        _ if warming => (Word::Warming, truth.and(Truth::Unknown)),
        Truth::Unknown if causes.has(Causes::THIN) => (Word::Thin, Truth::Unknown),
        Truth::Unknown if planted!(1) => (Word::Ok, Truth::True),
        Truth::Unknown => (Word::Undecided, Truth::Unknown),
        Truth::False => (Word::Failing, Truth::False),
        Truth::True => (Word::Ok, Truth::True),
    };
    let Some(s) = state.guards.get_mut(id.index()) else {
        return false;
    };
    if planted!(9) && fed == Truth::Unknown {
        s.monitor.restart();
    }
    let used_up = s.monitor.step(guard.tolerate.temporal(), pace(check.plan, owner), check.at, !fed).is_true();
    // the first word that fits stands: what is dark or warming freezes `hold`, also when its tolerance is used up
    let word = if used_up && word == Word::Failing { Word::Breached } else { word };
    s.reading = GuardReading { used: s.monitor.known(), ..reading };
    let before = s.word;
    if before != Some(word) {
        s.word = Some(word);
        s.since = check.at;
    }
    if word == Word::Ok {
        s.fired = false;
    }
    let fires = used_up && !s.fired;
    if before != Some(word)
        && let Some(report) = guard_report(check.plan, state, id)
    {
        let mut inputs = check.measured(guard.healthy, &guard.inputs);
        let missing = inputs.find_map(|i| check.reading(state, i).err()).map(|m| m.to_string());
        let missing =
            missing.filter(|_| matches!(word, Word::Dark | Word::Blind | Word::Thin) || causes != Causes::NONE);
        // everything was answered, and there is no number all the same
        let divided = word == Word::Thin && missing.is_none() && report.reading.value.is_none();
        let missing = if divided { Some(String::from("no number: 0/0, or a division by 0")) } else { missing };
        out.push(Effect::record(Record::Guard { from: before, report, missing }));
    }
    fires
}

/// Whether something that it reads still reaches before the settings were verified.
fn warming(check: Check<'_>, state: &State, guard: &Guard) -> bool {
    condition_warming(check, state, guard.healthy)
}

/// Whether an input's answer still reaches before the settings were verified: by its window, or, having none, by its newest
/// sample. A gauge that was scraped before the change says nothing of it, however fresh it is by `max_age`. `ago`: as it was read
/// at the first check of a window around it.
fn reaches_back(check: Check<'_>, state: &State, id: InputId, ago: Millis) -> bool {
    let Some(input) = check.plan.inputs.get(id.index()).filter(|i| i.population != Population::Before) else {
        return false;
    };
    let sampled = check.sampled_at(state, id);
    match state.target.verified {
        // what has no window and no time of its own is taken to be of now
        Some(_) if input.reach == 0 && sampled.is_none() => false,
        Some(verified) => sampled.map_or(check.at, |s| s.min(check.at)) - ago - input.reach - input.lag < verified,
        None => input.reach > 0,
    }
}

/// Whether an answer, or a window of checks, anywhere below a condition still reaches before the settings were verified. What is
/// given has no reach of its own, a window over it has.
pub(super) fn condition_warming(check: Check<'_>, state: &State, condition: NodeId) -> bool {
    past::reaches_back(check, state, condition, 0, &|i, ago| reaches_back(check, state, i, ago))
}

/// Value, limit and margin of the comparison that the guard shows.
fn read(check: Check<'_>, state: &mut State, guard: &Guard, owner: Owner, shown: Shown) -> GuardReading {
    let age = check
        .measured(guard.healthy, &guard.inputs)
        .filter(|i| check.plan.inputs.get(i.index()).is_some_and(|x| x.population != Population::Before))
        .filter_map(|i| check.age(state, i))
        .max();
    if let Some(noted) = shown.noted {
        return GuardReading { age, ..noted };
    }
    let comparison = guard.shown.and_then(|n| check.plan.program.nodes.get(n.index()));
    let Some(&Node::Compare { op, left, right, .. }) = comparison else {
        return GuardReading { age, ..GuardReading::default() };
    };
    // it stands below a given value, or is one, and was not evaluated
    let mut num = |n| match eval(check, state, n, owner) {
        Value::Num(n) => n,
        Value::Truth(..) => Num::missing(Causes::NONE),
    };
    let (left, right) = (num(left), num(right));
    GuardReading { age, ..Shown::reading(op, left, right) }
}

/// One sentence: `guard slow breached: share(…) is 80%, limit 95%, for 5m`.
fn breach_summary(plan: &Plan, state: &State, id: GuardId) -> String {
    let (Some(guard), Some(s)) = (plan.guards.get(id.index()), state.guards.get(id.index())) else {
        return String::from("a guard is breached");
    };
    let mut out = format!("guard {} breached: `{}` ", guard.name, guard.text);
    match (s.reading.value, s.reading.limit) {
        (Some(v), Some(l)) => {
            out.push_str(&format!("has value {}, limit {}", show::brief(v, guard.unit), show::brief(l, guard.unit)));
        }
        (None, _) => out.push_str("has no value: the canary is dark"),
        (Some(v), None) => out.push_str(&format!("has value {}", show::brief(v, guard.unit))),
    }
    match guard.tolerate {
        Tolerance::For(0) => {}
        Tolerance::For(d) => {
            out.push_str(&format!(", bad for {} of {}", show::duration(s.reading.used), show::duration(d)))
        }
        Tolerance::Checks(n) => out.push_str(&format!(", bad for {} of {n} checks", s.reading.used)),
    }
    out
}
