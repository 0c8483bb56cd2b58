//! Kill switches as people meet them: the real binary, flags in a file, a metrics page, a script that stops workers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::store::{NewLatch, NewRun, RunFilter, Store};
use rustix::process::Signal;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::canary::{Live, Work, of_kind};
use support::page::{Dial, Page};

const RUN: [&str; 4] = ["run", "checkout.canary", "--env", "switch"];
const LONG_RUN: [&str; 6] = ["run", "checkout.canary", "--env", "switch", "--set", "watch=40s"];
const RESUME: [&str; 7] = ["run", "checkout.canary", "--env", "switch", "--set", "watch=40s", "--resume"];
const LONG: Duration = Duration::from_secs(20);

/// The policy `switch.canary`: the flag stands at 0, the workers are on.
struct Switched {
    work: Work,
    dial: Dial,
    _page: Page,
    flags: PathBuf,
}

impl Switched {
    fn new() -> Self {
        let work = Work::new("switch.canary", &["switch"]);
        let flags = work.path("flags.json");
        std::fs::write(&flags, "{\n  \"checkout\": 0,\n  \"async\": true\n}\n").unwrap();
        let dial = Dial::default();
        dial.set(0.001);
        let gauge = dial.clone();
        let page = Page::start(move || Some(format!("# TYPE error_share gauge\nerror_share {}\n", gauge.get())));
        let work = work.with("METRICS_URL", page.url()).with("FLAG_FILE", flags.to_str().unwrap());
        Self { work, dial, _page: page, flags }
    }

    /// The flag in per cent, and whether the workers are on.
    fn set(&self) -> (f64, bool) {
        let v: Value = serde_json::from_slice(&std::fs::read(&self.flags).unwrap()).unwrap();
        (v["checkout"].as_f64().unwrap(), v["async"].as_bool().unwrap())
    }

