//! How fast the front end is, as a library: parse, parse and check, format, in bytes a second; and one buffer of 2,000 lines, as
//! an editor would ask about it at each keystroke.   cargo bench --bench speed
//!
//! `benches/check` compares whole processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a measurement may stop at the first surprise"
)]

use canary::syntax::source::{FileId, SourceMap};
use canary::{check, syntax};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// The declarations of one policy, its rollout under guards `guards` times, in about `lines` lines.
fn policy(lines: usize) -> String {
    let mut text = String::from("edition 2026\n\ntraffic shop\nchannel team\n\n");
    let mut n = 0;
    while text.lines().count() + 12 < lines {
        n += 1;
        text.push_str(&format!(
            "# what fails, and how slow it is, in part {n}\n\
             param most_{n}: ratio = 1% at most 5% \"share of failed requests we live with\"\n\
             metric failed_{n}:  counter   = prometheus(`http_requests_total{{code=~\"5..\", part=\"{n}\", ${{where}}}}`)\n\
             metric served_{n}:  counter   = prometheus(`http_requests_total{{part=\"{n}\", ${{where}}}}`)\n\
             metric errors_{n}:  events    = events(bad: failed_{n}, total: served_{n}, window: 2m)\n\
             metric latency_{n}: histogram = prometheus(`http_request_duration_seconds_bucket{{part=\"{n}\", ${{where}}}}`, unit: 1s, window: 2m)\n\n\
             rollout shop_{n} \"part {n}\" {{\n\
             \x20 check every 15s\n\
             \x20 no data tolerate 10m else pause\n\
             \x20 guard errors: errors_{n} < most_{n} at least 300 events tolerate 1m else rollback\n\
             \x20 guard harm: errors_{n} <= greater(stable * 150%, 0.5%) at least 300 events until full tolerate 2m else rollback\n\
             \x20 guard slow: share(latency_{n} < 300ms) >= 95% at least 300 events tolerate 5m else rollback\n\
             \x20 phase taste {{ traffic shop = 5% hold 10m }}\n\
             \x20 phase half {{ traffic shop = 50% hold 30m promote when healthy for 10m within 2h else rollback }}\n\
             \x20 phase full {{ traffic shop = 100% hold 1h }}\n\
             \x20 on breach, rollback, pause, blind: notify team\n\
             }}\n\n",
        ));
    }
    let (_, found) = syntax::parse(FileId(0), &text);
    assert!(found.is_empty(), "{found:?}");
    text
}

fn checked(text: &str) -> usize {
    let mut map = SourceMap::default();
    let id = map.add("buffer.canary", text);
    let (file, mut found) = syntax::parse(id, text);
    found.extend(check::check_files(&[file], &map).diagnostics);
    found.len()
}

/// Lines of one file.
const LINES: [usize; 2] = [2_000, 10_000];

#[divan::bench(args = LINES)]
fn parse(bencher: Bencher, lines: usize) {
    let text = policy(lines);
    bencher.counter(BytesCount::of_str(&text)).bench(|| syntax::parse(FileId(0), black_box(&text)));
}

/// What an editor asks for: everything that is wrong with a buffer, as data.
#[divan::bench(args = LINES)]
fn parse_and_check(bencher: Bencher, lines: usize) {
    let text = policy(lines);
    assert_eq!(checked(&text), 0, "a clean policy");
    bencher.counter(BytesCount::of_str(&text)).bench(|| checked(black_box(&text)));
}

/// The same where every rollout has a mistake.
#[divan::bench(args = LINES)]
fn parse_and_check_wrong(bencher: Bencher, lines: usize) {
    let text = policy(lines).replace(">= 95%", ">= 95");
    let found = checked(&text);
    assert!(found > 50, "{found}");
    bencher.counter(BytesCount::of_str(&text)).counter(ItemsCount::new(found)).bench(|| checked(black_box(&text)));
}

#[divan::bench(args = LINES)]
fn format(bencher: Bencher, lines: usize) {
    let text = policy(lines);
    bencher.counter(BytesCount::of_str(&text)).bench(|| syntax::format::format(FileId(0), black_box(&text)).unwrap());
}
