//! Flags that are set together: two processes that toggle, a reader that polls, a writer that is killed, a reload that hangs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::backend::flag::FlagKind;
use canary::backend::flag_file::{FlagDocument, FlagFile, Format, Reload};
use canary::backend::{Port, SharedWrite};
use canary::plan::{PortId, Setting};
use canary::runtime::Backends;
use canary::runtime::apply::{Applied, Request, applier};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Toggles of each of two processes: a thousand together on JSON, where the writer is the same for all formats.
fn toggles(format: Format) -> i64 {
    if format == Format::Json { 500 } else { 80 }
}

/// The files and what is theirs besides the flags.
const FILES: [(Format, &str, &str); 4] = [
    (
        Format::Json,
        "f.json",
        "{\n  // flags\n  \"a1\": false, \"a2\": false, \"an\": 0,\n  \"b1\": false, \"b2\": false, \"bn\": 0,\n  \"keep\": [1,2]\n}\n",
    ),
    (Format::Yaml, "f.yaml", "# flags\na1: false\na2: false\nan: 0\nb1: false\nb2: false\nbn: 0\nkeep: [1,2] # last\n"),
    (
        Format::Toml,
        "f.toml",
        "# flags\na1 = false\na2 = false\nan = 0\nb1 = false\nb2 = false\nbn = 0\nkeep = [1,2] # last\n",
    ),
    (Format::Env, "f.env", "# flags\na1=false\na2=false\nan=0\nexport b1=false\nb2=false\nbn=0\nkeep='[1,2]' # last\n"),
];

fn format_of(path: &Path) -> Format {
    FILES.iter().find(|(_, name, _)| path.ends_with(name)).unwrap().0
}

/// Two flags and a counter of one file.
struct Group {
    document: Arc<FlagDocument>,
    count: FlagFile,
}

impl Group {
    fn new(path: &Path, prefix: &str) -> Self {
        let document = FlagDocument::new(format_of(path), path, None);
        for key in ["1", "2"] {
            document.flag(&format!("{prefix}{key}"), FlagKind::Bool, None).unwrap();
        }
        let count = document.flag(&format!("{prefix}n"), FlagKind::Count, None).unwrap();
        Self { document, count }
    }

    /// The n-th toggle: both flags and the counter in one write.
    async fn toggle(&self, n: i64) {
        let on = Setting::Bool(n % 2 == 1);
        self.document.write(&[(0, on), (1, on), (2, Setting::Count(n))], false).await.unwrap();
    }
}

/// What the two groups of a text say; the flags of a group agree with each other and with their counter.
fn groups(path: &Path, text: &str) -> (i64, i64) {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for part in text.split([',', '\n', '{', '}']) {
        if let Some((key, value)) = part.split_once([':', '=']) {
            let key = key.trim().trim_matches('"').trim_start_matches("export ").to_owned();
            said.insert(key, value.trim().to_owned());
        }
    }
    let group = |g: &str| {
        let n: i64 = said[&format!("{g}n")].parse().unwrap();
        let on = (n % 2 == 1).to_string();
        assert_eq!(
            (&said[&format!("{g}1")], &said[&format!("{g}2")]),
            (&on, &on),
            "half a group in {}:\n{text}",
            path.display()
        );
        n
    };
    let last = FILES.iter().find(|(_, name, _)| path.ends_with(name)).unwrap().2.lines().last().unwrap();
    assert!(text.ends_with(&format!("{last}\n")), "torn:\n{text}");
    (group("a"), group("b"))
}

/// This test program again, as another process that runs one ignored test on a file.
fn another_process(test: &str, file: &Path, group: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--quiet"]).env("FLAG_FILE", file).env("FLAG_GROUP", group);
    command.stdout(std::process::Stdio::null());
    command
}

/// What [`another_process`] gives; `None` where somebody runs all ignored tests.
fn given() -> Option<(PathBuf, String)> {
    let file = std::env::var("FLAG_FILE").ok();
    if file.is_none() {
        println!("SKIPPED: this is the second half of another test");
    }
    Some((file?.into(), std::env::var("FLAG_GROUP").ok()?))
}

#[tokio::test]
#[ignore = "run by two_processes_toggle_a_thousand_times"]
async fn toggle_in_another_process() {
    let Some((path, prefix)) = given() else { return };
    let group = Group::new(&path, &prefix);
    for n in 1..=toggles(format_of(&path)) {
        group.toggle(n).await;
        assert_eq!(group.count.read().await, Ok(Setting::Count(n)), "an update of {prefix} was lost");
    }
}

