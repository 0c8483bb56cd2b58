//! What must be refused before anything is changed, and what a run does when its store fails: the real binary.
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
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use support::canary::{Done, Live, Work, of_kind};
use support::page::{Dial, Flagged, flag};

const RUN: [&str; 4] = ["run", "checkout.canary", "--env", "page"];
const LONG: Duration = Duration::from_secs(20);

fn good(_: f64) -> f64 {
    0.001
}

/// Runs, and checks that it was refused without a trace on the flag, with an exit code and words on standard error.
#[track_caller]
fn refused(f: &Flagged, args: &[&str], code: i32, words: &[&str]) -> Done {
    let before = std::fs::read(&f.file).unwrap();
    let mut done = f.work.canary(args).exits(code);
    for w in words {
        done = done.says(w);
    }
    assert_eq!(std::fs::read(&f.file).unwrap(), before, "the flag was touched");
    assert!(!done.err.contains("panicked"), "{}", done.err);
    done
}

#[test]
fn exposure_above_zero_at_the_start() {
    let f = Flagged::new(good);
    std::fs::write(&f.file, "{ \"checkout\": 5 }").unwrap();
    let done = f.work.canary(&RUN).exits(3);
    let all = format!("{}{}", done.out, done.err);
    assert!(all.contains("checkout is already at 5%: a rollout starts from 0"), "{all}");
    assert!(all.contains("nothing was changed"), "{all}");
    assert_eq!(f.flag(), 0.05);
    f.work.canary(&["run", "checkout.canary", "--env", "page", "--dry-run"]).exits(3).shows("it would be refused");
    // a refused start leaves nothing unfinished behind
    f.work.canary(&["status"]).exits(0).shows("nothing is running");
    f.work.canary(&["history", "--verdict", "refused"]).exits(0).shows("refused");
    std::fs::write(&f.file, "{ \"checkout\": 0 }").unwrap();
    f.work.canary(&RUN).exits(0);
}

/// What the plan carries and no engine does is shown by `check` and `plan`, and refused by `run`: all of it, each with its place.
#[test]
fn what_this_version_cannot_run_is_refused_before_anything_is_read() {
    let f = Flagged::new(good);
    let policy = f.work.path("checkout.canary");
    let whole = std::fs::read_to_string(&policy).unwrap();
    let at = whole.find("  phase ").unwrap();
    let (head, tail) = whole.split_at(at);
    std::fs::write(
        &policy,
        format!("{head}  after basket promoted within 1d\n  after search promoted within 7d\n{tail}"),
    )
    .unwrap();
    let line = head.lines().count() + 1;

    f.work.canary(&["check", "checkout.canary"]).exits(0);
    let shown = f.work.canary(&["plan", "checkout.canary", "--env", "page"]).exits(0);
    for what in ["this version cannot run it", "basket promoted within 1d", &format!("checkout.canary:{line}:3")] {
        assert!(shown.out.contains(what), "no `{what}` in\n{}", shown.out);
    }
    let places = [format!("checkout.canary:{line}:3"), format!("checkout.canary:{}:3", line + 1)];
    let words = ["E0490", "`after` is not built yet", &places[0], &places[1], "let a person start the run"];
    refused(&f, &RUN, 2, &words);
    refused(&f, &["run", "checkout.canary", "--env", "page", "--dry-run"], 2, &words);
}

#[test]
fn a_guard_that_is_false_before_the_start() {
    let f = Flagged::new(|_| 0.2);
    let done = f.work.canary(&RUN).exits(3);
    let all = format!("{}{}", done.out, done.err);
    assert!(all.contains("guard harm is false before anything was changed: `harm <= 1%`"), "{all}");
    assert_eq!(f.flag(), 0.0);
}

#[test]
fn everything_that_is_missing_is_told_at_once_and_no_secret_is() {
    let work = Work::new("secrets.canary", &["secret"])
        .with("HAPROXY_SOCKET", "/nowhere/SOCKET-VALUE.sock")
        .with("PROMETHEUS_TOKEN", "TOKEN-VALUE")
        .with("SLACK_EMPTY", "  ");
    for args in [
        &["run", "checkout.canary", "--env", "secret", "--report", "report.json"][..],
        &["run", "checkout.canary", "--env", "secret", "--dry-run"],
    ] {
        let done = work
            .canary(args)
            .exits(3)
            .says("environment variable PROMETHEUS_URL is not set")
            .says("secret SLACK_ONCALL is missing")
            .says("secret SLACK_EMPTY is missing")
            .says("nothing was changed");
        assert!(!done.err.contains("PROMETHEUS_TOKEN"), "what is there is not missing: {}", done.err);
        never(&work, &done, &["TOKEN-VALUE", "SOCKET-VALUE"]);
    }
}

