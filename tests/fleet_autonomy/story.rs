//! Three weeks of `policies/autonomy.canary` on virtual time: so many slices, checks every five minutes, and what goes wrong with
//! some of them. Told to the test that asserts it and to the benchmark that times it.

use canary::check;
use canary::engine::fleet::{Begin, Fleet, FleetEffect, FleetInput, Observed, SliceId, fleet_step};
use canary::engine::{Effect, Given, Stage};
use canary::plan::{Answer, Ask, InputId, Missing, Plan, PortId, Reading, Setting, Time};
use canary::syntax::{self, source::SourceMap};

pub const MINUTE: Time = 60_000;
pub const HOUR: Time = 60 * MINUTE;
pub const DAY: Time = 24 * HOUR;
const EVERY: Time = 5 * MINUTE;
const START: Time = 1_785_000_000_000;

/// When the precision of some falls for one check.
pub const DROP: Time = 16 * DAY;
/// When one misses a detection.
pub const MISS: Time = 17 * DAY;
/// While one is not seen in the shadow.
pub const GONE: std::ops::Range<Time> = 10 * DAY..10 * DAY + 6 * HOUR;
/// From when one is not seen in the canary.
pub const LOST: Time = 18 * DAY;
/// While the runner is gone.
pub const OUTAGE: std::ops::Range<Time> = 8 * DAY..8 * DAY + 40 * MINUTE;
/// When one more is first seen.
pub const LATE: Time = 5 * DAY;
/// The last check.
pub const END: Time = 21 * DAY + 12 * HOUR;

/// What came of it.
pub struct Told {
    pub plan: Plan,
    pub fleet: Fleet,
    /// Slices of each role.
    pub drops: Vec<SliceId>,
    pub misses: SliceId,
    pub gone: SliceId,
    pub lost: SliceId,
    pub late: SliceId,
    /// Records but changed words of guards, and notices: when, of whom, what.
    pub records: Vec<(Time, Option<SliceId>, &'static str)>,
    pub notices: Vec<(Time, String)>,
    /// Requests that took exposure back: when, whose.
    pub lowered: Vec<(Time, SliceId)>,
    /// Whether autonomy is on, by slice.
    pub on: Vec<bool>,
    /// Steps of lives.
    pub steps: u64,
}

impl Told {
    /// The phase of a slice.
    pub fn phase(&self, slice: SliceId) -> &str {
        match self.fleet.stage(slice) {
            Some(Stage::Phase(p)) => self.plan.phase_name(p),
            Some(Stage::Idle) => "waiting",
            _ => "over",
        }
    }

    /// How many slices are in which phase.
    #[allow(dead_code, reason = "for the benchmark")]
    pub fn summary(&self) -> String {
        let count = |p: &str| self.fleet.slices().filter(|s| self.phase(*s) == p).count();
        let [shadow, canary, active] = ["shadow", "canary", "active"].map(count);
        let per = |n: usize| format!("{n} slices");
        format!(
            "{} steps of lives: {} in shadow, {canary} in canary, {active} active, {} kill switches",
            self.steps,
            per(shadow),
            self.records.iter().filter(|(_, _, k)| *k == "kill_switch.activated").count()
        )
    }
}

fn plan() -> Plan {
    let text = include_str!("../../policies/autonomy.canary");
    let mut map = SourceMap::default();
    let id = map.add("autonomy.canary", text.to_owned());
    let (file, found) = syntax::parse(id, text);
    assert!(found.is_empty(), "{found:#?}");
    let (made, found) = check::compile(&[file], &map, None, None, &[]);
    let (plan, _) = made.unwrap_or_else(|| panic!("{found:#?}"));
    let lacking: Vec<_> = plan.unbuilt.iter().collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    plan
}

/// Tells it with so many slices, and one more that comes late.
pub fn tell(n: usize) -> Told {
    let plan = plan();
    let mut fleet = Fleet::new(&plan);
    let key = |i: usize| {
        let severity = ["low", "medium", "high"][i % 3];
        let family = ["hygiene", "commodity", "lateral_movement"][i / 3 % 3];
        [format!("tenant-{}", i / 9), severity.to_owned(), family.to_owned(), String::from("edr")]
    };
    // in the order of the plan's dimensions
    let names = ["tenant", "severity", "rule_family", "data_source"];
    let place: Vec<usize> = plan.slices.iter().map(|d| names.iter().position(|n| *n == d.name).unwrap()).collect();
    let see = |fleet: &mut Fleet, i: usize, at: Time| {
        let key = key(i);
        let values: Vec<&str> = place.iter().map(|p| key[*p].as_str()).collect();
        fleet.see(&plan, &values, at).unwrap()
    };
    for i in 0..n {
        see(&mut fleet, i, START);
    }
    let drops: Vec<SliceId> = (0..n).filter(|i| i % 100 == 7).map(SliceId::at).collect();
    let (misses, gone, lost, late) = (SliceId::at(n / 2), SliceId::at(3), SliceId::at(4), SliceId::at(n));
    let mut told = Told {
        fleet,
        drops,
        misses,
        gone,
        lost,
        late,
        records: Vec::new(),
        notices: Vec::new(),
        lowered: Vec::new(),
        on: Vec::new(),
        steps: 0,
        plan: plan.clone(),
    };
    let mut run = Run { plan: &plan, told: &mut told, applying: Vec::new(), epochs: Vec::new(), out: Vec::new() };
    let mut observed = Observed::new(&plan, n);
    let mut at = 0;
    while at <= END {
        if at == LATE {
            assert_eq!(see(&mut run.told.fleet, n, START + at), late);
        }
        if at == OUTAGE.start {
            // the runner comes back, and asks for what it missed
            run.feed(OUTAGE.end, FleetInput::Recovered { at: START + OUTAGE.end });
            while at < OUTAGE.end {
                run.tick(at, false, &mut observed);
                at += EVERY;
            }
            continue;
        }
        run.read_back(at);
        run.tick(at, true, &mut observed);
        at += EVERY;
    }
    told
}

struct Run<'a> {
    plan: &'a Plan,
    told: &'a mut Told,
    applying: Vec<(SliceId, u32, Vec<(PortId, Setting)>)>,
    epochs: Vec<u32>,
    out: Vec<FleetEffect>,
}

