//! A sliced rollout by the real binary, on a real Prometheus that scrapes a page of six slices, and a file with a flag of each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::store::{NewLatch, RunFilter, Store};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::canary::{Live, Work, at, of_kind};
use support::page::Page;
use support::servers::Prometheus;
use support::{eventually, require};

const LONG: Duration = Duration::from_secs(40);

/// What the page says of a slice.
#[derive(Clone, Copy)]
struct Shown {
    agreement: f64,
    precision: f64,
    missed: u32,
}

const GOOD: Shown = Shown { agreement: 0.99, precision: 0.99, missed: 0 };

type Slices = Arc<Mutex<BTreeMap<(&'static str, &'static str), Shown>>>;

struct World {
    work: Work,
    slices: Slices,
    prometheus: Prometheus,
    file: PathBuf,
    _page: Page,
}

const BEFORE: &str =
    "{\n  // whose flags these are\n  \"autonomy\": {\n    \"acme\": { \"low\": false }\n  },\n  \"other\": 1\n}\n";

impl World {
    fn start(slices: &[(&'static str, &'static str, Shown)]) -> Option<Self> {
        if !require("prometheus") {
            return None;
        }
        let shown: Slices = Arc::default();
        for (tenant, severity, s) in slices {
            shown.lock().unwrap().insert((tenant, severity), *s);
        }
        let work = Work::new("slices.canary", &["slices"]);
        let file = work.path("flags.json");
        std::fs::write(&file, BEFORE).unwrap();
        let read = Arc::clone(&shown);
        let page = Page::start(move || {
            let mut text = String::new();
            for ((tenant, sev), s) in read.lock().unwrap().iter() {
                let labels = format!("tenant_id=\"{tenant}\",sev=\"{sev}\"");
                let (agreed, precision, missed) = (s.agreement * 100.0, s.precision, s.missed);
                let decided = format!("{labels},decided_by=\"detector\"");
                writeln!(text, "agreed{{{labels}}} {agreed}\nreviewed{{{labels}}} 100").unwrap();
                writeln!(text, "right{{{decided}}} {precision}\nmissed_total{{{decided}}} {missed}").unwrap();
            }
            Some(text)
        });
        let prometheus = Prometheus::start(work.folder.path(), &[page.port]);
        let work = work
            .with("PROMETHEUS_URL", format!("http://127.0.0.1:{}", prometheus.port))
            .with("FLAG_FILE", file.to_str().unwrap());
        eventually("Prometheus has scraped all slices", || {
            prometheus.value("count(reviewed)") == Some(slices.len() as f64)
        });
        Some(Self { work, slices: shown, prometheus, file, _page: page })
    }

    fn show(&self, tenant: &'static str, severity: &'static str, shown: Option<Shown>) {
        let mut all = self.slices.lock().unwrap();
        match shown {
            Some(shown) => all.insert((tenant, severity), shown),
            None => all.remove(&(tenant, severity)),
        };
    }

    fn run(&self, more: &[&str]) -> Live {
        let mut args = vec!["run", "checkout.canary", "--env", "slices"];
        args.extend(more);
        self.work.start(&args)
    }

    /// The flags that are there, as they stand.
    fn flags(&self) -> Value {
        let text = std::fs::read_to_string(&self.file).unwrap().replace("// whose flags these are", "");
        serde_json::from_str::<Value>(&text).unwrap()["autonomy"].clone()
    }