fn toggled_by_two(format: Format) {
    let folder = tempfile::tempdir().unwrap();
    let (_, name, start) = FILES.iter().find(|f| f.0 == format).unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, start).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (path, done) = (path.clone(), Arc::clone(&done));
        move || {
            let (mut seen, mut last) = (0usize, (0, 0));
            while !done.load(Ordering::SeqCst) {
                let now = groups(&path, &std::fs::read_to_string(&path).unwrap());
                assert!(now.0 >= last.0 && now.1 >= last.1, "{last:?} then {now:?}");
                seen += usize::from(now != last);
                last = now;
            }
            seen
        }
    });
    let children = ["a", "b"].map(|g| another_process("toggle_in_another_process", &path, g).spawn().unwrap());
    for mut c in children {
        assert!(c.wait().unwrap().success());
    }
    done.store(true, Ordering::SeqCst);
    assert!(reader.join().unwrap() > 50, "the reader saw too little");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(groups(&path, &text), (toggles(format), toggles(format)));
    // an even number of toggles: only the counters are others
    assert_eq!(text.replace(&toggles(format).to_string(), "0"), *start);
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [format!(".{name}.lock").as_str(), name]);
}

#[test]
fn two_processes_toggle_a_thousand_times() {
    for (format, ..) in FILES {
        toggled_by_two(format);
    }
}

#[tokio::test]
#[ignore = "run by a_killed_writer_leaves_the_old_file_or_the_new_one"]
async fn toggle_until_killed() {
    let Some((path, prefix)) = given() else { return };
    let group = Group::new(&path, &prefix);
    let Setting::Count(from) = group.count.read().await.unwrap() else { panic!("no counter") };
    for n in from + 1.. {
        group.toggle(n).await;
    }
}

