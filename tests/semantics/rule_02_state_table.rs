//! Rule 2's table, cell by cell: what each state of a guard does to the end of a phase, to `hold` and to the tolerance's clock, for
//! each consequence; and every pair of states against "first that fits".

use super::world::{Empty, Failed, Is, NotANumber, Run, Says, World, ms};
use canary::engine::Word;

/// What puts a guard into a state between two times, and the guard.
struct Row {
    word: Word,
    condition: &'static str,
    world: fn(World) -> World,
    /// Whether a phase may end, whether `hold` runs, and what the tolerance's clock does.
    ends: bool,
    holds: bool,
    clock: Clock,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Clock {
    Cleared,
    Runs,
    Frozen,
}

const FROM: &str = "10m";
const TO: &str = "14m";

/// All states but `warming` and `breached`, which begin in their own ways. `load` is bad from 9m to 10m in all of them, so that the
/// clock has a minute on it.
fn rows() -> Vec<Row> {
    let row = |word, condition, world: fn(World) -> World, ends, holds, clock| Row {
        word,
        condition,
        world,
        ends,
        holds,
        clock,
    };
    vec![
        row(Word::Ok, "load < 5", |w| w, true, true, Clock::Cleared),
        row(Word::Failing, "load < 5", |w| w.during("load", FROM, TO, Is(9.0)), false, true, Clock::Runs),
        row(Word::Thin, "load < 5", |w| w.during("load", FROM, TO, NotANumber), false, true, Clock::Frozen),
        row(
            Word::Undecided,
            "load < 5 and share(latency < 200ms) >= 95%",
            |w| w.during("latency", "0s", FROM, fast()).from("latency", TO, fast()),
            false,
            true,
            Clock::Frozen,
        ),
        row(Word::Dark, "load < 5", |w| w.canary("load", FROM, TO, Empty), false, false, Clock::Runs),
        row(Word::Blind, "load < 5", |w| w.during("load", FROM, TO, Failed), false, false, Clock::Frozen),
    ]
}

/// Everything under 100 ms: the share below 200 ms is known.
fn fast() -> Says {
    Says::Buckets(vec![(0.1, 1000.0), (0.3, 1000.0), (f64::INFINITY, 1000.0)])
}

const CONSEQUENCES: [&str; 4] = ["tell", "hold", "pause", "rollback"];

fn run(row: &Row, consequence: &str, phase: &str) -> (World, Run) {
    let body = format!(
        "no data tolerate 2h else hold
        guard g: {} tolerate 1h else {consequence}
        phase all {{ traffic checkout = 100%  {phase} }}",
        row.condition
    );
    let w = (row.world)(World::of(&body).during("load", "9m", FROM, Is(9.0)));
    let run = w.run("30m");
    let word = run.word(&w.plan, "g", "12m");
    assert_eq!(word, Some(row.word), "{consequence}: {:?}", run.words);
    (w, run)
}

fn at<'r>(run: &'r Run, at: &str) -> &'r canary::engine::State {
    &run.states.iter().find(|(t, _)| *t == ms(at)).unwrap().1
}

#[test]
fn may_a_phase_end() {
    for row in rows() {
        for consequence in CONSEQUENCES {
            // the condition to promote is true from 11m on
            let body = "promote when queue > 5";
            let (w, _) = run(&row, consequence, body);
            let ended = w.from("queue", "11m", Is(9.0)).run("13m45s").state.verdict().is_some();
            // a guard that tells blocks nothing
            assert_eq!(ended, row.ends || consequence == "tell", "{:?} else {consequence}", row.word);
        }
    }
}

#[test]
fn does_hold_run() {
    for row in rows() {
        for consequence in CONSEQUENCES {
            let (_, run) = run(&row, consequence, "hold 5h");
            let counted = at(&run, "13m45s").hold.counted - at(&run, FROM).hold.counted;
            let runs = row.holds || consequence == "tell";
            assert_eq!(counted, if runs { ms("3m45s") } else { 0 }, "{:?} else {consequence}", row.word);
        }
    }
}

