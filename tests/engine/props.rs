//! Properties of all runs: random policies out of a small grammar, in random worlds, with random people, stops and failures.
//! What must hold after each step is in [`super::watch`]; here is what must hold of whole runs.
//! `CANARY_CASES=20000` asks for more than the usual two hundred.

use super::world::{Empty, Ends, Is, Noise, Old, Run, Says, World, ms, plan_with};
use canary::engine::{Effect, Operator, Record, Verdict};
use canary::plan::{Consequence, Plan, Population, Setting, SwitchId, Time};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, FileFailurePersistence};

/// Conditions of guards, healthy in a good world.
const CONDITIONS: [&str; 12] = [
    "load < 5",
    "queue < 5",
    "errors < 1% at least 50 events",
    "mean < 5",
    "load <= stable + 1",
    "increase(leaks) < 9",
    "share(latency < 300ms) >= 95%",
    "not ((load > 5) for 30s)",
    "not ((queue > 5) for 2 of 5 checks)",
    "not ((load > 5) for 50% of 2m)",
    "load < 5 or queue < 5",
    "default(load, 0) < 5 and p95(latency) < 1s",
];
const GATES: [&str; 6] = [
    "queue < 5",
    "queue < 5 for 1m",
    "healthy for 45s",
    "errors < 1%",
    "phase.elapsed >= 1m",
    "increase(leaks, since phase) == 0 and queue < 5",
];
const TOLERANCES: [&str; 5] = ["", "tolerate 15s", "tolerate 1m", "tolerate 2 checks", "tolerate 5 checks"];
const NO_DATA: [&str; 6] = [
    "",
    "no data tolerate 1m else hold",
    "no data tolerate 2 checks else pause",
    "no data tolerate 45s else rollback",
    "no data else pause",
    "no data tolerate 10m else pause",
];
const REACTIONS: [&str; 7] = [
    "on breach, pause, rollback, promote, blind, done: notify oncall",
    "every 2m: notify team",
    "at 1m, 5m, 30m: snapshot",
    "when queue > 5: run scale limit 2 per 5m",
    "when mean > 5: run smoke",
    "on rollback: run smoke",
    "when (queue > 5) for 2 checks: notify team",
];

/// Kill switches of every random policy; the plan has them in the order of their names.
const SWITCHES: &str = "
killswitch quench { flag workers = 0  run revert  run smoke }
killswitch stop { traffic checkout = 0%, flag cache = off  run unscale  run scale }";

#[derive(Debug, Clone)]
struct GuardText {
    condition: usize,
    tolerance: usize,
    otherwise: usize,
    from: usize,
    until: Option<usize>,
}

#[derive(Debug, Clone)]
struct PhaseText {
    share: u32,
    cache: Option<bool>,
    workers: Option<u32>,
    run: Option<(usize, bool)>,
    hold: Option<usize>,
    gate: Option<(usize, usize)>,
}

#[derive(Debug, Clone)]
struct Policy {
    head: usize,
    settle: Option<u32>,
    guards: Vec<GuardText>,
    phases: Vec<PhaseText>,
    reactions: Vec<usize>,
}

