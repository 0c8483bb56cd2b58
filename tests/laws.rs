//! The laws of every text (`fuzz/src/lib.rs`, which the fuzzers use) on what the project has: its policies, its wrong policies,
//! both with pieces cut out, doubled and exchanged; and texts that are made to be slow.
//!
//!   CANARY_CASES=100000 cargo test --test laws                             more changed texts
//!   cargo test --release --test laws -- --ignored --nocapture --test-threads 1    a megabyte of each hostile text, with limits
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "../fuzz/src/lib.rs"]
mod laws;

use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// All texts of the project, good and bad.
fn texts() -> &'static [(String, String)] {
    fn walk(folder: &Path, out: &mut Vec<(String, String)>) {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "canary") {
                out.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    static TEXTS: OnceLock<Vec<(String, String)>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let mut out = Vec::new();
        for folder in ["policies", "examples", "tests/fixtures", "tests/check"] {
            walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut out);
        }
        out.sort();
        assert!(out.len() > 100, "only {} texts", out.len());
        out
    })
}

fn all_laws(text: &str) {
    laws::parser(text);
    laws::formatter(text);
    laws::checker(text);
}

#[test]
fn every_text_of_the_project_obeys_the_laws() {
    for (name, text) in texts() {
        // the name of a text that does not comes first in what is printed
        println!("{name}");
        all_laws(text);
    }
}

/// What was found by the fuzzers, each once.
#[test]
fn what_the_fuzzers_found_stays_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fuzzed");
    for path in std::fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()) {
        println!("{}", path.display());
        all_laws(&std::fs::read_to_string(&path).unwrap());
    }
}

/// What imports begin with is read, each by one of the formats at least; else the laws would only be asked of what is refused.
#[test]
fn every_seed_of_the_imports_is_read() {
    use canary::sim::recording::import::{csv, prometheus_json, promtool};
    for (name, text) in seeds() {
        laws::recordings::text(&text);
        let read = [csv(&text), prometheus_json(&text), promtool(&text, 0)];
        assert!(read.iter().any(Result::is_ok), "{name}: {read:?}");
    }
}

/// The nearest end of a character.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap()
}

fn cases() -> u32 {
    std::env::var("CANARY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Pieces of one text put into another one, at several places.
    #[test]
    fn changed_texts_obey_the_laws(which in any::<prop::sample::Index>(), changes in prop::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..40, any::<prop::sample::Index>(), 0_usize..40), 1..6,
    )) {
        all_laws(&changed(which, changes, texts()));
    }

    /// The same of texts that are imported as recordings.
    #[test]
    fn changed_imports_obey_the_laws(which in any::<prop::sample::Index>(), changes in prop::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..40, any::<prop::sample::Index>(), 0_usize..40), 1..6,
    )) {
        laws::recordings::text(&changed(which, changes, &seeds()));
    }

    /// The same of recordings, with pieces of others in them or bytes turned.
    #[test]
    fn changed_recordings_obey_the_laws(which in any::<prop::sample::Index>(), changes in prop::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..40, any::<prop::sample::Index>(), 0_usize..40), 0..6,
    ), turned in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let all = recordings();
        let mut bytes = which.get(all).clone();
        for (at, from, len, other, cut) in changes {
            let other = other.get(all);
            let start = from.index(other.len());
            let piece = other[start..other.len().min(start + len)].to_vec();
            let at = at.index(bytes.len().max(1));
            bytes.splice(at..bytes.len().min(at + cut), piece);
        }
        for (at, by) in turned {
            let at = at.index(bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= by;
            }
        }
        laws::recordings::bytes(&bytes);
    }
}

/// The recordings of the examples.
fn recordings() -> &'static [Vec<u8>] {
    static ALL: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        let examples = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap();
        let mut files: Vec<_> =
            examples.map(|e| e.unwrap().path().join("recording.parquet")).filter(|p| p.exists()).collect();
        files.sort();
        assert!(files.len() >= 3, "{files:?}");
        files.iter().map(|p| std::fs::read(p).unwrap()).collect()
    })
}

#[test]
fn the_recordings_of_the_examples_obey_the_laws() {
    for bytes in recordings() {
        laws::recordings::bytes(bytes);
    }
}

/// Where a piece goes, where in which text it is from, how long it is, and how much it replaces.
type Change = (prop::sample::Index, prop::sample::Index, usize, prop::sample::Index, usize);

/// One of the texts with pieces of others in it.
fn changed(which: prop::sample::Index, changes: Vec<Change>, texts: &[(String, String)]) -> String {
    let (_, text) = which.get(texts);
    let mut text = text.clone();
    for (at, from, len, other, cut) in changes {
        if text.is_empty() {
            break;
        }
        let (_, other) = other.get(texts);
        let start = floor(other, from.index(other.len().max(1)));
        let piece = other[start..floor(other, start + len)].to_owned();
        let at = floor(&text, at.index(text.len()));
        text.replace_range(at..floor(&text, at + cut), &piece);
    }
    text
}

