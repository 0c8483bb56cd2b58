//! `policies/materializers.canary`, as it is shipped, on a service's own `/metrics` page: no Prometheus anywhere. Days become
//! seconds by `--set`, the distance between two reads of the page by an edit of the environment; nothing else differs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::canary::{Done, Live, Work, of_kind, words};
use support::http::{Pages, Reply};
use support::materializers::Materializers;

/// Nothing takes nearly so long, unless the disk under the store stalls.
const LONG: Duration = Duration::from_secs(90);

/// With a neighbour of somebody else's, comments, and a spelling of its own.
const FLAGS: &str = "# workers\nWORKERS=3\nexport ASYNC_MATERIALIZERS=off # the switch\nMATERIALIZERS_PCT=\"0\"\n# end";

const SHORT: [&str; 8] = [
    "observe_for=600ms",
    "stable_for=600ms",
    "capacity_for=600ms",
    "full_for=600ms",
    "every=200ms",
    "window=1s",
    "patience=1s",
    "blindness=2s",
];

struct Stand {
    service: Materializers,
    file: PathBuf,
    _slack: Pages,
    // last: the folder goes when nobody reads it any more
    work: Work,
}

impl Stand {
    fn start() -> Self {
        let work = Work::of_policy("materializers.canary", "materializers", &[("every: 15s", "every: 100ms")]);
        work.script("environments/scale_workers.sh", "echo $CANARY_PHASE >> scaled");
        work.script("environments/stop_workers.sh", "echo $CANARY_CAUSE >> stopped");
        // a restart is what lets the workers see the file; they are asked what they use
        work.script(
            "environments/restart_workers.sh",
            "echo restart >> restarts; cp \"$MATERIALIZERS_ENV_FILE\" used.new && mv used.new used.env",
        );
        work.script("environments/share_in_use.sh", ". ./used.env; echo $MATERIALIZERS_PCT");
        let file = work.path("workers.env");
        std::fs::write(&file, FLAGS).unwrap();
        let used = work.path("environments/used.env");
        std::fs::write(&used, FLAGS).unwrap();
        let service = Materializers::start(used);
        let slack = Pages::serve(|_| Reply::text("ok"));
        let work = work
            .with("MATERIALIZERS_METRICS_URL", service.url())
            .with("MATERIALIZERS_ENV_FILE", file.to_str().unwrap())
            .with("CANARY_WEBHOOK_URL", slack.url() + "/services/secret");
        Self { service, file, _slack: slack, work }
    }

    fn start_run(&self, sets: &[&str], more: &[&str]) -> Live {
        let mut args = vec!["run", "materializers.canary", "--env", "materializers"];
        let name = |s: &str| s.split('=').next().unwrap().to_owned();
        let taken: Vec<String> = sets.iter().map(|s| name(s)).collect();
        for set in SHORT.iter().filter(|s| !taken.contains(&name(s))).chain(sets) {
            args.extend(["--set", set]);
        }
        args.extend(more);
        self.work.start(&args)
    }

    fn run(&self, sets: &[&str], more: &[&str]) -> Done {
        self.start_run(sets, more).end(LONG)
    }

    /// A run in its first phase, for longer than any test takes.
    fn observing(&self, sets: &[&str]) -> Live {
        let mut sets = sets.to_vec();
        sets.push("observe_for=1h");
        let mut live = self.start_run(&sets, &[]);
        live.until("guard errors ok", LONG);
        live.until("guard success ok", LONG);
        live
    }

