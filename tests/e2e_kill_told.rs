//! Kill switches where they meet notices, several rollouts and flags that cannot be set: the real binary, a sink for notices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::store::{RunFilter, Store};
use rustix::process::Signal;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::canary::{Live, Work};
use support::http::{Pages, Reply, Request};
use support::page::Page;
use support::webhooks::strings;

const LONG: Duration = Duration::from_secs(40);

/// Two rollouts that share a kill switch and a channel; each flag stands in a file of its own, the workers in one together.
const POLICY: &str = r#"edition 2026

metric harm: ratio = prometheus(`error_share`, max_age: 1s)

flag first: ratio in [0%, 5%]
flag second: ratio in [0%, 5%]
flags workers: [one, two]
action stop timeout 10s, undo none
channel oncall

killswitch halt {
  flag workers = off
  run stop
}

rollout first "First" {
  check every 200ms
  no data tolerate 1s else pause
  guard harm: harm <= 1%  else rollback, kill halt
  phase taste { flag first = 5%  hold 40s }
  on rollback, pause, blind, kill: notify oncall
}

rollout second "Second" {
  check every 200ms
  no data tolerate 1s else pause
  guard harm: harm <= 1%  else rollback, kill halt
  phase taste { flag second = 5%  hold 40s }
  on rollback, pause, blind, kill: notify oncall
}

environment here {
  prometheus = scrape(urls: [env("METRICS_URL")], every: 100ms)
  first      = json_file(path: "a/flags.json", key: "first")
  second     = json_file(path: "b/flags.json", key: "second")
  workers    = json_file(path: "workers.json", key: "${flag}")
  stop       = command(["sh", "-c", "echo $CANARY_RUN >> stopped"])
  oncall     = slack(url: secret("HOOK"))
  store      = sqlite(path: ".canary/store.db")
}
"#;

/// The channel's side: what it has taken, and whether it takes anything at all.
#[derive(Clone, Default)]
struct Sink {
    texts: Arc<Mutex<Vec<String>>>,
    deaf: Arc<AtomicBool>,
}

impl Sink {
    fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }
}

fn eventually(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

struct Shared {
    work: Work,
    sink: Sink,
    _pages: Pages,
    _page: Page,
}

impl Shared {
    fn new() -> Self {
        let work = Work::of_text(POLICY);
        for folder in ["a", "b"] {
            std::fs::create_dir(work.path(folder)).unwrap();
        }
        let sink = Sink::default();
        let s = sink.clone();
        let pages = Pages::serve(move |r: &Request| {
            if s.deaf.load(Ordering::SeqCst) {
                return Reply::Full(500, Vec::new(), String::from("not now"));
            }
            let body: Value = serde_json::from_str(&r.body).unwrap();
            s.texts.lock().unwrap().push(strings(&body).join("\n"));
            Reply::Full(200, Vec::new(), String::from("ok"))
        });
        let page = Page::start(move || Some(String::from("# TYPE error_share gauge\nerror_share 0.001\n")));
        let work = work.with("METRICS_URL", page.url()).with("HOOK", format!("{}/hush", pages.url()));
        let all = Self { work, sink, _pages: pages, _page: page };
        all.write("a/flags.json", "{\"first\": 0}");
        all.write("b/flags.json", "{\"second\": 0}");
        all.write("workers.json", "{\"one\": true, \"two\": true}");
        all
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.work.path(name), text).unwrap();
    }

    fn raised(&self, rollout: &str) -> Live {
        let mut live = self.work.start(&["run", "policy.canary", "--env", "here", "--rollout", rollout]);
        live.until(&format!("read back {rollout} = 5%"), LONG);
        live
    }

    /// Both are at 5 %, and nobody runs them.
    fn left_behind(&self) {
        for live in [self.raised("first"), self.raised("second")] {
            live.signal(Signal::KILL);
            live.end(LONG);
        }
    }

    fn off(&self) -> bool {
        let w = self.work.json("workers.json");
        w["one"] == false && w["two"] == false
    }

    fn undelivered(&self) -> usize {
        let done = self.work.canary(&["status", "--format", "json"]).exits(0);
        let all: Value = serde_json::from_str(&done.out).unwrap();
        all["undelivered"].as_array().unwrap().len()
    }

    fn store(&self) -> Store {
        Store::open_existing(&self.work.path(".canary/store.db")).unwrap()
    }
}

const KILL: [&str; 5] = ["kill", "halt", "policy.canary", "--env", "here"];

#[test]
fn where_nothing_runs_a_kill_is_told_once_with_its_run_and_its_environment() {
    let s = Shared::new();
    s.work.canary(&KILL).exits(0);
    assert!(s.off());
    let run = s.store().runs(&RunFilter::default()).unwrap().remove(0).id;
    let texts = s.sink.texts();
    assert!(!texts.is_empty());
    for t in &texts {
        assert!(t.contains("first on here: ") && t.contains(run.as_str()), "{t}");
    }
    assert_eq!(s.undelivered(), 0);
    assert_eq!(std::fs::read_to_string(s.work.path("stopped")).unwrap().trim(), run.as_str());
    // nothing is left that somebody else would tell once more
    s.work.canary(&["abort", "first"]);
    s.work.canary(&["kill", "halt"]).exits(0);
    let again = s.sink.texts();
    assert_eq!(again.iter().filter(|t| t.contains(run.as_str())).count(), texts.len(), "{again:#?}");
}

