//! `canary sim --live`: decisions on the metrics of the world as it is, which nothing comes of. With a real Prometheus and HAProxy, and
//! on a page that is scraped.
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
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::canary::Work;
use support::page::{Flagged, Page};
use support::servers::Servers;

const LIVE: [&str; 5] = ["sim", "checkout.canary", "--live", "--env", "page"];
const LONG: Duration = Duration::from_secs(60);

fn decisions(out: &str) -> Vec<Value> {
    let whole: Value = serde_json::from_str(out).unwrap();
    assert_eq!(whole["schema"], "canary.sim/1");
    whole["outcome"]["decisions"].as_array().unwrap().clone()
}

/// Counts who connects, and answers nobody.
fn counted() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let into = Arc::clone(&count);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            into.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

/// Everything that a run sets, runs and tells is bound, and none of it is touched.
#[test]
fn a_breach_on_real_servers_is_told_and_nothing_comes_of_it() {
    let Some(s) = Servers::start() else { return };
    let (port, connections) = counted();
    let work = s.work.with("CANARY_WEBHOOK_URL", format!("http://127.0.0.1:{port}/hook"));
    let edit = |name: &str, edits: &[(&str, &str)]| {
        let mut text = std::fs::read_to_string(work.path(name)).unwrap();
        for (old, new) in edits {
            assert!(text.contains(old), "no `{old}` in {name}");
            text = text.replacen(old, new, 1);
        }
        std::fs::write(work.path(name), text).unwrap();
    };
    edit(
        "checkout.canary",
        &[
            (
                "traffic checkout\n",
                "traffic checkout\nflag search: bool\naction smoke timeout 5s, undo none\nchannel oncall\n",
            ),
            (
                "phase taste { traffic checkout = 5% ",
                "phase taste { traffic checkout = 5%, flag search = on   run smoke ",
            ),
            ("  phase full ", "  on breach, rollback, promote: notify oncall\n  phase full "),
        ],
    );
    edit(
        "environments/servers.canary",
        &[(
            "  variants checkout",
            "  search = json_file(path: \"flags.json\", key: \"search\")\n  smoke = command([\"./smoke.sh\"])\n  oncall = slack(url: secret(\"CANARY_WEBHOOK_URL\"))\n\n  variants checkout",
        )],
    );
    std::fs::write(work.path("flags.json"), "{ \"search\": false }\n").unwrap();
    work.script("smoke.sh", "touch ran");
    // the world's own exposure: somebody gives the canary a fifth of the traffic
    let mut admin = UnixStream::connect(&s.haproxy.socket).unwrap();
    writeln!(admin, "set weight be_checkout/v2 25").unwrap();
    drop(admin);
    support::eventually("the canary is measured", || {
        s.prometheus.value("increase(http_requests_total{version=\"v2\",code=\"200\"}[4s])").is_some_and(|v| v > 20.0)
    });
    let shares = s.haproxy.watch();
    support::eventually("the share is seen", || !shares.so_far().is_empty());
    let flags = std::fs::read(work.path("flags.json")).unwrap();

    let mut live = work.start(&[
        "sim",
        "checkout.canary",
        "--live",
        "--env",
        "servers",
        "--record",
        "seen.parquet",
        "--set",
        "watch=30s",
    ]);
    live.until("checkout = 5%", LONG);
    live.until("guard slow ok", LONG);
    s.v2.fault(&json!({ "latency_ms": 400 }));
    let done = live.end(LONG).exits(1);
    for part in
        ["nothing is set", "rollback: guard slow", "rolled back after ", "What was taken for granted", "nobody is told"]
    {
        assert!(done.out.contains(part), "no `{part}` in:\n{}", done.out);
    }
    assert_eq!(shares.so_far().len(), 1, "the weights are as they were: {:?}", shares.so_far());
    assert_eq!(s.haproxy.share(), 20.0);
    assert_eq!(std::fs::read(work.path("flags.json")).unwrap(), flags);
    assert!(!work.path("ran").exists() && !work.path(".canary").exists() && !work.path(".flags.json.lock").exists());
    assert_eq!(connections.load(Ordering::SeqCst), 0, "nobody was told");

    // what it was answered, replayed, decides the same at the same checks
    let told: Vec<&str> = done.out.lines().filter(|l| l.contains("rollback: guard slow")).collect();
    let again = work
        .canary(&["sim", "checkout.canary", "--env", "servers", "--recording", "seen.parquet", "--set", "watch=30s"])
        .exits(1);
    let replayed: Vec<&str> = again.out.lines().filter(|l| l.contains("rollback: guard slow")).collect();
    assert_eq!(told.len(), 1, "{}", done.out);
    assert_eq!(told[0].trim_start(), replayed[0].trim_start());
}

