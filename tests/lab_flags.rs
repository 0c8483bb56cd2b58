//! The lab without a traffic port: its service reads its flags from their file, and faults lie behind them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::backend::Port;
use canary::backend::flag::FlagKind;
use canary::backend::flag_file::{FlagFile, Format};
use canary::lab::{self, Fault, Lab, LabConfig, Service};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::canary::{Work, of_kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Flags {
    folder: tempfile::TempDir,
}

impl Flags {
    fn new() -> Self {
        let flags = Self { folder: tempfile::tempdir().unwrap() };
        flags.write(r#"{"a": false, "b": false, "p": 0}"#);
        flags
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("flags.json")
    }

    /// Written by somebody who is not the runner.
    fn write(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn ports(&self) -> Vec<Arc<dyn Port>> {
        let port = |key, kind| Arc::new(FlagFile::new(Format::Json, self.file(), key, kind).unwrap()) as Arc<dyn Port>;
        vec![port("a", FlagKind::Bool), port("b", FlagKind::Bool), port("p", FlagKind::Ratio)]
    }
}

async fn start(faults: &str, flags: &Flags) -> Lab {
    let faults = Fault::parse(faults).unwrap();
    let lab = lab::start(LabConfig { rate: 0, faults, behind_flags: true, ..LabConfig::default() }).await.unwrap();
    lab.follow(flags.ports());
    lab
}

/// The status of one request on a connection of its own; nothing when there is no answer soon.
async fn status(service: &Service) -> Option<u16> {
    let ask = async {
        let url = service.url();
        let mut stream = TcpStream::connect(url.strip_prefix("http://")?).await.ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n").await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        text.split(' ').nth(1)?.parse().ok()
    };
    tokio::time::timeout(Duration::from_secs(2), ask).await.ok().flatten()
}

/// How many of some requests fail.
async fn failures(service: &Service, requests: usize) -> usize {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..requests {
        let service = service.clone();
        all.spawn(async move { status(&service).await == Some(500) });
    }
    all.join_all().await.into_iter().filter(|failed| *failed).count()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_strikes_the_share_of_requests_that_the_file_exposes() {
    let flags = Flags::new();
    let lab = start("errors=100%", &flags).await;
    until("it has begun", async || !lab.injected().is_empty()).await;
    let service = lab.stable();
    assert_eq!(failures(service, 100).await, 0, "all flags are off");
    // one of two is enough
    flags.write(r#"{"a": false, "b": true, "p": 0}"#);
    until("it is read", async || failures(service, 1).await == 1).await;
    assert_eq!(failures(service, 100).await, 100);
    flags.write(r#"{"a": false, "b": false, "p": 30}"#);
    until("it is read", async || failures(service, 10).await < 10).await;
    // 30 % of 1000 is 300; the draws are seeded, and five standard deviations are 72
    let failed = failures(service, 1000).await;
    assert!((228..=372).contains(&failed), "{failed} of 1000");
    flags.write(r#"{"a": false, "b": false, "p": 0}"#);
    until("it is read", async || failures(service, 100).await == 0).await;
    assert_eq!(failures(lab.canary(), 20).await, 0, "the other service has no part in it");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_share_waits_for_what_the_flags_expose() {
    let flags = Flags::new();
    let lab = start("errors=100% at 50%, slow=1ms at on", &flags).await;
    flags.write(r#"{"a": false, "b": false, "p": 49}"#);
    assert_eq!(failures(lab.stable(), 50).await, 0);
    flags.write(r#"{"a": false, "b": false, "p": 50}"#);
    until("errors at 50%", async || lab.injected().len() == 1).await;
    flags.write(r#"{"a": true, "b": false, "p": 50}"#);
    until("slow at on", async || lab.injected().len() == 2).await;
    assert_eq!(lab.injected()[1].fault.to_string(), "slow=1ms at 100%");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_hangs_while_something_is_exposed_and_crashes_once_it_is() {
    let flags = Flags::new();
    let lab = start("hang", &flags).await;
    until("it has begun", async || !lab.injected().is_empty()).await;
    assert_eq!(status(lab.stable()).await, Some(200));
    flags.write(r#"{"a": true, "b": false, "p": 0}"#);
    until("it hangs", async || status(lab.stable()).await.is_none()).await;
    flags.write(r#"{"a": false, "b": false, "p": 0}"#);
    until("it goes on", async || status(lab.stable()).await == Some(200)).await;
    lab.stop().await;

    let lab = start("crash", &flags).await;
    assert_eq!(status(lab.stable()).await, Some(200));
    assert!(lab.injected().is_empty() && lab.stable().is_up());
    flags.write(r#"{"a": false, "b": false, "p": 1}"#);
    until("it crashes", async || !lab.stable().is_up()).await;
    until("it is told", async || lab.injected().len() == 1).await;
    assert_eq!(lab.injected()[0].failed, None);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_changes_nothing() {
    let flags = Flags::new();
    let lab = start("errors=100%", &flags).await;
    flags.write(r#"{"a": true, "b": false, "p": 0}"#);
    until("it is read", async || failures(lab.stable(), 1).await == 1).await;
    std::fs::remove_file(flags.file()).unwrap();
    // as long as three readings
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(failures(lab.stable(), 20).await, 20);
    lab.stop().await;
}

const GROUP: &str = r#"edition 2026
metric failed: counter = prometheus(`http_requests_total{code=~"5.."}`)
metric served: counter = prometheus(`http_requests_total`)
metric errors: events  = events(bad: failed, total: served, window: 2s)
flags m4: [one, two]
rollout checkout {
  check every 1s
  guard errors: errors < 5%  at least 20 events  else rollback
  phase enable { flag m4 = on   hold 3s }
}
"#;

/// Flags of its own, numbers of the lab.
const HERE: &str = r#"environment here {
  prometheus = lab()
  m4 = json_file(path: "flags.json", key: "${flag}")
}
"#;

fn work(policy: &str) -> Work {
    let work = Work::new("checkout.canary", &[]);
    std::fs::write(work.path("checkout.canary"), policy).unwrap();
    work
}

#[test]
fn a_group_runs_in_the_environment_lab() {
    let work = work(GROUP);
    work.canary(&["run", "checkout.canary", "--env", "lab"]).exits(0).shows("read back m4 (2 flags) = on after ");
    let done = work.canary(&["run", "checkout.canary", "--env", "lab", "--fault", "errors=20% at on"]).exits(1);
    done.shows("read back m4 (2 flags) = absent after ");
    work.verify();
    // events name every flag
    let events = work.history();
    let read = &of_kind(&events, "verified")[0]["read"];
    assert_eq!((&read[0][0], &read[1][0]), (&"m4.one".into(), &"m4.two".into()));
}

#[test]
fn members_that_stood_differently_are_restored_one_by_one() {
    let work = work(&format!("{GROUP}{HERE}"));
    // one of them is not there yet
    let before = "{\n  // ours\n  \"two\": false, \"other\": 7\n}\n";
    let file = work.path("flags.json");
    std::fs::write(&file, before).unwrap();
    let run = |more: &[&str]| {
        let mut args = vec!["run", "checkout.canary", "--env", "here"];
        args.extend(more);
        work.canary(&args)
    };
    run(&["--fault", "errors=20%"]).exits(1).shows("set m4.two = off, m4.one = absent");
    assert_eq!(read(&file), before);
    run(&["--dry-run"])
        .exits(0)
        .shows("  m4.one = absent ")
        .shows("  m4.two = off ")
        .shows("  phase enable\n    set m4.one absent → on\n    set m4.two off → on\n");
    run(&[]).exits(0);
    assert!(read(&file).contains("\"two\": true") && read(&file).contains("\"one\": true"), "{}", read(&file));
    // it is on already: refused, each flag by its name
    let on = read(&file);
    run(&[]).exits(3).shows("m4.one is already at on").shows("m4.two is already at on");
    assert_eq!(read(&file), on);
}

#[test]
fn a_killed_run_with_flags_of_its_own_goes_on_or_is_taken_back() {
    let work = work(&format!("{GROUP}{HERE}"));
    let before = "{\"one\": false, \"two\": false}\n";
    let file = work.path("flags.json");
    for resumed in [false, true] {
        std::fs::write(&file, before).unwrap();
        let mut live = work.start(&["run", "checkout.canary", "--env", "here"]);
        live.until("read back m4 (2 flags) = on", Duration::from_secs(30));
        live.signal(rustix::process::Signal::KILL);
        drop(live);
        work.canary(&["status"]).exits(0).shows("exposure  m4 (2 flags) = on");
        if resumed {
            work.canary(&["run", "checkout.canary", "--env", "here", "--resume"]).exits(0);
            assert_eq!(read(&file), "{\"one\": true, \"two\": true}\n");
        } else {
            let done = work.canary(&["abort", "checkout"]).exits(0);
            assert_eq!(done.err.matches("the lab is not running").count(), 1, "{}", done.err);
            assert_eq!(read(&file), before);
        }
    }
    work.verify();
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}
