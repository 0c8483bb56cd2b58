//! A check at which nothing changes asks for no memory: what the engine needs it has after it has warmed up. The allocator of this
//! binary counts.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/counting.rs"]
mod counting;
#[path = "support/course.rs"]
mod course;

use canary::engine::{Operator, Stage, Word};
use canary::plan::{Missing, Plan, Population, Reading};
use course::{Course, Dice, compiled, file};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Checks after which every window has been as full as it can be.
const WARM: usize = 400;
/// Checks that are counted.
const COUNTED: usize = 4_000;

fn checkout() -> Course {
    Course::of(compiled(
        &[file("policies/checkout.canary"), file("policies/environments/production.canary")],
        "production",
    ))
}

/// A rollout with declarations and an environment of the engine's tests.
fn shop(body: &str) -> Plan {
    compiled(&[format!("{}\nrollout shop \"Shop\" {{\n{body}\n}}\n", file("tests/engine/prelude.canary"))], "here")
}

/// Runs on, and counts what quiet checks ask for. At least so many must be quiet.
fn counted(name: &str, course: &mut Course, least: usize, mut between: impl FnMut(&mut Course, usize)) {
    for i in 0..WARM {
        between(course, i);
        course.tick();
    }
    let mut quiet = 0;
    for i in 0..COUNTED {
        between(course, WARM + i);
        let taken = course.tick();
        if taken.quiet {
            quiet += 1;
            assert_eq!(taken.allocations, 0, "{name}: check {i} of the counted, {:?}", course.state);
        }
    }
    assert!(quiet >= least, "{name}: only {quiet} checks were quiet");
}

fn word(course: &Course, guard: &str) -> Option<Word> {
    let i = course.plan.guards.iter().position(|g| g.name == guard).unwrap();
    course.state.guards[i].word
}

fn nothing(_: &mut Course, _: usize) {}

#[test]
fn the_allocator_counts() {
    let before = counting::allocations();
    let kept = std::hint::black_box(vec![1_u8; 100]);
    assert_eq!(counting::allocations() - before, 1);
    drop(kept);
    // and a check that tells of something asks for memory
    let mut course = checkout();
    course.start();
    let first = course.tick();
    assert!(!first.quiet && first.allocations > 0, "{first:?}");
}

#[test]
fn checkout_from_its_start_to_its_end() {
    let mut course = checkout();
    course.start();
    let (mut quiet, mut checks) = (0, 0);
    while course.state.verdict().is_none() {
        let taken = course.tick();
        checks += 1;
        // the first check of a phase makes room for its steps
        if taken.quiet && checks > 3 {
            quiet += 1;
            assert_eq!(taken.allocations, 0, "check {checks}");
        }
    }
    assert!(quiet > 350, "{quiet} of {checks} were quiet");
}

#[test]
fn checkout_paused() {
    let mut course = checkout();
    course.start();
    course.tick();
    course.operator(Operator::Pause);
    counted("paused", &mut course, COUNTED, nothing);
    assert!(course.state.paused.is_some() && matches!(course.state.stage, Stage::Phase(_)));
}

#[test]
fn checkout_with_a_guard_that_only_holds_breached() {
    let mut course = checkout();
    course.start();
    course.tick();
    for i in course.inputs("latency", Some(Population::Canary)) {
        course.answers[i].value = Ok(course::buckets(0.951));
    }
    for i in course.inputs("latency", Some(Population::Canary)) {
        // slower than before by more than 100 ms, and still within the limit
        if let Ok(Reading::Buckets(b)) = &mut course.answers[i].value {
            b[0].count = 0.0;
        }
    }
    counted("breached and held", &mut course, COUNTED, nothing);
    assert_eq!(word(&course, "drift"), Some(Word::Breached));
}

#[test]
fn checkout_blind_thin_and_stale() {
    let failed = || Missing::Failed { message: String::from("connection refused by the source, at length") };
    for (name, says, want) in [
        ("blind", Err(failed()), Word::Blind),
        ("ambiguous", Err(Missing::Ambiguous { series: 3 }), Word::Blind),
        ("not asked", Err(Missing::NotAsked), Word::Blind),
        ("thin", Ok(10.0), Word::Thin),
        ("no number", Err(Missing::NotANumber), Word::Thin),
    ] {
        let mut course = checkout();
        course.say("failed", Ok(0.0));
        course.start();
        course.tick();
        course.say("served", says);
        counted(name, &mut course, COUNTED, nothing);
        assert_eq!(word(&course, "errors"), Some(want), "{name}");
    }
    let mut course = checkout();
    course.start();
    course.tick();
    course.age = 600_000;
    counted("stale", &mut course, COUNTED, nothing);
    assert_eq!(word(&course, "slow"), Some(Word::Blind));
}