    /// Waits until the flags stand so.
    fn until(&self, flags: Value) {
        let begun = std::time::Instant::now();
        while self.flags() != flags {
            assert!(begun.elapsed() < LONG, "flags are {}, not {flags}", self.flags());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a guard has taken a tenant's low severity back.
    fn until_off(&self, tenant: &str) {
        let back = |e: &Value| e["kind"] == "rollback" && e["slice"] == slice(tenant, "low");
        let begun = std::time::Instant::now();
        while !self.history().iter().any(back) {
            assert!(begun.elapsed() < LONG, "{tenant} was not taken back: {:#?}", self.history());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a runner has the run: before that an abort would do it itself.
    fn until_resumed(&self) {
        let begun = std::time::Instant::now();
        let live = || {
            let status = self.work.canary(&["status", "--format", "json"]).exits(0).out;
            serde_json::from_str::<Value>(&status).unwrap()["runs"][0]["runner"].is_string()
        };
        while !live() {
            assert!(begun.elapsed() < LONG, "nobody has resumed it");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn history(&self) -> Vec<Value> {
        self.work.history_of("autonomy")
    }
}

fn slice(tenant: &str, severity: &str) -> Value {
    json!({ "tenant": tenant, "severity": severity })
}

/// The events of a slice.
fn of<'a>(events: &'a [Value], tenant: &str, severity: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["slice"] == slice(tenant, severity)).collect()
}

fn kinds(events: &[&Value], kind: &str) -> usize {
    events.iter().filter(|e| e["kind"] == kind).count()
}

#[test]
fn each_slice_goes_its_own_way() {
    let lazy = Shown { agreement: 0.5, ..GOOD };
    let Some(w) = World::start(&[
        ("acme", "low", GOOD),
        ("acme", "high", GOOD),
        ("beta", "low", lazy),
        ("beta", "high", GOOD),
        ("gamma", "low", GOOD),
        // the policy does not list it
        ("acme", "unheard of", GOOD),
    ]) else {
        return;
    };
    w.work
        .canary(&["run", "checkout.canary", "--env", "slices", "--dry-run"])
        .exits(0)
        .shows("5 slices are seen, 3 of them would begin at the first check")
        .shows("begins  tenant=acme,severity=low  autonomy = off")
        .shows("waits   tenant=acme,severity=high  autonomy = absent")
        .shows("left out  tenant=acme,severity=\"unheard of\": the policy does not list these values");
    w.work.canary(&["run", "checkout.canary", "--env", "slices", "--report", "r.json"]).exits(2).says("not built yet");
    let mut live = w.run(&[]);
    live.until("tenant=acme,severity=low phase canary: set autonomy = on", LONG);
    live.until("tenant=acme,severity=low read back autonomy = on", LONG);
    live.until("tenant=gamma,severity=low read back autonomy = on", LONG);
    live.until("tenant=acme,severity=high read back autonomy = on", LONG);
    live.until("tenant=beta,severity=high read back autonomy = on", LONG);
    let on = json!({ "low": true, "high": true });
    assert_eq!(w.flags(), json!({ "acme": on, "gamma": { "low": true }, "beta": { "high": true } }));
    live.until("severity=\"unheard of\": the policy does not list these values", LONG);

    // the least risky began first, three of them at once, the others when there was room again
    let events = w.history();
    let began = |tenant, severity| at(of(&events, tenant, severity).iter().find(|e| e["kind"] == "started").unwrap());
    let first = began("acme", "low");
    assert_eq!((began("beta", "low"), began("gamma", "low")), (first, first));
    assert_eq!((began("acme", "high"), began("beta", "high")), (first + 3000, first + 3000));
    assert_eq!(kinds(&of(&events, "beta", "low"), "passed"), 0, "people do not agree with it");
    assert!(of(&events, "acme", "unheard of").is_empty());

    // one slice's precision drops: its flag goes off, and no other
    w.show("acme", "low", Some(Shown { precision: 0.5, ..GOOD }));
    live.until("tenant=acme,severity=low rollback to phase shadow: guard precision_low breached", LONG);
    w.until(json!({ "acme": { "low": false, "high": true }, "gamma": { "low": true }, "beta": { "high": true } }));
    // one missed detection is one too many
    w.show("gamma", "low", Some(Shown { missed: 1, ..GOOD }));
    live.until("tenant=gamma,severity=low rollback to phase shadow: guard missed_one breached", LONG);
    w.until(json!({ "acme": { "low": false, "high": true }, "gamma": { "low": false }, "beta": { "high": true } }));
    let events = w.history();
    let killed = of_kind(&events, "kill_switch.activated");
    let whose: Vec<_> = killed.iter().map(|e| (e["slice"].clone(), e["who"].clone())).collect();
    assert_eq!(whose, [(slice("acme", "low"), json!("precision_low")), (slice("gamma", "low"), json!("missed_one"))]);
    w.work
        .canary(&["status"])
        .exits(0)
        .shows("autonomy_off[tenant=acme,severity=low] is latched")
        .shows("autonomy_off[tenant=gamma,severity=low] is latched");

    w.work
        .canary(&["why", "autonomy", "--slice", "tenant=acme,severity=low"])
        .exits(0)
        .shows("precision_low")
        .shows("precision >= 95%")
        // the question as it is asked for all, which of its rows is meant, and a value that can be read
        .shows("sum by (tenant_id, sev) (right")
        .shows("the row with tenant_id=\"acme\", sev=\"low\"")
        .shows("precision of canary: 50%");
    w.work.canary(&["history", "--slice", "tenant=acme"]).exits(2).says("name the run");
    w.work.canary(&["history", "autonomy", "--slice", "tenant=acme", "--verify"]).exits(2).says("goes with neither");
    // what any past check said of it, and of another one at the same time
    let back = |tenant: &str| {
        let events = w.history();
        at(of(&events, tenant, "low").iter().find(|e| e["kind"] == "rollback").unwrap())
    };
    let back = back("acme");
    let asked = |tenant: &str, ms: i64| -> Value {
        let slice = format!("tenant={tenant},severity=low");
        let when = format!("{}ms", ms - first);
        let done = w.work.canary(&["why", "autonomy", "--slice", &slice, "--at", &when, "--format", "json"]).exits(0);
        serde_json::from_str(&done.out).unwrap()
    };
    let precision = |why: &Value| {
        let guards = why["at"]["guards"].as_array().unwrap();
        let g = guards.iter().find(|g| g["guard"] == "precision_low").unwrap_or_else(|| panic!("{why}"));
        (g["word"].clone(), g["reading"]["value"].clone(), g["inputs"][0]["value"].clone())
    };
    let before = asked("acme", back - 1000);
    assert_eq!(precision(&before), (json!("failing"), json!(0.5), json!(0.5)), "{before}");
    assert_eq!((&before["decision"], &before["at"]["phase"]), (&Value::Null, &json!("canary")));
    assert_eq!(before["at"]["since_first_check_ms"], back - 1000 - first);
    assert_eq!(before["at"]["ports"], json!([{ "port": "autonomy", "read": { "bool": true } }]));
    assert!(before["at"]["open"].to_string().contains("guard precision_low is failing"), "{before}");
    let input = &before["at"]["guards"].as_array().unwrap().iter().find(|g| g["guard"] == "precision_low").unwrap();
    assert!(input["inputs"][0]["age"].as_i64().unwrap() < 4000, "{before}");
    assert!(input["inputs"][0]["query"].as_str().unwrap().contains("decided_by=\"detector\""), "{before}");
    assert_eq!(asked("acme", back)["decision"], "kill");
    assert_eq!(precision(&asked("acme", back)).0, "breached");
    assert_eq!(precision(&asked("gamma", back - 1000)), (json!("ok"), json!(0.99), json!(0.99)), "it is another slice");
    w.work
        .canary(&["why", "autonomy", "--slice", "tenant=acme,severity=high", "--at", "0s"])
        .exits(0)
        .shows("this slice had not begun by this check")
        .shows("no phase had been entered");

    // latched: it stays in the shadow until a person resets that slice's switch, and no other
    w.show("acme", "low", Some(GOOD));
    w.work
        .canary(&["reset", "autonomy_off", "--slice", "tenant=acme,severity=low", "--why", "a bad rule, removed"])
        .exits(0)
        .shows("autonomy_off[tenant=acme,severity=low] on slices: reset by tester");
    live.until("tenant=acme,severity=low kill switch", LONG);
    w.until(json!({ "acme": { "low": true, "high": true }, "gamma": { "low": false }, "beta": { "high": true } }));

    // one joins late, one vanishes
    w.show("delta", "low", Some(GOOD));
    w.show("beta", "high", None);
    live.until("tenant=delta,severity=low read back autonomy = on", LONG);
    live.until("tenant=beta,severity=high guard precision_low dark", LONG);
    // unknown never helps: what cannot be seen any more is taken back
    live.until("tenant=beta,severity=high rollback to phase shadow: guard precision_low breached", LONG);

    // the runner dies, and another one goes on
    live.signal(Signal::KILL);
    drop(live);
    let before = w.flags();
    let asked = w.prometheus.queries().len();
    let mut live = w.run(&["--resume"]);
    live.until("goes on: ", LONG);
    assert!(live.out().contains("5 slices") || live.out().contains("6 slices"), "{}", live.out());
    w.show("acme", "high", Some(Shown { precision: 0.5, ..GOOD }));
    live.until("tenant=acme,severity=high rollback to phase shadow", LONG);
    assert_eq!(before["acme"]["high"], json!(true));
    w.until(json!({
        "acme": { "low": true, "high": false }, "gamma": { "low": false }, "beta": { "high": false }, "delta": { "low": true }
    }));
    let events = w.history();
    assert_eq!(kinds(&of(&events, "delta", "low"), "started"), 1, "nothing begins twice");
    let entered: Vec<_> = of(&events, "delta", "low").into_iter().filter(|e| e["kind"] == "entered").collect();
    let mut phases: Vec<_> = entered.iter().map(|e| e["phase"].as_str().unwrap()).collect();
    phases.dedup();
    assert_eq!(phases.len(), entered.len(), "no phase is entered twice: {phases:?}");
    assert!(phases.starts_with(&["shadow", "canary"]), "{phases:?}");

    // one query a question and a check, however many slices there are
    let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for query in w.prometheus.queries().into_iter().skip(asked).filter(|(q, _)| q.contains("tenant_id")) {
        *counted.entry(query).or_default() += 1;
    }
    assert!(counted.len() >= 8, "{counted:?}");
    assert!(counted.values().all(|n| *n == 1), "{counted:?}");
    let values = counted.keys().filter(|(q, _)| q.contains("sum by (tenant_id, sev) (right{decided_by=\"detector\"})"));
    let (values, times): (Vec<_>, std::collections::BTreeSet<_>) = values.map(|(q, t)| (q, t)).unzip();
    assert_eq!(values.len(), times.len());

    // everything is taken back to what it was, to the byte; what is latched stays off
    w.work.canary(&["abort", "autonomy", "--why", "enough"]).exits(0);
    live.end(LONG);
    let after = BEFORE.replace(
        "\"acme\": { \"low\": false }\n",
        "\"acme\": { \"low\": false, \"high\": false },\n    \"gamma\": { \"low\": false },\n    \"beta\": { \"high\": false }\n",
    );
    assert_eq!(std::fs::read_to_string(&w.file).unwrap(), after);
    w.work.canary(&["history", "autonomy", "--verify"]).exits(0).shows("the chain holds");

    // another run holds those whose switch is latched, and no other
    let mut live = w.run(&[]);
    live.until("left out: tenant=acme,severity=high · tenant=gamma,severity=low: a kill switch is latched", LONG);
    live.until("tenant=acme,severity=low phase shadow", LONG);
    w.work.canary(&["pause", "autonomy", "--slice", "tenant=delta"]).exits(0).shows("paused: 1 slice");
    w.work.canary(&["status"]).exits(0).shows("1 paused in").shows("tenant=delta,severity=low  paused in");
    w.work.canary(&["resume", "autonomy", "--slice", "tenant=delta,severity=low"]).exits(0).shows("resumed: 1 slice");
    w.work.canary(&["pause", "autonomy", "--slice", "region=eu"]).exits(2).says("it has tenant, severity");
    w.work.canary(&["pause", "autonomy", "--slice", "tenant=nobody"]).exits(3).says("no slice of this run is meant");
    live.until("tenant=delta,severity=low read back autonomy = on", LONG);
    w.work
        .canary(&["kill", "autonomy_off", "--slice", "tenant=delta,severity=low", "--why", "a drill"])
        .exits(0)
        .shows("killed, rolling back: 1 slice");
    live.until("tenant=delta,severity=low killed: ", LONG);
    let events = w.history();
    let killed = of_kind(&events, "kill_switch.activated");
    assert_eq!(killed.len(), 1);
    assert_eq!((&killed[0]["slice"], &killed[0]["by"]), (&slice("delta", "low"), &json!("person")));

    // stopped, and taken back by a process that has never seen it
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    w.work.canary(&["abort", "autonomy", "--slice", "tenant=acme"]).exits(3).says("no runner is alive");
    w.work.canary(&["abort", "autonomy", "--why", "enough"]).exits(0);
    assert_eq!(w.flags()["acme"], json!({ "low": false, "high": false }));
}

#[test]
fn a_slice_that_waits_does_not_begin_while_its_switch_is_latched() {
    let Some(w) = World::start(&[("acme", "low", GOOD), ("beta", "low", GOOD), ("gamma", "low", GOOD)]) else {
        return;
    };
    // one begins, and the others are seen and wait for their turn
    let policy = w.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("limit 3 per 3s", "limit 1 per 8s")).unwrap();
    let mut live = w.run(&[]);
    live.until("tenant=acme,severity=low phase shadow", LONG);
    w.work
        .canary(&["why", "autonomy", "--slice", "tenant=gamma"])
        .exits(0)
        .shows("this slice was seen and has not begun: it waits for its turn");
    w.work.canary(&["why", "autonomy", "--slice", "tenant=nobody"]).exits(2).says("no such slice was seen");
    w.work.canary(&["status"]).exits(0).shows("3: 1 in shadow, 2 not begun");
    // another process latches it, past this runner
    let store = Store::open_existing(&w.work.path(".canary/store.db")).unwrap();
    let run = store.runs(&RunFilter::default()).unwrap().remove(0).id;
    let new = NewLatch {
        switch: String::from("autonomy_off[tenant=beta,severity=low]"),
        who: String::from("guard elsewhere"),
        why: String::from("a leak"),
        at: 1,
    };
    store.latch(&run, &new).unwrap();
    // its turn comes and passes, and it takes no room of the others
    live.until("tenant=gamma,severity=low phase shadow", LONG);
    let events = w.history();
    assert_eq!(kinds(&of(&events, "beta", "low"), "started"), 0, "{events:#?}");
    let refused = of(&events, "beta", "low").into_iter().find(|e| e["kind"] == "refused").unwrap();
    assert!(refused["reasons"][0].as_str().unwrap().contains("kill switch autonomy_off is latched"), "{refused}");
    w.work.canary(&["reset", "autonomy_off", "--slice", "tenant=beta,severity=low", "--why", "it is mended"]).exits(0);
    live.until("tenant=beta,severity=low phase shadow", LONG);
    w.work.canary(&["abort", "autonomy", "--why", "enough"]).exits(0);
    live.end(LONG).shows("is over, aborted: 3 slices: 3 aborted");
    // a label that no series has
    let environment = w.work.path("environments/slices.canary");
    let text = std::fs::read_to_string(&environment).unwrap();
    std::fs::write(&environment, text.replace("severity = \"sev\"", "severity = \"seff\"")).unwrap();
    w.work
        .canary(&["run", "checkout.canary", "--env", "slices", "--dry-run"])
        .exits(3)
        .says("has no series with the labels tenant_id, seff; look at it with `canary query`");
}

#[test]
fn a_kill_takes_back_what_is_done_and_what_nobody_runs() {
    let halfway = Shown { precision: 0.96, ..GOOD };
    let Some(w) = World::start(&[("acme", "low", GOOD), ("beta", "low", halfway)]) else { return };
    let policy = w.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    let last = "  phase active \"decides\" { hold forever }\n";
    assert!(text.contains(last));
    std::fs::write(&policy, text.replace(last, "")).unwrap();
    let kill = |more: &[&str]| {
        let mut args = vec!["kill", "autonomy_off", "--why", "an incident"];
        args.extend(more);
        w.work.canary(&args)
    };
    let flags = |acme: bool, beta: bool| json!({ "acme": { "low": acme }, "beta": { "low": beta } });

    // no run has told of slices: nothing can be set, and none begins
    kill(&["checkout.canary", "--env", "slices"]).exits(5).says("nothing was set");
    w.work.canary(&["run", "checkout.canary", "--env", "slices"]).exits(3).says("autonomy_off is latched");
    let reset = ["reset", "autonomy_off", "--env", "slices", "--why", "over"];
    w.work.canary(&reset).exits(0);

    // one is done, and the other one still goes on
    let mut live = w.run(&[]);
    live.until("tenant=beta,severity=low read back autonomy = on", LONG);
    eventually("acme is promoted", || kinds(&of(&w.history(), "acme", "low"), "finished") == 1);
    w.until(flags(true, true));
    kill(&["--slice", "tenant=acme"]).exits(0).shows("killed, rolling back: 1 slice");
    w.until(flags(false, true));
    w.work.canary(&["status"]).exits(0).shows("autonomy_off[tenant=acme,severity=low] is latched");

    // the run is over, and the other one's flag is on
    w.show("beta", "low", Some(GOOD));
    live.end(LONG).shows("is over, killed: 2 slices: 1 killed, 1 promoted");
    assert_eq!(w.flags(), flags(false, true));
    kill(&["--slice", "tenant=beta"]).exits(0).shows("killed, set and read back: 1 slice");
    assert_eq!(w.flags(), flags(false, false));
    w.work.canary(&["status"]).exits(0).shows("autonomy_off[tenant=beta,severity=low] is latched");
    w.work.canary(&["history", "autonomy", "--verify"]).exits(0).shows("the chain holds");

    // one word resets all of them
    w.work
        .canary(&reset)
        .exits(0)
        .shows("[tenant=acme,severity=low] on slices: reset")
        .shows("[tenant=beta,severity=low]");
    w.work.canary(&reset).exits(2).says("is not latched");

    // a runner that has died: one slice, then all of them
    w.show("acme", "low", Some(halfway));
    w.show("beta", "low", Some(halfway));
    let live = w.run(&[]);
    w.until(flags(true, true));
    live.signal(Signal::KILL);
    drop(live);
    kill(&["--slice", "tenant=beta"]).exits(0).shows("the others are left as they are");
    assert_eq!(w.flags(), flags(true, false));
    w.work
        .canary(&["run", "checkout.canary", "--env", "slices", "--dry-run"])
        .exits(0)
        .shows("left out  tenant=beta,severity=low: a kill switch is latched");
    kill(&[]).exits(0).shows("killed, set and read back");
    assert_eq!(w.flags(), flags(false, false));

    // and once more, where all is over: somebody has switched it on by hand
    w.work.canary(&reset).exits(0);
    let on = std::fs::read_to_string(&w.file).unwrap().replace("\"low\": false", "\"low\": true");
    std::fs::write(&w.file, on).unwrap();
    kill(&[]).exits(0).shows("killed, set and read back: 2 slices");
    assert_eq!(w.flags(), flags(false, false));
    let latches = w.work.canary(&["status"]);
    latches
        .exits(0)
        .shows("kill switch autonomy_off is latched")
        .shows("autonomy_off[tenant=beta,severity=low] is latched");
}

/// The journal of the newest run, as what a replay of it is held against: when, of which slice, what.
fn journal(work: &Work) -> (canary::plan::Plan, Vec<(i64, Value, Value)>) {
    let store = Store::open_readonly(&work.path(".canary/store.db")).unwrap();
    let run = store.latest_run("autonomy").unwrap().expect("a run");
    let plan = serde_json::from_str(&store.documents(&run.id).unwrap().plan_json).unwrap();
    let events = store.events(&run.id, &canary::store::EventFilter::default()).unwrap();
    let told = events.into_iter().map(|e| {
        let mut body = e.body;
        let slice = body.as_object_mut().and_then(|b| b.remove("slice")).unwrap_or(Value::Null);
        (e.at, slice, body)
    });
    (plan, told.collect())
}

/// The recording says, replayed, what the journal says: every event of every slice, in order, to the byte.
#[track_caller]
fn is_the_run(work: &Work, file: &str) -> canary::sim::recording::Recording {
    use canary::sim::replay::{Scenario, misfit, replay};
    let (plan, told) = journal(work);
    let bytes = std::fs::read(work.path(file)).unwrap();
    let recording = canary::sim::recording::decode(&bytes, file).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((&recording.about.policy, misfit(&plan, &recording, &Scenario::default())), (&plan.hash, None));
    let outcome = replay(&plan, &recording, &Scenario::default());
    let again = outcome.decisions.iter().map(|d| {
        let slice = d.slice.as_ref().map_or(Value::Null, |s| serde_json::to_value(s).unwrap());
        (d.at, slice, serde_json::to_value(&d.record).unwrap())
    });
    let again: Vec<_> = again.collect();
    for (a, b) in again.iter().zip(&told) {
        assert_eq!((&a.1, &a.2), (&b.1, &b.2), "the replay on the left, the journal on the right");
        // what is read back of several slices at once is journalled together, a moment later
        let by_a_read_back = matches!(a.2["kind"].as_str(), Some("verified" | "finished"));
        assert!(a.0 == b.0 || (by_a_read_back && (b.0 - a.0).abs() < 1000), "{a:?} and {b:?}");
    }
    assert_eq!(again.len(), told.len(), "{:#?}", outcome.assumptions);
    assert!(!outcome.assumptions.iter().any(|a| a.text.contains("read back")), "{:?}", outcome.assumptions);
    assert!(!work.path(&format!("{file}.part")).exists(), "the side file goes when the recording is whole");
    recording
}

#[test]
fn what_is_recorded_of_slices_is_replayed_as_it_was() {
    let Some(w) = World::start(&[
        ("acme", "low", GOOD),
        ("acme", "high", GOOD),
        ("beta", "low", Shown { agreement: 0.5, ..GOOD }),
        ("gamma", "low", GOOD),
        ("acme", "unheard of", GOOD),
    ]) else {
        return;
    };
    let record = ["--record", "rec.parquet"];
    let mut live = w.run(&record);
    live.until("tenant=acme,severity=low read back autonomy = on", LONG);
    // one fails, one joins late, one vanishes; the runner dies meanwhile, and another one goes on
    w.show("acme", "low", Some(Shown { precision: 0.5, ..GOOD }));
    w.show("delta", "low", Some(GOOD));
    live.until("tenant=acme,severity=low rollback to phase shadow: guard precision_low breached", LONG);
    live.until("tenant=delta,severity=low phase shadow", LONG);
    live.signal(Signal::KILL);
    drop(live);
    assert!(w.work.path("rec.parquet.part").exists() && !w.work.path("rec.parquet").exists());
    w.show("gamma", "low", None);
    let mut live = w.run(&["--resume", record[0], record[1]]);
    live.until("goes on: ", LONG);
    w.work.canary(&["pause", "autonomy", "--slice", "tenant=delta", "--why", "their migration"]).exits(0);
    live.until("tenant=gamma,severity=low rollback to phase shadow: guard precision_low breached", LONG);
    w.work.canary(&["resume", "autonomy", "--slice", "tenant=delta"]).exits(0);
    // stopped, and gone on with once more
    live.signal(Signal::TERM);
    live.end(LONG).exits(5).says("what was recorded so far is in rec.parquet");
    let so_far = std::fs::read(w.work.path("rec.parquet")).unwrap();
    assert!(canary::sim::recording::decode(&so_far, "so far").unwrap().happened.len() > 10);
    let mut live = w.run(&["--resume", record[0], record[1]]);
    live.until("goes on: ", LONG);
    live.until("tenant=delta,severity=low promoted", LONG);
    w.work.canary(&["abort", "autonomy", "--why", "enough"]).exits(0);
    live.end(LONG).exits(4);

    let recording = is_the_run(&w.work, "rec.parquet");
    assert_eq!(recording.about.slices, ["tenant", "severity"]);
    assert!(!recording.about.incomplete);
    let recovered = |h: &&canary::sim::recording::Happened| serde_json::to_value(h).unwrap()["what"] == "recovered";
    assert_eq!(recording.happened.iter().filter(recovered).count(), 2);
    // observations only
    let text = serde_json::to_string(&recording.happened).unwrap();
    assert!(!text.contains("rollback") && !text.contains("breached"), "{text}");

    // without the journal: what was recorded is enough
    std::fs::remove_dir_all(w.work.path(".canary")).unwrap();
    let sim = |more: &[&str]| {
        let args: Vec<&str> =
            ["sim", "checkout.canary", "--recording", "rec.parquet"].iter().chain(more).copied().collect();
        w.work.canary(&args)
    };
    sim(&[]).exits(4).shows("aborted").shows("5 slices");
    sim(&["--slice", "tenant=acme,severity=low"])
        .exits(4)
        .shows("rollback to phase shadow: guard precision_low breached")
        .shows("kill switch autonomy_off thrown by guard precision_low");
    // what if: a milder limit, and a fault in the one that nothing was wrong with
    sim(&["--slice", "tenant=acme,severity=low", "--set", "precision_low.limit=40%"])
        .exits(4)
        .shows("not what happened then");
    sim(&["--slice", "tenant=acme,severity=high", "--inject", "precision -60pp in severity=high from 1s"])
        .exits(4)
        .shows("from here on");
}

/// Killed at a boundary of the nth raise or of the rollback (3), resumed: the chain of the side file drops what never happened.
#[test]
fn a_recording_of_slices_survives_its_runner() {
    for fault in ["decided:1", "recorded:1", "journalled:2", "performed:2", "confirmed:2", "recorded:3", "journalled:3"]
    {
        let Some(w) = World::start(&[("acme", "low", GOOD), ("beta", "low", GOOD)]) else { return };
        let bad = || w.show("beta", "low", Some(Shown { precision: 0.5, ..GOOD }));
        let mut command = w.work.command(&["run", "checkout.canary", "--env", "slices", "--record", "rec.parquet"]);
        command.env("CANARY_FAULT", fault);
        let mut live = Live::of(command);
        if fault.ends_with(":3") {
            live.until("tenant=beta,severity=low read back autonomy = on", LONG);
            bad();
        }
        live.end(LONG).says("fault: killed");
        let live = w.run(&["--resume", "--record", "rec.parquet"]);
        w.until_resumed();
        bad();
        w.until_off("beta");
        w.work.canary(&["abort", "autonomy", "--why", "enough"]).exits(0);
        live.end(LONG).exits(4);
        let recording = is_the_run(&w.work, "rec.parquet");
        assert_eq!(recording.happened.iter().filter(|h| h.begins().is_some()).count(), 1, "{fault}");
    }
}

#[test]
fn what_was_not_recorded_of_slices_is_said_and_never_passed_over() {
    let Some(w) = World::start(&[("acme", "low", GOOD), ("beta", "low", GOOD)]) else { return };
    let record = ["--record", "rec.parquet"];
    let mut live = w.run(&record);
    live.until("tenant=acme,severity=low phase shadow", LONG);
    live.signal(Signal::KILL);
    drop(live);
    // goes on without being recorded
    let mut live = w.run(&["--resume"]);
    live.until("tenant=acme,severity=low read back autonomy = on", LONG);
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    let resume =
        |file: &str| w.work.canary(&["run", "checkout.canary", "--env", "slices", "--resume", "--record", file]);
    resume("rec.parquet").exits(3).says("does not lead to where run").says("another file records from here on");
    let mut live = w.run(&["--resume", "--record", "two.parquet"]);
    live.until("begins in the middle of run", LONG);
    let begun = std::time::Instant::now();
    // its head, and a few steps
    while std::fs::read_to_string(w.work.path("two.parquet.part")).is_ok_and(|t| t.lines().count() < 5) {
        assert!(begun.elapsed() < LONG, "nothing is recorded");
        std::thread::sleep(Duration::from_millis(50));
    }
    w.work.canary(&["abort", "autonomy"]).exits(0);
    live.end(LONG).exits(4);
    let two = std::fs::read(w.work.path("two.parquet")).unwrap();
    let two = canary::sim::recording::decode(&two, "two").unwrap();
    assert!(two.happened.iter().all(|h| h.begins().is_none()) && two.series.iter().all(|s| !s.times.is_empty()));
    assert!(w.work.path("rec.parquet.part").exists(), "what was recorded before is kept");
    // what there is of the first becomes a recording when the run is over
    resume("rec.parquet").exits(3).says("it ends before the run does").says("which is over, is in rec.parquet");
    let first = std::fs::read(w.work.path("rec.parquet")).unwrap();
    let first = canary::sim::recording::decode(&first, "first").unwrap();
    assert!(first.about.incomplete);
    let outcome = canary::sim::replay::replay(&journal(&w.work).0, &first, &canary::sim::replay::Scenario::default());
    let told = journal(&w.work).1;
    assert!(outcome.decisions.len() > 2 && outcome.decisions.len() < told.len());
    for (d, (_, _, body)) in outcome.decisions.iter().zip(&told) {
        assert_eq!(&serde_json::to_value(&d.record).unwrap(), body);
    }
}
