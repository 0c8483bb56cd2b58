//! How fast a replay is: a month of checks from the file to the answer, a sweep of a thousand points, and a backtest of a week.
//!
//!   cargo bench --bench sim            # ours alone
//!   benches/peers/run                  # beside `promtool test rules` and pandas, on the same numbers, alert by alert
//!
//! With `--write DIR` the recordings and our figures stay there. Times of the library are the thread's own CPU time and the time that
//! passes, those of the binary are the time that passes; the least and the middle one of some rounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a measurement may stop at the first surprise"
)]

mod made;

use canary::engine::Verdict;
use canary::plan::Plan;
use canary::sim::recording::{Recording, decode_owned, encode};
use canary::sim::replay::{Detail, Scenario, replay};
use rustix::time::{ClockId, clock_gettime};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// How often each thing is measured.
const ROUNDS: usize = 9;

/// What a process, with all of its threads, has had of CPU so far, in milliseconds.
fn cpu() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
}

/// Some times, in milliseconds.
#[derive(serde::Serialize)]
struct Times {
    least: f64,
    median: f64,
}

fn times(mut all: Vec<f64>) -> Times {
    all.sort_by(f64::total_cmp);
    Times { least: all[0], median: all[all.len() / 2] }
}

/// The time that passes, and the CPU time of this process.
fn measured<R>(rounds: usize, mut work: impl FnMut() -> R) -> (Times, Times) {
    let (mut wall, mut used) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (begin, before) = (Instant::now(), cpu());
        let out = work();
        used.push(cpu() - before);
        wall.push(begin.elapsed().as_secs_f64() * 1e3);
        drop(out);
    }
    (times(wall), times(used))
}

fn row(figures: &mut Vec<serde_json::Value>, what: &str, (wall, used): (Times, Option<Times>)) {
    let used_text = used.as_ref().map_or(String::new(), |u| format!(", CPU {:.1} (median {:.1})", u.least, u.median));
    println!("{what}: {:.1} ms (median {:.1}){used_text}", wall.least, wall.median);
    figures.push(serde_json::json!({ "what": what, "wall": wall, "cpu": used }));
}

fn both((wall, used): (Times, Times)) -> (Times, Option<Times>) {
    (wall, Some(used))
}

/// `canary sim`, whole process.
fn binary(rounds: usize, args: &[&str], status: i32) -> (Times, Option<Times>) {
    let mut wall = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        let mut sim = Command::new(env!("CARGO_BIN_EXE_canary"));
        sim.arg("sim").args(args).stdout(Stdio::null());
        let ended = sim.status().unwrap();
        wall.push(begin.elapsed().as_secs_f64() * 1e3);
        assert_eq!(ended.code(), Some(status), "canary sim {args:?}");
    }
    (times(wall), None)
}

fn kept(folder: &Path, name: &str, recording: &Recording) -> (PathBuf, Vec<u8>) {
    let bytes = encode(recording).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, &bytes).unwrap();
    let rows: usize = recording.series.iter().map(|s| s.times.len()).sum();
    println!("{name}: {} series, {rows} answers, {:.1} MB", recording.series.len(), bytes.len() as f64 / 1e6);
    (file, bytes)
}

fn rolled_back(plan: &Plan, recording: &Recording, detail: Detail) {
    let outcome = replay(plan, recording, &Scenario { detail, ..Scenario::default() });
    assert_eq!(outcome.verdict, Some(Verdict::RolledBack), "the last rule takes back");
    let checks = (outcome.end - outcome.start) / plan.check_every + 1;
    assert!(checks > 172_000, "only {checks} checks");
}

fn month(folder: &Path, figures: &mut Vec<serde_json::Value>) {
    let policy = made::path("benches/sim/month.canary");
    let plan = made::plan("benches/sim/month.canary");
    let (file, bytes) = kept(folder, "month.parquet", &made::month(&plan));
    let read = || decode_owned(bytes.clone(), "month.parquet").unwrap();
    row(figures, "month: read the file", both(measured(ROUNDS, read)));
    let recording = read();
    for (detail, what) in
        [(Detail::Full, "all noted"), (Detail::Brief, "decisions alone"), (Detail::Course, "as a sweep does")]
    {
        let what = format!("month: replay, {what}");
        row(figures, &what, both(measured(ROUNDS, || rolled_back(&plan, &recording, detail))));
    }
    let file = file.to_str().unwrap();
    row(figures, "month: canary sim", binary(ROUNDS, &[&policy, "--recording", file], 1));
    row(
        figures,
        "month: canary sim --format json",
        binary(ROUNDS, &[&policy, "--recording", file, "--format", "json"], 1),
    );
    let grid = ["--vary", "r0.limit=4..8.95:0.05", "--vary", "r3.limit=5..9.5:0.5"];
    let args = [&[policy.as_str(), "--recording", file], grid.as_slice()].concat();
    row(figures, "month: canary sim --vary, 1,000 points", binary(1, &args, 0));
}

fn week(folder: &Path, figures: &mut Vec<serde_json::Value>) {
    let policy = made::path("policies/checkout.canary");
    let plan = made::plan("policies/checkout.canary");
    let (file, bytes) = kept(folder, "week.parquet", &made::week(&plan));
    let read = || decode_owned(bytes.clone(), "week.parquet").unwrap();
    row(figures, "week: read the file", both(measured(ROUNDS, read)));
    let file = file.to_str().unwrap();
    let recording = ["--recording", file];
    let args = [&[policy.as_str()], recording.as_slice(), &["--backtest", "every 1h"]].concat();
    row(figures, "week: canary sim --backtest 'every 1h'", binary(ROUNDS, &args, 0));
    let grid = ["--vary", "errors.limit=0.1%..5%:0.1%", "--vary", "slow.limit=80%..99%:1%"];
    let args = [&[policy.as_str()], recording.as_slice(), grid.as_slice()].concat();
    row(figures, "week: canary sim --vary, 1,000 points", binary(3, &args, 0));
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let write = args.iter().position(|a| a == "--write").map(|i| PathBuf::from(&args[i + 1]));
    let own = std::env::temp_dir().join(format!("canary-bench-{}", std::process::id()));
    let folder = write.clone().unwrap_or_else(|| own.clone());
    std::fs::create_dir_all(&folder).unwrap();
    let mut figures = Vec::new();
    month(&folder, &mut figures);
    week(&folder, &mut figures);
    if write.is_some() {
        let ours = serde_json::json!({ "binary": env!("CARGO_BIN_EXE_canary"), "figures": figures });
        std::fs::write(folder.join("ours.json"), format!("{ours:#}")).unwrap();
    } else {
        std::fs::remove_dir_all(&own).unwrap();
    }
}