/// None of the values stands in any output or file.
#[track_caller]
fn never(work: &Work, done: &Done, values: &[&str]) {
    for value in values {
        for text in [&done.out, &done.err] {
            assert!(!text.contains(value), "{value} in:\n{text}");
        }
        for (path, bytes) in work.contents() {
            let found = bytes.windows(value.len()).any(|w| w == value.as_bytes());
            assert!(!found, "{value} in {}", path.display());
        }
    }
}

#[test]
fn a_whole_run_keeps_its_secrets() {
    let f = Flagged::new(good);
    let refuses = support::free_port();
    let (user, key) = (format!("USER-{}", "VALUE"), format!("HOOK-{}", "VALUE"));
    let hook = format!("http://127.0.0.1:{refuses}/services/{key}");
    let page = f.page.url().replace("http://", &format!("http://{user}:PASS-VALUE@")) + "?token=QUERY-VALUE";
    let Flagged { work, page: _page, .. } = f;
    std::fs::copy(fixture("told.canary"), work.path("checkout.canary")).unwrap();
    std::fs::copy(fixture("environments/told.canary"), work.path("environments/told.canary")).unwrap();
    let work = work.with("METRICS_URL", page).with("SLACK_ONCALL", hook);
    let done = work.canary(&["run", "checkout.canary", "--env", "told", "--report", "report.json"]);
    let done = done.exits(0);
    assert!(done.out.contains("not delivered"), "{}", done.out);
    never(&work, &done, &["USER-VALUE", "PASS-VALUE", "QUERY-VALUE", "HOOK-VALUE"]);
    for args in [
        &["history", "checkout", "--format", "json"][..],
        &["why", "checkout"],
        &["status"],
        &["plan", "checkout.canary", "--env", "told"],
    ] {
        let done = work.canary(args).exits(0);
        never(&work, &done, &["USER-VALUE", "PASS-VALUE", "QUERY-VALUE", "HOOK-VALUE"]);
    }
}

#[test]
fn taking_back_needs_no_metrics_and_nobody_to_tell() {
    let f = Flagged::new(good);
    std::fs::copy(fixture("told.canary"), f.work.path("checkout.canary")).unwrap();
    std::fs::copy(fixture("environments/told.canary"), f.work.path("environments/told.canary")).unwrap();
    let run = ["run", "checkout.canary", "--env", "told"];
    let mut command = f.work.command(&run);
    let mut live = Live::of({
        command.env("SLACK_ONCALL", format!("http://127.0.0.1:{}/hook", support::free_port()));
        command
    });
    live.until("read back checkout = 50%", LONG);
    live.signal(Signal::KILL);
    live.end(LONG);
    assert_eq!(f.flag(), 0.5);
    // whoever takes it back has neither the page's address nor the hook's
    let file = f.file.to_str().unwrap().to_owned();
    let Flagged { work, .. } = f;
    let work = work.with("METRICS_URL", "").with("FLAG_FILE", "");
    work.canary(&["abort", "checkout"]).exits(3).says("nothing was taken back").says("FLAG_FILE");
    assert_eq!(flag(Path::new(&file)), 0.5);
    let work = work.with("FLAG_FILE", file.as_str());
    work.canary(&["abort", "checkout"])
        .exits(0)
        .says("taking back without it: secret METRICS_URL is missing")
        .says("taking back without it: secret SLACK_ONCALL is missing")
        .shows("read back checkout = 0%");
    assert_eq!(flag(Path::new(&file)), 0.0);
    work.verify();
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/e2e").join(name)
}

#[test]
fn servers_that_are_not_there_are_named_together() {
    let work = Work::new("checkout.canary", &["servers"])
        .with("PROMETHEUS_URL", format!("http://127.0.0.1:{}", support::free_port()))
        .with("HAPROXY_SOCKET", "/nowhere/admin.sock");
    let begin = Instant::now();
    work.canary(&["run", "checkout.canary", "--env", "servers"])
        .exits(3)
        .says("nothing was changed")
        .says("prometheus at http://127.0.0.1:")
        .says("/nowhere/admin.sock");
    assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
}

