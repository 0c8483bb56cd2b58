//! `policies/m4_flags.canary`, as it is shipped, on a real Prometheus, a real flag file and a real service: what the team's own
//! scripts did. Durations are shortened by `--set`, the scrape interval by an edit of the environment; nothing else differs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::canary::{Done, Live, Work, of_kind, time};
use support::http::{Pages, Reply};
use support::load::exchange;
use support::nova::{Character, Nova};
use support::servers::Prometheus;
use support::webhooks;

/// Nothing takes nearly so long, unless the disk under the store stalls.
const LONG: Duration = Duration::from_secs(90);

/// Layout, order and other people's keys that must survive.
const FLAGS: &str = "{\n    \"failure_hints\" : false,\n  \"limits\":   {\"retries\": [1,2,  3]},\n\
                     \t\"failure_catalog\": false,\n  \"note\": \"für alle\"\n}";

fn with_flags_on() -> String {
    FLAGS
        .replace("\"failure_hints\" : false", "\"failure_hints\" : true")
        .replace("\"failure_catalog\": false", "\"failure_catalog\": true")
}

/// What a rehearsal is shortened to. `rate_window` is four scrapes of a second.
const SHORT: [&str; 7] = [
    "watch=2s",
    "baseline_window=5s",
    "every=1s",
    "rate_window=4s",
    "blindness=5s",
    "lull=3s",
    "errors_to_spare=0.5/s",
];

/// Everything that the rollout stands on.
struct Stand {
    file: PathBuf,
    nova: Nova,
    prometheus: Prometheus,
    /// What each webhook was sent: its form and the body.
    told: Arc<Mutex<Vec<(String, Value)>>>,
    _webhooks: Pages,
    // last: the folder goes when nobody reads it any more
    work: Work,
}

impl Stand {
    /// Started, and measured for as long as the baseline and a rate's window together. None where Prometheus is not installed.
    fn start(character: Character) -> Option<Self> {
        if !support::require("prometheus") {
            return None;
        }
        let work = Work::of_policy("m4_flags.canary", "staging", &[("scrape: 15s", "scrape: 1s")]);
        work.script("environments/m4_smoke.sh", "exit 0");
        let file = work.path("flags.json");
        std::fs::write(&file, FLAGS).unwrap();
        let nova = Nova::start(file.clone(), character);
        let prometheus = Prometheus::start(work.folder.path(), &[nova.port]);
        let told: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let into = Arc::clone(&told);
        let webhooks = Pages::serve(move |request| {
            let form = request.path.split('/').nth(1).unwrap_or("").to_owned();
            into.lock().unwrap().push((form, serde_json::from_str(&request.body).unwrap()));
            Reply::text("ok")
        });
        let work = work
            .with("PROMETHEUS_URL", format!("http://127.0.0.1:{}", prometheus.port))
            .with("NOVA_FLAG_FILE", file.to_str().unwrap())
            .with("CANARY_WEBHOOK_URL", webhooks.url() + "/slack/s3cret")
            .with("CANARY_DISCORD_URL", webhooks.url() + "/discord/s3cret")
            .with("CANARY_TEAMS_URL", webhooks.url() + "/teams/s3cret");
        let stand = Self { file, nova, prometheus, told, _webhooks: webhooks, work };
        stand.until_measured(10.0);
        Some(stand)
    }

    fn until_measured(&self, samples: f64) {
        // two waits, as one is bounded by ten seconds
        for n in [samples / 2.0, samples] {
            support::eventually("Prometheus has scraped the service often enough", || {
                self.prometheus.value("count_over_time(nova_workflow_total[1m])").is_some_and(|v| v >= n)
            });
        }
    }

