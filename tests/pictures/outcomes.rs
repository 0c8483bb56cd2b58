//! Outcomes that the engine has made: a world on virtual time, and what its records and states say.

use super::world::{Failed, Is, Run, Says, World, plan_with};
use canary::engine::{Operator, Record, Verdict, Word};
use canary::plan::{Plan, Setting, Time};
use canary::report::chart::decisions::explanation;
use canary::report::{lines, style::Style};
use canary::sim::replay::outcome::{
    Assumption, Axis, AxisValue, Cell, Decision, GuardTrack, Outcome, PhaseBand, Point, PortTrack, Sweep,
};

/// 2026-11-21 09:15:00 UTC
pub const START: Time = 1_795_252_500_000;

/// The checkout service, with the limit and the tolerance of one guard to be chosen.
fn policy(limit: &str, tolerate: &str) -> Plan {
    plan_with(
        "",
        &format!(
            "check every 15s
             no data tolerate 10m else pause
             guard errors: errors < 1%                             at least 300 events  tolerate 1m  else rollback
             guard harm:   errors <= greater(stable * 150%, 0.5%)  at least 300 events  tolerate 2m  else rollback
             guard slow:   share(latency < 300ms) >= {limit}       tolerate {tolerate}  else rollback
             guard depth:  queue < 500                             tolerate 2m  else hold
             phase taste \"5 % of the customers\" {{ traffic checkout = 5%    run smoke  hold 10m }}
             phase half  \"half of them\"         {{ traffic checkout = 50%   hold 20m }}
             phase full  \"all of them\"          {{ traffic checkout = 100%  hold 30m }}"
        ),
    )
}

/// Numbers that look measured: the same each time, between -1 and 1.
fn noise(i: i64, of: i64) -> f64 {
    let x = (i * 7919 + of * 104_729).rem_euclid(1_000) as f64 / 500.0 - 1.0;
    let y = (i * 3_571 + of * 1_299_709).rem_euclid(1_000) as f64 / 500.0 - 1.0;
    (x + y) / 2.0
}

/// What happens to the service: the share of slow answers at a check.
type Course = fn(i64) -> f64;

fn world(plan: Plan, minutes: i64, slow: Course) -> World {
    let mut w = World::of_plan(plan);
    for i in 0..=minutes * 4 {
        let (from, to) = (format!("{}ms", i * 15_000), format!("{}ms", (i + 1) * 15_000));
        let put = |w: World, metric: &str, says: Says| w.during(metric, &from, &to, says);
        let served = 4_000.0 + 400.0 * noise(i, 1);
        w = put(w, "served", Is(served.round()));
        w = put(w, "failed", Is((served * (0.0025 + 0.0012 * noise(i, 2) + slow(i) * 0.01)).round()));
        w = put(w, "queue", Is((180.0 + 60.0 * noise(i, 3) + slow(i) * 1_500.0).round()));
        let fast = served * (1.0 - (0.012 + 0.006 * noise(i, 4) + slow(i)).clamp(0.0, 1.0));
        let buckets = vec![(0.1, (fast * 0.6).round()), (0.3, fast.round()), (f64::INFINITY, served.round())];
        w = put(w, "latency", Says::Buckets(buckets));
    }
    w
}

/// Slower and slower from the fourth minute at half of the traffic.
fn regression(i: i64) -> f64 {
    ((i - 80) as f64 * 0.0035).clamp(0.0, 0.12)
}

/// Slow for some minutes, then well again.
fn hump(i: i64) -> f64 {
    let away = (i - 84).abs() as f64;
    (0.09 - away * 0.0035).max(0.0)
}

/// An incident: Prometheus away for two minutes, a pause by a person, a release that becomes slow at half of the traffic.
pub fn incident() -> Outcome {
    let plan = policy("95%", "2m");
    let run = world(plan.clone(), 60, regression)
        .during("failed", "4m", "6m", Failed)
        .during("served", "4m", "6m", Failed)
        .during("latency", "4m", "6m", Failed)
        .operator(Operator::Pause, "8m")
        .operator(Operator::Resume, "10m30s")
        .run("60m");
    let mut o = outcome(&plan, &run);
    // a recording in which the canary never had half of the traffic
    let half = o.ports[0].requested.iter().find(|(_, s)| *s == Setting::Share(0.5)).unwrap().0;
    o.ports[0].assumed_since = Some(half);
    o.assumptions = vec![
        Assumption {
            since: Some(half),
            text: String::from(
                "checkout at 50%: the recording has the canary at 5% at most; its numbers are those measured at 5%",
            ),
        },
        Assumption {
            since: None,
            text: String::from("smoke: how it would have ended is not recorded; it succeeds after one check"),
        },
    ];
    o
}

