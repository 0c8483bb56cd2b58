//! Recordings that are the same on every machine: a month for `month.canary`, a week for `policies/checkout.canary`.

use canary::check;
use canary::plan::{Answer, Ask, Bucket, Plan, Population, Reading, Time};
use canary::sim::recording::{About, Key, Recording, Series};
use canary::syntax::{self, source::SourceMap};

/// 2026-11-01 00:00:00 UTC
pub const START: Time = 1_793_491_200_000;
pub const MINUTE: Time = 60_000;
pub const DAY: Time = 24 * 60 * MINUTE;

/// Chance that is the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn of(text: &str) -> Self {
        let seed = text.bytes().fold(1_u64, |s, b| s.wrapping_mul(31).wrapping_add(u64::from(b)));
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// At least 0, less than 1.
    pub fn share(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 53) as f64
    }
}

/// A file of the repository.
pub fn path(file: &str) -> String {
    format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// The plan of the only rollout in a file of the repository, as `canary sim` compiles it.
pub fn plan(file: &str) -> Plan {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let mut map = SourceMap::default();
    let id = map.add(file, text.clone());
    let (tree, found) = syntax::parse(id, &text);
    assert!(found.is_empty(), "{found:#?}");
    let (made, found) = check::compile_alone(&[tree], &map, None, &[]);
    made.unwrap_or_else(|| panic!("{found:#?}"))
}

fn about(plan: &Plan, checks: usize) -> About {
    About {
        version: 1,
        writer: String::from("canary bench"),
        rollout: plan.rollout.clone(),
        policy: plan.hash.clone(),
        run: None,
        environment: None,
        incomplete: false,
        step: plan.check_every,
        from: START,
        to: START + plan.check_every * (checks as Time - 1),
        slices: Vec::new(),
        queries: Vec::new(),
    }
}

/// How long before a check its samples were taken: that of a target is always the same.
const AGE: Time = 3_217;

fn series(plan: &Plan, checks: usize, mut of: impl FnMut(usize, &mut dyn FnMut(usize, Reading))) -> Vec<Series> {
    let mut out = Vec::new();
    for (i, input) in plan.inputs.iter().enumerate() {
        let mut series = Series::new(Key::of(input, &[])).unwrap();
        of(i, &mut |check, reading| {
            let at = START + plan.check_every * check as Time;
            series.push(at, Answer { value: Ok(reading), sampled_at: Some(at - AGE), series: 1 }).unwrap();
        });
        assert_eq!(series.times.len(), checks);
        out.push(series);
    }
    out.sort_by(|a, b| a.key.cmp(&b.key));
    out.dedup_by(|a, b| a.key == b.key);
    out
}

/// 30 days at 15 s of ten metrics: every number is another one, so that nothing of it can be packed. A metric is bad about five
/// times a day, for one to thirty checks; a quarter of an hour before the end one is as bad as the last rule asks for.
pub fn month(plan: &Plan) -> Recording {
    let checks = (30 * DAY / plan.check_every) as usize + 1;
    let series = series(plan, checks, |i, push| {
        let name = &plan.inputs[i].metric;
        let mut dice = Dice::of(name);
        let mut bad = 0;
        for check in 0..checks {
            if bad == 0 && dice.below(1_200) == 0 {
                bad = 1 + dice.below(30);
            }
            let well = 2.5 + dice.share() * 2.0;
            let value = match (name.as_str(), bad > 0) {
                ("m9", _) if check + 60 >= checks => 30.0 + dice.share(),
                // low is bad, and m6 has to be high meanwhile
                ("m5", true) => dice.share(),
                ("m6", _) => 2.0 + dice.share() * 4.0,
                (_, true) => 7.5 + dice.share() * 2.0,
                _ => well,
            };
            bad = bad.saturating_sub(1);
            push(check, Reading::Value(value));
        }
    });
    Recording { about: about(plan, checks), series, happened: Vec::new() }
}

/// A week at 15 s of the checkout service: a canary that now and then fails or is slow for a while, histograms of twelve bounds.
pub fn week(plan: &Plan) -> Recording {
    const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0];
    let checks = (7 * DAY / plan.check_every) as usize;
    // an hour and a half of trouble about twice a day
    let mut dice = Dice::of("trouble");
    let mut trouble: Vec<Option<u64>> = vec![None; checks];
    let mut check = 0;
    while check < checks {
        check += 500 + dice.below(5_000) as usize;
        let (kind, end) = (dice.below(2), checks.min(check + 360));
        trouble.get_mut(check..end).into_iter().flatten().for_each(|t| *t = Some(kind));
        check = end;
    }
    let series = series(plan, checks, |i, push| {
        let input = &plan.inputs[i];
        let mut dice = Dice::of(&format!("{}{:?}", input.metric, input.population));
        for (check, trouble) in trouble.iter().enumerate() {
            let canary = input.population == Population::Canary;
            let kind = trouble.filter(|_| canary);
            let requests = 1_100.0 + (dice.share() * 200.0).floor();
            let reading = match (&input.ask, input.metric.as_str()) {
                (Ask::Buckets(..), _) => {
                    let slow = if kind == Some(1) { 0.4 } else { 0.01 } + dice.share() * 0.01;
                    let mut buckets: Vec<Bucket> = Vec::new();
                    for le in BOUNDS {
                        let share = if le <= 0.3 { (le / 0.3).sqrt() * (1.0 - slow) } else { 1.0 - slow / (1.0 + le) };
                        buckets.push(Bucket { le: Some(le), count: (requests * share).floor() });
                    }
                    buckets.push(Bucket { le: None, count: requests });
                    Reading::Buckets(buckets)
                }
                (_, "failed") => {
                    let share = if kind == Some(0) { 0.05 } else { 0.003 };
                    Reading::Increase((requests * share * (0.5 + dice.share())).floor())
                }
                _ => Reading::Increase(requests),
            };
            push(check, reading);
        }
    });
    Recording { about: about(plan, checks), series, happened: Vec::new() }
}
