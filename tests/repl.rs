//! Conversations: what was entered and what was answered, as they stand in `tests/repl/*.transcript`, on recordings made in memory; and
//! entries by chance, which must not stop anything. `CANARY_TRANSCRIPTS=write cargo test --test repl` writes the answers anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    missing_docs,
    dead_code,
    reason = "a test may stop at the first surprise"
)]

#[path = "replay/world.rs"]
mod world;

use canary::plan::{Answer, Ask, Plan, Population, Reading, Window};
use canary::repl::session::{Policy, Recorded, Session};
use canary::repl::{COMMANDS, NameKind, Talk};
use canary::report::style::Style;
use canary::sim::recording::Recording;
use canary::sim::replay::{self, Scenario};
use canary::syntax::{self, source::SourceMap};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use world::{buckets, known, plan, range};

fn shop_text() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repl/shop.canary")).unwrap()
}

fn policy(text: &str) -> Policy {
    let mut map = SourceMap::default();
    let id = map.add("shop.canary", text);
    let (file, found) = syntax::parse(id, text);
    assert!(found.is_empty(), "{found:#?}");
    Policy { map, files: vec![file], rollout: None, environment: None, others: BTreeSet::new() }
}

/// Ninety minutes: from 15m on a share of the requests is slow, from 25m to 32m some fail, the pool is silent at 5m, and nobody has asked
/// how long the queue is.
fn shop(plan: &Plan) -> Recording {
    let minute = 4;
    range(plan, 90 * minute + 1, |k, i| {
        let input = &plan.inputs[i];
        let canary = input.population == Population::Canary;
        let failing = canary && (25 * minute..32 * minute).contains(&k);
        let reading = match (&input.ask, input.metric.as_str()) {
            (Ask::Increase(_, Window::Last(_)), "failed") => Reading::Increase(if failing { 18.0 } else { 4.0 }),
            (Ask::Increase(_, Window::Last(_)), _) => Reading::Increase(1200.0),
            (Ask::Increase(..), "failed") => Reading::Increase(1.0),
            (Ask::Increase(..), _) => Reading::Increase(300.0),
            (Ask::Buckets(..), _) => buckets(1200.0, if k >= 15 * minute { 0.03 } else { 0.01 }),
            _ if (5 * minute..6 * minute).contains(&k) => return Answer::failed("connection refused"),
            _ => Reading::Value(0.4 + (k % 40) as f64 / 200.0),
        };
        known(reading, k, plan)
    })
}

fn session(text: &str, recorded: bool) -> Session {
    let recording =
        recorded.then(|| Recorded { name: String::from("shop.parquet"), recording: shop(&plan(text)), then: None });
    Session::new(policy(text), recording, Style::PLAIN, 100).unwrap()
}

/// What stands between prompt and entry.
const SIGN: &str = "› ";

/// A transcript with its answers given anew: comments at the top, then prompts with entries, and below each what is said.
fn retold(text: &str) -> String {
    let head: Vec<&str> = text.lines().take_while(|l| l.starts_with('#')).collect();
    let recorded = !head.iter().any(|l| l.to_lowercase().contains("without a recording"));
    let mut talk = session(&shop_text(), recorded);
    let mut out: String = head.iter().map(|l| format!("{l}\n")).collect();
    out.push_str(&format!("\n{}", talk.greeting()));
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((prompt, first)) = line.split_once(SIGN) else { continue };
        if prompt.contains("  ") || prompt.starts_with(' ') {
            continue;
        }
        let mut entry = first.to_owned();
        while let Some(more) = lines.next_if(|l| l.starts_with(&format!("  {}", SIGN.trim()))) {
            entry.push('\n');
            entry.push_str(more.trim_start().trim_start_matches(SIGN.trim()).strip_prefix(' ').unwrap_or(""));
        }
        let prompt = talk.prompt();
        let shown = entry.replace('\n', &format!("\n  {SIGN}"));
        out.push_str(&format!("\n{prompt} {SIGN}{shown}\n"));
        let reply = talk.enter(&entry);
        out.push_str(&reply.text);
        if reply.failed {
            out.push_str("(refused)\n");
        }
        if reply.ends {
            out.push_str("(over)\n");
        }
    }
    out.lines().map(|l| format!("{}\n", l.trim_end())).collect()
}

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repl");
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|p| p.extension().is_some_and(|e| e == "transcript"));
    all.sort();
    all
}