/// A release that is well, through to the end.
pub fn healthy() -> Outcome {
    let plan = policy("95%", "2m");
    let run = world(plan.clone(), 90, |_| 0.0).run("90m");
    outcome(&plan, &run)
}

/// A recording that is over while the rollout is paused for want of metrics.
pub fn outage() -> Outcome {
    let plan = policy("95%", "2m");
    let mut w = world(plan.clone(), 40, |_| 0.0);
    for metric in ["failed", "served", "latency", "queue"] {
        w = w.during(metric, "12m", "2h", Failed);
    }
    outcome(&plan, &w.run("30m"))
}

/// The incident with other limits and tolerances.
pub fn sweep() -> Sweep {
    let limits: Vec<f64> = (0..9).map(|i| f64::from(91 + i) / 100.0).collect();
    let tolerances = [15, 30, 60, 120, 300, 600, 900_i32];
    let axis = |name: &str, values: Vec<AxisValue>, now: usize| Axis {
        name: name.to_owned(),
        now: values.get(now).cloned(),
        values,
    };
    let percent = |v: &f64| AxisValue { text: format!("{:.0}%", v * 100.0), number: *v };
    let duration =
        |s: &i32| AxisValue { text: canary::plan::show::duration(i64::from(*s) * 1_000), number: f64::from(*s) };
    let mut cells = Vec::new();
    for t in &tolerances {
        for l in &limits {
            let plan = policy(&percent(l).text, &duration(t).text);
            let run = world(plan.clone(), 70, hump).run("70m");
            let o = outcome(&plan, &run);
            let rollback = o.decisions.iter().find_map(|d| match &d.record {
                Record::Rollback { explanation, .. } => Some((d.at, explanation.rule.clone())),
                _ => None,
            });
            cells.push(Cell {
                verdict: o.verdict,
                decided_at: rollback.as_ref().map(|(t, _)| *t).or(o.verdict.map(|_| o.end)),
                phase: o.phases.iter().rfind(|p| p.name != "rolling back").map_or_else(String::new, |p| p.name.clone()),
                rule: rollback.map(|(_, rule)| rule),
                slices: None,
            });
        }
    }
    Sweep {
        axes: vec![
            axis("slow.tolerate", tolerances.iter().map(duration).collect(), 3),
            axis("slow.limit", limits.iter().map(percent).collect(), 4),
        ],
        cells,
    }
}

/// One axis: the first row of the sweep.
pub fn strip(sweep: &Sweep) -> Sweep {
    let axis = sweep.axes[1].clone();
    let cells = sweep.cells[..axis.values.len()].to_vec();
    Sweep { axes: vec![axis], cells }
}

/// What a run's records and states say, as a replay would put it.
pub fn outcome(plan: &Plan, run: &Run) -> Outcome {
    let records: Vec<(Time, Record)> = run
        .effects
        .iter()
        .filter_map(|(at, e)| match e {
            canary::engine::Effect::Record(r) => Some((START + at, r.as_ref().clone())),
            _ => None,
        })
        .collect();
    // what is read back last is told just before the check that is not made any more
    let last = run.effects.last().map_or(0, |(at, _)| *at).max(run.states.last().map_or(0, |(at, _)| *at));
    let end = START + (last + plan.check_every - 1) / plan.check_every * plan.check_every;
    let decisions: Vec<Decision> = records
        .iter()
        .map(|(at, record)| {
            let text = lines::line(record, Style::PLAIN);
            let mut d = Decision { at: *at, slice: None, text, explanation: None, record: record.clone() };
            d.explanation = explanation(&d).cloned();
            if let Some(e) = &mut d.explanation {
                e.at += START;
            }
            d
        })
        .collect();
    Outcome {
        rollout: plan.rollout.clone(),
        policy: String::from("sha256:4be4c5f02d6f7a15c0a9e2c41e9d27b3c1c6f4f0a8d6b0e9f7d2a1b3c4d5e6f7"),
        start: START,
        end,
        every: plan.check_every,
        verdict: run.state.verdict(),
        phases: phases(&records, end),
        ports: ports(plan, &records),
        guards: guards(plan, run),
        decisions,
        assumptions: Vec::new(),
        slices: None,
    }
}

