//! What any past check said, and why: `canary why --at` on runs on virtual time. The real binary: `tests/e2e_why.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "engine/watch.rs"]
mod watch;
#[allow(dead_code, reason = "shared with the engine's other tests, which use the rest")]
#[path = "engine/world.rs"]
mod world;

use canary::engine::{Effect, Observation, Operator, Record, Stage};
use canary::plan::{Bindings, Plan, Time};
use canary::report::check_at::{self, Look};
use canary::report::document::Happened;
use canary::report::style::Style;
use canary::report::why::Subject;
use world::{Failed, Is, Noise, Run, Says, World, compiled, ms};

const BODY: &str = "no data tolerate 5m else pause
    guard slow: share(latency < 300ms) >= 95% at least 100 events tolerate 2m else rollback
    guard errors: errors < 1% tolerate 1m else rollback
    guard load: load < 5 else hold
    guard hint: queue < 5 else tell
    phase taste { traffic checkout = 5%  run smoke  hold 4m }
    phase half { traffic checkout = 50%  hold 2m  promote when mean < 5 within 10m else pause }
    on breach, rollback, pause: notify oncall";

/// A run with what a store would keep of it.
struct Kept {
    plan: Plan,
    bindings: Bindings,
    events: Vec<Happened>,
    observations: Vec<(Time, Observation)>,
    run: Run,
}

impl Kept {
    fn of(body: &str, world: impl Fn(World) -> World, until: &str) -> Self {
        let (plan, bindings) = compiled("", body);
        let run = world(World::of_plan(plan.clone())).run(until);
        let records = run.effects.iter().filter_map(|(at, e)| match e {
            Effect::Record(r) => Some((*at, r.as_ref().clone())),
            _ => None,
        });
        // as the store has it: through JSON
        let events = records.enumerate().map(|(i, (at, r))| {
            let record: Record = serde_json::from_value(serde_json::to_value(&r).unwrap()).unwrap();
            Happened { seq: i as u64 + 1, at, record, slice: None }
        });
        let observations = run.observations.iter().map(|(at, o)| {
            let text = serde_json::to_string(o).unwrap();
            let read: Observation = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
            (*at, read)
        });
        let (events, observations) = (events.collect(), observations.collect());
        Self { plan, bindings, events, observations, run }
    }

    fn look<T>(&self, at: &str, rule: Option<&str>, f: impl Fn(&Look<'_>) -> T) -> T {
        let asked = ms(at);
        let verdict = self.run.state.verdict();
        let subject = Subject {
            plan: &self.plan,
            slice: None,
            bindings: &self.bindings,
            run: "20261121-0915-k3f9",
            started: 0,
            verdict: verdict.map(canary::engine::Verdict::text),
            events: &self.events,
        };
        let check = self.observations.iter().rev().find(|(t, _)| *t <= asked).map(|(t, o)| (*t, o));
        let next = self.observations.iter().find(|(t, _)| *t > asked).map(|(t, _)| *t);
        let ended = verdict.map(|_| self.events.last().unwrap().at);
        f(&Look {
            subject: &subject,
            asked,
            first: 0,
            check,
            unkept: None,
            next,
            ended,
            baseline: &self.run.state.baseline,
            rule,
        })
    }

    fn text(&self, at: &str) -> String {
        self.look(at, None, |l| check_at::text(l, Style::PLAIN))
    }
}

fn slow() -> Says {
    Says::Buckets(vec![(0.1, 100.0), (0.3, 800.0), (1.0, 1000.0), (f64::INFINITY, 1000.0)])
}

fn troubled() -> Kept {
    let world = |w: World| {
        w.from("latency", "9m", slow())
            .during("load", "3m", "4m", Failed)
            .during("served", "2m", "2m30s", Is(0.0))
            .during("queue", "2m", "3m", Is(9.0))
    };
    Kept::of(BODY, world, "1h")
}

fn snapshot(name: &str, shown: &str) {
    insta::with_settings!({ snapshot_path => "snapshots/why_at", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, shown);
    });
}

#[test]
fn what_each_kind_of_check_said() {
    let kept = troubled();
    for (name, at) in [
        ("the first check", "0s"),
        ("warming, an action under way", "15s"),
        ("a share of nothing, and a guard that tells", "2m15s"),
        ("blind, a frozen hold", "3m30s"),
        ("the end of a phase", "6m15s"),
        ("between two checks", "7m7s"),
        ("failing, its tolerance runs", "10m"),
        ("the check that took it back", "11m"),
        ("after the end", "50m"),
    ] {
        snapshot(&name.replace([' ', ','], "_"), &kept.text(at));
    }
}