impl Policy {
    fn text(&self) -> String {
        let n = self.phases.len();
        let mut out = format!("{}\n", NO_DATA[self.head]);
        if let Some(s) = self.settle {
            out.push_str(&format!("settle {s}s\n"));
        }
        // by chance, out of what is drawn already
        let dice = self.settle.unwrap_or(0);
        out.push_str(["", "drift correct\n", "drift tell\n"][dice as usize % 3]);
        if dice % 5 == 1 {
            out.push_str("advance when queue < 5\n");
        }
        for (i, g) in self.guards.iter().enumerate() {
            let from = g.from % n;
            let until = g.until.map(|u| from + 1 + u % n).filter(|u| *u < n);
            let end = until.unwrap_or(n);
            let otherwise = match g.otherwise {
                0 => String::from("tell"),
                1 => String::from("hold"),
                2 => String::from("pause"),
                k if k < 6 && end > 1 => {
                    let kill = ["", ", kill stop", ", kill quench"][g.tolerance % 3];
                    format!("rollback to p{}{kill}", (k - 3) % (end - 1))
                }
                7 => format!("rollback, kill {}", if g.from % 2 == 0 { "stop" } else { "quench" }),
                _ => String::from("rollback"),
            };
            out.push_str(&format!("guard g{i}: {}", CONDITIONS[g.condition]));
            out.push_str(&if from > 0 { format!(" from p{from}") } else { String::new() });
            out.push_str(&until.map_or(String::new(), |u| format!(" until p{u}")));
            out.push_str(&format!(" {} else {otherwise}\n", TOLERANCES[g.tolerance]));
        }
        for (i, p) in self.phases.iter().enumerate() {
            out.push_str(&format!("phase p{i} {{ traffic checkout = {}%", p.share));
            if let Some(on) = p.cache {
                out.push_str(if on { "  flag cache = on" } else { "  flag cache = off" });
            }
            if let Some(n) = p.workers {
                out.push_str(&format!("  flag workers = {n}"));
            }
            if let Some((action, pause)) = p.run {
                let name = ["smoke", "scale", "migrate"][action];
                out.push_str(&format!("  run {name}{}", if pause { " else pause" } else { "" }));
            }
            if p.share % 4 == 0 {
                let (from, to) = (p.share, p.share + 20);
                if to <= 100 {
                    out.push_str(&format!("  ramp checkout from {from}% to {to}% by 7% every 30s"));
                }
            }
            if let Some(h) = p.hold {
                out.push_str(["  hold 15s", "  hold 1m", "  hold 3m", "  hold 100s"][h]);
            }
            if let Some((gate, within)) = p.gate {
                out.push_str(&format!("  promote when {}", GATES[gate]));
                out.push_str(["", " within 5m else pause", " within 3m else rollback"][within]);
            }
            out.push_str(" }\n");
        }
        for r in &self.reactions {
            out.push_str(REACTIONS[*r]);
            out.push('\n');
        }
        out
    }
}

fn guard_text() -> impl Strategy<Value = GuardText> {
    (0..CONDITIONS.len(), 0..TOLERANCES.len(), 0..8usize, 0..4usize, proptest::option::weighted(0.2, 0..3usize))
        .prop_map(|(condition, tolerance, otherwise, from, until)| GuardText {
            condition,
            tolerance,
            otherwise,
            from,
            until,
        })
}

fn phase_text() -> impl Strategy<Value = PhaseText> {
    (
        1..=100u32,
        proptest::option::weighted(0.3, any::<bool>()),
        proptest::option::weighted(0.3, 0..=3u32),
        proptest::option::weighted(0.4, (0..3usize, any::<bool>())),
        proptest::option::weighted(0.7, 0..4usize),
        proptest::option::weighted(0.5, (0..GATES.len(), 0..3usize)),
    )
        .prop_map(|(share, cache, workers, run, hold, gate)| PhaseText { share, cache, workers, run, hold, gate })
}

fn policy() -> impl Strategy<Value = Policy> {
    (
        0..NO_DATA.len(),
        proptest::option::weighted(0.3, 0..60u32),
        proptest::collection::vec(guard_text(), 0..5),
        proptest::collection::vec(phase_text(), 1..5),
        proptest::sample::subsequence((0..REACTIONS.len()).collect::<Vec<_>>(), 0..4),
    )
        .prop_map(|(head, settle, guards, phases, reactions)| Policy { head, settle, guards, phases, reactions })
}

/// Something that happens: kind, check, length in checks.
type Event = (u8, u32, u32);

fn world(policy: &Policy, noise: Noise, events: &[Event]) -> World {
    let mut w = World::of_plan(plan_with(SWITCHES, &policy.text())).noise(noise);
    for (kind, at, long) in events {
        let (from, to) = (format!("{}s", at * 15), format!("{}s", (at + long) * 15));
        w = match kind {
            0 => w.operator(Operator::Pause, &from).operator(Operator::Resume, &to),
            1 => w.operator(Operator::Resume, &from),
            2 => w.operator(Operator::Abort, &from),
            3 if w.plan.ports.iter().any(|p| p.name == "checkout") => w.drifts("checkout", Setting::Share(0.77), &from),
            4 => w.withholds(&from, &to),
            5 => w.stops(&from, &to, true),
            6 => w.stops(&from, &to, false),
            7 => {
                w.action(["smoke", "scale", "migrate", "unscale", "revert"][*long as usize % 5], &from, "", Ends::Badly)
            }
            8 => w.action(["smoke", "scale", "migrate"][*long as usize % 3], &from, &to, Ends::Never),
            9 => w.operator(Operator::Kill(SwitchId(0)), &from),
            10 => w.operator(Operator::Kill(SwitchId(1)), &from),
            11 => w.operator(Operator::Reset(SwitchId(*long % 2)), &from),
            _ => w,
        };
    }
    w
}