/// The texts that the fuzzer of imports begins with.
fn seeds() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut out: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    out.sort();
    assert!(out.len() >= 3, "only {} texts", out.len());
    out
}

/// Texts that a slow step would show itself on, of about so many bytes.
fn hostile(size: usize) -> Vec<(&'static str, String)> {
    let fill = |unit: &str| unit.repeat(size / unit.len());
    let numbered = |one: fn(usize) -> String| {
        let mut out = String::new();
        for i in 0.. {
            if out.len() >= size {
                break;
            }
            out.push_str(&one(i));
        }
        out
    };
    vec![
        ("open brackets", format!("let x = {}", fill("["))),
        ("deep brackets", format!("let x = {}{}", "(".repeat(size / 2), ")".repeat(size / 2))),
        ("deep braces", fill("rollout r { phase p { ")),
        ("shallow brackets", format!("let x = {}", fill("(y) "))),
        ("backticks", fill("`")),
        ("backticks on lines", fill("`\nmetric a\n")),
        ("unclosed strings", fill("\"a\n")),
        ("quotes", fill("\"")),
        ("operators", format!("let x = y{}", fill(" + y"))),
        ("ands", format!("rollout r {{ guard g: a < 1{} else hold }}", fill(" and a < 1"))),
        ("nots", format!("let x = {}y", fill("not "))),
        ("commas", format!("channel a{}", fill(", a"))),
        ("list", format!("let x = [1{}]", fill(", 1"))),
        ("digits", format!("let x = {}", fill("1"))),
        ("units", format!("let x = {}", fill("1h"))),
        ("dots", format!("let x = a{}", fill(".a"))),
        ("comments", fill("# a\n")),
        ("foreign comments", fill("/* \n")),
        ("blanks", fill(" \n\t")),
        ("elses", format!("rollout r {{ {} }}", fill("else "))),
        ("words", fill("word ")),
        ("keywords", fill("guard ")),
        ("no letters", fill("“ö")),
        ("placeholders", format!("metric a: count = prometheus(`{}`)", fill("${where}"))),
        ("one query", format!("metric a: count = prometheus(`{}1`)", fill("1 + "))),
        ("guards", format!("rollout r {{ {} }}", numbered(|i| format!("guard g{i}: a < 1 else hold\n")))),
        ("wrong guards", format!("rollout r {{ {} }}", numbered(|i| format!("guard g{i}: a < else hold\n")))),
        (
            "phases",
            format!("traffic t rollout r {{ {} }}", numbered(|i| format!("phase p{i} {{ traffic t = 5% hold 1m }}\n"))),
        ),
        ("params", numbered(|i| format!("param p{i}: ratio = 1% at most 5% \"x\"\n"))),
        ("lets", format!("let l0 = 1\n{}", numbered(|i| format!("let l{} = l{i} + l{i}\n", i + 1)))),
        ("metrics", numbered(|i| format!("metric m{i}: ratio = prometheus(`up`)\n"))),
        ("one name", fill("traffic a\n")),
        ("bindings", format!("environment e {{ {} }}", numbered(|i| format!("n{i} = lab()\n")))),
        ("environments", numbered(|i| format!("environment e{i} {{ a = lab() }}\n"))),
        ("switches", numbered(|i| format!("killswitch k{i} {{ flag f = off }}\n"))),
        ("rollouts", numbered(|i| format!("rollout r{i} {{ phase p {{ hold 1m }} }}\n"))),
    ]
}

/// Parse, check, compile for the lab, format: as the commands do.
fn everything(text: &str) -> usize {
    use canary::syntax::source::{FileId, SourceMap};
    let mut map = SourceMap::default();
    let id = map.add("hostile.canary", text);
    let (file, mut found) = canary::syntax::parse(id, text);
    let files = [file];
    let checked = canary::check::check_files(&files, &map);
    if let Some(rollout) = checked.rollouts.first() {
        let _ = canary::check::compile(&files, &map, Some(rollout), Some("lab"), &[]);
    }
    found.extend(checked.diagnostics);
    let _ = canary::syntax::format::format(FileId(0), text);
    found.len()
}

#[test]
fn hostile_texts_obey_the_laws() {
    for (name, text) in hostile(3_000) {
        println!("{name}");
        all_laws(&text);
    }
}

/// Kilobytes that this process has held at most since the mark was last taken down, from the kernel's own books.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "a measurement with limits, for a release build on an idle machine: tests/nightly/run"]
fn a_megabyte_of_anything_takes_two_seconds_and_200_megabytes() {
    let mut slow = Vec::new();
    for (name, text) in hostile(1_000_000) {
        // `5` takes the mark down to what is held now
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let start = Instant::now();
        let found = everything(&text);
        let (took, mb) = (start.elapsed(), peak() / 1024);
        println!("{name:>20} {took:>9.0?} {mb:>6} MB {found:>6} findings");
        if took > Duration::from_secs(2) || mb > 200 {
            slow.push(format!("{name}: {took:.1?}, {mb} MB"));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