    /// Why the script was run, each time that it was.
    fn stopped(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.work.path("stopped")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A run in its first phase.
    fn raised(&self) -> Live {
        let mut live = self.work.start(&LONG_RUN);
        live.until("read back checkout = 5%", LONG);
        live
    }

    /// A run in its first phase whose runner is gone.
    fn left_behind(&self) {
        let live = self.raised();
        live.signal(Signal::KILL);
        live.end(LONG);
        assert_eq!(self.set(), (5.0, true));
    }

    fn store(&self) -> Store {
        Store::open_existing(&self.work.path(".canary/store.db")).unwrap()
    }

    /// What a promoted rollout leaves: everything is on.
    fn promoted(&self) {
        self.work.canary(&RUN).exits(0);
        assert_eq!(self.set(), (50.0, true));
    }

    fn switches(&self) -> Value {
        let done = self.work.canary(&["killswitch", "--format", "json"]).exits(0);
        let whole: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(whole["schema"], "canary.killswitch/1");
        whole["switches"].clone()
    }

    #[track_caller]
    fn is_killed(&self) {
        assert_eq!(self.set(), (0.0, false));
        assert_eq!(self.switches()[0]["latched"], true);
        self.work.verify();
    }
}

fn within(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Keeps the store from being written.
struct Locked(rusqlite::Connection);

impl Locked {
    fn new(s: &Switched) -> Self {
        let lock = rusqlite::Connection::open(s.work.path(".canary/store.db")).unwrap();
        lock.busy_timeout(Duration::from_secs(5)).unwrap();
        lock.execute_batch("begin immediate").unwrap();
        Self(lock)
    }

    fn release(self) {
        self.0.execute_batch("rollback").unwrap();
    }
}

#[test]
fn a_live_run_is_killed_and_stays_killed_until_somebody_resets_it() {
    let s = Switched::new();
    let live = s.raised();
    let done = s.work.canary(&["kill", "stop_async", "--why", "workers eat orders"]).exits(0);
    done.shows("killed, rolling back").shows("taken back");
    live.end(LONG).exits(4).shows("kill switch stop_async thrown by tester@");
    assert_eq!(s.stopped(), ["kill"]);
    s.is_killed();
    let events = s.work.history();
    let thrown = of_kind(&events, "kill_switch.activated");
    assert_eq!(thrown.len(), 1);
    assert_eq!(
        (&thrown[0]["switch"], &thrown[0]["by"], &thrown[0]["why"]),
        (&"stop_async".into(), &"person".into(), &"workers eat orders".into())
    );
    assert!(thrown[0]["explanation"]["summary"].as_str().unwrap().contains("stop_async"));
    assert_eq!(of_kind(&events, "finished")[0]["verdict"], "killed");
    s.work
        .canary(&["why", "checkout"])
        .exits(0)
        .shows("kill switch stop_async thrown by tester@")
        .shows("workers eat orders");
    s.work.canary(&["history", "--verdict", "killed"]).exits(0).shows("checkout");

    // nothing starts, by whatever process
    let refused = s
        .work
        .canary(&RUN)
        .exits(3)
        .says("nothing was changed")
        .says("kill switch stop_async is latched on switch since");
    refused.says("tester@").says("workers eat orders").says("canary reset stop_async --env switch --why");
    s.work
        .canary(&["run", "checkout.canary", "--env", "switch", "--dry-run"])
        .exits(3)
        .shows("kill switch stop_async is latched");
    // also beside what else stands in the way
    let mut dry = s.work.command(&["run", "checkout.canary", "--env", "switch", "--dry-run"]);
    dry.env("METRICS_URL", "http://127.0.0.1:1/metrics");
    Live::of(dry).end(LONG).exits(3).says("kill switch stop_async is latched").says("cannot connect");
    let status = s.work.canary(&["status"]).exits(0);
    assert!(status.out.starts_with("kill switch stop_async is latched on switch since"), "{}", status.out);
    let status: Value = serde_json::from_str(&s.work.canary(&["status", "--format", "json"]).exits(0).out).unwrap();
    assert_eq!(status["latched"][0]["switch"], "stop_async");
    s.work.canary(&["killswitch"]).exits(0).shows("LATCHED since").shows("workers eat orders");

    s.work.canary(&["reset", "stop_async"]).exits(2).says("--why");
    s.work.canary(&["reset", "stop_async", "--why", ""]).exits(2);
    s.work
        .canary(&["reset", "stop_asinc", "--why", "x"])
        .exits(2)
        .says("not latched")
        .says("kill switch stop_async is latched");
    s.work.canary(&["reset", "stop_async", "--why", "x", "--env", "elsewhere"]).exits(2).says("not latched");
    assert_eq!(s.set(), (0.0, false));
    // where the environment names nobody, as under cron, the system does
    let mut unnamed = s.work.command(&["reset", "stop_async", "--why", "workers mended"]);
    unnamed.env_remove("USER").env_remove("LOGNAME");
    let me = std::process::Command::new("id").arg("-un").output().unwrap().stdout;
    let me = format!("reset by {}@", String::from_utf8_lossy(&me).trim());
    Live::of(unnamed).end(LONG).exits(0).shows(&me).shows("No port was changed");
    assert_eq!(s.set(), (0.0, false), "a reset changes no port");
    s.work.canary(&["reset", "stop_async", "--why", "again"]).exits(2).says("nothing is");
    let known = s.switches();
    assert_eq!((&known[0]["latched"], &known[0]["thrown"]["reset"]["why"]), (&false.into(), &"workers mended".into()));
    s.work.canary(&RUN).exits(0);
    assert_eq!(s.set(), (50.0, false));
}

#[test]
fn where_no_run_is_under_way_one_command_is_enough() {
    let s = Switched::new();
    s.promoted();
    // as somebody types it at 3 am, from the folder of the store
    let done = s.work.canary(&["kill", "stop_async"]).exits(0);
    done.shows("read back async = off, checkout = 0%").shows("stop_async is latched");
    s.is_killed();
    assert_eq!(s.stopped(), ["kill"]);
    let events = s.work.history();
    let kinds: Vec<_> = events.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["kill_switch.activated", "rollback", "verified", "action_started", "action_ended", "verified", "finished"],
        "a run of its own"
    );
    s.work.canary(&["why", "checkout"]).exits(0).shows("stop_async");
    // somebody switched the workers on again: killing again sets and verifies again, and one latch is enough
    std::fs::write(&s.flags, "{\"checkout\": 50, \"async\": true}").unwrap();
    s.work.canary(&["kill", "stop_async"]).exits(0);
    s.is_killed();
    assert_eq!(s.stopped(), ["kill", "kill"]);
    assert_eq!(s.store().thrown(None).unwrap().len(), 1);
    s.work.canary(&RUN).exits(3).says("canary reset stop_async");
}

#[test]
fn without_any_run_the_policy_says_what_the_switch_is() {
    let s = Switched::new();
    s.work.canary(&["kill", "stop_async"]).exits(2).says("canary kill stop_async POLICY --env ENV");
    s.work.canary(&["kill", "stop_async", "checkout.canary"]).exits(2).says("--env");
    s.work
        .canary(&["kill", "stop_asinc", "checkout.canary", "--env", "switch"])
        .exits(2)
        .says("no rollout of checkout.canary has a kill switch stop_asinc");
    assert_eq!(s.set(), (0.0, true));
    s.work.canary(&["kill", "stop_async", "checkout.canary", "--env", "switch"]).exits(0);
    s.is_killed();
    // known now: the names are told
    s.work.canary(&["kill", "stop_asinc"]).exits(2).says("known are stop_async (switch)");
}

#[test]
fn a_guard_throws_it() {
    let s = Switched::new();
    let mut live = s.raised();
    live.until("guard harm ok", LONG);
    s.dial.set(0.2);
    live.end(LONG).exits(1).shows("kill switch stop_async thrown by guard harm");
    s.is_killed();
    assert_eq!(s.stopped(), ["kill"]);
    let events = s.work.history();
    assert_eq!(of_kind(&events, "kill_switch.activated")[0]["who"], "harm");
    let finished = of_kind(&events, "finished");
    assert_eq!(finished[0]["verdict"], "rolled_back");
    assert!(finished[0]["explanation"]["summary"].as_str().unwrap().contains("kill switch stop_async"));
    s.dial.set(0.001);
    s.work.canary(&RUN).exits(3).says("by guard harm");
}

#[test]
fn a_runner_that_was_killed_does_not_stand_in_the_way() {
    let s = Switched::new();
    s.left_behind();
    s.work.canary(&["kill", "stop_async"]).exits(0).shows("read back async = off, checkout = 0%");
    s.is_killed();
    assert_eq!(s.stopped(), ["kill"]);
    s.work.canary(&RESUME).exits(3).says("no unfinished run");
}

#[test]
fn nor_does_a_store_that_somebody_keeps_locked() {
    let s = Switched::new();
    s.left_behind();
    let lock = Locked::new(&s);
    let kill = s.work.start(&["kill", "stop_async"]);
    within("the flags are down under the lock", LONG, || s.set() == (0.0, false));
    // the switch's action too
    within("the workers are stopped under the lock", LONG, || s.stopped() == ["kill"]);
    lock.release();
    kill.end(LONG).exits(0);
    s.is_killed();
    assert_eq!(of_kind(&s.work.history(), "kill_switch.activated").len(), 1);
}

#[test]
fn nor_does_a_runner_that_does_not_hear() {
    let s = Switched::new();
    let live = s.raised();
    live.signal(Signal::STOP);
    s.work.start(&["kill", "stop_async"]).end(LONG).exits(5).says("is not taken back");
    assert_eq!(s.set(), (0.0, false));
    assert_eq!(s.stopped(), ["kill"]);
    // it wakes, and finds the word and the latch
    live.signal(Signal::CONT);
    live.end(LONG).exits(4);
    s.is_killed();
}

#[test]
fn nor_does_a_locked_store_between_it_and_a_live_runner() {
    let s = Switched::new();
    let live = s.raised();
    let lock = Locked::new(&s);
    let kill = s.work.start(&["kill", "stop_async"]);
    within("the flags are down under the lock", LONG, || s.set() == (0.0, false));
    lock.release();
    // the runner that could not be told obeys the latch
    live.end(LONG).exits(4);
    kill.end(LONG).exits(0);
    s.is_killed();
}

#[test]
fn the_run_that_a_kill_makes_does_not_hide_the_one_that_is_unfinished() {
    let s = Switched::new();
    s.left_behind();
    let store = s.store();
    let run = store.runs(&RunFilter::default()).unwrap().remove(0);
    let documents = store.documents(&run.id).unwrap();
    let later = NewRun {
        rollout: run.rollout,
        environment: run.environment,
        documents,
        started: run.started + 60_000,
        ..NewRun::default()
    };
    let later = store.create_run(&later).unwrap();
    store.finish_run(&later, "killed", run.started + 61_000).unwrap();
    s.work.canary(&["abort", "checkout"]).exits(0);
    assert_eq!(s.set().0, 0.0);
}

#[test]
fn a_latch_that_cannot_be_written_is_said_and_can_be_written_later() {
    let s = Switched::new();
    s.promoted();
    let lock = Locked::new(&s);
    let done = s.work.canary(&["kill", "stop_async"]).exits(5);
    assert_eq!(s.set(), (0.0, false), "set all the same");
    done.says("NOT latched");
    lock.release();
    assert_eq!(s.switches()[0]["latched"], false);
    s.work.canary(&["kill", "stop_async"]).exits(0);
    s.is_killed();
}

#[test]
fn a_store_that_cannot_even_be_opened() {
    let s = Switched::new();
    std::fs::write(s.work.path(".canary"), "no folder").unwrap();
    let done = s.work.canary(&["kill", "stop_async", "checkout.canary", "--env", "switch"]).exits(5);
    done.says("NOT latched").says("killing without it");
    assert_eq!(s.set(), (0.0, false));
    assert_eq!(s.stopped(), ["kill"]);
}

#[test]
fn two_shells_at_once() {
    // where nothing runs
    let s = Switched::new();
    s.promoted();
    let both: Vec<Live> = (0..2).map(|_| s.work.start(&["kill", "stop_async"])).collect();
    for kill in both {
        kill.end(LONG).exits(0);
    }
    s.is_killed();
    assert_eq!(s.store().thrown(None).unwrap().len(), 1);
    s.work.canary(&["reset", "stop_async", "--why", "on"]).exits(0);
    std::fs::write(&s.flags, "{\"checkout\": 0, \"async\": true}").unwrap();
    // of a live run
    let live = s.raised();
    let both: Vec<Live> = (0..2).map(|_| s.work.start(&["kill", "stop_async"])).collect();
    for kill in both {
        kill.end(LONG).exits(0);
    }
    live.end(LONG).exits(4);
    s.is_killed();
    s.work.canary(&["reset", "stop_async", "--why", "on"]).exits(0);
    std::fs::write(&s.flags, "{\"checkout\": 0, \"async\": true}").unwrap();
    // of a run that nobody runs
    s.left_behind();
    let both: Vec<Live> = (0..2).map(|_| s.work.start(&["kill", "stop_async"])).collect();
    for kill in both {
        kill.end(LONG).exits(0);
    }
    s.is_killed();
}

#[test]
fn all_live_rollouts_that_have_the_switch_are_killed() {
    let s = Switched::new();
    let policy = s.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    let switch = text.replace("flag checkout = 0%, flag async = off", "flag async = off");
    let (head, rollout) = switch.split_at(switch.find("rollout checkout").unwrap());
    let second = rollout.replace("checkout", "search");
    std::fs::write(&policy, format!("{head}flag search: ratio in [0%, 5%, 50%]\n\n{rollout}\n{second}")).unwrap();
    let env = s.work.path("environments/switch.canary");
    let bound = std::fs::read_to_string(&env).unwrap();
    let line = bound.lines().find(|l| l.contains("checkout")).unwrap();
    std::fs::write(&env, bound.replace(line, &format!("{line}\n{}", line.replace("checkout", "search")))).unwrap();
    std::fs::write(&s.flags, "{\"checkout\": 0, \"search\": 0, \"async\": true}").unwrap();
    let mut both: Vec<Live> = ["checkout", "search"]
        .map(|r| s.work.start(&["run", "checkout.canary", "--env", "switch", "--set", "watch=40s", "--rollout", r]))
        .into();
    for (live, name) in both.iter_mut().zip(["checkout", "search"]) {
        live.until(&format!("read back {name} = 5%"), LONG);
    }
    s.work.canary(&["kill", "stop_async"]).exits(0);
    for live in both {
        live.end(LONG).exits(4);
    }
    let v: Value = serde_json::from_slice(&std::fs::read(&s.flags).unwrap()).unwrap();
    assert_eq!((&v["checkout"], &v["search"], &v["async"]), (&0.into(), &0.into(), &false.into()), "{v}");
    assert_eq!(s.store().latches(None).unwrap().len(), 1);
    let again = ["run", "checkout.canary", "--env", "switch", "--rollout", "search"];
    s.work.canary(&again).exits(3).says("canary reset stop_async");
}

/// Latches as another rollout's guard does it, past the runner.
fn latch_elsewhere(s: &Switched) {
    let store = s.store();
    let run = store.runs(&RunFilter::default()).unwrap().remove(0).id;
    let new = NewLatch {
        switch: String::from("stop_async"),
        who: String::from("guard tenants"),
        why: String::from("a leak"),
        at: 1,
    };
    store.latch(&run, &new).unwrap();
}

#[test]
fn a_switch_that_was_latched_meanwhile_is_obeyed_before_anything_else() {
    let s = Switched::new();
    s.left_behind();
    latch_elsewhere(&s);
    s.work
        .canary(&["reset", "stop_async", "--why", "x"])
        .exits(3)
        .says("not taken back yet")
        .says("canary kill stop_async");
    s.work.canary(&RESUME).exits(4).shows("kill switch stop_async thrown by guard tenants: a leak");
    s.is_killed();
    assert_eq!(of_kind(&s.work.history(), "entered").len(), 1);
    s.work.canary(&["reset", "stop_async", "--why", "mended"]).exits(0);
}

#[test]
fn a_live_run_obeys_a_switch_that_was_latched_elsewhere() {
    let s = Switched::new();
    let live = s.raised();
    latch_elsewhere(&s);
    live.end(LONG).exits(4).shows("thrown by guard tenants");
    s.is_killed();
}

/// Replaces the script that stops the workers.
fn stopping_with(s: &Switched, script: &str) {
    let env = s.work.path("environments/switch.canary");
    let text = std::fs::read_to_string(&env).unwrap();
    let usual = "echo $CANARY_CAUSE >> ../stopped";
    assert!(text.contains(usual));
    std::fs::write(&env, text.replace(usual, script)).unwrap();
}

#[test]
fn a_killed_run_whose_runner_is_killed_goes_on() {
    for resumed in [false, true] {
        let s = Switched::new();
        // the script that stops the workers is under way when the runner goes
        stopping_with(&s, "echo begun >> ../stopped; test -f ../fast || sleep 8");
        let live = s.raised();
        let kill = s.work.start(&["kill", "stop_async"]);
        within("the script is under way", LONG, || s.stopped().len() == 1);
        if resumed {
            kill.signal(Signal::KILL);
        }
        live.signal(Signal::KILL);
        std::fs::write(s.work.path("fast"), "").unwrap();
        live.end(LONG);
        if resumed {
            kill.end(LONG);
            s.work.canary(&["reset", "stop_async", "--why", "x"]).exits(3).says("not taken back yet");
            s.work.canary(&RESUME).exits(4);
        } else {
            // whoever waits for the verdict takes over
            kill.end(LONG).exits(0);
        }
        s.is_killed();
        assert_eq!(s.stopped().len(), 2, "how it ended is not known: it must succeed under our eyes");
    }
}

#[test]
fn an_action_that_fails_for_good_is_no_success() {
    let s = Switched::new();
    stopping_with(&s, "echo tried >> ../stopped; exit 3");
    let live = s.raised();
    s.work.canary(&["kill", "stop_async"]).exits(1).says("stop_workers failed: act by hand");
    live.end(LONG).exits(4).shows("NOT DONE: stop_workers failed 3 times");
    assert_eq!(s.stopped().len(), 3);
    s.is_killed();
    s.work.canary(&["kill", "stop_async"]).exits(1).says("stop_workers failed: act by hand");
    assert_eq!(s.stopped().len(), 6);
}

#[test]
fn a_run_whose_action_was_under_way_is_taken_back_and_the_command_ends() {
    let s = Switched::new();
    for word in ["abort", "kill"] {
        std::fs::write(&s.flags, "{\"checkout\": 0, \"async\": true}").unwrap();
        std::fs::write(s.work.path("slow"), "").unwrap();
        let mut live = s.work.start(&LONG_RUN);
        live.until("running warm_up", LONG);
        live.signal(Signal::KILL);
        live.end(LONG);
        let name = if word == "abort" { "checkout" } else { "stop_async" };
        // it hung here: the end of an action that went with its runner was waited for
        s.work.start(&[word, name]).end(LONG).exits(0);
        assert_eq!(s.set().0, 0.0);
    }
}

#[test]
fn on_the_lab() {
    let work = Work::new("checkout.canary", &[]);
    let policy = work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    let switch = "action stop_workers timeout 10s, undo none\nkillswitch stop { traffic checkout = 0%   run stop_workers }\n\nrollout";
    std::fs::write(&policy, text.replacen("\nrollout", &format!("\n{switch}"), 1)).unwrap();
    let long = ["run", "checkout.canary", "--env", "lab", "--set", "watch=1m"];
    let mut live = work.start(&long);
    live.until("read back checkout = 5%", LONG);
    work.canary(&["kill", "stop"]).exits(0);
    live.end(LONG).exits(4).shows("read back checkout = 0%");
    work.canary(&long).exits(3).says("canary reset stop");
    work.canary(&["kill", "stop"]).exits(2).says("the lab is gone with its runner");
    work.canary(&["reset", "stop", "--why", "tried"]).exits(0);
    let mut live = work.start(&long);
    live.until("read back checkout = 5%", LONG);
    // the lab goes with its runner; the switch is latched all the same
    live.signal(Signal::KILL);
    live.end(LONG);
    work.canary(&["kill", "stop"]).exits(0).shows("its lab is gone already");
    work.canary(&long).exits(3).says("canary reset stop");
    work.verify();
}