#[test]
fn what_does_the_tolerances_clock_do() {
    for row in rows() {
        for consequence in CONSEQUENCES {
            let (_, run) = run(&row, consequence, "hold 5h");
            let used = |when: &str| at(&run, when).guards[0].reading.used;
            let want = match row.clock {
                Clock::Cleared => (0, 0),
                Clock::Runs => (ms("1m"), ms("4m45s")),
                Clock::Frozen => (ms("1m"), ms("1m")),
            };
            assert_eq!((used(FROM), used("13m45s")), want, "{:?} else {consequence}", row.word);
        }
    }
}

#[test]
fn no_data_runs_while_a_guard_that_blocks_is_blind_and_at_no_other_time() {
    for row in rows() {
        for consequence in CONSEQUENCES {
            let (_, run) = run(&row, consequence, "hold 5h");
            let runs = row.word == Word::Blind && consequence != "tell";
            let want = if runs { ms("3m45s") } else { 0 };
            assert_eq!(at(&run, "13m45s").no_data.known(), want, "{:?} else {consequence}", row.word);
        }
    }
}

#[test]
fn breached_brings_its_consequence_once_and_blocks_as_long_as_it_lasts() {
    let course = |consequence: &str| {
        let body = format!(
            "guard g: load < 5 tolerate 30s else {consequence}
            phase all {{ traffic checkout = 100%  promote when queue > 5 }}"
        );
        World::of(&body).during("load", "9m30s", "14m", Is(9.0)).from("queue", "10m", Is(9.0)).run("20m")
    };
    assert_eq!(course("tell").course[1..], ["10m promoted"]);
    assert_eq!(course("hold").course[1..], ["14m promoted"]);
    assert_eq!(course("pause").course[1..], ["10m paused because g"]);
    assert_eq!(course("rollback").course[1..], ["10m rollback because g", "10m15s rolled back"]);
    for consequence in ["tell", "hold", "pause"] {
        assert_eq!(course(consequence).words_of("g")[1..3], ["9m30s failing", "10m breached"]);
    }
}

#[test]
fn warming_blocks_and_freezes_and_its_clock_runs_on_bad_news() {
    // a window of two minutes behind the read-back at 15 s: warming until 2m15s
    for consequence in CONSEQUENCES {
        let body = |phase: &str| {
            format!(
                "guard g: mean < 5 tolerate 1h else {consequence}
                phase all {{ traffic checkout = 100%  {phase} }}"
            )
        };
        let tells = consequence == "tell";
        let w = World::of(&body("promote when queue > 5")).from("queue", "15s", Is(9.0));
        let ended = w.run("1h").course[1].clone();
        assert_eq!(ended, if tells { "15s promoted" } else { "2m15s promoted" }, "{consequence}");
        let run =
            World::of(&body("hold 2h")).from("mean", "15s", Is(9.0)).during("mean", "1m", "2m15s", Is(1.0)).run("5m");
        assert_eq!(run.words_of("g"), ["15s warming", "2m15s failing"]);
        assert_eq!(at(&run, "2m").hold.counted, if tells { ms("1m45s") } else { 0 }, "{consequence}");
        let used = |when: &str| at(&run, when).guards[0].reading.used;
        // bad from 15 s to 1 m; good news of a window that reaches before the change clears nothing
        assert_eq!(
            (used("1m"), used("2m"), used("3m")),
            (ms("45s"), ms("45s"), ms("45s") + ms("45s")),
            "{consequence}"
        );
    }
}

/// A part of a condition that is in one state, at 1m30s and (but for `warming`) for ever.
fn part(word: Word) -> (&'static str, fn(World) -> World) {
    match word {
        Word::Blind => ("queue < 5", |w| w.from("queue", "15s", Failed)),
        Word::Dark => ("errors < 1%", |w| w.canary("served", "15s", "9h", Empty)),
        Word::Warming => ("mean < 5", |w| w),
        Word::Thin => ("load < 5", |w| w.from("load", "15s", NotANumber)),
        Word::Undecided => ("share(latency < 200ms) >= 95%", |w| w),
        Word::Failing | Word::Breached => ("phase.elapsed > 9h", |w| w),
        Word::Ok => ("rollout.elapsed >= 0s", |w| w),
    }
}