fn cases() -> u32 {
    std::env::var("CANARY_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(200)
}

/// Whether an input's answer is a number that is fresh.
fn fresh(says: &Says) -> Option<f64> {
    match says {
        Is(v) if v.is_finite() => Some(*v),
        Old(v, age) if *age <= 60_000 => Some(*v),
        _ => None,
    }
}

/// The truth of the simplest conditions, straight from what the world says: no code of the engine is asked.
fn really(w: &World, condition: &str, at: Time) -> Option<bool> {
    let canary = |m: &str| w.says(m, Population::Canary, at);
    match condition {
        "load < 5" => Some(fresh(&canary("load")).is_some_and(|v| v < 5.0)),
        "queue < 5" => Some(fresh(&canary("queue")).is_some_and(|v| v < 5.0)),
        "mean < 5" => Some(fresh(&canary("mean")).is_some_and(|v| v < 5.0)),
        "load <= stable + 1" => {
            let stable = fresh(&w.says("load", Population::Stable, at));
            Some(fresh(&canary("load")).zip(stable).is_some_and(|(c, s)| c <= s + 1.0))
        }
        "load < 5 or queue < 5" => Some(really(w, "load < 5", at)? || really(w, "queue < 5", at)?),
        "errors < 1%" => {
            let bad = if canary("failed") == Empty { Some(0.0) } else { fresh(&canary("failed")) };
            Some(bad.zip(fresh(&canary("served"))).is_some_and(|(b, n)| n > 0.0 && b / n < 0.01))
        }
        _ => None,
    }
}

/// What must hold of a whole run.
fn judge(policy: &Policy, w: &World, run: &Run) {
    let mut entered: Vec<(usize, Time)> = Vec::new();
    for (at, e) in &run.effects {
        let Effect::Record(r) = e else { continue };
        match r.as_ref() {
            Record::Entered { phase, .. } => entered.push((index(&w.plan, phase), *at)),
            Record::Rollback { to: Some(p), .. } => entered.push((index(&w.plan, p), *at)),
            Record::Raised { phase, .. } => sound(policy, w, index(&w.plan, phase), *at),
            Record::Passed { phase, .. } => passed(policy, w, index(&w.plan, phase), entered.last().unwrap().1, *at),
            _ => {}
        }
    }
    // phases are entered one after the other, except after a rollback to one
    for pair in entered.windows(2) {
        assert!(pair[1].0 <= pair[0].0 + 1, "a phase was skipped: {:#?}", run.course);
    }
    // one end at most, and nothing after it but records of what was under way
    let ends: Vec<usize> =
        run.effects.iter().enumerate().filter(|(_, (_, e))| matches!(e, Effect::Finish(_))).map(|x| x.0).collect();
    assert!(ends.len() <= 1);
    if let Some(end) = ends.first() {
        assert_eq!(run.effects[end + 1..], [], "{:#?}", run.course);
    }
    // taken back means taken back
    if matches!(run.state.verdict(), Some(Verdict::RolledBack | Verdict::Aborted | Verdict::Killed)) {
        let touched = |p: canary::plan::PortId| {
            w.plan.phases.iter().take(run.state.furthest.index() + 1).any(|ph| ph.settings.iter().any(|(q, _)| *q == p))
        };
        let killed: Vec<_> = run.state.killed.iter().flat_map(|k| &w.plan.switches[k.index()].settings).collect();
        for (port, original) in run.state.originals.iter().filter(|(p, _)| touched(*p)) {
            let to = killed.iter().find(|(q, _)| q == port).map_or(*original, |(_, s)| *s);
            assert_eq!(run.ports[port.index()], Some(to), "{:#?}", run.course);
        }
        for (port, to) in killed {
            assert_eq!(run.ports[port.index()], Some(*to), "{:#?}", run.course);
        }
        // every action of a thrown switch has succeeded, or is named
        assert!(run.state.kill_actions.is_empty(), "{:#?}", run.course);
    }
}

fn index(plan: &Plan, phase: &str) -> usize {
    plan.phases.iter().position(|p| p.name == phase).unwrap()
}

/// No guard of a phase was really bad.
fn sound(policy: &Policy, w: &World, phase: usize, at: Time) {
    for (i, g) in w.plan.guards.iter().enumerate() {
        let here = g.from.index() <= phase && g.until.is_none_or(|u| phase < u.index());
        let condition = CONDITIONS[policy.guards[i].condition];
        let condition = condition.strip_suffix(" at least 50 events").unwrap_or(condition);
        if here && g.otherwise != Consequence::Tell {
            assert_ne!(
                really(w, condition, at),
                Some(false),
                "phase {phase} went on although {condition} was not true"
            );
        }
    }
}

/// The end of a phase against the world itself.
fn passed(policy: &Policy, w: &World, phase: usize, entered: Time, at: Time) {
    sound(policy, w, phase, at);
    let p = &policy.phases[phase];
    let hold = p.hold.map_or(0, |h| ms(["15s", "1m", "3m", "100s"][h]));
    assert!(at - entered >= hold + 15_000, "a hold of {hold} was over after {}", at - entered);
    if let Some((gate, _)) = p.gate {
        assert_ne!(
            really(w, GATES[gate], at),
            Some(false),
            "phase {phase} ended although {} was not true",
            GATES[gate]
        );
        if gate == 5 {
            assert_eq!(really(w, "queue < 5", at), Some(true));
        }
    }
}

proptest! {
    #![proptest_config(Config {
        cases: cases(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    })]

    #[test]
    fn every_run_keeps_the_invariants_and_can_be_repeated(
        policy in policy(),
        seed in any::<u64>(),
        bad in 0..12u64,
        missing in 0..12u64,
        events in proptest::collection::vec((0..14u8, 1..80u32, 1..20u32), 0..6),
    ) {
        let w = world(&policy, Noise { seed, bad, missing }, &events);
        let run = w.run("30m");
        judge(&policy, &w, &run);
        // 7: the same once more, every state through the store
        let again = w.stored().run("30m");
        let bytes = |r: &Run| format!("{:?}", r.effects);
        prop_assert_eq!(bytes(&run), bytes(&again));
        prop_assert_eq!(run.state, again.state);
    }
}