#[test]
fn a_killed_writer_leaves_the_old_file_or_the_new_one() {
    let kills: u64 = std::env::var("CANARY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(120);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut moved = 0;
    for kill in 0..kills {
        let (_, name, start) = FILES[usize::try_from(kill % 4).unwrap()];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, start).unwrap();
        let mut child = another_process("toggle_until_killed", &path, "a").spawn().unwrap();
        let begun = Instant::now();
        while groups(&path, &std::fs::read_to_string(&path).unwrap()).0 == 0 {
            assert!(begun.elapsed() < Duration::from_secs(20) && child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_micros(200));
        }
        // anywhere in a write: a few milliseconds further, in steps that no write's length divides
        std::thread::sleep(Duration::from_micros(kill.wrapping_mul(7919) % 12_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let (n, _) = groups(&path, &std::fs::read_to_string(&path).unwrap());
        moved += u64::from(n > 1);
        // the lock went with the process, and what it left is swept
        let next = Group::new(&path, "b");
        let begun = Instant::now();
        runtime.block_on(next.toggle(1));
        assert!(begun.elapsed() < Duration::from_secs(4), "the dead writer's lock still holds");
        assert_eq!(groups(&path, &std::fs::read_to_string(&path).unwrap()), (n, 1));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
    println!("{kills} kills, {moved} after more than one write");
    assert!(moved > kills / 20, "only {moved} of {kills} writers were hit while they wrote");
}

/// An applier over flags of one file; what it told; the way to ask it.
struct Applying {
    requests: watch::Sender<Option<Request>>,
    told: mpsc::Receiver<Applied>,
    epoch: u32,
}

impl Applying {
    fn new(ports: Vec<FlagFile>) -> Self {
        let backends = Backends {
            slices: None,
            sources: BTreeMap::new(),
            ports: ports.into_iter().map(|p| Arc::new(p) as Arc<dyn Port>).collect(),
            channels: Vec::new(),
            actions: Vec::new(),
            variants: BTreeMap::new(),
        };
        let (requests, rx) = watch::channel(None);
        let (tell, told) = mpsc::channel(64);
        tokio::spawn(applier(backends, rx, tell));
        Self { requests, told, epoch: 0 }
    }

    fn ask(&mut self, settings: &[Setting], lowers: bool) {
        self.epoch += 1;
        let settings = settings.iter().enumerate().map(|(i, s)| (PortId::at(i), *s)).collect();
        self.requests.send_replace(Some(Request { epoch: self.epoch, settings, lowers }));
    }

    async fn verified(&mut self) -> Vec<Setting> {
        loop {
            match tokio::time::timeout(Duration::from_secs(30), self.told.recv()).await.unwrap().unwrap() {
                Applied::Verified { epoch, read, .. } if epoch == self.epoch => {
                    return read.into_iter().map(|(_, s)| s).collect();
                }
                _ => {}
            }
        }
    }

    async fn trouble(&mut self) -> String {
        loop {
            if let Applied::Trouble { message, .. } =
                tokio::time::timeout(Duration::from_secs(30), self.told.recv()).await.unwrap().unwrap()
            {
                return message;
            }
        }
    }
}

const ON: Setting = Setting::Bool(true);
const OFF: Setting = Setting::Bool(false);

fn with_reload(folder: &Path, script: &str, within: Duration) -> Vec<FlagFile> {
    std::fs::write(folder.join("f.json"), "{\"a\": false, \"b\": false}").unwrap();
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    let reload = Reload::new(argv, folder, within).unwrap();
    let document = FlagDocument::new(Format::Json, folder.join("f.json"), Some(reload));
    ["a", "b"].map(|k| document.flag(k, FlagKind::Bool, None).unwrap()).to_vec()
}

#[tokio::test]
async fn a_group_is_set_by_one_write_and_one_reload() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let mut a = Applying::new(with_reload(folder.path(), "cat f.json >> log; echo >> log", Duration::from_secs(5)));
    a.ask(&[ON, ON], false);
    assert_eq!(a.verified().await, [ON, ON]);
    assert_eq!(file("log"), "{\"a\": true, \"b\": true}\n", "one reload, and it saw both");
    a.ask(&[OFF, ON], true);
    assert_eq!(a.verified().await, [OFF, ON]);
    assert_eq!(file("log").lines().count(), 2);
    // nothing to do: nothing is done
    a.ask(&[OFF, ON], true);
    assert_eq!(a.verified().await, [OFF, ON]);
    assert_eq!(file("log").lines().count(), 2);
}

#[tokio::test]
async fn a_failing_reload_is_no_verified_setting() {
    let folder = tempfile::tempdir().unwrap();
    let script = "test -e mended || { echo no such deployment >&2; exit 1; }";
    let mut a = Applying::new(with_reload(folder.path(), script, Duration::from_secs(5)));
    a.ask(&[ON, ON], false);
    let trouble = a.trouble().await;
    assert!(trouble.contains("exit status 1: no such deployment"), "{trouble}");
    std::fs::write(folder.path().join("mended"), "").unwrap();
    assert_eq!(a.verified().await, [ON, ON]);
}

/// A rollback does not wait for the reload of what it takes back.
#[tokio::test]
async fn a_hanging_reload_gives_way_to_a_rollback() {
    let folder = tempfile::tempdir().unwrap();
    // hangs while the flag is on, with a child of its own
    let script =
        "if grep -q true f.json; then sleep 300 & echo $! > child; echo $$ > hanging; wait; fi; echo done >> log";
    let mut a = Applying::new(with_reload(folder.path(), script, Duration::from_secs(300)));
    a.ask(&[ON, ON], false);
    let begun = Instant::now();
    while !folder.path().join("hanging").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    a.ask(&[OFF, OFF], true);
    let begun = Instant::now();
    assert_eq!(a.verified().await, [OFF, OFF]);
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited for the reload");
    assert_eq!(std::fs::read_to_string(folder.path().join("f.json")).unwrap(), "{\"a\": false, \"b\": false}");
    assert_eq!(std::fs::read_to_string(folder.path().join("log")).unwrap(), "done\n", "its own reload ran to its end");
    for name in ["hanging", "child"] {
        let pid = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let gone = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
            status.is_empty() || status.contains("State:\tZ")
        };
        let begun = Instant::now();
        while !gone() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{name} {pid} still runs");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A reload that takes longer than it may is a failure, and is tried again.
#[tokio::test]
async fn a_reload_has_its_time_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let script = "test -e second || { touch second; sleep 300; }";
    let mut a = Applying::new(with_reload(folder.path(), script, Duration::from_millis(100)));
    a.ask(&[ON, ON], false);
    let trouble = a.trouble().await;
    assert!(trouble.contains("timed out after 100ms"), "{trouble}");
    assert_eq!(a.verified().await, [ON, ON]);
}
