//! The report of a run: what it holds, that it is as its schema says, and that it is the same whenever it is made.
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
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::canary::{Work, time};
use support::page::{Dial, Page};
use support::report::Schema;

const LONG: Duration = Duration::from_secs(20);
const RUN: [&str; 6] = ["run", "checkout.canary", "--env", "reported", "--report", "report.json"];

/// The policy `report.canary` with its page, in a folder that is no repository yet.
struct Reported {
    work: Work,
    harm: Dial,
    _page: Page,
}

impl Reported {
    fn new() -> Self {
        let work = Work::new("report.canary", &["reported"]);
        let file = work.path("flags.json");
        std::fs::write(&file, "{ \"checkout\": 0, \"fast\": false }").unwrap();
        let harm = Dial::default();
        harm.set(0.001);
        let (shown, served) = (harm.clone(), AtomicU64::new(0));
        let page = Page::start(move || {
            let (harm, served) = (shown.get(), served.fetch_add(5, Ordering::Relaxed));
            // when it gets bad the other number goes away, too
            let spare = if harm < 0.1 { "# TYPE spare_share gauge\nspare_share 0.1\n" } else { "" };
            Some(format!(
                "# TYPE error_share gauge\nerror_share {harm}\n{spare}# TYPE orders_total counter\norders_total {served}\n"
            ))
        });
        let url = page.url().replace("http://", "http://USER-VALUE:PASS-VALUE@");
        let work = work
            .with("METRICS_URL", url)
            .with("FLAG_FILE", file.to_str().unwrap())
            .with("GIT_CONFIG_GLOBAL", "/dev/null")
            .with("GIT_CONFIG_NOSYSTEM", "1")
            .with("GIT_CEILING_DIRECTORIES", work_root());
        Self { work, harm, _page: page }
    }

    /// The report that was written, which keeps its secrets.
    #[track_caller]
    fn report(&self, name: &str) -> Value {
        let report = self.work.json(name);
        let text = report.to_string();
        for secret in ["USER-VALUE", "PASS-VALUE"] {
            assert!(!text.contains(secret), "{secret} in {report:#}");
        }
        report
    }