#[test]
fn a_page_that_is_not_there() {
    let f = Flagged::new(good);
    let work = f.work.with("METRICS_URL", format!("http://127.0.0.1:{}/metrics", support::free_port()));
    let f = Flagged { work, ..f };
    refused(&f, &RUN, 3, &["source prometheus: scrape of http://127.0.0.1:", "nothing was changed"]);
}

#[test]
fn a_socket_s_path_starts_in_the_folder_of_its_environment() {
    let work = Work::new("misnamed.canary", &["misnamed"])
        .with("HAPROXY_SOCKET", "run/admin.sock")
        .with("METRICS_URL", "http://127.0.0.1:1/metrics");
    let place = work.folder.path().canonicalize().unwrap().join("environments/run/admin.sock");
    work.canary(&["run", "checkout.canary", "--env", "misnamed"])
        .exits(3)
        .says(&format!("no socket at {}", place.display()));
}

#[test]
fn an_haproxy_without_the_server() {
    if !support::require("haproxy") {
        return;
    }
    let h = support::haproxy::Haproxy::start();
    let f = Flagged::new(good);
    let work = f.work.with("HAPROXY_SOCKET", h.socket("admin.sock").to_str().unwrap());
    std::fs::copy(fixture("misnamed.canary"), work.path("checkout.canary")).unwrap();
    std::fs::copy(fixture("environments/misnamed.canary"), work.path("environments/misnamed.canary")).unwrap();
    work.canary(&["run", "checkout.canary", "--env", "misnamed"])
        .exits(3)
        .says("v3")
        .says("v1")
        .says("v2")
        .says("nothing was changed");
    assert_eq!(h.count(10).get("v2"), None);
}

#[test]
fn a_dry_run_changes_nothing() {
    let f = Flagged::new(good);
    let before = f.work.contents();
    let done = f.work.canary(&["run", "checkout.canary", "--env", "page", "--dry-run"]).exits(0);
    done.shows("nothing is changed")
        .shows("checkout = 0%")
        .shows("phase half\n    set checkout 5% → 50%")
        .shows("it would start");
    assert_eq!(f.work.contents(), before, "no store, no lock, no report, no flag");
    // it needs no lease: a run under way does not stand in its way, nor it in that of a run
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=20s"]);
    live.until("read back checkout = 5%", LONG);
    f.work.canary(&["run", "checkout.canary", "--env", "page", "--dry-run"]).exits(3).shows("already at 5%");
    assert_eq!(f.flag(), 0.05);
    f.work.canary(&["abort", "checkout"]).exits(0);
    live.end(LONG).exits(4);
    let list = f.work.canary(&["history"]).exits(0).out;
    assert_eq!(list.lines().count(), 1, "{list}");
}

#[test]
fn policies_that_cannot_be_read() {
    let f = Flagged::new(good);
    let policy = f.work.path("checkout.canary");
    let good = std::fs::read_to_string(&policy).unwrap();

    let run = ["run", "missing.canary", "--env", "page"];
    refused(&f, &run, 2, &["cannot read missing.canary: no such file"]);
    let run = ["run", "environments", "--env", "page"];
    refused(&f, &run, 2, &["cannot read environments"]);

    // Latin-1: the place of the byte is told
    std::fs::write(
        &policy,
        good.replace("Checkout by flag", "Caf\u{e9}").chars().map(|c| c as u8).collect::<Vec<u8>>(),
    )
    .unwrap();
    refused(&f, &RUN, 2, &["UTF-8"]);

    std::fs::write(&policy, "").unwrap();
    refused(&f, &RUN, 2, &["empty policy"]);

    std::fs::write(&policy, format!("{good}\n{}", "# padding\n".repeat(5 << 20 >> 3))).unwrap();
    assert!(std::fs::metadata(&policy).unwrap().len() > 5 << 20);
    let begin = Instant::now();
    refused(&f, &RUN, 2, &["MiB"]);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());

    let nested = format!("{}harm{} <= 1%", "(".repeat(10_000), ")".repeat(10_000));
    std::fs::write(&policy, good.replace("harm <= 1%", &nested)).unwrap();
    let begin = Instant::now();
    refused(&f, &RUN, 2, &["checkout.canary:", "nested"]);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());

    std::fs::write(&policy, good.replace("guard harm: harm", "guard harm: hram")).unwrap();
    refused(&f, &RUN, 2, &["E0201", "hram", "harm", "checkout.canary:"]);
    std::fs::write(&policy, &good).unwrap();
    refused(&f, &["run", "checkout.canary", "--env", "pgae"], 2, &["pgae", "page"]);
    refused(&f, &["run", "checkout.canary", "--env", "page", "--set", "wacth=1s"], 2, &["wacth", "watch"]);
    refused(&f, &["run", "checkout.canary", "--env", "page", "--set", "watch=2m"], 2, &["watch"]);
    refused(&f, &["run", "checkout.canary", "--env", "page", "--fault", "crash"], 2, &["--env lab"]);
    std::fs::set_permissions(&policy, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&policy).is_ok() {
        println!("SKIPPED: an unreadable policy: this user reads everything");
    } else {
        refused(&f, &RUN, 2, &["cannot read checkout.canary: permission denied"]);
    }
    assert!(!f.work.path(".canary").exists(), "nothing of this made a store");
}

