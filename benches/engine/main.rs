//! How fast the engine is: checks a second and core, of one `for` rule, of eight rules on ten metrics, and of
//! `policies/checkout.canary`; and whether a check at which nothing changes asks for memory.
//!
//!   cargo bench --bench engine            # ours alone
//!   benches/engine/run                    # beside reelay and rtamt, on the same traces, verdict by verdict
//!
//! With `--write DIR` the traces, our verdicts and our figures are written there for `peers.py`. Times are those of the thread's
//! own CPU: other work on the machine does not count.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measurement may stop at the first surprise"
)]

#[path = "../../tests/support/counting.rs"]
mod counting;
#[path = "../../tests/support/course.rs"]
mod course;

use canary::engine::eval::{Check, Value, eval};
use canary::engine::state::Owner;
use canary::engine::truth::Truth;
use canary::engine::{Given, State, Word};
use canary::plan::{GuardId, Plan, Reading};
use course::{Course, Dice, compiled, file};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Checks in a trace.
const CHECKS: usize = 100_000;
/// How often each thing is measured; the shortest time counts.
const ROUNDS: usize = 7;
/// Checks after which every window has been full.
const WARM: usize = 1_000;

/// The thread's own CPU time so far, in nanoseconds.
fn cpu() -> i64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

/// Nanoseconds a check: the least of some rounds, each of which says how many checks it made.
fn least(mut round: impl FnMut() -> (i64, usize)) -> f64 {
    (0..ROUNDS).map(|_| round()).map(|(ns, checks)| ns as f64 / checks as f64).fold(f64::INFINITY, f64::min)
}

/// Values of a metric: well, and now and then not, for some checks. None of them is a limit of a rule.
fn metric(name: &str) -> Vec<f64> {
    let mut dice = Dice(name.bytes().map(u64::from).sum());
    // m5 is bad when it is low; m6, which is beside it in one rule, is bad more often
    let (bad, seldom) = match name {
        "m5" => (0.05, 300),
        "m6" => (9.05, 60),
        _ => (9.05, 300),
    };
    let mut left = 0;
    (0..CHECKS)
        .map(|_| {
            if left == 0 && dice.of(seldom) == 0 {
                left = 1 + dice.of(30);
            }
            if left > 0 {
                left -= 1;
                return bad;
            }
            2.55 + dice.of(23) as f64 / 10.0
        })
        .collect()
}

/// Values by check and input.
struct Trace {
    names: Vec<String>,
    rows: Vec<Vec<f64>>,
}

impl Trace {
    fn of(plan: &Plan) -> Self {
        let names: Vec<String> = plan.inputs.iter().map(|i| i.metric.clone()).collect();
        let columns: Vec<Vec<f64>> = names.iter().map(|n| metric(n)).collect();
        let rows = (0..CHECKS).map(|i| columns.iter().map(|c| c[i]).collect()).collect();
        Self { names, rows }
    }

    fn csv(&self) -> String {
        let mut out = self.names.join(",");
        for row in &self.rows {
            let row: Vec<String> = row.iter().map(f64::to_string).collect();
            write!(out, "\n{}", row.join(",")).unwrap();
        }
        out
    }
}

/// The rules' verdicts by check, `1` for true.
type Verdicts = Vec<Vec<u8>>;

/// The conditions alone: what a monitor does. Answers in, verdicts out.
fn conditions(plan: &Plan, trace: &Trace, mut keep: impl FnMut(&[Truth])) -> i64 {
    let mut state = State::new(plan);
    let mut answers = Course::of(plan.clone()).answers;
    let mut verdicts = vec![Truth::Unknown; plan.guards.len()];
    let begin = cpu();
    for (i, row) in trace.rows.iter().enumerate() {
        let at = (i as i64 + 1) * plan.check_every;
        for (answer, x) in answers.iter_mut().zip(row) {
            answer.value = Ok(Reading::Value(*x));
            answer.sampled_at = Some(at);
        }
        let check = Check { plan, at, answers: &answers, given: Given::NONE };
        for (g, guard) in plan.guards.iter().enumerate() {
            if let Value::Truth(t, _) = eval(check, &mut state, guard.healthy, Owner::Guard(GuardId::at(g))) {
                verdicts[g] = t;
            }
        }
        keep(&verdicts);
    }
    cpu() - begin
}

/// What whole steps were.
#[derive(Default)]
struct Steps {
    ns: i64,
    quiet: usize,
    allocations: u64,
}