    fn git(&self, args: &[&str]) -> String {
        let mut c = Command::new("git");
        c.current_dir(self.work.folder.path()).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(args);
        c.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let done = c.output().unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

fn work_root() -> String {
    std::env::temp_dir().to_str().unwrap().to_owned()
}

#[test]
fn every_report_is_as_the_schema_says_and_together_they_show_all_of_it() {
    let mut schema = Schema::load();

    // refused before there is a run: no repository, no job
    let r = Reported::new();
    std::fs::rename(r.work.path("flags.json"), r.work.path("elsewhere.json")).unwrap();
    r.work.canary(&RUN).exits(3).says("nothing was changed");
    let refused = r.report("report.json");
    schema.check(&refused);
    assert_eq!((&refused["verdict"], &refused["run"]), (&json!("refused"), &json!(null)));
    assert_eq!((&refused["exit_status"], &refused["state"]), (&json!(3), &json!("finished")));
    assert!(refused["refused"].as_array().unwrap().iter().any(|r| r.as_str().unwrap().contains("flags.json")));
    assert!(refused["provenance"]["git"]["why"].as_str().unwrap().starts_with("not a git repository"));
    std::fs::rename(r.work.path("elsewhere.json"), r.work.path("flags.json")).unwrap();

    // promoted, from a clean commit, in a CI job
    r.git(&["init", "-q", "-b", "main", "."]);
    std::fs::write(r.work.path(".gitignore"), "report.json\n.canary/\n*.lock\nflags.json\n").unwrap();
    r.git(&["add", "-A"]);
    r.git(&["commit", "-q", "-m", "a policy"]);
    let commit = r.git(&["rev-parse", "HEAD"]);
    let Reported { work, harm, _page } = r;
    let r = Reported { work: work.with("SUDO_USER", "eva").with("CI_JOB_URL", "https://ci/job/7"), harm, _page };
    r.work.canary(&RUN).exits(0);
    let promoted = r.report("report.json");
    schema.check(&promoted);
    assert_eq!((&promoted["verdict"], &promoted["exit_status"]), (&json!("promoted"), &json!(0)));
    let from = &promoted["provenance"];
    let git = json!({
        "commit": commit, "branch": "main", "branch_from": "git", "dirty": false, "policy_dirty": false, "why": null
    });
    assert_eq!(from["git"], git);
    assert_eq!((&from["sudo_user"], &from["ci_job"]), (&json!("eva"), &json!("https://ci/job/7")));
    assert_eq!(from["arguments"].as_array().unwrap()[1..], RUN.map(|a| json!(a)));
    let me = Command::new("id").arg("-un").output().unwrap().stdout;
    assert_eq!(from["user"], String::from_utf8_lossy(&me).trim(), "not what somebody exported as USER");
    for source in from["sources"].as_array().unwrap() {
        let bytes = std::fs::read(r.work.path(source["path"].as_str().unwrap())).unwrap();
        assert_eq!(source["sha256"], canary::plan::hash::sha256_hex(&bytes));
    }
    assert_eq!(from["sources"].as_array().unwrap().len(), 2);
    let hashes =
        format!("{}\n{}\n", promoted["plan_hash"].as_str().unwrap(), promoted["bindings_hash"].as_str().unwrap());
    assert_eq!(promoted["config_hash"], canary::plan::hash::sha256_hex(hashes.as_bytes()));
    let text = |v: &Value| time(v.as_str().unwrap());
    assert_eq!(text(&promoted["ended"]) - text(&promoted["started"]), promoted["duration_ms"].as_i64().unwrap());
    // the baseline: read before the start, over what the policy asks for
    let baseline = &promoted["baseline"];
    assert_eq!(text(&baseline["to"]) - text(&baseline["from"]), 600);
    assert!(text(&baseline["to"]) <= text(&promoted["started"]));
    let of = |name: &str| baseline["values"].as_array().unwrap().iter().find(|v| v["metric"] == name).unwrap().clone();
    assert!((of("harm")["value"].as_f64().unwrap() - 0.001).abs() < 1e-9, "{baseline}");
    assert_eq!((&of("failed")["value"], of("failed")["missing"].is_string()), (&json!(null), true));
    let smoke = &promoted["actions"][0];
    assert_eq!((&smoke["ok"], &smoke["cause"]), (&json!(true), &json!("step")));
    assert_eq!(smoke["output"], "said ***\n", "what a script says of a secret is not kept");

    // rolled back in the second phase, on changed files, detached
    r.git(&["checkout", "-q", "--detach"]);
    std::fs::write(r.work.path("flags.json"), "{ \"checkout\": 0, \"fast\": false, \"workers\": 0 }").unwrap();
    let policy = r.work.path("checkout.canary");
    let changed = std::fs::read_to_string(&policy).unwrap() + "# one more line\n";
    std::fs::write(&policy, changed).unwrap();
    let mut args = RUN.to_vec();
    args.extend(["--set", "watch=2s"]);
    let mut live = r.work.start(&args);
    live.until("phase taste passed", LONG);
    r.harm.set(0.2);
    live.end(LONG).exits(1);
    let back = r.report("report.json");
    schema.check(&back);
    let git = &back["provenance"]["git"];
    assert_eq!((&git["branch"], &git["dirty"], &git["policy_dirty"]), (&json!(null), &json!(true), &json!(true)));
    let phases = back["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 2);
    assert!(phases[0]["passed"].is_string() && phases[0]["rolled_back"].is_null() && phases[0]["verified"].is_string());
    assert!(phases[1]["passed"].is_null() && phases[1]["rolled_back"].is_string());
    assert!(phases.iter().all(|p| p["guards"].as_array().unwrap().len() == 2), "every guard at every end");
    assert_eq!(back["decision"]["guard"]["guard"], "harm");
    assert!(back["rollback_ms"].as_i64().unwrap() < 2_000);
    assert_eq!(
        back["exposure"]["after"],
        json!({"fast": {"bool": false}, "workers": {"count": 0}, "checkout": {"share": 0.0}})
    );
    // every guard's values over the run
    let harm = back["observed"]["guards"].as_array().unwrap().iter().find(|g| g["guard"] == "harm").unwrap().clone();
    assert_eq!((&harm["value"]["min"], &harm["value"]["last"]), (&json!(0.001), &json!(0.2)));
    assert_eq!(harm["value"]["max"], 0.2);
    assert!(harm["words"]["ok"].as_u64().unwrap() >= 8 && harm["words"]["breached"].as_u64().unwrap() >= 1, "{harm}");
    let words: u64 = harm["words"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(words, harm["checks"].as_u64().unwrap());
    let checks = &back["observed"]["checks"];
    assert_eq!((&checks["pruned"], &checks["every_ms"]), (&json!(false), &json!(200)));
    assert!(checks["observed"].as_u64().unwrap() > words, "the start is a check at which no guard has a word yet");
    assert!(checks["planned"].as_u64().unwrap() >= checks["observed"].as_u64().unwrap());
    assert_eq!(text(&checks["first"]), text(&back["started"]));
    r.harm.set(0.001);

    // refused by its own rules: there is a run
    std::fs::write(r.work.path("flags.json"), "{ \"checkout\": 5, \"fast\": false }").unwrap();
    r.work.canary(&RUN).exits(3);
    let refused = r.report("report.json");
    schema.check(&refused);
    assert_eq!((&refused["verdict"], refused["run"].is_string()), (&json!("refused"), true));
    assert!(refused["refused"][0].as_str().unwrap().contains("already at 5%"));
    std::fs::write(r.work.path("flags.json"), "{ \"checkout\": 0, \"fast\": false }").unwrap();

    // stopped, resumed, paused, let go on, aborted
    let mut args = RUN.to_vec();
    args.extend(["--watch", "20"]);
    let mut live = r.work.start(&args);
    live.until("smoke succeeded", LONG);
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    let stopped = r.report("report.json");
    schema.check(&stopped);
    assert_eq!((&stopped["verdict"], &stopped["state"]), (&json!(null), &json!("unfinished")));
    assert_eq!((&stopped["exit_status"], &stopped["ended"]), (&json!(5), &json!(null)));
    r.work
        .canary(&["run", "checkout.canary", "--env", "reported", "--resume", "--report", "no.json"])
        .exits(3)
        .says("--set");
    let no = r.report("no.json");
    schema.check(&no);
    assert_eq!((&no["run"], &no["verdict"]), (&json!(null), &json!("refused")));
    args.push("--resume");
    let mut live = r.work.start(&args);
    live.until("guard orders ok", LONG);
    r.work.canary(&["pause", "checkout", "--why", "lunch"]).exits(0);
    r.work.canary(&["resume", "checkout"]).exits(0);
    r.work.canary(&["abort", "checkout", "--why", "rain: again"]).exits(0);
    live.end(LONG).exits(4);
    let aborted = r.report("report.json");
    schema.check(&aborted);
    assert_eq!((&aborted["verdict"], &aborted["exit_status"]), (&json!("aborted"), &json!(4)));
    assert_eq!(aborted["run"], stopped["run"]);
    let said: Vec<_> = aborted["people"].as_array().unwrap().iter().map(|p| (&p["act"], &p["why"])).collect();
    let want = [("pause", "lunch"), ("resume", ""), ("abort", "rain: again")].map(|(a, w)| (json!(a), json!(w)));
    assert_eq!(said, want.iter().map(|(a, w)| (a, w)).collect::<Vec<_>>());
    assert!(aborted["people"][0]["who"].as_str().unwrap().starts_with("tester@"));
    // one history, whichever process made a check
    let count = |r: &Value| r["observed"]["checks"]["observed"].as_u64().unwrap();
    assert!(count(&aborted) > count(&stopped) && count(&stopped) >= 2);
    assert_eq!(aborted["observed"]["checks"]["first"], stopped["observed"]["checks"]["first"]);
    assert_eq!(aborted["baseline"], stopped["baseline"]);

    // killed: the rollback that comes with it is no abort besides
    let mut live = r.work.start(&args[..args.len() - 1]);
    live.until("smoke succeeded", LONG);
    r.work.canary(&["kill", "stop", "--why", "fire"]).exits(0);
    live.end(LONG).exits(4);
    let killed = r.report("report.json");
    schema.check(&killed);
    assert_eq!((&killed["verdict"], &killed["exit_status"]), (&json!("killed"), &json!(4)));
    let said: Vec<_> =
        killed["people"].as_array().unwrap().iter().map(|p| (&p["act"], &p["switch"], &p["why"])).collect();
    assert_eq!(said, [(&json!("kill"), &json!("stop"), &json!("fire"))]);
    assert_eq!(killed["actions"].as_array().unwrap().last().unwrap()["cause"], "kill");

    assert_eq!(schema.never_seen(), ["/$defs/action/properties/x"; 0], "the schema promises what no report has");
}

#[test]
fn every_property_of_the_schema_is_described() {
    let schema = Schema::load();
    let all = schema.properties();
    assert!(all.len() > 120, "{}", all.len());
    for (name, property) in all {
        assert!(property["description"].as_str().is_some_and(|d| d.len() > 3), "{name} says nothing of itself");
    }
}

#[test]
fn the_example_in_the_docs_has_the_fields_of_a_report() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/formats.md")).unwrap();
    let example = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(root.join("docs/report.schema.json")).unwrap()).unwrap();
    let names = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    for (ours, theirs) in [
        (&example, &schema["properties"]),
        (&example["provenance"], &schema["$defs"]["provenance"]["properties"]),
        (&example["provenance"]["git"], &schema["$defs"]["git"]["properties"]),
        (&example["decision"], &schema["$defs"]["decision"]["properties"]),
        (&example["phases"][0], &schema["$defs"]["phase"]["properties"]),
        (&example["observed"]["guards"][0], &schema["$defs"]["guard_history"]["properties"]),
    ] {
        assert_eq!(names(ours), names(theirs));
    }
}

#[test]
fn the_schema_refuses_what_is_not_a_report() {
    let r = Reported::new();
    r.work.canary(&RUN).exits(0);
    let good = r.report("report.json");
    let mut schema = Schema::load();
    schema.check(&good);
    for (pointer, bad) in [
        ("/verdict", json!("promotd")),
        ("/exit_status", json!(2)),
        ("/started", json!("2026-11-21 09:00")),
        ("/plan_hash", json!("abc")),
        ("/phases/0/guards/0/word", json!("fine")),
        ("/phases/0/settings/fast", json!({ "bool": 1 })),
        ("/provenance/git/dirty", json!("yes")),
        ("/observed/guards/0/words", json!({ "ok": 1 })),
    ] {
        let mut report = good.clone();
        *report.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = bad;
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Schema::load().check(&report)));
        assert!(refused.is_err(), "{pointer} was taken");
    }
    let mut more = good;
    more["more"] = json!(1);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Schema::load().check(&more))).is_err());
}

