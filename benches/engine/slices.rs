//! What slices cost: a check of so many lives, the bytes that each takes, and three weeks of a policy on virtual time.
//!
//!   cargo bench --bench slices
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measurement may stop at the first surprise"
)]

#[path = "../../tests/fleet_autonomy/story.rs"]
mod story;

use canary::check;
use canary::engine::fleet::{Begin, Fleet, FleetInput, Observed, fleet_step};
use canary::engine::{Effect, Given};
use canary::plan::{Answer, Plan, PortId, Reading, Setting};
use canary::syntax::{self, source::SourceMap};
use std::num::NonZero;
use std::time::Instant;

const MINUTE: i64 = 60_000;
const HEAD: &str = r#"
edition 2026
slice severity in ["low", "high"]
slice tenant of load
metric load:  number = prometheus(`load`)
metric queue: number = prometheus(`queue`)
metric heat:  number = prometheus(`heat`)
flag auto: bool per tenant, severity
environment here {
  prometheus = prometheus(url: "http://127.0.0.1:9090", scrape: 15s)
  auto       = json_file(path: "flags.json", key: "auto/${tenant}/${severity}")
}
rollout many "Many" per tenant, severity {
  check every 5m
  no data tolerate 1h else pause
"#;

/// Three rules each.
fn rules(kind: &str) -> String {
    let rule = |n: &str, m: &str| match kind {
        "for 5m" => format!("guard {n}: not (({m} > 5) for 5m) tolerate 10m else rollback\n"),
        "for 14d" => format!("guard {n}: not (({m} > 5) for 14d) tolerate 10m else rollback\n"),
        "p% of" => format!("guard {n}: not (({m} > 5) for 80% of 1h) tolerate 10m else rollback\n"),
        "avg" => format!("guard {n}: avg({m}, 1h) < 5 tolerate 10m else rollback\n"),
        other => panic!("no rules {other}"),
    };
    let guards = [("a", "load"), ("b", "queue"), ("c", "heat")].map(|(n, m)| rule(n, m)).concat();
    format!("{HEAD}{guards} phase on_ {{ flag auto = on  promote when (load < 5) for 30d }}\n}}")
}

fn plan(text: &str) -> Result<Plan, String> {
    let mut map = SourceMap::default();
    let id = map.add("bench.canary", text.to_owned());
    let (file, found) = syntax::parse(id, text);
    assert!(found.is_empty(), "{found:#?}\n{text}");
    let (made, found) = check::compile(&[file], &map, None, Some("here"), &[]);
    let (plan, _) = made.ok_or_else(|| format!("{found:#?}"))?;
    match plan.unbuilt.first() {
        Some(u) => Err(format!("`{}` is not built", u.what)),
        None => Ok(plan),
    }
}

struct Many {
    plan: Plan,
    fleet: Fleet,
    observed: Observed,
    at: i64,
}

impl Many {
    fn new(plan: Plan, n: usize) -> Self {
        let mut fleet = Fleet::new(&plan);
        for i in 0..n {
            fleet.see(&plan, &[&format!("tenant-{i}"), ["low", "high"][i % 2]].map(|v| v as &str), 0).unwrap();
        }
        let observed = Observed::new(&plan, n);
        let mut many = Self { plan, fleet, observed, at: 0 };
        let begin =
            |slice| Begin { slice, originals: Ok(vec![(PortId(0), Setting::Bool(false))]), baseline: Vec::new() };
        let begins = many.fleet.due(&many.plan, 0).into_iter().map(begin).collect();
        many.answers(0);
        let asked = many.step(begins);
        for (slice, epoch, read) in asked {
            let input = FleetInput::Verified { slice, at: 1, epoch, read };
            fleet_step(&many.plan, &mut many.fleet, input, &|_| Given::NONE, &mut Vec::new());
            many.observed.epoch(slice, epoch);
        }
        many
    }

    fn answers(&mut self, at: i64) {
        let n = self.fleet.len();
        self.observed.clear(n);
        for s in self.fleet.slices() {
            for (i, _) in self.plan.inputs.iter().enumerate() {
                // what is bad now and then, and never for long: a quiet check
                let value = 1.0 + f64::from((s.0 + i as u32) % 3);
                let answer = Answer { value: Ok(Reading::Value(value)), sampled_at: Some(at), series: 1 };
                self.observed.answer(s, canary::plan::InputId::at(i), answer);
            }
            self.observed.port(s, PortId(0), Some(Setting::Bool(at > 0)));
            self.observed.epoch(s, u32::from(at > 0));
        }
    }

    fn step(&mut self, begins: Vec<Begin>) -> Vec<story::Asked> {
        let mut out = Vec::new();
        let input = FleetInput::Tick { at: self.at, observed: &self.observed, begins, rolled_back: None, live: true };
        fleet_step(&self.plan, &mut self.fleet, input, &|_| Given::NONE, &mut out);
        let asked = out.into_iter().filter_map(|e| match (e.slice, e.effect) {
            (Some(s), Effect::Apply { epoch, settings, .. }) => Some((s, epoch, settings)),
            _ => None,
        });
        asked.collect()
    }

    /// Milliseconds of the engine's part of a check by so many threads, the best of five after three to warm up.
    fn tick_ms(&mut self, threads: NonZero<usize>) -> f64 {
        self.fleet.spread(threads);
        let mut best = f64::INFINITY;
        for k in 0..8 {
            self.at += 5 * MINUTE;
            self.answers(self.at);
            let begun = Instant::now();
            self.step(Vec::new());
            let took = begun.elapsed().as_secs_f64() * 1e3;
            if k >= 3 {
                best = best.min(took);
            }
        }
        best
    }
}

fn main() {
    // `cargo test` runs benches too, with this
    if std::env::args().any(|a| a == "--test") {
        return;
    }
    let (one, all) = (NonZero::<usize>::MIN, std::thread::available_parallelism().unwrap());
    println!(
        "| 100,000 slices, three rules and a promotion each | a check, one thread | {all} threads | state a slice | all states | with the values' texts | as JSON |"
    );
    println!("|---|---|---|---|---|---|---|");
    for kind in ["for 5m", "for 14d", "p% of", "avg"] {
        match plan(&rules(kind)) {
            Err(why) => println!("| `{kind}` | {why} | | | | | |"),
            Ok(plan) => {
                let n = 100_000;
                let mut many = Many::new(plan, n);
                let (ms, ms_all) = (many.tick_ms(one), many.tick_ms(all));
                let (states, keys) = many.fleet.bytes();
                let json = serde_json::to_string(&many.fleet).unwrap().len();
                let mib = |b: usize| b as f64 / (1 << 20) as f64;
                println!(
                    "| `{kind}` | {ms:.1} ms | {ms_all:.1} ms | {} bytes | {:.1} MiB | {:.1} MiB | {:.1} MiB |",
                    states / n,
                    mib(states),
                    mib(states + keys),
                    mib(json)
                );
            }
        }
    }
    println!("\n| slices, rules `for 5m` | a check, one thread | a slice | {all} threads |\n|---|---|---|---|");
    for n in [1_000, 10_000, 100_000, 1_000_000] {
        let mut many = Many::new(plan(&rules("for 5m")).unwrap(), n);
        let (ms, ms_all) = (many.tick_ms(one), many.tick_ms(all));
        println!("| {n} | {ms:.2} ms | {:.0} ns | {ms_all:.2} ms |", ms * 1e6 / n as f64);
    }
    let begun = Instant::now();
    let told = story::tell(1_000);
    let took = begun.elapsed().as_secs_f64();
    story::must_be_so(&told, 1_000);
    println!("\npolicies/autonomy.canary, 1,000 slices, 24 days: {:.2} s, {}", took, told.summary());
}