#[test]
fn a_kill_that_could_not_be_told_is_told_by_the_next_one() {
    let s = Shared::new();
    s.sink.deaf.store(true, Ordering::SeqCst);
    s.work.canary(&KILL).exits(0).shows("it is kept");
    let left = s.undelivered();
    assert!(left > 0);
    s.sink.deaf.store(false, Ordering::SeqCst);
    s.work.canary(&["kill", "halt"]).exits(0);
    assert_eq!(s.undelivered(), 0);
    assert!(s.sink.texts().len() > left);
}

#[test]
fn of_several_runs_that_nobody_runs_none_waits_for_another_ones_notices() {
    let s = Shared::new();
    s.left_behind();
    s.sink.deaf.store(true, Ordering::SeqCst);
    let kill = s.work.start(&["kill", "halt"]);
    let zero = |file: &str, flag: &str| s.work.json(file)[flag] == 0;
    // the end waits 20 s for a channel that takes nothing
    eventually("both are taken back", Duration::from_secs(10), || {
        zero("a/flags.json", "first") && zero("b/flags.json", "second")
    });
    assert!(s.off());
    kill.end(LONG).exits(0);
}

#[test]
fn a_run_that_cannot_be_taken_back_does_not_keep_another_one_exposed() {
    for (vanished, other) in [("a", "b"), ("b", "a")] {
        let s = Shared::new();
        s.left_behind();
        std::fs::rename(s.work.path(vanished), s.work.path("elsewhere")).unwrap();
        let kill = s.work.start(&["kill", "halt"]);
        let flag = if other == "a" { "first" } else { "second" };
        eventually("the other one is taken back", Duration::from_secs(10), || {
            s.work.json(&format!("{other}/flags.json"))[flag] == 0 && s.off()
        });
        // it is tried until it holds
        std::fs::rename(s.work.path("elsewhere"), s.work.path(vanished)).unwrap();
        kill.end(LONG).exits(0);
    }
}

#[test]
fn of_flags_in_one_file_those_that_can_be_are_set_by_a_kill() {
    let s = Shared::new();
    s.write("workers.json", "{\"one\": \"yes\", \"two\": true}");
    let mut kill = s.work.start(&KILL);
    kill.until("settings do not hold yet", LONG);
    eventually("what can be set is set", LONG, || s.work.json("workers.json")["two"] == false);
    assert_eq!(s.work.json("workers.json")["one"], "yes");
    s.write("workers.json", "{\"one\": true, \"two\": false}");
    kill.end(LONG).exits(0);
    assert!(s.off());
}

#[test]
fn a_kill_that_was_killed_anywhere_is_made_good_by_the_next_one() {
    for fault in ["decided", "journalled", "performed", "confirmed", "performed:2", "confirmed:2"] {
        let s = Shared::new();
        let status = s.work.command(&KILL).env("CANARY_FAULT", fault).output().unwrap().status;
        assert_eq!(status.code(), None, "{fault}");
        // somebody turns on again what may have been off already
        s.write("workers.json", "{\"one\": true, \"two\": true}");
        s.work.canary(&KILL).exits(0);
        assert!(s.off(), "{fault}");
        assert_eq!(s.undelivered(), 0, "{fault}");
        assert_eq!(s.store().latches(None).unwrap().len(), 1, "{fault}");
        s.work.canary(&["reset", "halt", "--why", "mended"]).exits(0);
    }
}

#[test]
fn a_promoted_run_whose_end_was_not_entered_is_killed() {
    let s = Shared::new();
    let text = POLICY.replace("hold 40s", "hold 400ms");
    s.write("policy.canary", &text);
    let run = ["run", "policy.canary", "--env", "here", "--rollout", "first"];
    let done = s.work.canary(&run).exits(0);
    assert_eq!(s.work.json("a/flags.json")["first"], 5, "{done:?}");
    // as a runner leaves it that is stopped between its last event and its verdict
    let store = rusqlite::Connection::open(s.work.path(".canary/store.db")).unwrap();
    store.execute_batch("update runs set verdict = null, finished = null, finished_seq = null, seal = null").unwrap();
    s.work.canary(&["kill", "halt"]).exits(0);
    assert!(s.off());
    assert_eq!(s.store().latches(None).unwrap().len(), 1);
}

#[test]
fn two_policies_that_give_one_name_to_different_switches() {
    let s = Shared::new();
    let one = POLICY.replace("hold 40s", "hold 400ms");
    let other = one.replace("flag workers = off\n  run stop", "flag second = 0%");
    assert_ne!(one, other);
    s.write("policy.canary", &one);
    s.write("other.canary", &other);
    s.work.canary(&["run", "other.canary", "--env", "here", "--rollout", "second"]).exits(0);
    s.work.canary(&["run", "policy.canary", "--env", "here", "--rollout", "first"]).exits(0);
    // what is called the same and is something else is not passed over in silence
    let more = "canary kill halt --rollout second --env here";
    s.work.canary(&["kill", "halt"]).exits(5).says("second has a kill switch halt").says(more);
    assert!(s.off());
    assert_eq!(s.work.json("b/flags.json")["second"], 5);
    s.work.canary(&more.split(' ').skip(1).collect::<Vec<_>>()).exits(0);
    assert_eq!(s.work.json("b/flags.json")["second"], 0);
}