#[test]
fn the_grammar_reaches_every_kind_of_end() {
    // without this the property could hold of nothing
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..120u64 {
        let policy = policy().new_tree(&mut runner).unwrap().current();
        let at = 1 + u32::try_from(seed % 40).unwrap();
        let kind = |n: u64| u8::try_from(seed % n).unwrap();
        // an abort or a kill is read back late
        let withheld = if matches!(kind(14), 2 | 9 | 10) { at } else { at + 9 };
        let events: [Event; 3] =
            [(kind(14), at, 4), (kind(9), 30, 7), (4, withheld, if seed % 3 == 0 { 9 } else { 1 })];
        let w = world(&policy, Noise { seed, bad: seed % 9, missing: seed % 7 }, &events);
        let run = w.run("30m");
        judge(&policy, &w, &run);
        for line in &run.course {
            let words: Vec<&str> =
                line.split(' ').skip(1).filter(|w| !w.starts_with(['p', 'g']) || w.starts_with("paused")).collect();
            *seen.entry(words.iter().take(2).copied().collect::<Vec<_>>().join(" ")).or_insert(0) += 1;
        }
        let verdict = run.state.verdict().map_or("none", Verdict::text);
        *seen.entry(format!("verdict {verdict}")).or_insert(0) += 1;
    }
    for want in [
        "verdict rolled_back",
        "verdict promoted",
        "verdict aborted",
        "verdict killed",
        "killed stop",
        "verdict none",
        "rollback to",
        "paused because",
        "rollback is",
        "snapshot, early",
    ] {
        assert!(seen.iter().any(|(k, n)| k.starts_with(want) && *n >= 2), "{want}: {seen:#?}");
    }
}

#[test]
fn the_cost_of_a_check_does_not_grow_with_the_run() {
    let body = "no data else hold
        guard a: not ((load > 5) for 1h) else tell
        guard b: not ((queue > 5) for 30 of 60 checks) else tell
        guard c: not ((mean > 5) for 50% of 30m) else tell
        guard leaks: increase(leaks) >= 0 else tell
        when queue > 5: run smoke limit 3 per 1h
        at 5m: snapshot
        phase all { traffic checkout = 5%  hold 30d }";
    let run = World::of(body).noise(Noise { seed: 7, bad: 30, missing: 20 }).run("12h");
    let size =
        |at: &str| serde_json::to_string(&run.states.iter().find(|(t, _)| *t == ms(at)).unwrap().1).unwrap().len();
    let (early, late) = (size("2h"), size("12h"));
    assert!(late < early * 3 / 2, "{early} bytes of state after two hours, {late} after twelve");
    let mut at_once = std::collections::BTreeMap::new();
    for (at, _) in &run.effects {
        *at_once.entry(*at).or_insert(0usize) += 1;
    }
    assert!(at_once.values().all(|n| *n <= 12), "{:?}", at_once.values().max());
}