/// Whole steps of the engine, with the setting of answers: guards' words and clocks, goals, drift, `hold`, records.
fn steps(plan: &Plan, trace: &Trace, mut keep: impl FnMut(&State)) -> Steps {
    let mut course = Course::of(plan.clone());
    course.start();
    let mut out = Steps::default();
    let begin = cpu();
    for (i, row) in trace.rows.iter().enumerate() {
        for (answer, x) in course.answers.iter_mut().zip(row) {
            answer.value = Ok(Reading::Value(*x));
        }
        let taken = course.tick();
        out.quiet += usize::from(taken.quiet);
        if taken.quiet && i >= WARM {
            out.allocations += taken.allocations;
        }
        keep(&course.state);
    }
    out.ns = cpu() - begin;
    out
}

/// A policy that the others can follow too, with its figures.
fn case(name: &str, write: Option<&PathBuf>, figures: &mut Vec<serde_json::Value>) {
    let plan = compiled(&[file(&format!("benches/engine/{name}.canary"))], "bench");
    let trace = Trace::of(&plan);
    let mut verdicts: Verdicts = Vec::new();
    conditions(&plan, &trace, |truths| {
        assert!(!truths.contains(&Truth::Unknown), "nothing is missing");
        verdicts.push(truths.iter().map(|t| u8::from(t.is_true())).collect());
    });
    // the engine's words are these verdicts
    let mut check = 0;
    let whole = steps(&plan, &trace, |state| {
        for (g, s) in state.guards.iter().enumerate() {
            assert_eq!(s.word == Some(Word::Ok), verdicts[check][g] == 1, "guard {g} at check {check}: {:?}", s.word);
        }
        check += 1;
    });
    assert_eq!(whole.allocations, 0, "quiet checks ask for no memory");
    let changes = verdicts.windows(2).map(|w| w[0].iter().zip(&w[1]).filter(|(a, b)| a != b).count()).sum::<usize>();
    let rules = plan.guards.len();
    let alone = least(|| (conditions(&plan, &trace, |_| {}), CHECKS));
    let stepped = least(|| (steps(&plan, &trace, |_| {}).ns, CHECKS));
    println!(
        "{name}: {rules} rules, {CHECKS} checks, {changes} changes of a verdict, {} checks quiet, {} allocations in them",
        whole.quiet, whole.allocations
    );
    row(name, "conditions alone", alone, rules, figures);
    row(name, "whole step", stepped, rules, figures);
    if let Some(dir) = write {
        std::fs::write(dir.join(format!("{name}.csv")), trace.csv()).unwrap();
        let lines: Vec<String> =
            verdicts.iter().map(|v| v.iter().map(|b| if *b == 1 { '1' } else { '0' }).collect()).collect();
        std::fs::write(dir.join(format!("{name}.verdicts")), lines.join("\n")).unwrap();
    }
}

fn row(name: &str, what: &str, ns: f64, rules: usize, figures: &mut Vec<serde_json::Value>) {
    println!("  {what}: {ns:.1} ns a check, {:.0} checks/s a core, {:.1} ns a rule", 1e9 / ns, ns / rules as f64);
    figures.push(serde_json::json!({ "case": name, "what": what, "ns": ns }));
}

/// The whole rollout from its first check to its end, again and again: phases, actions, notices and snapshots included.
fn checkout(figures: &mut Vec<serde_json::Value>) {
    let plan =
        compiled(&[file("policies/checkout.canary"), file("policies/environments/production.canary")], "production");
    let (mut quiet, mut asked) = (0, 0);
    let mut run = |count: bool| {
        let mut course = Course::of(plan.clone());
        let begin = cpu();
        course.start();
        let mut checks = 0;
        while course.state.verdict().is_none() {
            let taken = course.tick();
            checks += 1;
            if count && taken.quiet && checks > 3 {
                quiet += 1;
                asked += taken.allocations;
            }
        }
        (cpu() - begin, checks)
    };
    let (_, checks) = run(true);
    let ns = least(|| {
        let all: Vec<(i64, usize)> = (0..50).map(|_| run(false)).collect();
        all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    assert_eq!(asked, 0, "quiet checks ask for no memory");
    println!(
        "checkout: {} guards, {checks} checks a run, {quiet} quiet, {asked} allocations in them",
        plan.guards.len()
    );
    row("checkout", "whole step", ns, plan.guards.len(), figures);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let write = args.iter().position(|a| a == "--write").map(|i| PathBuf::from(&args[i + 1]));
    let mut figures = Vec::new();
    case("one", write.as_ref(), &mut figures);
    case("eight", write.as_ref(), &mut figures);
    checkout(&mut figures);
    if let Some(dir) = write {
        std::fs::write(dir.join("ours.json"), serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    }
}