#[test]
fn a_dark_canary_that_only_holds() {
    let mut course = Course::of(shop(
        "check every 15s
         guard errors: errors < 1% at least 300 events tolerate 1m else hold
         phase all { traffic checkout = 50%  hold 10m }",
    ));
    course.say("failed", Ok(0.0));
    course.start();
    course.tick();
    for i in course.inputs("served", Some(Population::Canary)) {
        course.say_input(i, Err(Missing::Empty { others: None }));
    }
    counted("dark", &mut course, COUNTED, nothing);
    assert_eq!(word(&course, "errors"), Some(Word::Dark));
}

#[test]
fn a_rollback_that_is_not_read_back() {
    let mut course = checkout();
    course.start();
    course.tick();
    course.operator(Operator::Abort);
    course.withheld = true;
    counted("rolling back", &mut course, COUNTED, nothing);
    assert!(matches!(course.state.stage, Stage::RollingBack(_)));
}

/// Every operator, in guards that only hold, in goals that are not met for long, and in a reaction.
const OPERATORS: &str = "check every 15s
    no data tolerate 10m else hold
    guard plain:  load < 5                                              tolerate 1m       else hold
    guard checks: load < 5                                              tolerate 4 checks else hold
    guard long:   not ((load > 5) for 2m)                                                 else hold
    guard run:    not ((load > 5) for 7 checks)                                           else hold
    guard some:   not ((queue > 5) for 30 of 70 checks)                                   else hold
    guard share:  not ((mean > 5) for 50% of 15m)                                         else hold
    guard sum:    increase(leaks, since phase) < 1000000000                               else tell
    guard gone:   missing(queue) or queue >= 0                                            else tell
    phase all {
      traffic checkout = 50%
      hold 1m
      promote when (load < 5 for 90 of 100 checks) and (queue < 5 for 99.9% of 20m) and (healthy for 14d)
    }
    when load > 8 for 2 of 5 checks: snapshot
    on breach, blind: notify oncall";

/// Values and gaps by chance, after a stretch in which everything changes at every check: no window has ever more in it.
fn by_chance(seed: u64) -> impl FnMut(&mut Course, usize) {
    let mut dice = Dice(seed);
    move |course, check| {
        for metric in ["load", "queue", "mean"] {
            let says = match (check < WARM, dice.of(40)) {
                (true, _) => Ok(if check.is_multiple_of(2) { 1.0 } else { 9.0 }),
                (false, 0) => Err(Missing::Failed { message: String::from("connection refused, at length") }),
                (false, 1) => Err(Missing::Empty { others: None }),
                (false, 2..6) => Ok(9.0),
                (false, _) => Ok(1.0),
            };
            course.say(metric, says);
        }
    }
}

#[test]
fn every_operator_by_chance() {
    for seed in 0..4 {
        let mut course = Course::of(shop(OPERATORS));
        course.start();
        counted(&format!("seed {seed}"), &mut course, 1_000, by_chance(seed));
        assert!(matches!(course.state.stage, Stage::Phase(_)), "{:?}", course.state.stage);
    }
}

#[test]
fn eight_rules_on_ten_metrics() {
    let mut course = Course::of(compiled(&[file("benches/engine/eight.canary")], "bench"));
    course.start();
    let mut dice = Dice(8);
    counted("eight rules", &mut course, COUNTED / 2, |course, check| {
        for i in 0..course.answers.len() {
            let bad = if check < WARM { check.is_multiple_of(2) } else { dice.of(200) == 0 };
            course.say_input(i, Ok(if bad { 9.05 } else { 2.55 }));
        }
    });
}

#[test]
fn one_slice_of_the_autonomy_policy() {
    let files = [file("policies/autonomy.canary"), file("policies/environments/detection.canary")];
    let mut course = Course::of(compiled(&files, "detection"));
    course.say("missed_tps", Ok(0.0));
    course.start();
    // two weeks in the shadow, and most of a week in the canary
    counted("autonomy", &mut course, COUNTED - 10, nothing);
    assert_eq!(course.plan.phase_name(course.state.phase), "canary");
}