impl Run<'_> {
    fn read_back(&mut self, at: Time) {
        for (slice, epoch, read) in std::mem::take(&mut self.applying) {
            self.epochs[slice.index()] = epoch;
            if let Some((_, is)) = read.first() {
                self.told.on[slice.index()] = is.exposes();
            }
            self.feed(at, FleetInput::Verified { slice, at: START + at - 1, epoch, read });
        }
    }

    fn is(&self, slice: SliceId, metric: &str, at: Time) -> Option<f64> {
        let t = &self.told;
        if slice == t.gone && GONE.contains(&at) || slice == t.lost && at >= LOST {
            return None;
        }
        Some(match metric {
            "agreement" => 0.97,
            "precision" if at == DROP && t.drops.contains(&slice) => 0.93,
            "precision" => 0.99,
            "missed_tps" => f64::from(at == MISS && slice == t.misses),
            other => panic!("nobody says what {other} is"),
        })
    }

    fn tick(&mut self, at: Time, live: bool, observed: &mut Observed) {
        let now = START + at;
        let slices = self.told.fleet.len();
        self.epochs.resize(slices, 0);
        self.told.on.resize(slices, false);
        observed.clear(slices);
        for (i, input) in self.plan.inputs.iter().enumerate() {
            let rows = self.told.fleet.slices().filter_map(|s| {
                let v = self.is(s, &input.metric, at)?;
                let value = match input.ask {
                    Ask::Increase(..) => Reading::Increase(v),
                    _ => Reading::Value(v),
                };
                Some((s, Answer { value: Ok(value), sampled_at: Some(now), series: 1 }))
            });
            if live || matches!(input.ask, Ask::PromQl { .. } | Ask::Gauge(_) | Ask::Increase(..)) {
                observed.grouped(InputId::at(i), rows);
            } else {
                observed.everyone(InputId::at(i), &Answer::missing(Missing::NotAsked));
            }
        }
        for s in self.told.fleet.slices() {
            observed.port(s, PortId(0), live.then_some(Setting::Bool(self.told.on[s.index()])));
            observed.epoch(s, self.epochs[s.index()]);
        }
        observed.complete(self.plan, now);
        let due = if live { self.told.fleet.due(self.plan, now) } else { Vec::new() };
        let begin = |slice| Begin { slice, originals: vec![(PortId(0), Setting::Bool(false))], baseline: Vec::new() };
        let begins = due.into_iter().map(begin).collect();
        self.told.steps += slices as u64;
        self.feed(at, FleetInput::Tick { at: now, observed, begins, rolled_back: None, live });
    }

    fn feed(&mut self, at: Time, input: FleetInput<'_>) {
        fleet_step(self.plan, &mut self.told.fleet, input, &|_| Given::NONE, &mut self.out);
        for e in self.out.drain(..) {
            match e.effect {
                Effect::Record(r) if r.kind() != "guard" => self.told.records.push((at, e.slice, r.kind())),
                Effect::Apply { epoch, settings, lowers } => {
                    let slice = e.slice.unwrap();
                    if lowers {
                        self.told.lowered.push((at, slice));
                    }
                    self.applying.retain(|(s, ..)| *s != slice);
                    self.applying.push((slice, epoch, settings));
                }
                Effect::Notify { title, .. } => self.told.notices.push((at, title)),
                _ => {}
            }
        }
    }
}
