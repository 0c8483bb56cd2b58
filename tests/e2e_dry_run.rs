//! `canary run --dry-run` shows what would happen and changes nothing; `--watch` is an ordinary param.
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
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use support::canary::Work;
use support::http::{Pages, Reply};
use support::page::{Flagged, Page};

const LONG: Duration = Duration::from_secs(20);
const DRY: [&str; 5] = ["run", "checkout.canary", "--env", "would", "--dry-run"];

/// Everything in a folder: what it is, when it was changed, what is in it.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Option<Vec<u8>>)> {
    fn walk(path: &Path, out: &mut BTreeMap<PathBuf, (SystemTime, Option<Vec<u8>>)>) {
        let seen = std::fs::symlink_metadata(path).unwrap();
        let bytes = seen.is_file().then(|| std::fs::read(path).unwrap());
        out.insert(path.to_path_buf(), (seen.modified().unwrap(), bytes));
        if seen.is_dir() {
            std::fs::read_dir(path).unwrap().for_each(|e| walk(&e.unwrap().path(), out));
        }
    }
    let mut out = BTreeMap::new();
    walk(folder, &mut out);
    out
}

/// A policy with all that could do something, and what would notice if it did.
struct Would {
    work: Work,
    _page: Page,
    hook: Pages,
    told: Arc<AtomicU64>,
}

impl Would {
    fn new() -> Self {
        let work = Work::new("flag.canary", &[]);
        std::fs::write(work.path("flags.json"), "{ \"checkout\": 0, \"fast\": false, \"left\": \"alone\" }\n").unwrap();
        std::fs::write(
            work.path("checkout.canary"),
            r#"edition 2026

param watch: duration = 1m  at least 1s  at most 10m  "how long each phase is watched"

metric harm: ratio = prometheus(`error_share`, max_age: 1s)

flag checkout: ratio in [0%, 5%, 50%]
flag fast:     bool
action clean timeout 5s, undo none
action smoke timeout 10s, undo clean
channel oncall

rollout checkout "Would be" {
  check every 200ms
  baseline 1m
  guard harm: harm <= before + 1pp  tolerate 1s  else rollback
  phase taste "a few" { flag fast = on, flag checkout = 5%   run smoke   hold watch }
  phase half { flag checkout = 50%   promote when harm < 1% within 5m else pause }
  on rollback, done: notify oncall
  when harm > 50%: run smoke limit 1 per 1h
}
"#,
        )
        .unwrap();
        std::fs::write(
            work.path("environments/would.canary"),
            r#"edition 2026

environment would {
  prometheus = scrape(urls: [env("METRICS_URL")], every: 100ms)
  checkout   = json_file(path: "../flags.json", key: "checkout")
  fast       = json_file(path: "../flags.json", key: "fast")
  smoke      = command(["touch", "smoked", "--", "a b"])
  clean      = command(["touch", "cleaned"])
  oncall     = slack(url: secret("SLACK_ONCALL"))
}
"#,
        )
        .unwrap();
        let page = Page::start(|| Some(String::from("# TYPE error_share gauge\nerror_share 0.002\n")));
        let told = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&told);
        let hook = Pages::serve(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Reply::text("ok")
        });
        let work = work.with("METRICS_URL", page.url()).with("SLACK_ONCALL", format!("{}/hook/KEY-VALUE", hook.url()));
        Self { work, _page: page, hook, told }
    }
}