#[test]
fn a_report_is_the_same_whenever_it_is_made() {
    let r = Reported::new();
    r.work.canary(&RUN).exits(0);
    let then = r.report("report.json");
    // other files, other variables: nothing of it is looked at again
    std::fs::remove_file(r.work.path("checkout.canary")).unwrap();
    r.work.canary(&["history", "checkout", "--report", "later.json"]).exits(0);
    assert_eq!(r.report("later.json"), then);
    let out = r.work.canary(&["history", then["run"].as_str().unwrap(), "--report", "-"]).exits(0).out;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), then);
    r.work
        .canary(&["history", "checkout", "--report", "no/such/folder.json"])
        .exits(2)
        .says("no report can be written");

    // what is kept for 30 days is gone: that is said, and the rest is there
    let store = rusqlite::Connection::open(r.work.path(".canary/store.db")).unwrap();
    let gone = "DELETE FROM observations WHERE at < (SELECT min(at) + 500 FROM observations)";
    assert!(store.execute(gone, []).unwrap() >= 2);
    drop(store);
    r.work.canary(&["history", "checkout", "--report", "later.json"]).exits(0);
    let later = r.report("later.json");
    Schema::load().check(&later);
    assert_eq!((&later["observed"]["checks"]["pruned"], &later["phases"]), (&json!(true), &then["phases"]));
    assert_eq!(later["events"], then["events"]);
    // a changed journal gives no report
    let store = rusqlite::Connection::open(r.work.path(".canary/store.db")).unwrap();
    store.execute("UPDATE runs SET verdict = 'aborted'", []).unwrap();
    drop(store);
    r.work.canary(&["history", "checkout", "--report", "bad.json"]).exits(2).says("no report of run");
    assert!(!r.work.path("bad.json").exists());
}