    fn flags(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    fn events(&self) -> Vec<Value> {
        self.work.history_of("materializers")
    }

    /// Tells the live runner. One that has not answered in ten seconds obeys all the same, later.
    #[track_caller]
    fn abort(&self) {
        let done = self.work.canary(&["abort", "materializers"]);
        let late = done.code() == 5 && done.err.contains("it will still see this");
        assert!(late || done.code() == 0, "{done:?}");
    }

    /// What a script has noted.
    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.work.path("environments").join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// In which phase each `scale_workers` ran.
    fn scaled(&self) -> Vec<String> {
        self.lines("scaled")
    }

    #[track_caller]
    fn taken_back(&self, done: Done, guard: &str) {
        let done = done.exits(1).shows(&format!("rollback: guard {guard} breached"));
        assert_eq!(self.flags(), FLAGS, "restored byte for byte: {}", done.out);
        support::eventually("the service reads what was restored", || self.service.seen().last() == Some(&0.0));
        self.work.canary(&["why", "materializers"]).exits(0).shows(guard).shows("limit");
    }
}

/// Waits until standard output shows something so many times.
#[track_caller]
fn until_times(live: &mut Live, part: &str, times: usize) {
    let begin = Instant::now();
    while live.out().matches(part).count() < times {
        assert!(begin.elapsed() < LONG, "`{part}` not {times} times:\n{}", live.out());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_ten_fifty_and_all_of_it() {
    let s = Stand::start();
    support::eventually("the service has read its flags", || s.service.seen() == [0.0]);

    let before = s.work.contents();
    s.run(&[], &["--dry-run"])
        .exits(0)
        .shows("phase observe\n    set async_materializers off → on\n    set materializers_pct 0% → 1%")
        .shows("materializers_pct = 0%")
        .shows("it would start");
    assert_eq!(before, s.work.contents(), "a dry run writes nothing, not even a store");

    let done = s.run(&[], &["--report", "report.json"]).exits(0).shows("promoted");
    support::eventually("the service reads 100 %", || s.service.seen().last() == Some(&100.0));
    assert_eq!(s.service.seen(), [0.0, 1.0, 10.0, 50.0, 100.0]);
    assert_eq!(s.flags(), FLAGS.replace("=off", "=on").replace("\"0\"", "\"100\""));
    // two flags of one phase are one write and one restart
    assert_eq!(s.lines("restarts"), ["restart"; 4]);
    for phase in ["observe", "stability", "capacity", "full"] {
        assert!(done.out.contains(&format!("phase {phase} passed")), "{}", done.out);
    }
    assert_eq!(s.work.json("report.json")["verdict"], "promoted");
    assert_eq!(s.scaled(), [] as [&str; 0]);
    let plan = s.work.canary(&["plan", "materializers.canary", "--env", "materializers"]).exits(0);
    for purpose in ["Initial observation", "Stability check", "Capacity test", "Full production"] {
        assert!(plan.out.contains(purpose), "{}", plan.out);
    }
}

#[test]
fn a_deep_queue_gets_workers_once_an_edge_and_four_times_an_hour() {
    let s = Stand::start();
    let mut live = s.observing(&[]);
    // at the limit, not over it
    s.service.set(|x| x.queue = 500);
    for edge in 1..=5 {
        s.service.set(|x| x.queue = 501 + edge);
        // the guard beside the reaction says what the same check saw
        until_times(&mut live, "guard queue breached", edge as usize);
        if edge == 1 {
            // it stays deep: further checks see it, and nothing is run again
            let reads = s.events().len();
            s.service.set(|x| x.success = 0.85);
            live.until("guard success failing", LONG);
            s.service.set(|x| x.success = 0.99);
            until_times(&mut live, "guard success ok", 2);
            assert!(s.events().len() > reads);
            assert_eq!(s.scaled().len(), 1, "{}", live.out());
        }
        until_times(&mut live, "scale_workers succeeded", edge.min(4) as usize);
        s.service.set(|x| x.queue = 20);
        until_times(&mut live, "guard queue ok", edge as usize + 1);
    }
    assert_eq!(s.scaled(), ["observe"; 4], "the fifth within the hour is one too many");
    assert_eq!(s.service.seen().last(), Some(&1.0), "it never changes exposure");
    let events = s.events();
    assert_eq!(of_kind(&events, "action_started").len(), 4);
    assert!(of_kind(&events, "rollback").is_empty() && of_kind(&events, "paused").is_empty());

    // by hand, at once
    s.abort();
    live.end(LONG).exits(4).shows("read back materializers_pct = 0%, async_materializers = off");
    assert_eq!(s.flags(), FLAGS);
    support::eventually("the service reads 0 %", || s.service.seen() == [0.0, 1.0, 0.0]);
}

#[test]
fn too_few_successes_for_too_long() {
    let s = Stand::start();
    let mut live = s.observing(&["patience=1500ms"]);
    // shorter than the tolerance
    s.service.set(|x| x.success = 0.85);
    live.until("guard success failing", LONG);
    s.service.set(|x| x.success = 0.95);
    until_times(&mut live, "guard success ok", 2);
    assert!(of_kind(&s.events(), "rollback").is_empty());
    // and longer
    s.service.set(|x| x.success = 0.89);
    s.taken_back(live.end(LONG), "success");
    let events = s.events();
    let seen = words(&events, "success");
    let failing = seen.iter().rfind(|(w, _)| w == "failing").unwrap();
    let rollback = of_kind(&events, "rollback")[0];
    let took = support::canary::at(rollback) - support::canary::at(failing.1);
    assert!(took >= 1500, "not before its tolerance: {took} ms");
    assert_eq!(rollback["explanation"]["guard"]["reading"]["value"], 0.89);
    assert_eq!(rollback["explanation"]["guard"]["reading"]["limit"], 0.9);
}

#[test]
fn too_many_errors() {
    let s = Stand::start();
    let live = s.observing(&[]);
    s.service.set(|x| x.errors = 0.2);
    s.taken_back(live.end(LONG), "errors");
    assert_eq!(s.service.seen(), [0.0, 1.0, 0.0]);
}

#[test]
fn a_service_that_is_gone_promotes_nothing() {
    let mut s = Stand::start();
    let mut live = s.start_run(&["observe_for=3s"], &[]);
    live.until("guard errors ok", LONG);
    s.service.die();
    live.until("paused: no data for materializers", LONG);
    let events = s.events();
    for guard in ["success", "errors"] {
        assert_eq!(words(&events, guard).last().unwrap().0, "blind", "{guard}");
    }
    assert_eq!(of_kind(&events, "entered").len(), 1);
    assert_eq!(s.service.seen(), [0.0, 1.0], "what is set stays set, and no more");
    s.work.canary(&["status"]).exits(0).shows("paused since").shows("blind");
    s.abort();
    live.end(LONG).exits(4);
    assert_eq!(s.flags(), FLAGS);
}

/// One command stops everything, with a rollout under way or without, and it stays stopped.
#[test]
fn one_command_stops_all_of_it_for_good() {
    let s = Stand::start();
    let live = s.observing(&[]);
    assert_eq!(s.service.seen(), [0.0, 1.0]);
    s.work.canary(&["kill", "stop_async", "--why", "the queue is on fire"]).exits(0);
    let run = live.end(LONG).exits(4);
    assert!(run.out.contains("kill switch stop_async thrown by tester"), "{}", run.out);
    assert_eq!(s.flags(), FLAGS);
    support::eventually("the workers use 0 %", || s.service.seen() == [0.0, 1.0, 0.0]);
    assert_eq!(s.lines("stopped").len(), 1);
    assert_eq!(of_kind(&s.events(), "kill_switch.activated")[0]["switch"], "stop_async");

    // latched: no other process starts it, and none says it could
    for more in [&[][..], &["--dry-run"]] {
        let refused = s.run(&[], more).exits(3);
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains("stop_async is latched") && said.contains("the queue is on fire"), "{said}");
    }
    assert_eq!(s.service.seen(), [0.0, 1.0, 0.0]);
    s.work.canary(&["killswitch"]).exits(0).shows("LATCHED");

    // a person with a reason lets it start again
    s.work.canary(&["reset", "stop_async", "--env", "materializers"]).exits(2);
    s.work.canary(&["reset", "stop_async", "--env", "materializers", "--why", "mended"]).exits(0);
    s.run(&[], &[]).exits(0).shows("promoted");
    assert_eq!(s.service.seen().last(), Some(&100.0));

    // nothing is under way now, and it is stopped all the same
    s.work.canary(&["kill", "stop_async", "--why", "again"]).exits(0);
    support::eventually("the workers use 0 %", || s.service.seen().last() == Some(&0.0));
    assert_eq!(s.lines("stopped").len(), 2);
    assert_eq!(s.events().last().unwrap()["verdict"], "killed");
}