#[test]
fn it_shows_what_would_happen_and_changes_nothing() {
    let w = Would::new();
    let before = tree(w.work.folder.path());
    let done = w.work.canary(&DRY).exits(0);
    assert_eq!(tree(w.work.folder.path()), before);
    let hooked = format!("http://127.0.0.1:{}/hook", w.hook.port);
    for line in [
        "dry run of checkout on would: nothing is changed",
        "  checkout = 0%   (",
        "  phase taste\n    set fast off → on\n    set checkout 0% → 5%\n    run smoke within 10s else rollback: touch smoked -- 'a b'\n    hold 1m\n",
        "  phase half\n    set checkout 5% → 50%\n    promote when harm < 1% within 5m else pause\n",
        "what a rollback would restore\n  fast = off   (by hand: ",
        "  smoke by clean: touch cleaned\n",
        "  on rollback, done: notify oncall\n    tells oncall: slack",
        "    runs smoke: touch smoked -- 'a b'\n",
        "the baseline would be collected for 1m first: its source keeps no history",
        "  harm of canary: 0.002 (1 series",
        "  variable METRICS_URL (prometheus): there\n  secret SLACK_ONCALL (oncall): there\n",
        "\nit would start\n",
    ] {
        assert!(done.out.contains(line), "no `{line}` in:\n{}", done.out);
    }
    assert!(!done.out.contains("KEY-VALUE") && !done.out.contains(&hooked), "{}", done.out);

    let mut args = DRY.to_vec();
    args.extend(["--format", "json", "--watch", "90"]);
    let done = w.work.canary(&args).exits(0);
    let d: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&d["schema"], &d["would_start"], &d["refused"]),
        (&json!("canary.dry_run/1"), &json!(true), &json!([]))
    );
    let taste = &d["phases"][0];
    assert_eq!(taste["changes"][0]["port"], "fast");
    assert_eq!(
        (&taste["changes"][0]["from"], &taste["changes"][0]["to"]),
        (&json!({"bool": false}), &json!({"bool": true}))
    );
    assert_eq!(taste["steps"][0]["command"], "touch smoked -- 'a b'");
    assert_eq!(taste["steps"][1]["hold_ms"], 90_000);
    assert_eq!(d["phases"][1]["changes"].as_array().unwrap().len(), 1, "what stays is no change");
    let to = d["rollback"]["restores"].as_array().unwrap().iter().map(|r| r["to"].clone()).collect::<Vec<_>>();
    assert_eq!(to.len(), 2);
    assert!(to.contains(&json!({"share": 0.0})) && to.contains(&json!({"bool": false})));
    assert_eq!(
        d["credentials"][1],
        json!({"name": "SLACK_ONCALL", "secret": true, "used_by": ["oncall"], "found": true})
    );
    assert!(!done.out.contains("KEY-VALUE"));
    assert_eq!(tree(w.work.folder.path()), before);
    assert_eq!(w.told.load(Ordering::Relaxed), 0, "somebody was told");
}

#[test]
fn what_would_be_refused_is_said_and_changes_nothing_either() {
    let w = Would::new();
    std::fs::write(w.work.path("flags.json"), "{ \"checkout\": 5, \"fast\": false }").unwrap();
    let before = tree(w.work.folder.path());
    w.work.canary(&DRY).exits(3).shows("it would be refused:\n  - checkout is already at 5%");
    // nothing can be read at all
    let work = w.work.with("SLACK_ONCALL", "");
    let args = [&DRY[..], &["--format", "json"]].concat();
    let done = work.canary(&args).exits(3).says("secret SLACK_ONCALL is missing");
    let d: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(d["would_start"], false);
    assert!(d["refused"][0].as_str().unwrap().contains("SLACK_ONCALL"));
    assert_eq!(d["credentials"][1]["found"], false);
    assert_eq!(d["phases"][0]["changes"][1]["from"], Value::Null);
    assert_eq!(tree(work.folder.path()), before);
}

#[test]
fn it_knows_of_unfinished_and_of_finished_runs() {
    let f = Flagged::new(|_| 0.001);
    let run = ["run", "checkout.canary", "--env", "page"];
    let dry = [&run[..], &["--dry-run"]].concat();
    f.work.canary(&run).exits(0);
    std::fs::write(&f.file, "{ \"checkout\": 0 }").unwrap();
    // a store that nobody has open: reading it leaves nothing beside it
    let before = tree(f.work.folder.path());
    f.work.canary(&dry).exits(0).shows("it would start");
    assert_eq!(tree(f.work.folder.path()), before);
    let mut live = f.work.start(&[&run[..], &["--watch", "20"]].concat());
    live.until("read back checkout = 5%", LONG);
    f.work.canary(&dry).exits(3).shows("checkout is being run: pid ");
    live.signal(Signal::KILL);
    live.end(LONG);
    let names = || tree(f.work.folder.path()).into_keys().collect::<Vec<_>>();
    let before = names();
    f.work.canary(&dry).exits(3).shows("is not finished: resume or abort it");
    assert_eq!(names(), before);
}