#[test]
fn what_it_decides_is_what_a_replay_of_what_it_saw_decides() {
    let f = Flagged::new(|_| 0.001);
    let args: Vec<&str> = LIVE.iter().copied().chain(["--format", "json", "--record", "seen.parquet"]).collect();
    let live = f.work.canary(&args).exits(0);
    assert_eq!(f.flag(), 0.0);
    let replayed = f
        .work
        .canary(&["sim", "checkout.canary", "--recording", "seen.parquet", "--env", "page", "--format", "json"])
        .exits(0);
    assert_eq!(decisions(&live.out), decisions(&replayed.out));
    assert!(decisions(&live.out).len() > 5);
    f.work.canary(&args).exits(2).says("seen.parquet is there already");
}

/// Beside a run of the same rollout: neither knows of the other. Who has seen enough says so.
#[test]
fn it_goes_beside_a_run_until_somebody_has_seen_enough() {
    let f = Flagged::new(|_| 0.001);
    let mut run = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=4s"]);
    run.until("read back checkout = 5%", LONG);
    let mut live = f.work.start(&[&LIVE[..], &["--set", "watch=1m", "--set", "harm.limit=3%"]].concat());
    live.until("checkout = 5%", LONG);
    run.end(LONG).exits(0);
    live.signal(Signal::INT);
    let done = live.end(LONG).exits(5).shows("not decided: stopped after ");
    assert!(done.out.contains("What was taken for granted"), "{}", done.out);
    assert_eq!(f.work.history().iter().filter(|e| e["kind"] == "finished").count(), 1);
}

#[test]
fn a_rollback_under_way_is_seen_to_its_end_and_a_silent_source_never_helps() {
    let f = Flagged::new(|_| 0.2);
    f.work.canary(&LIVE).exits(3).shows("refused").shows("harm");
    let work = Work::new("flag.canary", &["page"]);
    let up = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let answers = Arc::clone(&up);
    let page = Page::start(move || {
        answers.load(Ordering::Relaxed).then(|| String::from("# TYPE error_share gauge\nerror_share 0.001\n"))
    });
    let flags = work.path("flags.json").to_str().unwrap().to_owned();
    let work = work.with("METRICS_URL", page.url()).with("FLAG_FILE", flags);
    let mut live = work.start(&[&LIVE[..], &["--set", "watch=20s"]].concat());
    live.until("checkout = 5%", LONG);
    up.store(false, Ordering::Relaxed);
    live.until("paused", LONG);
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let f = Flagged::new(|_| 0.001);
    f.work.canary(&["sim", "checkout.canary", "--live"]).exits(2).says("whose metrics?").says("--env");
    f.work.canary(&["sim", "checkout.canary"]).exits(2).says("--recording");
    f.work
        .canary(&["sim", "checkout.canary", "--live", "--env", "lab"])
        .exits(2)
        .says("the lab is there only while a run is");
    f.work.canary(&["sim", "checkout.canary", "--live", "--env", "nowhere"]).exits(2).says("nowhere");
    f.work.canary(&[&LIVE[..], &["--inject", "harm +1pp"]].concat()).exits(2).says("--inject");
    f.work.canary(&[&LIVE[..], &["--set", "no.limit=1%"]].concat()).exits(2).says("no guard `no`");
    // a source that is not there
    let work = Work::new("flag.canary", &["page"])
        .with("METRICS_URL", "http://127.0.0.1:9/metrics")
        .with("FLAG_FILE", "flags.json");
    work.canary(&LIVE).exits(3).says("source prometheus");
    let work = Work::new("slices.canary", &["slices"]);
    let done = work.canary(&["sim", "checkout.canary", "--live", "--env", "slices"]).exits(2);
    assert!(done.err.contains("slices cannot be simulated yet"), "{}", done.err);
}