#[test]
fn a_query_for_a_metric_that_is_not_read() {
    let f = Flagged::new(good);
    refused(&f, &["query", "hram", "checkout.canary", "--env", "page"], 2, &["no metric `hram`", "harm"]);
    let done = f.work.canary(&["query", "harm", "checkout.canary", "--env", "page"]).exits(0);
    done.shows("harm = 0.1%").shows("1 series");
}

#[test]
fn a_store_that_is_none() {
    let f = Flagged::new(good);
    std::fs::create_dir(f.work.path(".canary")).unwrap();
    std::fs::write(f.work.path(".canary/store.db"), "this is no database, whatever its name says\n".repeat(100))
        .unwrap();
    refused(&f, &RUN, 3, &[".canary/store.db"]);
    std::fs::remove_dir_all(f.work.path(".canary")).unwrap();
    std::fs::write(f.work.path(".canary"), "a file where the folder should be").unwrap();
    refused(&f, &RUN, 3, &[".canary"]);
    refused(&f, &["history"], 2, &[".canary/store.db"]);
}

/// A small file system in memory; taken away at the end. None where this user may not mount one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"]).arg(&at).output();
        match done {
            Ok(d) if d.status.success() => Some(Self(at)),
            other => {
                println!("SKIPPED: a full disk: tmpfs cannot be mounted: {other:?}");
                assert!(
                    std::env::var("CANARY_REQUIRE_SERVERS").as_deref() != Ok("1"),
                    "tmpfs cannot be mounted, and CANARY_REQUIRE_SERVERS=1"
                );
                None
            }
        }
    }

    /// Takes all room that is left.
    fn fill(&self) {
        let file = self.0.join("ballast");
        let mut f = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        while std::io::Write::write_all(&mut f, &[0; 512]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_at_the_start() {
    let f = Flagged::new(good);
    let Some(disk) = SmallDisk::mount(f.work.path(".canary")) else { return };
    disk.fill();
    refused(&f, &RUN, 3, &[".canary/store.db"]);
    disk.free();
    f.work.canary(&RUN).exits(0);
}

#[test]
fn a_disk_that_fills_up_stops_every_raise() {
    let f = Flagged::new(good);
    let Some(disk) = SmallDisk::mount(f.work.path(".canary")) else { return };
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=1s"]);
    live.until("read back checkout = 5%", LONG);
    disk.fill();
    live.until("nothing is raised until the store can be written", LONG);
    // three times as long as the phase was to last
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(f.flag(), 0.05);
    disk.free();
    live.until("the store can be written again", LONG);
    live.end(LONG).exits(0);
    assert_eq!(f.flag(), 0.5);
    f.work.verify();
    let events = f.work.history();
    assert_eq!(of_kind(&events, "entered").len(), 2);
}

#[test]
fn a_disk_that_is_full_at_the_very_check_that_would_raise() {
    let f = Flagged::new(good);
    let policy = f.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    // the first check settles, the second raises: between them there is a second to take the room away
    std::fs::write(&policy, text.replace("check every 200ms", "check every 1s")).unwrap();
    let Some(disk) = SmallDisk::mount(f.work.path(".canary")) else { return };
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=1s"]);
    live.until("guard harm ok", LONG);
    disk.fill();
    live.until("not raised, the journal cannot be written", LONG);
    assert_eq!(f.flag(), 0.05);
    disk.free();
    live.end(LONG).exits(0);
    assert_eq!(f.flag(), 0.5);
    f.work.verify();
    assert_eq!(of_kind(&f.work.history(), "entered").len(), 2);
}

#[test]
fn a_disk_that_is_full_does_not_stop_a_rollback() {
    let harm = Dial::default();
    let shown = harm.clone();
    let f = Flagged::new(move |_| shown.get());
    let Some(disk) = SmallDisk::mount(f.work.path(".canary")) else { return };
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=20s"]);
    live.until("read back checkout = 5%", LONG);
    disk.fill();
    harm.set(0.2);
    live.until("rollback: guard harm breached", LONG);
    live.until("read back checkout = 0%", LONG);
    assert_eq!(f.flag(), 0.0);
    let done = live.end(LONG).exits(1);
    assert!(done.out.contains("store"), "the run says that it could not be written: {}", done.out);
    disk.free();
    // what the store has of the run is whole; the run is not over for it, and finishing it changes nothing any more
    f.work.verify();
    f.work.canary(&["run", "checkout.canary", "--env", "page", "--set", "watch=20s"]).exits(3).says("--resume");
    f.work.canary(&["abort", "checkout"]).exits(0);
    assert_eq!(f.flag(), 0.0);
    let ended = of_kind(&f.work.history(), "finished").len();
    assert_eq!(json!(ended), json!(1));
}

#[test]
fn a_reader_that_went_away_is_no_reason_to_panic() {
    let f = Flagged::new(good);
    f.work.canary(&["run", "checkout.canary", "--env", "page"]).exits(0);
    for args in [&["history", "checkout"][..], &["status"], &["why"], &["plan", "checkout.canary", "--env", "page"]] {
        let mut child = f
            .work
            .command(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// Two flags `a` and `b` of one file; what they are bound to follows.
const TWO: &str = "edition 2026\n\nmetric harm: ratio = prometheus(`error_share`, max_age: 1s)\nflag a: bool\nflag b: bool\n\n\
    rollout checkout \"Checkout\" {\n  check every 200ms\n  guard harm: harm <= 1%  tolerate 200ms  else rollback\n  \
    phase both { flag a = on  flag b = on  hold 200ms }\n}\n";

fn two(bound: &str) -> Flagged {
    let f = Flagged::new(good);
    let environment =
        "edition 2026\n\nenvironment page {\n  prometheus = scrape(urls: [env(\"METRICS_URL\")], every: 100ms)\n";
    std::fs::write(f.work.path("checkout.canary"), TWO).unwrap();
    std::fs::write(f.work.path("environments/page.canary"), format!("{environment}{bound}}}\n")).unwrap();
    std::fs::write(&f.file, "{\"checkout\": 0, \"a\": false, \"b\": false}").unwrap();
    std::os::unix::fs::symlink("flags.json", f.work.path("link.json")).unwrap();
    f
}

/// A check of the text sees two files where there is a link.
#[test]
fn two_flags_that_are_one_value_behind_a_link() {
    for (key, why) in [("a", "b: is the same value as `a`: a in "), ("a/b", "b: a/b and `a`'s a in ")] {
        let f = two(&format!(
            "  a = json_file(path: \"../flags.json\", key: \"a\")\n  b = json_file(path: \"../link.json\", key: \"{key}\")\n"
        ));
        refused(&f, &RUN, 3, &[why, "give each flag a key of its own"]);
    }
}

/// Two names of a file are one file: one write, and one reload that sees both.
#[test]
fn two_names_of_a_file_are_one_write() {
    let reload = "reload: [\"sh\", \"-c\", \"cat ../flags.json >> ../log; echo >> ../log\"]";
    let f = two(&format!(
        "  a = json_file(path: \"../flags.json\", key: \"a\", {reload})\n  \
           b = json_file(path: \"../link.json\", key: \"b\", {reload})\n"
    ));
    f.work.canary(&RUN).exits(0);
    assert_eq!(
        std::fs::read_to_string(f.work.path("log")).unwrap(),
        "{\"checkout\": 0, \"a\": true, \"b\": true}\n",
        "one reload, and it saw both"
    );
}