#[test]
fn conversations_go_as_they_are_written_down() {
    let write = std::env::var("CANARY_TRANSCRIPTS").is_ok_and(|v| v == "write");
    let (mut wrong, mut entered) = (Vec::new(), String::new());
    for path in transcripts() {
        let text = std::fs::read_to_string(&path).unwrap();
        let told = retold(&text);
        entered.push_str(&told);
        if write {
            std::fs::write(&path, &told).unwrap();
        } else if told != text {
            let first = told.lines().zip(text.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{}: {first:#?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // every command is in one of them, and each is refused once
    for command in COMMANDS {
        assert!(entered.contains(&format!("{SIGN}{}", command.name)), "no transcript has {}", command.name);
    }
}

/// Whatever is entered is answered; a refusal changes nothing.
#[test]
fn no_entry_stops_a_conversation() {
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        cases: std::env::var("CANARY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(50),
        failure_persistence: None,
        ..Default::default()
    });
    let words: Vec<String> = {
        let talk = session(&shop_text(), true);
        let names = talk.names().iter().map(|n| n.text.clone());
        let commands = COMMANDS.iter().map(|c| c.name.to_owned());
        let more = [
            "5m",
            "0s",
            "-1",
            "1%",
            "99999999999999999999",
            "1e308",
            "12m30s",
            "@",
            "<",
            ">",
            "==",
            "+",
            "*",
            "/",
            "(",
            ")",
            "{",
            "}",
            "[",
            "\"",
            "`",
            ":",
            "=",
            ",",
            ".",
            "..",
            "#",
            "\n",
            "é",
            "日本",
            "\u{0}",
            "\u{202e}",
            "start",
            "end",
            "test",
            "a.canary",
            "missing",
            "stale",
            "outage",
            "from",
            "to",
            "runner",
            "E0302",
            "NaN",
            "..5%:1%",
            "=1%..2%:1%",
            "x",
            "let x = ",
            "guard x: ",
            "on ",
            "errors.limit=2%",
            "max_errors=1%",
            "latency +300ms",
            "is",
            "ok",
            "failing",
            "292277026596-01-01T00:00Z",
            "2026-11-21T10:05Z",
            "9223372036854775807ms",
            "300000000000d",
            "per tenant",
        ];
        names.chain(commands).chain(more.map(str::to_owned)).collect()
    };
    let entry = proptest::collection::vec(0..words.len(), 1..9);
    let sign = proptest::bool::weighted(0.7);
    let some = proptest::collection::vec((entry, sign), 1..8);
    let text = shop_text();
    runner
        .run(&some, |entries| {
            let mut talk = session(&text, entries.len() % 4 != 0);
            for (entry, blanks) in entries {
                let entry: Vec<&str> = entry.iter().map(|i| words[*i].as_str()).collect();
                let entry = entry.join(if blanks { " " } else { "" });
                let (prompt, names) = (talk.prompt(), talk.names().to_vec());
                let reply = talk.enter(&entry);
                assert!(reply.text.is_empty() || reply.text.ends_with('\n'), "{entry:?}: {:?}", reply.text);
                if reply.failed {
                    assert!(!reply.text.trim().is_empty(), "{entry:?} is refused without a word");
                    assert_eq!((talk.prompt(), talk.names().to_vec()), (prompt, names), "{entry:?}");
                }
            }
            Ok(())
        })
        .unwrap();
}

/// Text by chance, and every beginning of a policy.
#[test]
fn any_text_is_answered() {
    let text = shop_text();
    let mut talk = session(&text, true);
    for (i, _) in text.char_indices().step_by(23) {
        talk.enter(&text[..i]);
        talk.enter(&text[i..]);
    }
    proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        cases: 60,
        failure_persistence: None,
        ..Default::default()
    })
    .run(&"\\PC{0,60}", |entry| {
        let mut talk = session(&text, true);
        talk.enter(&entry);
        talk.enter(&format!(":{entry}"));
        talk.enter(&format!("errors @ {entry}"));
        Ok(())
    })
    .unwrap();
}

/// Whoever looks on changes nothing: a replay that is watched decides what one that nobody watches does, also where the expression has
/// a state of its own.
#[test]
fn what_is_asked_changes_nothing() {
    let plan = plan(include_str!("replay/policy.canary"));
    for seed in 1..=30 {
        let (recording, _) = world::run(&plan, seed, 200);
        let alone = replay::replay(&plan, &recording, &Scenario::default());
        let mut last = None;
        let watched = replay::watch(&plan, &recording, &Scenario::default(), None, &mut |check| {
            assert!(last.is_none_or(|t| t < check.at), "checks rise");
            last = Some(check.at);
        });
        assert_eq!(alone.decisions, watched.decisions, "seed {seed}");
        assert_eq!(alone.verdict, watched.verdict);
        // stopped anywhere it is the beginning of the same
        for until in [0, 15_000, 600_000, 1_200_001].map(|d| alone.start + d) {
            let cut = replay::watch(&plan, &recording, &Scenario::default(), Some(until), &mut |check| {
                assert!(check.at <= until);
            });
            let beginning = alone.decisions.iter().filter(|d| d.at <= cut.end).count();
            assert_eq!(cut.decisions[..beginning], alone.decisions[..beginning], "seed {seed}");
        }
    }
}

/// What a guard says, an expression says: the same condition with the same operators, typed in, at every check.
#[test]
fn an_expression_is_what_the_guard_reads() {
    let text = shop_text();
    let mut talk = session(&text, true);
    for (minute, guard, condition) in [
        (3, "errors", "errors < max_errors"),
        (26, "errors", "errors < max_errors"),
        (26, "harm", "errors <= stable + 2pp"),
        (20, "slow", "share(latency < slow_bound) >= 95%"),
    ] {
        let said = talk.enter(&format!("{condition} @ {minute}m")).text;
        let is = talk.enter(&format!("guard {guard} @ {minute}m")).text;
        // `value 1.5%, limit 1%, margin -0.5pp`
        let sides = said.lines().nth(1).unwrap().trim().to_owned();
        let sides = sides.split(", 1200 events").next().unwrap();
        assert!(is.contains(sides), "{said}\n{is}");
        assert_eq!(said.starts_with("true"), is.contains("  ok"), "{said}\n{is}");
    }
}

#[test]
fn names_tell_what_they_are() {
    let mut talk = session(&shop_text(), true);
    let find = |talk: &Session, text: &str, kind: NameKind| {
        let found = talk.names().iter().find(|n| n.text == text && n.kind == kind);
        let found = found.unwrap_or_else(|| panic!("no {text}"));
        (found.hint.clone(), found.doc.clone())
    };
    let own = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(find(&talk, "errors", NameKind::Metric), own("events", "failed of all requests"));
    assert_eq!(find(&talk, "errors", NameKind::Guard), own("errors < max_errors", "else rollback"));
    assert_eq!(find(&talk, "errors.limit", NameKind::Field), own("ratio = 1%", "what it compares with"));
    let param = own("ratio = 1% at most 5%", "share of failed requests we live with");
    assert_eq!(find(&talk, "max_errors", NameKind::Param), param);
    assert_eq!(find(&talk, "slow_bound", NameKind::Let), own("= 300ms", "a quarter of a second, as people feel it"));
    assert_eq!(find(&talk, "checkout", NameKind::Port).0, "traffic");
    assert_eq!(find(&talk, "taste", NameKind::Phase).0, "checkout = 5%");
    assert_eq!(find(&talk, "prometheus", NameKind::Source).0, "asked every 15s");
    for (text, kind) in [("p99", NameKind::Function), ("stable", NameKind::Keyword), ("ms", NameKind::Unit)] {
        assert!(!find(&talk, text, kind).0.is_empty());
    }
    assert!(!talk.names().iter().any(|n| n.text == "calm"));
    assert!(!talk.enter("let calm = 2 * slow_bound").failed);
    assert_eq!(find(&talk, "calm", NameKind::Let).0, "= 2 * slow_bound");
    assert!(!talk.enter(":undo").failed);
    assert!(!talk.names().iter().any(|n| n.text == "calm"));
    // every function that is named can be called
    for n in talk.names().iter().filter(|n| n.kind == NameKind::Function) {
        let said = talk_to(&n.text);
        assert!(!said.contains("E0206"), "{}: {said}", n.text);
    }
}

fn talk_to(function: &str) -> String {
    session(&shop_text(), true).enter(&format!("{function}(pool)")).text
}