    fn start_run(&self, sets: &[&str], more: &[&str]) -> Live {
        let mut args = vec!["run", "m4_flags.canary", "--env", "staging"];
        // nothing is run by a dry run, so it has nothing to report
        if !more.contains(&"--dry-run") {
            args.extend(["--report", "report.json"]);
        }
        // the last of two `--set`s of a name would be refused: the short one gives way
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

    fn flags(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    /// As a careful somebody else would do it.
    fn write_flags(&self, text: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }

    fn report(&self) -> Value {
        self.work.json("report.json")
    }

    /// Rolled back because of a guard, with all that belongs to it. Returns the guard's value and limit.
    #[track_caller]
    fn rolled_back_by(&self, done: Done, guard: &str) -> (f64, f64) {
        let done = done.exits(1).shows(&format!("rollback: guard {guard} breached"));
        assert_eq!(self.flags(), FLAGS, "restored byte for byte");
        support::eventually("the service reads what was restored", || self.nova.seen().last() == Some(&(false, false)));
        let report = self.report();
        assert_eq!(report["verdict"], "rolled_back");
        assert_eq!(report["decision"]["rule"], guard);
        let said = &report["decision"]["guard"]["reading"];
        let (value, limit) = (said["value"].as_f64(), said["limit"].as_f64());
        let (value, limit) = (value.expect("a value"), limit.expect("a limit"));
        let why = self.work.canary(&["why", "m4_flags"]).exits(0).shows(guard).shows("limit").out;
        assert!(why.contains("value"), "{why}");
        assert_eq!(
            report["exposure"],
            json!({
                "before": { "m4.failure_catalog": { "bool": false }, "m4.failure_hints": { "bool": false } },
                "after": { "m4.failure_catalog": { "bool": false }, "m4.failure_hints": { "bool": false } },
            }),
            "{}",
            done.out
        );
        self.everybody_is_told("rolled back", guard);
        self.work.canary(&["history", "m4_flags", "--verify"]).exits(0).shows("the chain holds");
        (value, limit)
    }

    /// Slack, Discord and Teams were each sent something with these words, in the form that they document; and nobody else was
    /// told the URLs.
    #[track_caller]
    fn everybody_is_told(&self, one: &str, other: &str) {
        for form in ["slack", "discord", "teams"] {
            support::eventually(&format!("{form} is told that it is {one}"), || {
                let told = self.told.lock().unwrap();
                told.iter()
                    .any(|(f, body)| f == form && body.to_string().contains(one) && body.to_string().contains(other))
            });
        }
        for (form, body) in self.told.lock().unwrap().iter() {
            webhooks::check(form, body);
            assert!(!body.to_string().contains("s3cret"));
        }
        assert!(!self.report().to_string().contains("s3cret"));
    }

    /// What Prometheus' range API says of a query: the mean over a stretch, in seconds since 1970.
    fn mean(&self, query: &str, from: f64, to: f64) -> f64 {
        let query: String = query.bytes().map(|b| format!("%{b:02x}")).collect();
        let ask = format!("GET /api/v1/query_range?query={query}&start={from}&end={to}&step=1 HTTP/1.0\r\n\r\n");
        let answer = exchange(self.prometheus.port, &ask).unwrap();
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let points = body["data"]["result"][0]["values"].as_array().unwrap_or_else(|| panic!("{body}"));
        let sum: f64 = points.iter().map(|p| p[1].as_str().unwrap().parse::<f64>().unwrap()).sum();
        sum / points.len() as f64
    }

    /// The same of a query at one time.
    fn value_at(&self, query: &str, at: f64) -> f64 {
        self.mean(query, at, at)
    }
}

/// Several stands at once: they mostly wait for Prometheus to scrape.
fn together(scenarios: &[fn()]) {
    std::thread::scope(|scope| {
        for scenario in scenarios {
            scope.spawn(scenario);
        }
    });
}

fn near(a: f64, b: f64, part: f64) -> bool {
    (a - b).abs() <= b.abs() * part
}

#[test]
fn a_good_change_is_promoted_and_a_deadly_one_is_not() {
    together(&[good, deadly, noisy]);
}

#[test]
fn what_gets_worse_takes_the_flags_back() {
    together(&[more_errors, slower, mismatching, bursting]);
}

/// Errors at a steady tenth, before and after.
fn good() {
    let Some(s) = Stand::start(Character { errors: 0.1, errors_on: 0.1, ..Character::default() }) else { return };

    let before = s.work.contents();
    s.run(&[], &["--dry-run"])
        .exits(0)
        .shows("nothing is changed")
        .shows("set m4 (2 flags) off → on")
        .shows("it would start");
    // Prometheus writes its own data below the same folder
    let ours = |list: Vec<(PathBuf, Vec<u8>)>| -> Vec<_> {
        list.into_iter().filter(|(p, _)| !p.components().any(|c| c.as_os_str() == "prometheus")).collect()
    };
    assert_eq!(ours(before), ours(s.work.contents()), "a dry run writes nothing, not even a store");

    let mut live = s.start_run(&["watch=3s"], &[]);
    live.until("read back m4 (2 flags) = on", LONG);
    assert_eq!(s.flags(), with_flags_on(), "our keys, and not a byte beside them");
    // somebody else changes another key meanwhile
    s.write_flags(&s.flags().replace("[1,2,  3]", "[4]"));
    let done = live.end(LONG).exits(0).shows("smoke succeeded").shows("promoted");
    let on = with_flags_on().replace("[1,2,  3]", "[4]");
    assert_eq!(s.flags(), on, "their change survives");
    assert_eq!(s.nova.seen().first(), Some(&(false, false)));
    assert_eq!(s.nova.seen().last(), Some(&(true, true)));
    let report = s.report();
    assert_eq!(report["verdict"], "promoted");
    assert_eq!(report["phases"].as_array().unwrap().len(), 1, "{}", done.out);
    s.everybody_is_told("promoted", "on staging");

    // what the run took for `before`, against what Prometheus itself says of that time
    let guards = report["phases"][0]["guards"].as_array().unwrap();
    let limit = |name: &str| {
        let found = guards.iter().find(|g| g["guard"] == name).unwrap();
        found["reading"]["limit"].as_f64().unwrap()
    };
    let at = time(report["started"].as_str().unwrap()) as f64 / 1000.0;
    let errors = s.mean("sum(rate(nova_workflow_error_total[4s])) or vector(0)", at - 5.0, at);
    assert!(near(limit("errors"), errors * 1.5, 0.05), "{} of {errors}", limit("errors"));
    let workflows = s.mean("sum(rate(nova_workflow_total[4s]))", at - 5.0, at);
    assert!(near(limit("alive"), workflows * 0.5, 0.05), "{} of {workflows}", limit("alive"));
    let p95 = "histogram_quantile(0.95, sum by (le) (increase(nova_workflow_duration_seconds_bucket[5s])))";
    let p95 = s.value_at(p95, at);
    assert!(near(limit("latency"), p95 + 0.5, 0.02), "{} of {p95}", limit("latency"));
    assert_eq!(limit("golden"), 0.0);

    // the flags are on: there is nothing to start from
    s.run(&[], &[]).exits(3).shows("m4.failure_catalog is already at on").shows("nothing was changed");
    assert_eq!(s.flags(), on);
}

/// The service ends while the flags are on: `or vector(0)` makes its errors look like none.
fn deadly() {
    let Some(mut s) = Stand::start(Character::default()) else { return };
    let mut live = s.start_run(&["watch=30s"], &[]);
    live.until("read back m4 (2 flags) = on", LONG);
    s.nova.die();
    let done = live.end(LONG).exits(1).shows("rollback: no data for m4_flags");
    assert!(done.out.contains("guard alive blind") && !done.out.contains("promoted"), "{}", done.out);
    assert_eq!(s.flags(), FLAGS);
}

/// No errors before, and one in ten seconds after: less than what is spared.
fn noisy() {
    let Some(s) = Stand::start(Character { errors_on: 0.002, ..Character::default() }) else { return };
    let done = s.run(&["watch=12s"], &[]).exits(0);
    assert_eq!(s.flags(), with_flags_on());
    let errors = s.prometheus.value("nova_workflow_error_total");
    assert!(errors.is_some_and(|n| n >= 1.0), "there was an error to be spared: {errors:?}\n{}", done.out);
}

/// Three fifths more errors than before, on one in ten.
fn more_errors() {
    let Some(s) = Stand::start(Character { errors: 0.1, errors_on: 0.16, ..Character::default() }) else { return };
    let mut live = s.start_run(&["watch=30s"], &[]);
    live.until("read back m4 (2 flags) = on", LONG);
    // somebody else changes another key meanwhile
    s.write_flags(&s.flags().replace("[1,2,  3]", "[4]"));
    let done = live.end(LONG);
    assert_eq!(s.flags(), FLAGS.replace("[1,2,  3]", "[4]"), "their change survives our rollback");
    s.write_flags(FLAGS);
    let (value, limit) = s.rolled_back_by(done, "errors");
    assert!(near(limit, 7.5, 0.05) && value > limit && value < 9.0, "{value} against {limit}");
}

fn slower() {
    let Some(s) = Stand::start(Character { slower_on: 0.6, ..Character::default() }) else { return };
    let (value, limit) = s.rolled_back_by(s.run(&["watch=30s"], &[]), "latency");
    // 200 ms lie in the bucket from 100 to 250 ms, 95 % of the way up
    assert!(near(limit, 0.2425 + 0.5, 0.02) && value > limit, "{value} against {limit}");
}

fn mismatching() {
    let Some(s) = Stand::start(Character { mismatches_on: 0.05, ..Character::default() }) else { return };
    let (value, limit) = s.rolled_back_by(s.run(&["watch=30s"], &[]), "golden");
    assert!(value >= 1.0 && limit == 0.0, "{value} against {limit}");
}

/// No errors at all before: nothing is divided by, and a burst is seen all the same.
fn bursting() {
    let Some(s) = Stand::start(Character { errors_on: 0.2, ..Character::default() }) else { return };
    let (value, limit) = s.rolled_back_by(s.run(&["watch=30s"], &[]), "errors");
    assert!(limit == 0.5 && value > limit, "{value} against {limit}");
}

#[test]
fn a_smoke_test_that_fails_or_hangs_and_starts_that_are_refused() {
    let Some(mut s) = Stand::start(Character::default()) else { return };

    s.work.script("environments/m4_smoke.sh", "echo looking at $CANARY_ROLLOUT; echo catalog is empty >&2; exit 3");
    let done = s.run(&[], &[]).exits(1).shows("smoke failed: exit status 3").shows("catalog is empty");
    assert_eq!(s.flags(), FLAGS);
    let events = s.work.history_of("m4_flags");
    let ended = of_kind(&events, "action_ended")[0];
    assert_eq!((&ended["ok"], &ended["how"]), (&json!(false), &json!("exit status 3")));
    assert_eq!(ended["output"], "looking at m4_flags\ncatalog is empty\n");
    let report = s.report();
    assert_eq!(report["verdict"], "rolled_back");
    assert!(of_kind(report["events"].as_array().unwrap(), "action_ended")[0] == ended, "{}", done.out);
    s.work.canary(&["why", "m4_flags"]).exits(0).shows("smoke").shows("exit status 3").shows("| catalog is empty");

    // it hangs, and so does a child of its own, which does not listen to SIGTERM
    let child =
        "(trap '' TERM; echo $$ > pids; sh -c 'echo $PPID >> pids; echo $$ >> pids; exec sleep 300') & sleep 300";
    s.work.script("environments/m4_smoke.sh", child);
    s.run(&["smoke_timeout=1s"], &[]).exits(1).shows("smoke failed: timed out after 1s");
    assert_eq!(s.flags(), FLAGS);
    let pids = std::fs::read_to_string(s.work.path("environments/pids")).unwrap();
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        // one that nobody has asked for its end yet is a zombie, and does nothing any more
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "of the smoke test there still is {stat}");
    }

    // what is refused changes nothing
    let refused = |s: &Stand, sets: &[&str], parts: &[&str]| {
        let done = s.run(sets, &[]).exits(3);
        let said = done.out + &done.err;
        for part in parts.iter().chain(&["nothing was changed"]) {
            assert!(said.contains(part), "no `{part}` in:\n{said}");
        }
        assert_eq!(s.flags(), FLAGS);
    };
    // measured for seconds, where two minutes were asked for
    refused(&s, &["baseline_window=2m"], &["no baseline for workflows", "no baseline for duration", "2m"]);
    let policy = s.work.path("m4_flags.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("nova_workflow_duration_", "nova_workflow_latency_")).unwrap();
    refused(&s, &[], &["no baseline for duration"]);
    std::fs::write(&policy, text.replace("sum(rate(nova_workflow_total", "sum(rate(nova_workflows_total")).unwrap();
    refused(&s, &[], &["no baseline for workflows", "`require workflows >= least_traffic` is not known"]);
    std::fs::write(&policy, &text).unwrap();
    s.prometheus.stop();
    refused(&s, &[], &["source prometheus"]);
    assert_eq!(s.nova.seen().last(), Some(&(false, false)));
}