const ORDER: [Word; 8] =
    [Word::Blind, Word::Dark, Word::Warming, Word::Thin, Word::Undecided, Word::Breached, Word::Failing, Word::Ok];

#[test]
fn of_each_two_states_the_first_in_the_table_is_the_word() {
    let mut pairs = 0;
    for (i, first) in ORDER.iter().enumerate() {
        for second in &ORDER[i + 1..] {
            if matches!((first, second), (Word::Breached, Word::Failing)) {
                // one condition that is false: which of the two it is, its tolerance says
                continue;
            }
            for swapped in [false, true] {
                let ((a, wa), (b, wb)) = (part(*first), part(*second));
                // what is false decides an `and`, as Kleene has it, and leaves an `or` open: there the first state is seen
                let bad = |w: &Word| matches!(w, Word::Failing | Word::Breached);
                let join = if bad(first) == bad(second) || bad(first) { "and" } else { "or" };
                let condition = if swapped { format!("{b} {join} {a}") } else { format!("{a} {join} {b}") };
                let tolerate = if *second == Word::Failing || *first == Word::Failing { "tolerate 9h" } else { "" };
                let body = format!(
                    "no data tolerate 1h else hold
                    guard g: {condition} {tolerate} else hold
                    phase all {{ traffic checkout = 100%  hold 9h }}"
                );
                let w = wb(wa(World::of(&body)));
                let seen = w.run("3m").word(&w.plan, "g", "1m30s");
                assert_eq!(seen, Some(*first), "{first:?} before {second:?}: {condition}");
                pairs += 1;
            }
        }
    }
    assert_eq!(pairs, 2 * 27);
}

#[test]
fn each_missing_number_says_why() {
    let why = |says: Says| {
        let body = "no data tolerate 1h else hold
            guard g: load < 5 else hold
            phase all { traffic checkout = 100%  hold 9h }";
        let run = World::of(body).from("load", "1m", says).run("1m");
        let missing = |(_, e): &(i64, canary::engine::Effect)| match e {
            canary::engine::Effect::Record(r) => match r.as_ref() {
                canary::engine::Record::Guard { missing, report, .. } if report.word != Word::Ok => missing.clone(),
                _ => None,
            },
            _ => None,
        };
        run.effects.iter().find_map(missing).unwrap_or_default()
    };
    let number = "not a number (0/0 or overflow)";
    assert_eq!(why(Is(f64::NAN)), number);
    assert_eq!(why(Is(f64::INFINITY)), number);
    assert_eq!(why(Is(f64::NEG_INFINITY)), number);
    assert_eq!(why(NotANumber), number);
    assert_eq!(why(Empty), "no series");
    assert_eq!(why(Failed), "source failed: connection refused");
    assert_eq!(why(Says::Old(1.0, 61_000)), "newest sample is 61s old");
    assert_eq!(why(Says::Ambiguous), "2 series where one is needed: aggregate them in the query");
}

#[test]
fn a_share_of_nothing_says_why() {
    // 0/0: both counters are there and have counted nothing
    let body = "no data tolerate 1h else hold
        guard g: errors < 1% else hold
        phase all { traffic checkout = 100%  hold 9h }";
    let run = World::of(body).from("served", "5m", Is(0.0)).run("5m");
    let last = run.effects.iter().rev().find_map(|(_, e)| match e {
        canary::engine::Effect::Record(r) => match r.as_ref() {
            canary::engine::Record::Guard { missing, report, .. } => Some((report.word, missing.clone())),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(last, Some((Word::Thin, Some(String::from("no number: 0/0, or a division by 0")))));
}