#[test]
fn watch_is_short_for_the_param_of_that_name() {
    let f = Flagged::new(|_| 0.001);
    let hash = |more: &[&str]| {
        let args = [&["plan", "checkout.canary", "--env", "page", "--format", "json"][..], more].concat();
        let plan: Value = serde_json::from_str(&f.work.canary(&args).exits(0).out).unwrap();
        (plan["plan"]["hash"].clone(), plan["plan"]["params"].clone())
    };
    let want = hash(&["--set", "watch=30s"]);
    assert_eq!(hash(&["--watch", "30"]), want);
    assert_eq!(hash(&["--watch", "30s"]), want);
    assert_ne!(hash(&[]), want);
    // one minute at most; one second is more than the policy's own 400 ms
    for (args, words) in [
        (&["--watch", "5m"][..], "out of bounds"),
        (&["--watch", "soon"], "expected seconds such as `300`"),
        (&["--watch", "10", "--set", "watch=10s"], "keep one of them"),
    ] {
        let before = tree(f.work.folder.path());
        f.work.canary(&[&["run", "checkout.canary", "--env", "page"][..], args].concat()).exits(2).says(words);
        assert_eq!(tree(f.work.folder.path()), before);
    }
    // a run keeps it, as it keeps a `--set`
    let run = ["run", "checkout.canary", "--env", "page", "--watch", "1"];
    let mut live = f.work.start(&run);
    live.until("read back checkout = 5%", LONG);
    live.signal(Signal::TERM);
    live.end(LONG).exits(5).says("--set watch=1s --resume");
    let resume = |watch: &'static [&'static str]| [&run[..4], watch, &["--resume"]].concat();
    f.work.canary(&resume(&[])).exits(3).says("the plan");
    f.work.canary(&resume(&["--watch", "1s"])).exits(0);
    assert_eq!(f.flag(), 0.5);

    let policy = f.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    let without: String = text.lines().filter(|l| !l.starts_with("param watch")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&policy, without.replace("hold watch", "hold 1s")).unwrap();
    let say = "add the line `param watch: duration = 1s`";
    f.work.canary(&run).exits(2).says(say);
    f.work.canary(&["plan", "checkout.canary", "--env", "page", "--watch", "1"]).exits(2).says(say);
    std::fs::write(&policy, without.replace("hold watch", "hold 1s") + "param watch: ratio = 1%\n").unwrap();
    f.work.canary(&run).exits(2).says("`watch` in checkout.canary is a ratio");
}

#[test]
fn a_baseline_that_can_be_read_is_shown_as_it_would_be() {
    // a server with a past: 0.004 at each point of it, 0.002 now
    let server = Pages::serve(|r| {
        let now = support::page::now() / 1000;
        let result = if r.path.contains("buildinfo") {
            return Reply::json(200, r#"{"status":"success","data":{"version":"9"}}"#);
        } else if r.path.contains("query_range") {
            let of = |name: &str| -> f64 {
                let part = r.body.split('&').find_map(|p| p.strip_prefix(name)).unwrap();
                part.parse().unwrap()
            };
            let (start, end, step) = (of("start="), of("end="), of("step="));
            let points: Vec<String> = (0..)
                .map(|i| start + f64::from(i) * step)
                .take_while(|t| *t <= end)
                .map(|t| format!("[{t},\"0.004\"]"))
                .collect();
            format!(r#"{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{}]}}]}}"#, points.join(","))
        } else {
            let clock = r.body.contains("time%28") || r.body.contains("timestamp");
            let value = if clock { now.to_string() } else { String::from("0.002") };
            format!(r#"{{"resultType":"vector","result":[{{"metric":{{}},"value":[{now},"{value}"]}}]}}"#)
        };
        Reply::json(200, &format!(r#"{{"status":"success","data":{result}}}"#))
    });
    let w = Would::new();
    let environment = w.work.path("environments/would.canary");
    let text = std::fs::read_to_string(&environment).unwrap();
    let text =
        text.replace("scrape(urls: [env(\"METRICS_URL\")], every: 100ms)", "prometheus(url: env(\"METRICS_URL\"))");
    std::fs::write(&environment, text).unwrap();
    let work = w.work.with("METRICS_URL", server.url());
    let before = tree(work.folder.path());
    let done = work.canary(&DRY).exits(0);
    done.shows("what the baseline would be, read from 2").shows("  harm before: 0.004\n    error_share\n");
    let done = work.canary(&[&DRY[..], &["--format", "json"]].concat()).exits(0);
    let d: Value = serde_json::from_str(&done.out).unwrap();
    let value = d["baseline"]["values"][0]["value"].as_f64().unwrap();
    assert!((value - 0.004).abs() < 1e-9, "{value}");
    let at = |name: &str| support::canary::time(d["baseline"][name].as_str().unwrap());
    assert_eq!(at("to") - at("from"), 60_000);
    assert_eq!(d["inputs"][0]["value"], 0.002);
    assert_eq!(tree(work.folder.path()), before);
}