#[test]
fn a_gate_that_waits_a_pause_and_a_person() {
    let world =
        |w: World| w.from("mean", "6m", Is(9.0)).operator(Operator::Pause, "10m").operator(Operator::Abort, "12m10s");
    let kept = Kept::of(BODY, world, "1h");
    snapshot("a_condition_that_is_false", &kept.text("9m"));
    snapshot("paused_by_a_person", &kept.text("11m"));
    snapshot("aborted_before_the_next_check", &kept.text("12m"));
}

#[test]
fn a_check_that_never_happened_and_one_that_is_not_kept() {
    let kept = Kept::of(BODY, |w| w.stops("3m", "20m", false), "1h");
    let text = kept.text("10m");
    assert!(
        text.contains(
            "of no check from 2m45s after the first check on anything is kept, until 20m after the first check"
        ),
        "{text}"
    );
    snapshot("a_gap", &text);
    // the checks beside it say nothing of it
    for at in ["2m45s", "20m"] {
        assert!(!kept.text(at).contains("nobody checked"), "{}", kept.text(at));
    }
    let mut kept = troubled();
    kept.observations.clear();
    snapshot("pruned", &kept.text("10m"));
    assert!(kept.text("11m").contains("decided rollback"), "the journal keeps what was decided");
}

#[test]
fn a_back_filled_check_says_that_it_could_not_end_a_phase() {
    let kept = Kept::of(BODY, |w| w.stops("3m", "20m", true), "1h");
    let text = kept.text("10m");
    assert!(text.contains("the check was not live") && !text.contains("nobody checked"), "{text}");
}

#[test]
fn one_guard_only() {
    let kept = troubled();
    let text = kept.look("10m", Some("slow"), |l| check_at::text(l, Style::PLAIN));
    assert!(text.contains("guard slow failing") && !text.contains("\nguard errors"), "{text}");
}

#[test]
fn json_says_the_same() {
    let kept = troubled();
    let json = kept.look("11m", None, check_at::json);
    snapshot("json", &serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn a_ramp_a_gate_and_a_phase_that_holds_for_good() {
    let body = "advance when queue < 5
        guard load: load < 5 else hold
        phase one { ramp checkout from 10% to 30% by 10% every 2m }
        phase two { traffic checkout = 50%  hold forever }";
    let world = |w: World| w.during("queue", "0s", "2m", Is(9.0)).during("queue", "4m", "7m", Is(9.0));
    let kept = Kept::of(body, world, "15m");
    for (name, at) in [
        ("before the first raise", "1m"),
        ("a ramp between two raises", "3m"),
        ("a raise that waits", "5m"),
        ("a raise", "7m"),
        ("hold forever", "14m"),
    ] {
        snapshot(&name.replace(' ', "_"), &kept.text(at));
    }
}

/// Over runs by chance: a check at which nothing was decided always says what kept the phase open, and the values that are computed from
/// what was kept are those that the engine reported.
#[test]
fn whatever_happens_something_kept_it_open() {
    let mut open = 0;
    for seed in 0..25 {
        let world = |w: World| {
            let noise = Noise { seed, bad: seed % 7, missing: seed % 5 };
            w.noise(noise)
                .stops("5m", "9m", seed % 2 == 0)
                .operator(Operator::Pause, "12m")
                .operator(Operator::Resume, "14m")
        };
        let kept = Kept::of(BODY, world, "30m");
        for (at, o) in &kept.observations {
            let standing = o.standing.as_ref().unwrap();
            let ends = |r: &Record| {
                matches!(
                    r,
                    Record::Passed { .. }
                        | Record::Rollback { .. }
                        | Record::Finished { .. }
                        | Record::Refused { .. }
                        | Record::KillSwitch { .. }
                )
            };
            let decided = kept.events.iter().any(|e| e.at == *at && ends(&e.record));
            if matches!(standing.stage, Stage::Phase(_)) && !decided {
                assert!(!standing.open(&kept.plan, &o.guards, *at).is_empty(), "seed {seed} at {at}: {standing:#?}");
                open += 1;
            }
            let seconds = format!("{}s", at / 1000);
            let json = kept.look(&seconds, None, check_at::json);
            let shown: Vec<_> = json["at"]["guards"].as_array().unwrap().iter().map(|g| g["word"].clone()).collect();
            if !decided {
                let words: Vec<_> = o.guards.iter().map(|g| serde_json::to_value(g.word).unwrap()).collect();
                assert_eq!(shown, words);
            }
            assert!(!kept.text(&seconds).is_empty());
        }
    }
    assert!(open > 500, "{open}");
}
