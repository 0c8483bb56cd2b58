//! A life that does more than hold: a ramp on a real HAProxy and a real Prometheus, a hold without an end, a switch that is latched while
//! the run lives on, a point of no return.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use support::canary::{Work, of_kind};
use support::page::{Dial, Page};
use support::servers::Servers;

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_ramp_on_real_servers_goes_up_by_its_steps_and_is_promoted() {
    let Some(s) = Servers::start() else { return };
    let policy = s.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    let phases = text.find("  phase taste").unwrap();
    let ramp = "  phase rise { ramp checkout from 5% to 35% by 15% every 1s   hold 1s }\n}\n";
    std::fs::write(&policy, format!("{}{ramp}", &text[..phases])).unwrap();
    let seen = s.haproxy.watch();
    let mut live = s.run(&[]);
    for share in [5.0, 20.0, 35.0] {
        live.until(&format!("read back checkout = {share}%"), LONG);
        assert_eq!(s.haproxy.share().round(), share, "what HAProxy itself says");
    }
    live.end(LONG).exits(0).shows("raise checkout to 20%").shows("raise checkout to 35%").shows("promoted");
    let seen: Vec<f64> = seen.values().iter().map(|v| v.round()).collect();
    assert_eq!(seen, [0.0, 5.0, 20.0, 35.0]);

    let events = s.work.history();
    let read: Vec<_> = of_kind(&events, "verified").iter().map(|e| e["read"][0].clone()).collect();
    assert_eq!(read.len(), 3);
    let raised: Vec<_> = of_kind(&events, "raised").iter().map(|e| e["port"].clone()).collect();
    assert_eq!(raised, ["checkout", "checkout"]);
    assert_eq!(of_kind(&events, "entered").len(), 1);
    s.work.verify();
}

/// Flags in a file, a gauge on a page.
struct Shop {
    work: Work,
    dial: Dial,
    _page: Page,
    flags: PathBuf,
}

impl Shop {
    /// With these guards and phases in the place of the fixture's.
    fn new(body: &str) -> Self {
        let work = Work::new("switch.canary", &["switch"]);
        let flags = work.path("flags.json");
        std::fs::write(&flags, "{\n  \"checkout\": 0,\n  \"async\": true\n}\n").unwrap();
        let policy = work.path("checkout.canary");
        let text = std::fs::read_to_string(&policy).unwrap();
        let guards = text.find("  guard harm").unwrap();
        std::fs::write(&policy, format!("{}{body}\n}}\n", &text[..guards])).unwrap();
        let dial = Dial::default();
        dial.set(0.001);
        let gauge = dial.clone();
        let page = Page::start(move || Some(format!("# TYPE error_share gauge\nerror_share {}\n", gauge.get())));
        let work = work.with("METRICS_URL", page.url()).with("FLAG_FILE", flags.to_str().unwrap());
        Self { work, dial, _page: page, flags }
    }

    fn percent(&self) -> f64 {
        let v: Value = serde_json::from_slice(&std::fs::read(&self.flags).unwrap()).unwrap();
        v["checkout"].as_f64().unwrap()
    }

    fn start(&self, more: &[&str]) -> support::canary::Live {
        let mut args = vec!["run", "checkout.canary", "--env", "switch"];
        args.extend(more);
        self.work.start(&args)
    }
}

#[test]
fn a_hold_without_an_end_is_promoted_goes_on_and_is_still_taken_back() {
    let s = Shop::new(
        "  guard harm: harm <= 1%  tolerate patience  else rollback
  phase taste { flag checkout = 5%    hold watch }
  phase half  { flag checkout = 50%   hold forever }",
    );
    let mut live = s.start(&[]);
    live.until("promoted: phase half holds for good", LONG);
    assert_eq!(s.percent(), 50.0);
    s.work.canary(&["status"]).exits(0).shows("promoted");
    live.signal(Signal::TERM);
    live.end(LONG).exits(5).says("the state of run");
    // it goes on, says nothing of a promotion again, and its guards watch
    let mut live = s.start(&["--resume"]);
    live.until("goes on: in phase half", LONG);
    s.dial.set(0.5);
    live.until("rollback: guard harm breached", LONG);
    live.end(LONG).exits(1);
    assert_eq!(s.percent(), 0.0);
    let events = s.work.history();
    assert_eq!((of_kind(&events, "promoted").len(), of_kind(&events, "rollback").len()), (1, 1));
    s.work.verify();
}

#[test]
fn a_run_that_lives_on_with_a_thrown_switch_goes_on_when_somebody_resets_it() {
    let s = Shop::new(
        "  guard harm: harm <= 1%  from half  tolerate patience  else rollback to taste, kill stop_async
  phase taste { hold watch }
  phase half  { flag checkout = 5%   hold 2s }",
    );
    let mut live = s.start(&[]);
    live.until("read back checkout = 5%", LONG);
    s.dial.set(0.5);
    live.until("kill switch stop_async thrown by guard harm", LONG);
    s.dial.set(0.001);
    live.until("waiting for kill switch stop_async", LONG);
    assert_eq!(s.percent(), 0.0);
    let status = s.work.canary(&["status"]).exits(0);
    status.shows("kill switch stop_async is latched").shows("for kill switch stop_async");
    s.work.canary(&["reset", "stop_async", "--why", "workers mended"]).exits(0).shows("goes on by itself");
    live.until("kill switch stop_async reset by tester@", LONG);
    live.end(LONG).exits(0).shows("workers mended").shows("promoted");
    assert_eq!(s.percent(), 5.0);
    let events = s.work.history();
    let reset = of_kind(&events, "kill_switch.reset");
    assert_eq!((reset.len(), &reset[0]["why"]), (1, &json!("workers mended")));
    assert_eq!(of_kind(&events, "entered").len(), 3);
    s.work.verify();
}

#[test]
fn a_reset_while_nobody_runs_it_is_found_when_it_is_resumed() {
    let s = Shop::new(
        "  guard harm: harm <= 1%  from half  tolerate patience  else rollback to taste, kill stop_async
  phase taste { hold watch }
  phase half  { flag checkout = 5%   hold 2s }",
    );
    let mut live = s.start(&[]);
    live.until("read back checkout = 5%", LONG);
    s.dial.set(0.5);
    live.until("kill switch stop_async thrown by guard harm", LONG);
    s.dial.set(0.001);
    live.until("waiting for kill switch stop_async", LONG);
    live.signal(Signal::KILL);
    live.end(LONG);
    s.work.canary(&["reset", "stop_async", "--why", "workers mended"]).exits(0);
    s.start(&["--resume"]).end(LONG).exits(0).shows("reset by tester@").shows("promoted");
    s.work.verify();
}

#[test]
fn behind_a_point_of_no_return_an_abort_pauses_and_says_so() {
    let s = Shop::new(
        "  guard harm: harm <= 1%  tolerate patience  else rollback
  phase taste { flag checkout = 5%    hold watch }
  phase half  { irreversible \"the old schema is gone\"   flag checkout = 50%   hold 40s }",
    );
    let mut live = s.start(&[]);
    live.until("read back checkout = 50%", LONG);
    s.work.canary(&["abort", "checkout", "--why", "it is slow"]).exits(1).says("past a point of no return");
    live.until("irreversible: the old schema is gone", LONG);
    s.work.canary(&["status"]).exits(0).shows("paused since");
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    assert_eq!(s.percent(), 50.0);
    // and where nobody runs it
    s.work.canary(&["abort", "checkout"]).exits(5).says("the state of run");
    assert_eq!(s.percent(), 50.0);
    s.work.verify();
}
