//! Three weeks of `policies/autonomy.canary` on virtual time: so many slices, checks every five minutes, and what goes wrong with
//! some of them. Told to the test that asserts it and to the benchmark that times it.

use canary::check;
use canary::engine::fleet::{Begin, Fleet, FleetEffect, FleetInput, Observed, SliceId, fleet_step};
use canary::engine::{Effect, Given, Stage};
use canary::plan::{Answer, Ask, InputId, Missing, Plan, PortId, Reading, Setting, Time};
use canary::syntax::{self, source::SourceMap};

const KILLED: &str = "kill_switch.activated";

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
/// The last check: fourteen days and seven, and before each the day that its metric looks back.
pub const END: Time = 24 * DAY;

/// A slice's request: its number, and what is to be set.
pub type Asked = (SliceId, u32, Vec<(PortId, Setting)>);

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
    let texts =
        [include_str!("../../policies/autonomy.canary"), include_str!("../../policies/environments/detection.canary")];
    let mut map = SourceMap::default();
    let files = texts.map(|text| {
        let id = map.add("autonomy.canary", text.to_owned());
        let (file, found) = syntax::parse(id, text);
        assert!(found.is_empty(), "{found:#?}");
        file
    });
    let (made, found) = check::compile(&files, &map, None, Some("detection"), &[]);
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
    applying: Vec<Asked>,
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
        let begin =
            |slice| Begin { slice, originals: Ok(vec![(PortId(0), Setting::Bool(false))]), baseline: Vec::new() };
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

fn when(told: &Told, slice: SliceId, kind: &str) -> Vec<i64> {
    told.records.iter().filter(|(_, s, k)| *s == Some(slice) && *k == kind).map(|(at, ..)| *at).collect()
}

/// What must have happened to each slice, and to no other.
pub fn must_be_so(told: &Told, n: usize) {
    assert_eq!(told.fleet.len(), n + 1);
    // the least risky first, 200 in any hour
    let started = |from: i64, to: i64| {
        let began = |r: &&(i64, Option<SliceId>, &str)| r.2 == "started" && (from..to).contains(&r.0);
        told.records.iter().filter(began).map(|r| r.1.unwrap()).collect::<Vec<_>>()
    };
    for (h, left) in (0..).zip((1..=n).rev().step_by(200)) {
        assert_eq!(started(h * HOUR, (h + 1) * HOUR).len(), left.min(200), "hour {h}");
    }
    let severity = told.plan.slices.iter().position(|d| d.name == "severity").unwrap();
    let risks: Vec<usize> = started(0, DAY)
        .iter()
        .map(|s| ["low", "medium", "high"].iter().position(|v| *v == told.fleet.key(*s).unwrap()[severity]).unwrap())
        .collect();
    assert!(risks.is_sorted() && risks.len() == n, "the least risky first");

    // those whose precision fell: back in the shadow, each by its own switch, at that very check
    assert!(!told.drops.is_empty());
    for s in &told.drops {
        assert_eq!(when(told, *s, KILLED), [DROP], "{}", told.fleet.name(*s));
        assert_eq!(when(told, *s, "rollback"), [DROP]);
        assert_eq!(told.phase(*s), "shadow");
        assert!(!told.on[s.index()]);
    }
    // the one that missed a detection
    assert_eq!(when(told, told.misses, KILLED), [MISS]);
    assert_eq!(told.phase(told.misses), "shadow");
    assert!(!told.on[told.misses.index()]);
    // the one that was lost while it decided: dark is no good news
    assert_eq!(when(told, told.lost, KILLED), [LOST]);
    assert_eq!(told.phase(told.lost), "shadow");
    // the one that was gone for longer than the bridge: its fourteen days count from its return, and nothing was thrown
    assert_eq!(when(told, told.gone, KILLED), Vec::<i64>::new());
    assert_eq!(told.phase(told.gone), "shadow");
    // the late one began when it was seen, and is in the canary since
    assert_eq!(when(told, told.late, "started"), [LATE]);
    assert_eq!(told.phase(told.late), "canary");
    let passed = when(told, told.late, "passed");
    assert!(passed.len() == 1 && (LATE + 15 * DAY..LATE + 15 * DAY + HOUR).contains(&passed[0]), "{passed:?}");

    // all others are active: an outage of 40 minutes, asked for afterwards, has cost nobody a day
    let special = |s: SliceId| told.drops.contains(&s) || [told.misses, told.lost, told.gone, told.late].contains(&s);
    for s in told.fleet.slices().filter(|s| !special(*s)) {
        assert_eq!(told.phase(s), "active", "{}", told.fleet.name(s));
        assert!(told.on[s.index()]);
        let began = when(told, s, "started")[0];
        let passed = when(told, s, "passed");
        assert!(passed[0] <= began + 15 * DAY + HOUR && passed[1] <= began + 23 * DAY + 2 * HOUR, "{passed:?}");
        assert_eq!(when(told, s, KILLED), Vec::<i64>::new());
    }
    // no other slice was touched
    assert!(told.lowered.iter().all(|(_, s)| special(*s)), "{:?}", told.lowered);
    assert_eq!(told.lowered.len(), told.drops.len() + 2);
    // one check tells a channel once
    let kills: Vec<&(i64, String)> = told.notices.iter().filter(|(at, _)| *at == DROP).collect();
    assert!(kills[0].1.starts_with(&format!("autonomy: {} slices: ", told.drops.len())), "{kills:?}");
    assert!(told.fleet.verdict().is_none() && END > 0, "active is for ever");
}