#[test]
fn a_report_on_standard_output_stands_there_alone() {
    let r = Reported::new();
    let run = ["run", "checkout.canary", "--env", "reported"];
    let with = |more: &[&'static str]| [&run[..], more].concat();
    let done = r.work.canary(&with(&["--report", "-"])).exits(0).says("phase taste passed");
    let report: Value = serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}:\n{}", done.out));
    Schema::load().check(&report);
    assert_eq!(report["verdict"], "promoted");
    assert!(!r.work.path("-").exists());
    // a refusal, too
    std::fs::write(r.work.path("flags.json"), "{ \"checkout\": \"x\", \"fast\": false }").unwrap();
    let done = r.work.canary(&with(&["--report", "-"])).exits(3);
    assert_eq!(serde_json::from_str::<Value>(&done.out).unwrap()["verdict"], "refused");
    r.work.canary(&with(&["--report", "-", "--format", "json"])).exits(2).says("give the report a file");
    r.work.canary(&with(&["--report", "x.json", "--dry-run"])).exits(2).says("--dry-run");
}

#[test]
fn a_failed_action_is_in_the_report() {
    let r = Reported::new();
    std::fs::write(r.work.path("environments/fail"), "").unwrap();
    r.work.canary(&RUN).exits(1);
    let report = r.report("report.json");
    Schema::load().check(&report);
    let smoke = &report["actions"][0];
    assert_eq!(
        (&smoke["action"], &smoke["ok"], &smoke["how"]),
        (&json!("smoke"), &json!(false), &json!("exit status 1"))
    );
    assert_eq!(smoke["output"], "said ***\n");
    assert_eq!(report["decision"]["kind"], "action");
}

#[test]
fn help_says_what_the_exit_statuses_are() {
    let done = Work::new("flag.canary", &[]).canary(&["run", "--help"]).exits(0);
    for line in
        ["0  promoted", "1  rolled back", "2  ", "3  refused", "4  aborted or killed by a person", "5  not finished"]
    {
        assert!(done.out.contains(line), "no `{line}` in:\n{}", done.out);
    }
}