fn phases(records: &[(Time, Record)], end: Time) -> Vec<PhaseBand> {
    let mut out: Vec<PhaseBand> = Vec::new();
    let mut paused: Option<Time> = None;
    for (at, r) in records {
        let name = match r {
            Record::Entered { phase, .. } => phase.clone(),
            Record::Rollback { .. } => String::from("rolling back"),
            Record::Paused { .. } => {
                paused.get_or_insert(*at);
                continue;
            }
            Record::Resumed { .. } => {
                if let (Some(from), Some(p)) = (paused.take(), out.last_mut()) {
                    p.paused.push((from, *at));
                }
                continue;
            }
            _ => continue,
        };
        if let Some(last) = out.last_mut() {
            last.to = *at;
            if let Some(from) = paused.take() {
                last.paused.push((from, *at));
            }
        }
        out.push(PhaseBand { name, from: *at, to: end, paused: Vec::new() });
    }
    if let (Some(from), Some(p)) = (paused, out.last_mut()) {
        p.paused.push((from, end));
    }
    out
}

fn ports(plan: &Plan, records: &[(Time, Record)]) -> Vec<PortTrack> {
    plan.ports
        .iter()
        .filter(|p| {
            records.iter().any(
                |(_, r)| matches!(r, Record::Entered { settings, .. } if settings.iter().any(|(n, _)| *n == p.name)),
            )
        })
        .map(|p| {
            let of = |list: &[(String, Setting)]| list.iter().find(|(n, _)| *n == p.name).map(|(_, s)| *s);
            let (mut requested, mut observed) = (Vec::new(), Vec::new());
            for (at, r) in records {
                match r {
                    Record::Started { originals } => observed.extend(of(originals).map(|s| (*at, s))),
                    Record::Verified { read, .. } => observed.extend(of(read).map(|s| (*at, s))),
                    Record::Entered { settings, .. }
                    | Record::Raised { settings, .. }
                    | Record::SetAgain { settings, .. }
                    | Record::Rollback { settings, .. } => requested.extend(of(settings).map(|s| (*at, s))),
                    _ => {}
                }
            }
            PortTrack { name: p.name.clone(), requested, observed, assumed_since: None }
        })
        .collect()
}

fn guards(plan: &Plan, run: &Run) -> Vec<GuardTrack> {
    let track = |(i, guard): (usize, &canary::plan::Guard)| {
        let seen = || run.states.iter().map(|(at, s)| (START + at, &s.guards[i]));
        let mut words: Vec<(Time, Option<Word>)> = Vec::new();
        for (at, g) in seen() {
            let word = g.word.filter(|_| g.active);
            if words.last().is_none_or(|(_, last)| *last != word) {
                words.push((at, word));
            }
        }
        let below = seen().find_map(|(_, g)| {
            let r = g.reading;
            let product = r.margin? * (r.limit? - r.value?);
            (product != 0.0).then_some(product > 0.0)
        });
        GuardTrack {
            name: guard.name.clone(),
            condition: guard.text.clone(),
            unit: serde_json::to_value(guard.unit).unwrap().as_str().unwrap().to_owned(),
            words,
            points: seen().map(|(at, g)| Point { at, value: g.reading.value, limit: g.reading.limit }).collect(),
            below: below.unwrap_or(true),
        }
    };
    plan.guards.iter().enumerate().map(track).collect()
}

#[test]
fn the_examples_are_what_they_are_called() {
    let o = incident();
    assert_eq!(o.verdict, Some(Verdict::RolledBack));
    assert!(o.phases.iter().any(|p| !p.paused.is_empty()), "{:?}", o.phases);
    assert!(o.guards.iter().any(|g| g.words.iter().any(|(_, w)| *w == Some(Word::Blind))));
    assert_eq!(healthy().verdict, Some(Verdict::Promoted));
    assert_eq!(outage().verdict, None);
    let sweep = sweep();
    let distinct: std::collections::BTreeSet<String> = sweep.cells.iter().map(|c| format!("{:?}", c.verdict)).collect();
    assert!(distinct.len() >= 2, "all cells are {distinct:?}");
}
